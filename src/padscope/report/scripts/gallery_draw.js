// How one filter of the gallery is drawn. All text goes in as text, never as markup.

const block = JSON.parse(document.getElementById("gallery-data").textContent);
const { columns, arrays, words, sites, palettes } = block;
const SVG = "http://www.w3.org/2000/svg";
const NO_WEIGHT = -128;
const NO_VALUE = 255;
const WEIGHTS = 127; // steps from 0 to the greatest weight
const LEVELS = 254; // steps from the least to the greatest activation
const FULL = 255; // steps across and up a plot
const MINUS = "−";
const SPACE = "\u00a0";

/** Make an element with attributes and children; what is null or "" is left out. */
function make(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

function shape(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function word(column, i) {
  return words[column][columns[column][i]] ?? null;
}

function siteOf(i) {
  return sites[columns.site[i]];
}

function nameOf(i) {
  return `${siteOf(i).name}/${columns.filter[i]}`;
}

/** The fragment that opens one filter; the same for every name that reads the same. */
function linkOf(i) {
  return `#${encodeURIComponent(siteOf(i).name)}/${columns.filter[i]}`;
}

function fixed(value, digits = 2) {
  return value === null ? "–" : value.toFixed(digits).replace("-", MINUS);
}

/** Write a number to some significant digits, as the rest of the page does. */
function number(value, digits = 3) {
  if (value === null) return "–";
  const [mantissa, power] = value.toExponential(digits - 1).split("e").map(Number);
  if (power >= -4 && power < digits) return String(Number(value.toPrecision(digits))).replace("-", MINUS);
  const size = String(Math.abs(power)).padStart(2, "0");
  return `${mantissa}e${power < 0 ? "-" : "+"}${size}`.replace(/-/g, MINUS);
}

function plural(count, one) {
  return `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
}

function decode(text, Kind = Uint8Array) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Kind(bytes.buffer);
}

function colourAt(palette, share) {
  const at = Math.min(Math.max(share, 0), 1) * (palette.length - 1);
  const left = Math.min(Math.floor(at), palette.length - 2);
  const part = at - left;
  return [1, 3, 5].map((start) => {
    const [a, b] = [left, left + 1].map((k) => parseInt(palette[k].slice(start, start + 2), 16));
    return Math.round(a + (b - a) * part);
  });
}

const DIVERGING = Array.from({ length: 256 }, (_, k) =>
  colourAt(palettes.diverging, (k - 128 + WEIGHTS) / (2 * WEIGHTS)));
const SEQUENTIAL = Array.from({ length: 256 }, (_, k) => colourAt(palettes.sequential, k / LEVELS));
const GREY = [128, 128, 128];

/** Draw cells as an image of one pixel each, which the page enlarges. */
function picture(cells, rows, cols, colour, box, alt) {
  const canvas = make("canvas", { width: cols, height: rows, role: "img", "aria-label": alt });
  const image = new ImageData(cols, rows);
  cells.forEach((cell, k) => image.data.set([...colour(cell), 255], 4 * k));
  canvas.getContext("2d").putImageData(image, 0, 0);
  const scale = box / Math.max(rows, cols);
  canvas.style.width = `${Math.max(20, Math.round(cols * scale))}px`;
  canvas.style.height = `${Math.max(20, Math.round(rows * scale))}px`;
  return canvas;
}

function weightColour(cell) {
  return cell === NO_WEIGHT ? GREY : DIVERGING[cell + 128];
}

function levelColour(cell) {
  return cell === NO_VALUE ? GREY : SEQUENTIAL[cell];
}

/** Draw the pictures of a list of [name, rows, columns], taken one after another from the cells. */
function pictures(cells, shapes, colour, box, alt) {
  let start = 0;
  return shapes.map(([name, rows, cols]) => {
    const part = cells.slice(start, (start += rows * cols));
    const drawn = picture(part, rows, cols, colour, box, name ? `${alt}, ${name}` : alt);
    return make("span", { class: "cell" }, drawn, name ? make("small", {}, name) : "");
  });
}

function legend(low, high, scale) {
  const ramp = scale ? make("span", { class: `ramp ${scale}` }) : "to";
  return make("p", { class: "scale" }, number(low, 2), " ", ramp, " ", number(high, 2));
}

function figure(title, drawn, foot, note = "") {
  return make("figure", {}, make("figcaption", {}, title),
    make("div", { class: "planes" }, ...drawn), foot, note && make("p", { class: "muted" }, note));
}

function cellsIn(shapes) {
  return shapes.reduce((sum, [, rows, cols]) => sum + rows * cols, 0);
}

/** The kernel summed over its inputs; nothing if the run has not kept it. */
function kernelPictures(i, box) {
  const { kernel, inputs } = siteOf(i);
  const cells = Array.from(decode(arrays.kernel[i], Int8Array));
  if (!cells.length) return [];
  let alt = `Weights summed over ${plural(inputs, "input channel")}`;
  const [, rows, cols] = kernel[0];
  if (rows * cols <= 25) {
    const weights = cells.slice(0, rows * cols)
      .map((cell) => number(cell / WEIGHTS * columns.limit[i], 2));
    alt += ": " + Array.from({ length: rows }, (_, row) =>
      weights.slice(row * cols, (row + 1) * cols).join(" ")).join("; ");
  }
  return pictures(cells.slice(0, cellsIn(kernel)), kernel, weightColour, box, alt);
}

/** The mean map with padding, and with real surroundings if they were seen. */
function mapPictures(i, box) {
  const site = siteOf(i);
  const cells = Array.from(decode(arrays.map[i]));
  const size = cellsIn(site.maps);
  const alt = `Mean activation map of ${site.map} positions, ` +
    `from ${number(columns.mapLow[i])} to ${number(columns.mapHigh[i])}`;
  const names = cells.length > size ? ["padded", columns.apart[i] ? "replicated ‡" : "real"] : ["padded"];
  return names.map((name, k) => {
    const part = cells.slice(k * size, (k + 1) * size);
    const drawn = site.axes === 1 ? [line(part, `${alt}, ${name}`)]
      : pictures(part, site.maps, levelColour, box, `${alt}, ${name}`);
    return make("span", { class: "map" }, ...drawn, make("small", {}, name));
  });
}

function kernelFigures(i) {
  const sum = kernelPictures(i, 132);
  if (!sum.length) return [figure("Kernel", [make("p", { class: "muted" }, "not kept by this run")], "")];
  const site = siteOf(i);
  const cells = Array.from(decode(arrays.kernel[i], Int8Array));
  const limit = columns.limit[i];
  const note = cells.includes(NO_WEIGHT) ? "grey: not finite" : "";
  const found = [figure("Kernel", sum, legend(-limit, limit, "diverging"), note)];
  const channels = columns.channels[i];
  if (channels.length) {
    const [size, each] = [cellsIn(site.kernel), cellsIn(site.slice)];
    const drawn = channels.map((channel, k) => {
      const part = cells.slice(size + k * each, size + (k + 1) * each);
      const [cell] = pictures(part, site.slice, weightColour, 56, `Weights for input channel ${channel}`);
      cell.append(make("small", {}, String(channel)));
      return cell;
    });
    found.push(make("figure", {}, make("figcaption", {}, "Strongest input channels"),
      make("div", { class: "slices" }, ...drawn)));
  }
  return found;
}

function mapFigure(i) {
  const site = siteOf(i);
  const drawn = mapPictures(i, 224);
  const made = figure(drawn.length > 1 ? "Mean map, padded and not" : "Mean map", drawn,
    legend(columns.mapLow[i], columns.mapHigh[i], site.axes === 1 ? "" : "sequential"), site.thinned);
  if (site.axes === 1) made.classList.add("lines");
  return made;
}

/** The photographs on which the border fires most and least, of those that were kept. */
function photosFigure(i) {
  if (!block.photos.length || !columns.most[i].length) return "";
  const row = (end) => make("span", { class: "photos" }, make("small", {}, end),
    ...columns[end][i].map((image) => make("img", { class: "photo", width: 64,
      src: `data:image/jpeg;base64,${block.photos[image]}`, alt: `Image ${image + 1}` })));
  return make("figure", {}, make("figcaption", {}, `Photographs on which the ${word("side", i)} ` +
    `border fires most and least`), row("most"), row("least"));
}

/** Draw a 1D map, interrupted where it is not finite. */
function line(cells, alt) {
  const step = cells.length > 1 ? 194 / (cells.length - 1) : 0;
  let path = "";
  cells.forEach((cell, k) => {
    if (cell === NO_VALUE) return;
    const start = k === 0 || cells[k - 1] === NO_VALUE;
    const place = `${(3 + k * step).toFixed(1)} ${(72 - 64 * cell / LEVELS).toFixed(1)}`;
    path += `${start ? "M" : "L"}${place}${start ? "h.1" : ""}`;
  });
  return shape("svg", { class: "line", viewBox: "0 0 200 80", role: "img", "aria-label": alt },
    shape("path", { class: "rule", d: "M3 76H197" }), shape("path", { class: "core", d: path }));
}

const [LEFT, RIGHT, TOP, BOTTOM] = [26, 314, 8, 112]; // the plot within its 320 × 132 units

const across = (byte) => LEFT + (RIGHT - LEFT) * byte / FULL;
const up = (byte) => BOTTOM - (BOTTOM - TOP) * byte / FULL;

/** Join points of bytes by straight lines, level out to both ends of the plot. */
function pathOf(points) {
  const places = points.map(([x, y]) => `${across(x).toFixed(1)} ${up(y).toFixed(1)}`);
  const [first, last] = [points[0][1], points[points.length - 1][1]];
  return `M${LEFT} ${up(first).toFixed(1)}L${places.join("L")}L${RIGHT} ${up(last).toFixed(1)}`;
}

function rowsOf(text, width) {
  const bytes = decode(text);
  return Array.from({ length: bytes.length / width }, (_, row) =>
    Array.from(bytes.slice(row * width, (row + 1) * width)));
}

function label(x, y, anchor, text, kind = null) {
  return shape("text", { x, y, "text-anchor": anchor, class: kind }, text);
}

/** A plot of 320 units across and some up, under its title. */
function plot(name, title, height, alt, ...parts) {
  const drawn = shape("svg", { class: name, viewBox: `0 0 320 ${height}`, role: "img", "aria-label": alt },
    ...parts);
  return make("figure", { class: "plot" }, make("figcaption", {}, ...title), drawn);
}

/** The ends of the axis of shares. */
function shareLabels(top, bottom) {
  return [label(LEFT - 5, bottom + 1, "end", "0"), label(LEFT - 5, top + 8, "end", "1")];
}

function curvesFigure(i) {
  const side = word("side", i);
  const title = `${side[0].toUpperCase()}${side.slice(1)} border against core, cumulative`;
  if (columns.low[i] === null) {
    return make("figure", { class: "plot" }, make("figcaption", {}, title),
      make("p", { class: "muted" }, "There is nothing finite to draw."));
  }
  const points = rowsOf(arrays.pair[i], 3);
  const real = rowsOf(arrays.real[i], 2);
  const gaps = points.map(([, border, core]) => Math.abs(border - core));
  const [at, border, core] = points[gaps.indexOf(Math.max(...gaps))];
  const [upper, lower] = [up(Math.max(border, core)), up(Math.min(border, core))];
  const x = across(at);
  const right = x < (LEFT + RIGHT) / 2;
  const ks = `KS ${fixed(columns.ks[i])}`;
  const alt = `Cumulative distributions of the ${side} border and of the core: ${ks} at an ` +
    `activation of ${number(columns.threshold[i])}` + (real.length ? "; and of the same border " +
    `positions with ${columns.apart[i] ? "a replicated border" : "real surroundings"}` : "");
  const best = make("span", { class: "muted" }, `best threshold ${number(columns.threshold[i])}`);
  return plot("curves", [title, best], 132, alt,
    shape("path", { class: "rule", d: `M${LEFT} ${TOP}V${BOTTOM}H${RIGHT}` }),
    shape("path", { class: "core", d: pathOf(points.map((p) => [p[0], p[2]])) }),
    real.length ? shape("path", { class: "real", d: pathOf(real) }) : "",
    shape("path", { class: "border", d: pathOf(points) }),
    shape("path", { class: "gap", d: `M${x - 3} ${upper}h6m-3 0V${lower}m-3 0h6` }),
    label(x + (right ? 8 : -8), (upper + lower) / 2 + 4, right ? "start" : "end", ks, "ks"),
    label(LEFT, BOTTOM + 14, "start", number(columns.low[i])),
    label((LEFT + RIGHT) / 2, BOTTOM + 14, "middle", "activation"),
    label(RIGHT, BOTTOM + 14, "end", number(columns.high[i])), ...shareLabels(TOP, BOTTOM));
}

/** The side where border recall is greatest; of what is not explained, where the KS is. */
function recallSide(i) {
  return word("recallSide", i) ?? word("side", i);
}

/** Border recall by share of the content that passes, on a logarithmic axis. */
function recallFigure(i) {
  const { contents, content, cuts } = block;
  const [top, bottom] = [8, 62];
  const [least, most] = [contents[0], contents.at(-1)].map(Math.log);
  const place = (share, value) => [LEFT + (RIGHT - LEFT) * (Math.log(share) - least) / (most - least),
    bottom - (bottom - top) * value].map((at) => at.toFixed(1)).join(" ");
  const known = Array.from(decode(arrays.recall[i]), (byte, k) => [contents[k], byte])
    .filter(([, byte]) => byte !== NO_VALUE).map(([share, byte]) => [share, byte / 100]);
  const line = known.map((each) => place(...each)).join("L");
  const dot = known.filter(([share]) => share === content).map((each) => `M${place(...each)}h.01`);
  const anchors = { [contents[0]]: "start", [contents.at(-1)]: "end" };
  const ticks = block.ticks.map((share) => label(place(share, 0).split(" ")[0], bottom + 14,
    anchors[share] ?? "middle", `${number(100 * share)}${SPACE}%`));
  const told = known.map(([share, value]) => `${fixed(value)} at ${number(100 * share)} %`).join(", ");
  const alt = `Border recall at the ${recallSide(i)} by share of the content that passes: ` +
    (told || "unknown");
  const [asked] = known.filter(([share]) => share === content).map(([, value]) => fixed(value));
  const title = `Border recall ${asked ?? "–"}, ${recallSide(i)}, by share of content that passes`;
  return plot("recall", [title], 80, alt,
    shape("path", { class: "rule", d: `M${LEFT} ${top}V${bottom}H${RIGHT}` }),
    shape("path", { class: "cut", d: `M${place(contents[0], cuts.recognised)}H${RIGHT}` }),
    line ? shape("path", { class: "border", d: `M${line}` }) : "",
    shape("path", { class: "dot", d: dot.join("") }), ...shareLabels(top, bottom), ...ticks);
}

/** Bars of the KS of every side and line; of an explained filter ticks at the causal KS. */
function sidesFigure(i) {
  const { sides } = siteOf(i);
  const profiles = rowsOf(arrays.sides[i], block.explained ? 8 : 4);
  const width = 320 / sides.length;
  const bar = Math.min(11, (width - 14) / 4 - 2);
  const parts = [];
  const told = sides.map((name, place) => {
    const left = place * width + (width - 4 * bar - 6) / 2;
    const ks = profiles[place].map((score) => (score === NO_VALUE ? null : score / 100));
    for (let d = 0; d < 4; d++) {
      const x = left + d * (bar + 2);
      const kind = d ? "deeper" : name === word("side", i) ? "first best" : "first";
      if (ks[d] !== null) {
        parts.push(shape("rect", { class: kind, x, y: 60 - 44 * ks[d], width: bar, height: 44 * ks[d] }));
      }
      if ((ks[4 + d] ?? null) !== null) {
        parts.push(shape("path", { class: "causal", d: `M${x - 1} ${60 - 44 * ks[4 + d]}h${bar + 2}` }));
      }
    }
    const middle = place * width + width / 2;
    parts.push(label(middle, 11, "middle", fixed(ks[0])), label(middle, 74, "middle", name),
      shape("path", { class: "rule", d: `M${left - 3} 60.5h${4 * bar + 12}` }),
      shape("path", { class: "cut", d: `M${left - 3} 38h${4 * bar + 12}` }));
    const list = (values) => values.filter((v) => v !== null).map((v) => fixed(v)).join(", ");
    const causal = block.explained ? `, causal ${list(ks.slice(4)) || "not measured"}` : "";
    return `${name} ${list(ks.slice(0, 4)) || "not measured"}${causal}`;
  });
  const alt = `KS by side, on lines 0 to 3 from the border: ${told.join("; ")}`;
  return plot("sides", ["KS by side, lines 0–3 from the border inwards"], 80, alt, ...parts);
}

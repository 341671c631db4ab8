// One filter of the gallery as a card.

function polarityOf(i) {
  const polarity = columns.polarity?.[i] ?? null;
  if (polarity === null) return "";
  return polarity > 0.5 ? "excited" : polarity < 0.5 ? "inhibited" : "neither excited nor inhibited";
}

function between(low, high, digits) {
  return low === null ? "" : `95${SPACE}% ${fixed(low, digits)}–${fixed(high, digits)}`;
}

function kindOf(i) {
  const kind = word("kind", i);
  if (kind === null) return "–";
  if (kind === "corner") return `corner alone (${word("corner", i)}), provisional`;
  return `${kind}, ${word("sign", i)}: ${word("active", i)}`;
}

function originOf(i) {
  const origin = word("origin", i);
  if (origin === null) return "–";
  const [own, incoming] = columns.apart[i] ? ["refilled", "left"] : ["own padding", "incoming"];
  return `${origin} (${own} ${fixed(columns.own[i])}, ${incoming} ${fixed(columns.incoming[i])})`;
}

function reachOf(i) {
  const reach = columns.reach[i];
  if (reach === null) return "–";
  const lines = plural(reach, "line");
  if (columns.beyond[i]) return `≥ ${lines}${reach ? "" : ": no deeper one is measured"}`;
  return reach ? lines : `${lines}: the outermost alone`;
}

function chance(q) {
  return q === null ? "–" : q >= 0.001 ? fixed(q, 3) : "<0.001";
}

/** The q beside each kind of baseline; "" without baselines. */
function apartFrom(i) {
  return block.compared.map((kind) =>
    `${kind} ${chance(columns[`q${kind[0].toUpperCase()}${kind.slice(1)}`][i])}`).join(", ");
}

function impactOf(i) {
  const [impact, low, high] = ["impact", "impactLow", "impactHigh"].map((name) => columns[name][i]);
  if (impact === null) return "not estimated";
  const interval = low === null ? "" : ` 95${SPACE}% ${number(low)}–${number(high)}`;
  const rank = columns.rank[i].toLocaleString("en");
  return `${number(impact)}${interval}, rank ${rank} of ${block.ranked.toLocaleString("en")}`;
}

function entries(pairs) {
  return make("dl", { class: "cause" }, ...pairs.map(([term, ...told]) =>
    make("div", {}, make("dt", {}, term), make("dd", {}, ...told))));
}

/** The causal KS of the side whose distributions are drawn, if another side is the strongest. */
function causalHere(i) {
  const side = word("side", i);
  if (side === word("causalSide", i)) return "";
  const ks = rowsOf(arrays.sides[i], 8)[siteOf(i).sides.indexOf(side)][4];
  return `; ${side} ${ks === NO_VALUE ? "–" : fixed(ks / 100)}`;
}

function causes(i) {
  if (!block.explained) return [];
  const interval = between(columns.causalLow[i], columns.causalHigh[i]);
  const side = word("causalSide", i);
  const recalled = between(columns.recallLow[i], columns.recallHigh[i]);
  const apart = columns.apart[i] ? " ‡ without real context" : "";
  return [
    ["caused", make("b", {}, word("label", i) ?? "not explained"), apart],
    ["causal KS", make("b", {}, fixed(columns.causal[i])),
      `${interval && ` ${interval}`}${side ? `, ${side}` : ""}${causalHere(i)}`],
    ["recall", make("b", {}, fixed(columns.recall[i])),
      `${recalled && ` ${recalled}`}, ${recallSide(i)}`],
    ["kind", kindOf(i)],
    ["origin", originOf(i)],
    ["reach", reachOf(i)],
    ["stability", columns.stability[i] === null ? "–"
      : `${fixed(100 * columns.stability[i], 0)}${SPACE}% of resamples agree`],
    ["q, of chance", chance(columns.q[i])],
    ...(apartFrom(i) ? [["q, of baselines", apartFrom(i)]] : []),
    ...(block.impact ? [["impact", impactOf(i)]] : []),
  ];
}

function tags(i) {
  const label = word("label", i) ?? "not explained";
  const strong = ["strong", "confirmed"].includes(label);
  const tag = (text, kind = "tag") => make("span", { class: kind }, text);
  const found = columns.recognises[i] ? [tag("recognises", "tag strong")] : [];
  found.push(tag(label, strong ? "tag strong" : "tag"), tag(word("side", i)));
  if (polarityOf(i)) found.push(tag(polarityOf(i)));
  const small = siteOf(i).small ? " †" : "";
  found.push(tag(`map ${siteOf(i).map}${small}`, "muted"));
  return make("p", { class: "tags" }, ...found.flatMap((each) => [each, " "]));
}

function statisticOf({ name, title, meaning, unit, share }, i) {
  const value = share ? fixed(columns[name][i]) : number(columns[name][i]);
  const written = unit && columns[name][i] !== null ? `${value} ${unit}` : value;
  return make("span", { title: meaning }, `${title.replaceAll(" ", SPACE)}${SPACE}${written}`);
}

function score(i) {
  const flags = [];
  if (columns.flagged[i]) flags.push("flagged: bins hide more than 0.01");
  if (columns.nonfinite[i]) flags.push(`${plural(columns.nonfinite[i], "value")} not finite`);
  return make("p", { class: "score" }, make("b", {}, `KS ${fixed(columns.ks[i])}`),
    between(columns.ksLow[i], columns.ksHigh[i]) || "no interval: too few images", make("br"),
    ...block.statistics.flatMap((each, place) => [place ? " · " : "", statisticOf(each, i)]),
    ...flags.flatMap((flag) => [" · ", make("span", { class: "flag" }, flag)]));
}

function heading(i, attributes = {}) {
  return make("h3", attributes, make("a", { href: linkOf(i), tabindex: -1 },
    make("bdi", {}, siteOf(i).name), `/${columns.filter[i]}`));
}

/** What the list shows of a filter: the rest is in its window. */
function briefOf(i) {
  const kind = word("kind", i);
  const told = kind === null ? `strongest at the ${word("side", i)}` : kindOf(i);
  const scores = columns.recall[i] === null || !block.explained ? `KS ${fixed(columns.ks[i])}`
    : `recall ${fixed(columns.recall[i])}, causal KS ${fixed(columns.causal[i])}`;
  return [
    make("p", { class: "brief" }, told, make("br"), make("span", { class: "muted" }, scores)),
    make("div", { class: "pictures" }, ...kernelPictures(i, 48), ...mapPictures(i, 72)),
  ];
}

/** Everything of a card below its heading. */
function bodyOf(i) {
  const listed = causes(i);
  return [
    tags(i), score(i), listed.length ? entries(listed) : "",
    make("div", { class: "pictures" }, ...kernelFigures(i), mapFigure(i)),
    photosFigure(i), curvesFigure(i), recallFigure(i), sidesFigure(i),
  ];
}

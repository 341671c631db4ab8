// The gallery's menus, its list of cards, and the window that shows one of them.

const STEP = 24; // cards that are added at once
const FIRST = 8; // cards that are drawn at once, wherever the window is
const NEAR = "800px"; // how far outside the window cards are drawn already

const part = (name) => document.getElementById(`gallery-${name}`);
const [form, list, status, more, one] = ["controls", "cards", "status", "more", "one"].map(part);
const all = Array.from(columns.ks, (_, i) => i);
const names = all.map((i) => nameOf(i).toLowerCase());
const places = new Map(all.map((i) => [nameOf(i), i]));
let order = []; // the present selection, in its order
let shown = 0; // cards of it that the list has
let opened = -1; // the filter in the window

// Selecting and sorting

const EVIDENCE = {
  recognises: (i) => columns.recognises[i] === 1,
  confirmed: (i) => word("label", i) === "confirmed",
  grey: (i) => word("label", i) === "grey",
  rejected: (i) => word("label", i) === "rejected",
  candidate: (i) => columns.ks[i] >= block.cuts.candidate,
  strong: (i) => columns.ks[i] >= block.cuts.strong,
};

function selected(chosen) {
  const get = (name) => chosen.get(name) ?? "";
  const asked = get("search").toLowerCase().split(/\s+/).filter(Boolean);
  const tests = [["side", block.strongest], ["kind", "kind"], ["origin", "origin"]]
    .filter(([name]) => get(name))
    .map(([name, column]) => (i) => word(column, i) === get(name));
  if (get("site")) tests.push((i) => columns.site[i] === Number(get("site")));
  if (EVIDENCE[get("evidence")]) tests.push(EVIDENCE[get("evidence")]);
  if (asked.length) tests.push((i) => asked.every((text) => names[i].includes(text)));
  return all.filter((i) => tests.every((test) => test(i)));
}

function sorted(found, by, ascending) {
  const sign = ascending ? 1 : -1;
  const inDepth = (a, b) => columns.site[a] - columns.site[b] || columns.filter[a] - columns.filter[b];
  if (by === "depth") return found.sort((a, b) => sign * inDepth(a, b));
  if (by === "name") {
    const collator = new Intl.Collator("en", { numeric: true });
    return found.sort((a, b) => sign * collator.compare(names[a], names[b]));
  }
  // By its rank, which tells apart what reads the same.
  const values = by === "impact" ? columns.rank.map((rank) => rank && -rank) : columns[by];
  // What has no value comes last either way; equals keep the order of the page.
  return found.sort((a, b) => (values[a] === null) - (values[b] === null) ||
    sign * (values[a] - values[b]) || a - b);
}

function refresh() {
  const chosen = new FormData(form);
  const ascending = part("direction").getAttribute("aria-pressed") === "true";
  order = sorted(selected(chosen), chosen.get("sort"), ascending);
  shown = 0;
  list.replaceChildren();
  grow(STEP);
  [...list.children].slice(0, FIRST).forEach(fill);
  status.textContent = order.length
    ? `${plural(order.length, "filter")} of ${all.length.toLocaleString("en")}`
    : `None of the ${plural(all.length, "filter")} is like that; clear a menu or the search.`;
}

// The list

const observer = new IntersectionObserver((seen) => {
  for (const entry of seen.filter((each) => each.isIntersecting)) fill(entry.target);
}, { rootMargin: NEAR });

function fill(card) {
  observer.unobserve(card);
  if (!card.classList.contains("pending")) return;
  card.classList.remove("pending");
  card.append(...briefOf(Number(card.dataset.place)).filter(Boolean));
}

function grow(count) {
  const added = order.slice(shown, shown + count).map((i, k) => {
    const title = heading(i, { id: `gallery-name-${i}` });
    const card = make("article", { class: "card pending", "aria-labelledby": title.id,
      "data-place": i, tabindex: shown + k ? -1 : 0 }, title);
    observer.observe(card);
    return card;
  });
  shown += added.length;
  list.append(...added);
  more.hidden = shown >= order.length;
  const [next, rest] = more.querySelectorAll("button");
  next.textContent = `Show ${Math.min(STEP, order.length - shown)} more`;
  rest.textContent = `Show all ${order.length.toLocaleString("en")}`;
}

function focus(card) {
  if (!card) return;
  list.querySelector('[tabindex="0"]')?.setAttribute("tabindex", -1);
  card.setAttribute("tabindex", 0);
  card.focus();
}

/** The card a row up or down, in the same column. */
function beside(card, step) {
  const cards = [...list.children];
  const top = card.offsetTop;
  const columnsShown = cards.filter((each) => each.offsetTop === cards[0].offsetTop).length;
  const place = cards.indexOf(card) + step * columnsShown;
  return cards[place] ?? (step > 0 && cards.at(-1).offsetTop > top ? cards.at(-1) : null);
}

const MOVES = {
  ArrowRight: (card) => card.nextElementSibling,
  ArrowLeft: (card) => card.previousElementSibling,
  ArrowDown: (card) => beside(card, 1),
  ArrowUp: (card) => beside(card, -1),
  Home: () => list.firstElementChild,
  End: () => list.lastElementChild,
};

list.addEventListener("keydown", (event) => {
  const card = event.target.closest(".card");
  if (!card || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Enter" && event.target === card) {
    open(Number(card.dataset.place));
  } else if (MOVES[event.key]) {
    if (!MOVES[event.key](card) && shown < order.length) grow(STEP);
    focus(MOVES[event.key](card));
  } else {
    return;
  }
  event.preventDefault();
});

list.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (card && !event.target.closest("a")) open(Number(card.dataset.place));
});

more.addEventListener("click", (event) => {
  if (event.target.localName !== "button") return;
  const first = shown;
  grow(event.target === more.querySelector("button") ? STEP : order.length);
  focus(list.children[first]);
});

// One filter in its window

function open(i) {
  opened = i;
  const place = order.indexOf(i);
  const before = one.contains(document.activeElement) && document.activeElement.ariaLabel;
  const title = heading(i, { id: "gallery-one-name" });
  const told = place < 0 ? "not among those selected"
    : `${(place + 1).toLocaleString("en")} of ${order.length.toLocaleString("en")}`;
  const steps = [["Previous", -1, "←"], ["Next", 1, "→"]].map(([name, step, arrow]) => {
    const button = make("button", { type: "button", "aria-label": name }, arrow);
    button.disabled = place < 0 || order[place + step] === undefined;
    button.addEventListener("click", () => turn(step));
    return button;
  });
  const close = make("button", { type: "button", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => one.close());
  one.replaceChildren(
    make("div", { class: "bar" }, ...steps, make("span", { class: "muted" }, told), close),
    make("article", { class: "card big", tabindex: -1 }, title, ...bodyOf(i).filter(Boolean)));
  one.setAttribute("aria-labelledby", title.id);
  if (!one.open) one.showModal();
  one.scrollTop = 0;
  // Whoever goes on with a button finds it under the same finger; else keys go to the card.
  const again = steps.find((button) => button.ariaLabel === before && !button.disabled);
  (again ?? one.querySelector(".card")).focus();
  history.replaceState(null, "", linkOf(i));
}

function turn(step) {
  const next = order[order.indexOf(opened) + step];
  if (order.includes(opened) && next !== undefined) open(next);
}

one.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  turn(step);
  event.preventDefault();
});
one.addEventListener("click", (event) => {
  if (event.target === one) one.close(); // beside the card, on what lies behind it
});
one.addEventListener("close", () => {
  history.replaceState(null, "", location.href.split("#")[0]);
  focus([...list.children].find((card) => Number(card.dataset.place) === opened));
  opened = -1;
});

/** Open the filter that the address names. */
function follow() {
  let named = "";
  try {
    named = decodeURIComponent(location.hash.slice(1));
  } catch {
    return; // no address that this page has given out
  }
  if (places.has(named) && places.get(named) !== opened) open(places.get(named));
}

// Wiring

form.addEventListener("input", refresh);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(refresh)); // when the fields are back
part("direction").addEventListener("click", (event) => {
  const ascending = event.currentTarget.getAttribute("aria-pressed") !== "true";
  event.currentTarget.setAttribute("aria-pressed", String(ascending));
  refresh();
});

addEventListener("hashchange", follow);
addEventListener("beforeprint", () => {
  list.querySelectorAll(".pending").forEach(fill);
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
});
form.hidden = false;
document.body.classList.add("drawn");
refresh();
follow();

// The table of models: sorted by a click on a heading, filtered by what is typed.

const table = document.getElementById("models-rows").closest("table");
const body = table.tBodies[0];
const rows = [...body.rows];
const headings = [...table.tHead.rows[0].cells];

const textOf = (row, place) => row.cells[place].textContent.trim();
const numberOf = (text) => Number.parseFloat(text.replaceAll(",", "").replace("−", "-").replace(/^[<>]\s*/, ""));

/** Order rows by a column; what has no value comes last either way, equals keep their order. */
function sort(place, ascending) {
  const numeric = headings[place].classList.contains("n");
  const sign = ascending ? 1 : -1;
  const collator = new Intl.Collator("en", { numeric: true });
  const compare = numeric
    ? (a, b) => {
      const [x, y] = [a, b].map((row) => numberOf(textOf(row, place)));
      return Number.isNaN(x) - Number.isNaN(y) || sign * (x - y) || 0;
    }
    : (a, b) => sign * collator.compare(textOf(a, place), textOf(b, place));
  body.append(...[...rows].sort(compare));
}

headings.forEach((heading, place) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  heading.append(button);
  button.addEventListener("click", () => {
    // What counts most is wanted first.
    const now = heading.getAttribute("aria-sort");
    const ascending = now ? now === "descending" : !heading.classList.contains("n");
    headings.forEach((each) => each.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    sort(place, ascending);
  });
});

function filter() {
  const asked = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !asked.every((word) => text.includes(word));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  output.textContent = `${shown} of ${rows.length}`;
}

const [form, label, search, output] = ["form", "label", "input", "output"]
  .map((name) => document.createElement(name));
form.className = "filter";
search.type = "search";
label.append("Show those with ", search);
form.append(label, output);
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
table.parentElement.before(form);
filter();

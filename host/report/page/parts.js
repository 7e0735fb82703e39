// What all sections are made of: elements, numbers as text, tables. Texts from the data become text nodes, never markup.
const data = JSON.parse(document.getElementById("data").textContent);

/** An element: attributes (functions are listeners), then children, which are elements or texts. */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** A text from the rows: its direction of writing does not spread to what is beside it. */
const given = (text) => make("bdi", {}, text === "" ? "(empty)" : text);

const count = (number) => number.toLocaleString("en-US");
const plural = (number, one, many = one + "s") => `${count(number)} ${number === 1 ? one : many}`;
function short(number, digits = 4) {
  if (number === null || !Number.isFinite(number)) return "none";
  const size = Math.abs(number);
  if (size !== 0 && (size >= 1e12 || size < 1e-4)) return number.toExponential(2).replace("e+", "e");
  if (Number.isInteger(number) || size >= 1e7) return count(Math.round(number));
  return Number(number.toPrecision(digits)).toLocaleString("en-US", {maximumFractionDigits: 8});
}
function percent(share) {
  if (share === null || !Number.isFinite(share)) return "none";
  const value = 100 * share;
  if (value === 0 || value === 100) return `${value} %`;
  if (value < 0.01) return "< 0.01 %";
  if (value > 99.99) return "> 99.99 %";
  return `${value.toFixed(value < 1 || value > 99 ? 2 : 1)} %`;
}

/** A table: columns are {name, number, wide, prefixed}, cells are texts or elements; the first cell of a row heads it. */
function table(columns, rows, {caption = null, cards = false} = {}) {
  const head = make("tr", {}, columns.map((column) => make("th", {scope: "col", class: column.number && "number"}, column.name)));
  const body = rows.map((row) => make("tr", {}, row.map((cell, i) => {
    const classes = [columns[i].number && "number", columns[i].wide && "wide"].filter(Boolean).join(" ");
    return make(i === 0 ? "th" : "td", {scope: i === 0 && "row", class: classes || null, "data-name": cards && (i > 0 || columns[0].prefixed) && columns[i].name}, cell);
  })));
  return make("table", {class: cards && "cards"}, caption && make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, body));
}

/** A table with its first rows; the others are shown on request, and printed. */
function longTable(list, first) {
  const rows = [...list.tBodies[0].rows], later = rows.slice(first);
  for (const row of later) row.classList.add("later");
  const all = later.length === 0 ? null : make("button", {type: "button", "aria-expanded": "false", click: (event) => {
    const isShown = list.classList.toggle("all");
    event.target.setAttribute("aria-expanded", String(isShown));
    event.target.textContent = isShown ? `Show the first ${first}` : `Show all ${rows.length}`;
  }}, `Show all ${rows.length}`);
  return [make("div", {class: "scroll"}, list), all];
}

/** The numbers behind a chart, for who cannot see it or wants them. */
function numbers(columns, rows) {
  const region = {class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Numbers of the chart"};
  return make("details", {class: "screen"}, make("summary", {}, "Show the numbers"), make("div", region, table(columns, rows)));
}

const card = (...children) => make("div", {class: "card"}, children);
const note = (text) => make("p", {class: "note"}, text);

/** At most `most` of the entries, evenly spaced, with the last. */
function thinned(list, most) {
  if (list.length <= most) return list;
  return Array.from({length: most}, (_, i) => list[Math.round(i * (list.length - 1) / (most - 1))]);
}

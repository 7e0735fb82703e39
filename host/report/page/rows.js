// The sections about rows, columns, training and where the page comes from; then all of them.

/** What is usual in a column of these rows, in words. */
function usual(place) {
  const column = data.columns[place];
  if (column === undefined) return null;
  if (column.kind === "category") {
    const all = column.counts.reduce((sum, one) => sum + one, 0) + column.unseen + column.missing;
    return column.values.length ? make("span", {}, "usually ", given(column.values[0]), ` (${percent(column.counts[0] / all)} of these rows)`) : null;
  }
  if (!column.quantiles) return null;
  return `usually ${short(column.quantiles[0], 3)} to ${short(column.quantiles[4], 3)}, median ${short(column.quantiles[2], 3)}`;
}

function reason(entry) {
  const words = make("div", {}, make("strong", {}, given(entry.column)), entry.expected === "no value" ? ": " : [" = ", given(entry.value), ": "], given(entry.expected));
  const typical = entry.place === undefined ? null : usual(entry.place);
  if (typical) words.append(make("span", {class: "typical"}, typical));
  const bar = make("b", {});
  bar.style.width = `${100 * entry.share}%`;
  return make("li", {}, make("div", {class: "share"}, make("span", {}, `${Math.round(100 * entry.share)} %`), make("i", {"aria-hidden": "true"}, bar)), words);
}

const verdict = (row) => row.anomaly === undefined ? null :
  make("span", {class: row.anomaly ? "badge anomaly" : "badge"}, row.anomaly ? "anomaly" : "normal");

function topTable() {
  const isLabelled = data.top.some((row) => row.anomaly !== undefined);
  const columns = [{name: "row", prefixed: true}, ...data.id_columns.map((name) => ({name})), {name: "score", number: true},
    ...(isLabelled ? [{name: "label"}] : []), {name: "why: share, value, what was expected, what is usual", wide: true}];
  const rows = data.top.map((row) => [String(row.row), ...row.ids.map(given), short(row.score, 5),
    ...(isLabelled ? [verdict(row) ?? "unknown"] : []),
    row.reasons.length ? make("ul", {class: "reasons"}, row.reasons.map(reason)) : make("span", {class: "muted"}, "no column lowers the score")]);
  return longTable(table(columns, rows, {cards: true, caption: "Rows are numbered from 0, as cugad score numbers them."}), 10);
}

function imageList() {
  return make("ul", {class: "images"}, data.top.map((row) => {
    const name = row.ids.length ? row.ids.map(given) : `image ${count(row.row)}`;
    const size = {width: row.width, height: row.height, loading: "lazy"};
    const plain = row.ids.length ? row.ids.join(", ") : `image ${count(row.row)}`;
    return make("li", {class: "card"},
      row.image ? make("div", {class: "both"}, make("img", {src: row.image, alt: `${plain}, as it is`, ...size}),
        make("img", {src: row.heatmap, alt: `${plain}, with a heatmap of what the model did not expect`, ...size})) : note("This image cannot be shown."),
      make("div", {class: "facts"}, make("strong", {}, name), make("span", {class: "muted"}, `score ${short(row.score, 5)}`), verdict(row)));
  }));
}

function topSection() {
  if (!data.top.length) return null;
  if (data.image) {
    return section("top", "Most anomalous images", make("p", {class: "muted"},
      "Each as it is, and with a heatmap: yellow pixels are farthest from what the model expects. Each map has its own scale."), imageList());
  }
  return section("top", "Most anomalous rows", make("p", {class: "muted"},
    `The ${count(data.top.length)} highest scores. The share of a column is by how much the score falls if that cell alone gets its expected value.`),
    card(...topTable()), explained());
}

function explained() {
  const found = data.explained;
  if (!found || !found.shares.length) return null;
  const names = found.shares.map((entry) => entry.column), longest = () => (innerWidth < 640 ? 14 : 28);
  const plot = chart(`Mean share of columns in the explanations of ${plural(found.rows, "flagged row")}: ${names.slice(0, 3).join(", ")} first`, () => ({
    type: "bar",
    data: {labels: names.map((name) => (name.length > longest() ? name.slice(0, longest() - 1) + "…" : name)),
      datasets: [{label: "mean share", data: found.shares.map((entry) => entry.share), backgroundColor: faded("anomaly"), borderRadius: 3}]},
    options: {
      indexAxis: "y", interaction: {mode: "nearest", intersect: false, axis: "y"},
      scales: {x: {min: 0, title: {display: true, text: "mean share"}, ticks: {callback: percentTick}}, y: {grid: {display: false}, ticks: {autoSkip: false}}},
      plugins: {legend: {display: false}, tooltip: {callbacks: {title: ([item]) => names[item.dataIndex], label: (item) => percent(item.raw)}}},
    },
  }));
  plot.element.style.height = `${70 + 26 * names.length}px`;
  return card(make("h3", {}, "Columns behind the flagged rows"),
    note(`Mean shares over ${found.rows === 1 ? "the one flagged row" : `${count(found.rows)} flagged rows`} at the model's threshold${
      steps.flagged[usualStep] > found.rows ? ", those of the highest scores" : ""}.`),
    plot.element, numbers([{name: "column"}, {name: "mean share", number: true}], found.shares.map((entry) => [given(entry.column), percent(entry.share)])));
}

// ---- Columns ----

function spark(column) {
  const most = Math.max(...column.bins), svg = "http://www.w3.org/2000/svg", width = 100 / column.bins.length;
  const drawing = document.createElementNS(svg, "svg");
  const attributes = {class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img",
    "aria-label": `distribution from ${short(column.least)} to ${short(column.most)}`};
  for (const [name, value] of Object.entries(attributes)) drawing.setAttribute(name, value);
  column.bins.forEach((bin, i) => {
    const bar = document.createElementNS(svg, "rect"), height = bin === 0 ? 0 : Math.max(1, 30 * bin / most);
    for (const [name, value] of Object.entries({x: i * width, y: 30 - height, width: width * 0.86, height})) bar.setAttribute(name, value);
    drawing.append(bar);
  });
  return drawing;
}

function valueList(column) {
  const all = column.counts.reduce((sum, one) => sum + one, 0) + column.unseen + column.missing;
  const shown = column.values.slice(0, 4).map((value, i) => make("li", {}, make("span", {}, given(value)), make("span", {}, percent(column.counts[i] / all))));
  if (column.unseen) shown.push(make("li", {}, make("span", {}, make("em", {}, "not in training")), make("span", {}, percent(column.unseen / all))));
  return make("ul", {class: "values"}, shown);
}

function columnSection() {
  if (!data.columns || !data.columns.length) return null;
  const rows = data.columns.map((column) => [given(column.name),
    column.kind === "category" ? plural(column.distinct, "category", "categories") : "number",
    percent(column.missing / (data.rows - data.unreadable)),
    column.kind === "category" ? valueList(column) : column.bins ? spark(column) : "no value",
    ...(column.quantiles ? [short(column.least), short(column.quantiles[2]), short(column.most)] : ["", "", ""])]);
  const columns = [{name: "column"}, {name: "kind"}, {name: "missing", number: true}, {name: "in these rows", wide: true},
    {name: "least", number: true}, {name: "median", number: true}, {name: "most", number: true}];
  return section("columns", "Columns", make("p", {class: "muted"}, "What the model sees of these rows. Ranges and counts are exact; medians and bars are those of up to 4,096 evenly spaced rows."),
    card(...longTable(table(columns, rows, {cards: true}), 25), data.columns_left_out ? note(`${plural(data.columns_left_out, "more column")} not shown.`) : null));
}

// ---- Training ----

const statistics = {generator_loss: "generator loss", discriminator_loss: "discriminator loss", real_probability: "D of real rows", fake_probability: "D of generated rows",
  discriminator_gradient: "discriminator gradient", generator_gradient: "generator gradient"};

function phase(found, number, all) {
  let statistic = "generator_loss";
  const title = all.length > 1 ? `Part ${number + 1} of ${all.length}: ${plural(found.models, "model")}` : plural(found.models, "model");
  const colours = ["rows", "anomaly", "second", "training"];
  const plot = chart(`Training curves of ${plural(found.models, "model")} over ${count(found.steps.at(-1))} steps`, () => ({
    type: "line",
    data: {datasets: found[statistic].map((values, m) => line(`model ${m}`, found.steps.map((x, i) => ({x, y: values[i]})), colours[m % colours.length],
      {borderWidth: 1.5, borderDash: m < colours.length ? [] : [6, 3]}))},
    options: {scales: {x: axis("training step", {min: 0, max: found.steps.at(-1)}), y: axis(statistics[statistic])}},
  }), {low: true});
  const choice = make("select", {"aria-label": "Statistic of the training", change: (event) => {
    statistic = event.target.value;
    plot.draw();
  }}, Object.entries(statistics).map(([value, text]) => make("option", {value}, text)));
  return card(make("h3", {}, title), make("div", {class: "control"}, choice, found.models > found.generator_loss.length ?
    make("span", {class: "muted"}, `the first ${found.generator_loss.length} of them`) : null), plot.element,
    numbers([{name: "step"}, ...found.generator_loss.map((_, m) => ({name: `generator loss, model ${m}`, number: true}))],
      thinned(found.steps.map((x, i) => [count(x), ...found.generator_loss.map((values) => short(values[i]))]), 40)));
}

function trainingSection() {
  const {end, phases} = data.training;
  const columns = [{name: ""}, ...Object.values(statistics).map((name) => ({name, number: true})), {name: "restored", number: true}];
  const rows = end.map((model, m) => [`model ${m}`, ...Object.keys(statistics).map((name) => short(model[name])), count(model.restorations)]);
  const atEnd = end.length ? card(make("h3", {}, "At the end of the training"), make("div", {class: "scroll"}, table(columns, rows, {cards: true}))) :
    card(note("Nothing was trained: the model keeps training rows and measures distances to them."));
  return section("training", "Training",
    phases.length ? make("div", {class: "pair"}, phases.map(phase)) :
      end.length ? make("p", {class: "muted"}, "A model file keeps the state at the end. For curves, train with --log FILE and give that file to cugad report --log.") : null,
    atEnd);
}

// ---- Where the page comes from ----

function originSection() {
  const {preset, changed, unchanged, training_command: training} = data.options;
  const command = ([name, text]) => [make("h3", {}, name), make("pre", {tabindex: 0, "aria-label": name}, text)];
  const list = (entries) => table([{name: "option"}, {name: "value"}, {name: preset ? `preset ${preset}` : "default"}],
    entries.map((entry) => [entry.name, given(entry.value), given(entry.usual)]), {cards: true});
  return section("origin", "To make it again",
    card(data.sources.flatMap((source) => command([source.name, source.text])), command(["Training, on the same rows", training]),
      make("h3", {}, preset ? `Options beside the preset ${preset}` : "Options beside the method's defaults"),
      changed.length ? make("div", {class: "scroll"}, list(changed)) : note("None differs."),
      make("details", {}, make("summary", {}, plural(unchanged.length, "option") + " as they are there"), make("div", {class: "scroll"}, list(unchanged)))));
}

function noteSection() {
  const lines = [...data.notes];
  if (data.unreadable) lines.push(`${plural(data.unreadable, "row")} could not be read and ${data.unreadable === 1 ? "has" : "have"} no score.`);
  if (data.without_value) lines.push(`${plural(data.without_value, "row")} hold${data.without_value === 1 ? "s" : ""} no value and ${data.without_value === 1 ? "has" : "have"} no score.`);
  if (!lines.length) return null;
  return section("notes", "What to know", card(make("ul", {}, lines.map((text) => make("li", {}, given(text))))));
}

header();
const sections = [scoreSection(), noteSection(), labelSection(), topSection(), columnSection(), trainingSection(), originSection()].filter(Boolean);
document.getElementById("main").append(...sections);
document.getElementById("nav").append(make("ul", {}, sections.map((one) => make("li", {}, make("a", {href: "#" + one.id}, one.querySelector("h2").textContent)))));
document.getElementById("foot").append(make("p", {}, `cugad ${data.version}. This page is one file and loads nothing. Charts: Chart.js, MIT licence.`));
drawAll();
if (steps) moveTo(usualStep);

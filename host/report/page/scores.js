// The sections of the page, from top to bottom.
const steps = data.steps || null, labels = data.labels || null, isRanked = labels !== null && labels.missing === undefined;
const nearestStep = (threshold) => {
  let best = 0;
  steps.threshold.forEach((step, i) => {
    if (Math.abs(step - threshold) < Math.abs(steps.threshold[best] - threshold)) best = i;
  });
  return best;
};
const usualStep = steps ? steps.threshold.indexOf(data.threshold) : 0;
const kind = data.image ? "images" : "rows";
let step = usualStep;
const watchers = [];

/** The decision at a step of the threshold. */
function decision(at) {
  const found = steps.anomalies[at], wrong = steps.normal[at];
  const precision = found + wrong === 0 ? 0 : found / (found + wrong), recall = labels && labels.anomalies ? found / labels.anomalies : 0;
  return {
    threshold: steps.threshold[at], flagged: steps.flagged[at], precision, recall,
    f1: precision + recall === 0 ? 0 : 2 * precision * recall / (precision + recall),
    expected: steps.expected.length ? steps.expected[at] : null,
  };
}
function moveTo(at) {
  step = Math.min(Math.max(at, 0), steps.threshold.length - 1);
  for (const watcher of watchers) watcher();
}

function section(id, title, ...children) {
  return make("section", {id, "aria-labelledby": id + "-title"}, make("h2", {id: id + "-title"}, title), children);
}

function tiles(entries) {
  return make("dl", {class: "tiles"}, entries.map(([name, value, isLive]) =>
    make("div", {class: isLive && "live"}, make("dt", {}, name), make("dd", {}, value))));
}

function header() {
  document.getElementById("head").append(
    make("h1", {}, given(data.title)),
    make("p", {class: "muted"}, `Anomaly report: ${count(data.rows)} ${kind}, scored by `, make("code", {}, data.method),
      data.image ? ` on images of ${data.image}` : "", labels ? `, ${count(labels.rows)} of them labelled` : ""));
}

// ---- Scores and the threshold ----

const scores = data.scores;
/** Where a score lies on the axis of the histogram, in bins, and back. */
const stretched = (score) => Math.asinh((score - scores.centre) / scores.width);
const placeOf = (score) => (stretched(score) - stretched(scores.edges[0])) /
  (stretched(scores.edges.at(-1)) - stretched(scores.edges[0])) * scores.rows.length;

function tickText(score) {
  const size = Math.abs(score);
  if (size < 1e-9 * scores.width) return "0";
  return size < 1e5 ? short(Number(score.toPrecision(5)), 5) : score.toExponential(0).replace("e+", "e");
}

/** Round scores that have room beside each other, as places on the axis: 0 first, then powers of ten, 5s and 2s. */
function roundPlaces(pixels) {
  const low = scores.edges[0], high = scores.edges.at(-1), room = scores.rows.length * 56 / pixels;
  const found = low <= 0 && high >= 0 ? [0] : [];
  const tryAll = (values) => {
    for (const value of values) {
      if (value >= low && value <= high && found.every((other) => Math.abs(placeOf(other) - placeOf(value)) >= room)) found.push(value);
    }
  };
  for (const digit of [1, 5, 2, 3]) {
    for (let power = 12; power >= -6; --power) tryAll([digit * 10 ** power, -digit * 10 ** power]);
  }
  if (found.length < 3) {
    for (let i = 0; i <= 4; ++i) tryAll([Number(scoreAt(i * scores.rows.length / 4).toPrecision(5))]);
  }
  return found.map(placeOf).sort((a, b) => a - b);
}

function histogram(isLogarithmic, place) {
  const bars = (label, counts, name) => {
    const all = counts.reduce((sum, one) => sum + one, 0);
    return {
      type: "bar", label, order: 2, grouped: false, barPercentage: 0.92, categoryPercentage: 1, backgroundColor: faded(name), borderColor: colour(name),
      data: counts.map((one, i) => ({x: i + 0.5, y: all ? one / all : 0, count: one})),
    };
  };
  const sets = isRanked ? [bars("normal rows", scores.normal, "rows"), bars("anomalies", scores.anomalies, "anomaly")] :
    [bars(`these ${kind}`, scores.rows, "rows")];
  if (scores.training.length) {
    const all = scores.training.reduce((sum, one) => sum + one, 0);
    sets.push(line(`training ${kind}, held out`, scores.training.map((one, i) => ({x: i + 0.5, y: one / all, count: one})), "training",
      {type: "line", order: 1, stepped: "middle", borderWidth: 1.75, backgroundColor: "transparent"}));
  }
  const least = Math.min(...sets.flatMap((set) => set.data.map((point) => point.y)).filter((y) => y > 0));
  return {
    type: "bar", data: {datasets: sets},
    options: {
      onClick: (event, _, of) => moveTo(nearestStep(scoreAt(of.scales.x.getValueForPixel(event.x)))),
      scales: {
        x: axis("anomaly score", {min: 0, max: scores.rows.length, offset: false, grid: {display: false},
          ticks: {maxRotation: 0, autoSkip: false, callback: (v) => tickText(scoreAt(v))},
          afterBuildTicks: (of) => { of.ticks = roundPlaces(of.chart.width).map((value) => ({value})); }}),
        y: isLogarithmic ? {...logarithm("share of its kind"), min: 10 ** Math.floor(Math.log10(least * 0.9))} :
          axis("share of its kind", {min: 0, ticks: {callback: percentTick}}),
      },
      plugins: {
        legend: {labels: {boxHeight: 9}},
        tooltip: {callbacks: {
          title: ([item]) => `score ${short(scores.edges[item.dataIndex], 3)} to ${short(scores.edges[item.dataIndex + 1], 3)}`,
          label: (item) => `${item.dataset.label}: ${count(item.raw.count)} (${percent(item.raw.y)})`,
        }},
      },
    },
    plugins: [markerAt(() => placeOf(steps.threshold[step])), {id: "place", afterLayout: place}],
  };
}
function scoreAt(place) {
  const low = stretched(scores.edges[0]), high = stretched(scores.edges.at(-1));
  return scores.centre + scores.width * Math.sinh(low + (high - low) * place / scores.rows.length);
}

/** Puts the slider below the axis: its thumb is 16 pixels wide. */
function alignSlider({chartArea, width}) {
  const style = document.getElementById("threshold").style;
  style.marginLeft = `${chartArea.left - 8}px`;
  style.width = `${chartArea.right - chartArea.left + 16}px`;
  style.maxWidth = `${width}px`;
}

/** The control of the threshold: along the axis of the histogram; keys move from one exact count to the next. */
function slider(histogramChart) {
  const input = make("input", {id: "threshold", class: "slider", type: "range", min: 0, max: scores.rows.length, step: "any"});
  const show = () => {
    const now = decision(step);
    input.value = placeOf(now.threshold);
    input.setAttribute("aria-valuetext", `threshold ${short(now.threshold)}: ${plural(now.flagged, "row")} flagged${
      isRanked ? `, precision ${percent(now.precision)}, recall ${percent(now.recall)}` : ""}`);
    if (histogramChart.chart) histogramChart.chart.draw();
  };
  const moves = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -20, PageUp: 20, Home: -Infinity, End: Infinity};
  input.addEventListener("input", () => moveTo(nearestStep(scoreAt(Number(input.value)))));
  input.addEventListener("keydown", (event) => {
    if (!(event.key in moves)) return;
    event.preventDefault();
    moveTo(step + moves[event.key]);
  });
  watchers.push(show);
  return input;
}

function liveTiles() {
  const list = make("div", {id: "counts"});
  watchers.push(() => {
    const now = decision(step);
    const entries = [["threshold", short(now.threshold, 5), true], [`${kind} flagged`, count(now.flagged), true],
      [`of all scored ${kind}`, percent(now.flagged / steps.flagged[0]), true]];
    if (now.expected !== null) entries.push([`expected of new normal ${kind}`, percent(now.expected), true]);
    if (isRanked) entries.push(["precision", percent(now.precision), true], ["recall", percent(now.recall), true], ["F1", short(now.f1, 3), true]);
    list.replaceChildren(tiles(entries));
  });
  return list;
}

function scoreSection() {
  if (!steps) return section("scores", "Scores", card(note("No row has a score: none holds a value.")));
  let isLogarithmic = true;
  const plot = chart(`Histogram of the anomaly scores of ${plural(steps.flagged[0], "row")}${scores.training.length ? " and of held-out training rows" : ""}`,
    () => histogram(isLogarithmic, alignSlider));
  const heights = make("input", {type: "checkbox", checked: true, change: (event) => {
    isLogarithmic = event.target.checked;
    plot.draw();
  }});
  const back = make("button", {type: "button", id: "usual", click: () => moveTo(usualStep)}, "Back to the model's threshold");
  const flag = make("code", {});
  watchers.push(() => {
    back.disabled = step === usualStep;
    flag.textContent = `--threshold ${Number(steps.threshold[step].toPrecision(9))}`;
  });
  const basis = data.patches ? "An image has the score of its oddest patch; those of the training are of single patches and not drawn." :
    data.calibration.rows ? `The line is ${plural(data.calibration.rows, data.image ? "training image" : "training row")}${data.calibration.folds > 1 ?
    ", each scored by models that had not seen it" : ", which the models have seen: new ones score higher"}.` :
    "The model file keeps no scores of training rows.";
  return section("scores", "Scores and threshold",
    make("p", {class: "muted"}, `${data.image ? "Images" : "Rows"} are flagged from the threshold on. Move it with the slider, its arrow keys or a click into the chart. ${basis} The axis is finest among usual scores.`),
    card(liveTiles(), plot.element, make("label", {for: "threshold", class: "note"}, "Threshold"), slider(plot),
      make("div", {class: "control"}, back, make("label", {}, heights, "logarithmic heights"), make("span", {class: "muted"}, "For the command: ", flag)),
      numbers([{name: "score from"}, {name: "to"}, {name: "rows", number: true}, ...(scores.training.length ? [{name: "training rows", number: true}] : [])],
        scores.rows.map((rows, i) => [short(scores.edges[i], 5), short(scores.edges[i + 1], 5), count(rows),
          ...(scores.training.length ? [count(scores.training[i])] : [])]))));
}

// ---- Labels ----

/** A curve over all steps, with a point at the threshold. */
function curve(title, text, label, x, y, points, more = []) {
  const here = () => [points[step]];
  const plot = chart(label, () => ({
    type: "line",
    data: {datasets: [line("at the threshold", here(), "ink", {showLine: false, pointRadius: 6, pointHoverRadius: 6, clip: false}), line(title, points, "rows"), ...more.map((one) => one())]},
    options: {
      scales: {x: share(x), y: share(y)},
      plugins: {tooltip: {callbacks: {title: () => null, label: (item) => `${x} ${percent(item.raw.x)}, ${y} ${percent(item.raw.y)}`}}},
    },
  }), {low: true});
  watchers.push(() => {
    if (!plot.chart) return;
    plot.chart.data.datasets[0].data = here();
    plot.chart.update("none");
  });
  return card(make("h3", {}, title), note(text), plot.element,
    numbers([{name: "threshold"}, {name: x, number: true}, {name: y, number: true}],
      thinned(points.map((point, i) => [short(steps.threshold[i], 5), percent(point.x), percent(point.y)]), 40)));
}

function reliability() {
  const kinds = [["rank", "rows"], ["gaussian", "second"]];
  const plot = chart("Share of anomalies among rows of each probability", () => ({
    type: "line",
    data: {datasets: [...kinds.map(([kind, name]) => line(kind, data.reliability[kind].map((bin) =>
      ({x: bin.probability, y: bin.anomalies / bin.rows, rows: bin.rows})), name, {pointRadius: 4, clip: false})), diagonal(0, 1, "equal")]},
    options: {
      scales: {x: share("probability"), y: share("share of anomalies")},
      plugins: {tooltip: {callbacks: {title: () => null, label: (item) => `${item.dataset.label}: ${percent(item.raw.y)} of ${count(item.raw.rows ?? 0)} rows at ${percent(item.raw.x)}`}}},
    },
  }), {low: true});
  return card(make("h3", {}, "Probabilities and anomalies"),
    note("How many rows of each probability are anomalies. “rank” is the share of training rows with lower scores: even a normal row has any of them."),
    plot.element,
    numbers([{name: "kind"}, {name: "probability", number: true}, {name: "rows", number: true}, {name: "anomalies", number: true}],
      kinds.flatMap(([kind]) => data.reliability[kind].map((bin) => [kind, percent(bin.probability), count(bin.rows), count(bin.anomalies)]))));
}

function falseAlarms() {
  const normal = labels.rows - labels.anomalies;
  const points = steps.expected.map((expected, i) => ({x: expected, y: steps.normal[i] / normal, threshold: steps.threshold[i]})).filter((p) => p.x > 0 && p.y > 0);
  const least = Math.min(...points.map((point) => Math.min(point.x, point.y)));
  const plot = chart("Share of normal rows that are flagged, by the share expected from the calibration", () => ({
    type: "line",
    data: {datasets: [line("normal rows flagged", points, "rows"), diagonal(least, 1, "as expected")]},
    options: {
      scales: {x: logarithm("expected of new normal rows"), y: logarithm("of these normal rows")},
      plugins: {tooltip: {callbacks: {title: () => null, label: (item) => `${percent(item.raw.y)} flagged, ${percent(item.raw.x)} expected`}}},
    },
  }), {low: true});
  return card(make("h3", {}, "False alarms"),
    note("At each threshold the share of normal rows above it, beside what the calibration expects. Below the dashed line there are fewer than expected."),
    plot.element,
    numbers([{name: "threshold"}, {name: "expected", number: true}, {name: "found", number: true}],
      thinned(points.map((p) => [short(p.threshold, 5), percent(p.x), percent(p.y)]), 40)));
}

function labelSection() {
  if (!labels) return null;
  if (!isRanked) return section("labels", "Labels", card(note(labels.missing)));
  const normal = labels.rows - labels.anomalies, rate = labels.anomalies / labels.rows;
  const at = (divide) => steps.threshold.map((_, i) => divide(i));
  const roc = at((i) => ({x: steps.normal[i] / normal, y: steps.anomalies[i] / labels.anomalies}));
  const ranked = at((i) => ({x: decision(i).recall, y: steps.anomalies[i] + steps.normal[i] === 0 ? 1 : decision(i).precision}));
  return section("labels", "Beside the labels",
    tiles([["labelled rows", count(labels.rows)], ["anomalies", `${count(labels.anomalies)} (${percent(rate)})`],
      ["area under the ROC curve", labels.auroc.toFixed(4)], ["average precision", labels.average_precision.toFixed(4)]]),
    make("div", {class: "pair"},
      curve("ROC curve", "Anomalies found, for the normal rows flagged along with them.", `ROC curve, area ${labels.auroc.toFixed(4)}`,
        "false alarm rate", "recall", roc, [() => diagonal(0, 1, "chance")]),
      curve("Precision and recall", `Chance has a precision of ${percent(rate)}, the share of anomalies.`,
        `Precision by recall, average precision ${labels.average_precision.toFixed(4)}`, "recall", "precision", ranked,
        [() => line("chance", [{x: 0, y: rate}, {x: 1, y: rate}], "training", {borderDash: [4, 4], borderWidth: 1.5})]),
      steps.expected.length ? falseAlarms() : null, data.reliability ? reliability() : null));
}

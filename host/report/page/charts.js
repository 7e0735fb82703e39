// Charts: colours of the page's style, a text alternative for each, drawn again when the colours change.
const drawn = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}
const faded = (name) => colour(name) + "99";

Chart.defaults.animation = false;
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
Chart.defaults.elements.point.radius = 0;
Chart.defaults.elements.line.borderWidth = 2;
Chart.defaults.interaction = {mode: "nearest", intersect: false, axis: "x"};
Chart.defaults.plugins.legend.labels.boxWidth = 14;
Chart.defaults.plugins.legend.labels.boxHeight = 2;
Chart.defaults.plugins.legend.align = "start";

function useColours() {
  Chart.defaults.color = colour("muted");
  Chart.defaults.borderColor = colour("line");
}

/** A chart whose configuration is made by `configure`, anew for other colours. `label` is its text alternative. */
function chart(label, configure, {low = false} = {}) {
  const canvas = make("canvas", {role: "img", "aria-label": label});
  const entry = {
    element: make("div", {class: low ? "plot low" : "plot"}, canvas), chart: null,
    draw() {
      if (entry.chart) entry.chart.destroy();
      entry.chart = new Chart(canvas, configure());
    },
    describe(text) { canvas.setAttribute("aria-label", text); },
  };
  drawn.push(entry);
  return entry;
}

function drawAll() {
  useColours();
  for (const entry of drawn) entry.draw();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
// Paper is light whatever the screen is.
for (const [event, isPrinted] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => {
    document.documentElement.toggleAttribute("data-printed", isPrinted);
    drawAll();
  });
}

const line = (label, points, name, more = {}) =>
  ({label, data: points, borderColor: colour(name), backgroundColor: colour(name), ...more});
const diagonal = (from, to, label) =>
  line(label, [{x: from, y: from}, {x: to, y: to}], "training", {borderDash: [4, 4], borderWidth: 1.5});
const axis = (text, more = {}) => ({type: "linear", title: {display: true, text}, grid: {color: colour("line")}, ...more});
const percentTick = (v) => `${Number((100 * v).toPrecision(6))} %`;
const share = (text) => axis(text, {min: 0, max: 1, ticks: {callback: percentTick, maxTicksLimit: 6, maxRotation: 0}});

/** Lines over a logarithm of shares. */
const logarithm = (text) => axis(text, {
  type: "logarithmic",
  ticks: {callback: (v) => (Math.abs(Math.log10(v) % 1) < 1e-6 ? percentTick(v) : null), autoSkip: false, maxRotation: 0},
});

/** A vertical line at the chart's `place()`, in units of its x axis. */
const markerAt = (place) => ({
  id: "marker",
  afterDatasetsDraw(of) {
    const {ctx, chartArea, scales} = of;
    const x = Math.min(Math.max(scales.x.getPixelForValue(place()), chartArea.left), chartArea.right);
    ctx.save();
    ctx.strokeStyle = colour("ink");
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.moveTo(x, chartArea.top);
    ctx.lineTo(x, chartArea.bottom);
    ctx.stroke();
    ctx.restore();
  },
});

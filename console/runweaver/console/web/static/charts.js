// Charts, drawn from the tables that stand below them: who does not see a chart reads its table.
//
// <figure data-chart="bars" or "line" data-unit="count", "share" or "duration">
//   <figcaption>…</figcaption> <div class="plot"></div>
//   <details> <table data-since="seconds since 1970" data-step="seconds" data-steps="how many">
//     <th data-colour="good">: a series; <tr data-at="seconds since 1970">; <td data-value="…">: a number of a series.
//
// Bars stand on each other, those of the first series at the bottom. Rows that would have nothing are left out.

const HEIGHT = 168;
const FONT = "11px system-ui, sans-serif";
//: With fewer points than that, each is marked: a line needs two.
const FEW = 30;

//: What stands between lines of durations: round ones, in milliseconds.
const DURATIONS = [1, 10, 100, 1000, 10_000].flatMap((unit) => [unit, 2 * unit, 5 * unit]).concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440].map((minutes) => minutes * 60_000),
  [2, 5, 10, 20, 50, 100, 200, 500].map((days) => days * 86_400_000),
);

const time = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const both = new Intl.DateTimeFormat(undefined, {
  weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
});
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });

const SPELL = { count: (value) => compact.format(value), share: (value) => share.format(value), duration: spellDuration };

const drawn = new Map();

/** Draw all charts below an element, or draw them anew with what their tables have now. */
export function drawCharts(root = document) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) draw(figure);
}

function draw(figure) {
  drawn.get(figure)?.destroy();
  const plot = figure.querySelector(".plot");
  const told = read(figure);
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  plot.replaceChildren(tip);
  drawn.set(figure, new uPlot(options(figure, told, plot, tip), [told.xs, ...drawnValues(told)], plot));
  widths.observe(plot);
}

/** What the table says: the times, and the values of each series. */
function read(figure) {
  const table = figure.querySelector("table");
  const since = Number(table.dataset.since);
  const step = Number(table.dataset.step);
  const steps = Number(table.dataset.steps);
  const isBars = figure.dataset.chart === "bars";
  const series = [...table.querySelectorAll("thead [data-colour]")].map((cell) => ({
    name: cell.textContent, colour: cell.dataset.colour, values: new Array(steps).fill(isBars ? 0 : null),
  }));
  for (const row of table.querySelectorAll("tbody tr")) {
    const at = Math.round((Number(row.dataset.at) - since) / step);
    row.querySelectorAll("[data-value]").forEach((cell, place) => {
      if (cell.dataset.value !== "") series[place].values[at] = Number(cell.dataset.value);
    });
  }
  const xs = Array.from({ length: steps }, (_, at) => since + step * (isBars ? at : at + 0.5));
  return { since, step, steps, isBars, series, xs };
}

/** The values as they are drawn: bars from the ground up, the highest first, so that the others cover it. */
function drawnValues({ isBars, series, steps }) {
  if (!isBars) return series.map((each) => each.values);
  const heights = new Array(steps).fill(0);
  return series.map((each) => each.values.map((value, at) => (heights[at] += value))).reverse();
}

function options(figure, told, plot, tip) {
  const spell = SPELL[figure.dataset.unit];
  const colours = told.isBars ? [...told.series].reverse() : told.series;
  const grid = { stroke: colour("line"), width: 1 };
  const isShare = figure.dataset.unit === "share";
  return {
    width: plot.clientWidth,
    height: HEIGHT,
    padding: [10, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: "period" }, points: { show: !told.isBars } },
    scales: {
      x: { time: true, range: [told.since, told.since + told.step * told.steps] },
      y: { range: isShare ? [0, 1] : (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      { stroke: colour("soft"), font: FONT, grid: { show: false }, ticks: grid, size: 28, space: 70, values: spellTimes },
      {
        stroke: colour("soft"), font: FONT, grid, ticks: { show: false }, size: 54, space: 36,
        ...(figure.dataset.unit === "duration" && { incrs: DURATIONS }),
        values: (_, values) => values.map((value) => (isWhole(figure, value) ? spell(value) : "")),
      },
    ],
    series: [{}, ...colours.map((each) => (told.isBars ? bars(each) : line(each)))],
    hooks: { setCursor: [(chart) => point(chart, told, spell, tip)] },
  };
}

const bars = ({ colour: name }) => ({
  fill: calm(name), stroke: calm(name), width: 0, points: { show: false },
  paths: uPlot.paths.bars({ size: [0.8, 40], align: 1 }),
});

const line = ({ colour: name, values }) => ({
  stroke: colour(name), width: 1.75, spanGaps: true,
  points: { show: values.filter((value) => value !== null).length < FEW, size: 5, fill: colour(name) },
});

/** What is under the pointer. */
function point(chart, { step, isBars, series, xs }, spell, tip) {
  const at = chart.cursor.idx;
  tip.hidden = at === null || at === undefined || chart.cursor.left < 0 || series.every((each) => !each.values[at]);
  if (tip.hidden) return;
  const head = document.createElement("strong");
  head.textContent = both.format((xs[at] - (isBars ? 0 : step / 2)) * 1000);
  const lines = series.filter((each) => (isBars ? each.values[at] : each.values[at] !== null)).map((each) => {
    const told = document.createElement("span");
    told.className = `key ${each.colour}`;
    told.textContent = `${each.name} ${spell(each.values[at])}`;
    return told;
  });
  tip.replaceChildren(head, ...lines);
  const left = chart.over.offsetLeft + chart.cursor.left;
  const isLeft = chart.cursor.left > chart.over.clientWidth / 2;
  tip.style.left = isLeft ? "" : `${left + 12}px`;
  tip.style.right = isLeft ? `${chart.width - left + 12}px` : "";
}

/** Times on the axis: the day where one begins, otherwise the time of day. */
function spellTimes(_, moments) {
  return moments.map((seconds) => {
    const moment = new Date(seconds * 1000);
    return (moment.getHours() || moment.getMinutes() ? time : day).format(moment);
  });
}

/** There is no half of a run. */
const isWhole = (figure, value) => figure.dataset.unit !== "count" || Number.isInteger(value);

function spellDuration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${+(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${+(ms / 60_000).toFixed(1)} min`;
  return `${+(ms / 3_600_000).toFixed(1)} h`;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A colour for what covers much: nearer to the paper. It covers what is drawn below it, so it cannot just let it through. */
function calm(name) {
  const [own, paper] = [colour(name), colour("paper")].map((hex) => hex.slice(1).match(/../g).map((part) => parseInt(part, 16)));
  return `rgb(${own.map((part, place) => Math.round(0.75 * part + 0.25 * paper[place])).join(" ")})`;
}

const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const chart = drawn.get(target.closest("figure"));
    if (chart && target.clientWidth && chart.width !== target.clientWidth) {
      chart.setSize({ width: target.clientWidth, height: HEIGHT });
    }
  }
});

const redraw = () => drawCharts();
addEventListener("themed", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

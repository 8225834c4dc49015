// Histograms with brushes, and how many rows have each value of a category.
import { $, attempt, count, drawn, make, newest, shown } from "./dom.js";
import { openFilter } from "./filters.js";
import { ask } from "./server.js";
import { addFilter, query } from "./state.js";
import { startScatter } from "./scatter.js";

const WIDTH = 320, HEIGHT = 90;
const run = newest();
let about, scatter;

export function startCharts(found) {
  about = found;
  const numbers = about.columns.filter((column) => column.kind === "number" && column.group !== "map").map((column) => column.name);
  const scores = about.columns.filter((column) => column.kind === "number" && column.group === "score").map((column) => column.name);
  const x = scores[0] || "prompt characters";
  const y = scores[1] || "response characters";
  scatter = startScatter($("scatter"), about, { numbers, x, y, colour: "state" });
}

// Frames keep their places while the charts in them are asked for, one after the other.
export async function showCharts() {
  const current = run();
  const of = (group) => about.columns.filter((column) => column.kind === "number" && column.group === group);
  const numbers = [...of("score"), ...of("pool")];
  const categories = about.columns.filter((column) => column.kind === "category");
  frames($("histograms"), numbers);
  frames($("values"), categories);
  scatter.show();
  for (const [place, column] of numbers.entries()) {
    const found = await attempt(() => ask("histogram", { ...query(), column: column.name }));
    if (!current()) return;
    if (found) $("histograms").children[place].replaceChildren(...histogram(column, found));
  }
  for (const [place, column] of categories.entries()) {
    const found = await attempt(() => ask("counts", { ...query(), column: column.name }));
    if (!current()) return;
    if (found) $("values").children[place].replaceChildren(...values(column, found));
    $("values").children[place].hidden = Boolean(found) && !found.values.length;
  }
}

function frames(box, columns) {
  while (box.children.length > columns.length) box.lastChild.remove();
  while (box.children.length < columns.length) box.append(make("figure", {}));
}

function histogram(column, found) {
  const title = make("figcaption", {}, make("b", {}, column.name), column.about && column.about !== column.name ? ` ${column.about}` : "", make("span", { class: "space" }),
    make("button", { type: "button", class: "quiet", "aria-label": `Filter by ${column.name}`, onclick: () => openFilter(column.name) }, "Filter"));
  if (!found.edges.length) return [title, make("p", { class: "muted" }, "No row has a value.")];
  if (found.low === found.high) return [title, make("p", { class: "muted" }, `always ${shown(found.low)}`)];
  const most = Math.max(...found.all, 1), bins = found.all.length, step = WIDTH / bins;
  const bar = (value, place, kind) => {
    const height = value ? Math.max(1, (value / most) * HEIGHT) : 0;
    return drawn("rect", { x: place * step, y: HEIGHT - height, width: Math.max(step - 0.6, 0.4), height, class: kind });
  };
  const brush = drawn("rect", { class: "brush", y: 0, height: HEIGHT, width: 0, x: 0 });
  const chart = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label(column, found) },
    ...found.all.map((value, place) => bar(value, place, "pool")), ...found.found.map((value, place) => bar(value, place, "found")), brush);
  brushing(chart, brush, (from, to) => {
    const first = Math.floor((from / WIDTH) * bins), last = Math.min(bins - 1, Math.floor((to / WIDTH) * bins));
    addFilter({ column: column.name, low: found.edges[first], high: last === bins - 1 ? found.high : below(found, last) });
  });
  return [title, chart, make("p", { class: "axis" }, make("span", {}, shown(found.low)), make("span", {}, found.median === null ? "" : `median ${shown(found.median)}`), make("span", {}, found.low === found.high ? "" : shown(found.high))),
    found.missing ? make("p", { class: "muted small" }, `${count(found.missing)} without a value`) : ""];
}

// The upper end of a bin is the beginning of the next, whose own value is not in it.
function below(found, last) {
  const edge = found.edges[last + 1];
  return found.edges.every(Number.isInteger) ? edge - 1 : edge - Math.abs(edge - found.edges[last]) * 1e-9;
}

const label = (column, found) => `Histogram of ${column.name} from ${shown(found.low)} to ${shown(found.high)}, median of the rows found ${shown(found.median)}`;

function brushing(chart, brush, done) {
  let from = null;
  const at = (event) => {
    const box = chart.getBoundingClientRect();
    return Math.max(0, Math.min(WIDTH - 0.01, ((event.clientX - box.left) / box.width) * WIDTH));
  };
  chart.addEventListener("pointerdown", (event) => {
    from = at(event);
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    if (from === null) return;
    brush.setAttribute("x", Math.min(from, at(event)));
    brush.setAttribute("width", Math.abs(at(event) - from));
  });
  chart.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const to = at(event), begin = from;
    from = null;
    brush.setAttribute("width", 0);
    if (Math.abs(to - begin) > 3) done(Math.min(begin, to), Math.max(begin, to));
  });
  chart.addEventListener("pointercancel", () => {
    from = null;
    brush.setAttribute("width", 0);
  });
}

function values(column, found) {
  const most = Math.max(...found.values.map(([, all]) => all), 1);
  const lines = found.values.slice(0, 12).map(([value, all, some]) => {
    const bar = make("span", { class: "meter" }, make("span", { class: "pool" }), make("span", { class: "found" }));
    bar.children[0].style.width = `${(all / most) * 100}%`;
    bar.children[1].style.width = `${(some / most) * 100}%`;
    return make("li", {}, make("button", { type: "button", title: value, onclick: () => addFilter({ column: column.name, values: [value] }) },
      make("span", { class: "what" }, value), make("span", { class: "num" }, some === all ? count(all) : `${count(some)} of ${count(all)}`), bar));
  });
  const more = found.values.length - lines.length;
  return [make("figcaption", {}, make("b", {}, column.name), make("span", { class: "space" }), more > 0 ? make("button", { type: "button", class: "quiet", onclick: () => openFilter(column.name) }, `${count(more)} more`) : ""),
    make("ul", { class: "bars" }, ...lines)];
}

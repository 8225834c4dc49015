// Points of two columns on a canvas: drag to filter by a rectangle, click to open the row.
import { attempt, count, css, make, newest, shown } from "./dom.js";
import { ask } from "./server.js";
import { addFilter, change, query } from "./state.js";

const COLOURS = 12, MARGIN = 10;

// What is shown of values: where few lie far from the others, these are drawn at the edge.
function extent(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (part) => sorted[Math.round(part * (sorted.length - 1))];
  const least = at(0), most = at(1), low = at(0.005), high = at(0.995);
  const from = low - least > high - low ? low : least, to = most - high > high - low ? high : most;
  return from < to ? [from, to] : [least - 0.5, least + 0.5];
}

// A range of a column; one that reaches the edge takes in what is beyond it.
function bounds(column, low, high, [from, to]) {
  const filter = { column };
  if (low > from) filter.low = low;
  if (high < to) filter.high = high;
  return "low" in filter || "high" in filter ? filter : { column, missing: false };
}

export function startScatter(box, about, { numbers, x, y, colour, fixed = false }) {
  const run = newest();
  const colours = about.columns.filter((column) => column.kind !== "text");
  const select = (label, names, value) => {
    const made = make("select", {}, ...names.map((name) => make("option", { value: name, selected: name === value }, name)));
    made.addEventListener("change", show);
    return [make("label", {}, `${label} `, made), made];
  };
  const [xLabel, xChoice] = select("Across", numbers, x);
  const [yLabel, yChoice] = select("Up", numbers, y);
  const [colourLabel, colourChoice] = select("Colour", colours.map((column) => column.name), colour);
  const canvas = make("canvas", { tabindex: 0, role: "img", "aria-label": "Points" });
  const brush = make("div", { class: "brush", hidden: true });
  const told = make("p", { class: "muted small", role: "status" });
  const legend = make("ul", { class: "legend" });
  const frame = make("div", { class: "frame" }, canvas, brush);
  const low = make("span"), high = make("span"), left = make("span", { class: "up" });
  box.append(make("div", { class: "line wrap" }, ...(fixed ? [] : [xLabel, yLabel]), colourLabel), make("div", { class: "plot" }, left, frame, make("p", { class: "axis" }, low, make("span", { class: "middle" }), high)), legend, told);
  let found = null, range = null;

  async function show() {
    const current = run();
    const asked = await attempt(() => ask("scatter", { ...query(), x: xChoice.value, y: yChoice.value, colour: colourChoice.value }));
    if (!asked || !current()) return;
    found = asked;
    draw();
  }

  function draw() {
    if (!found || !frame.clientWidth) return;
    const scale = devicePixelRatio || 1, width = frame.clientWidth, height = frame.clientHeight;
    Object.assign(canvas, { width: width * scale, height: height * scale });
    const paint = canvas.getContext("2d");
    paint.scale(scale, scale);
    range = { x: extent(found.x), y: extent(found.y), width, height };
    const colourOf = colouring();
    paint.globalAlpha = found.rows.length > 1500 ? 0.55 : 0.8;
    const size = found.rows.length > 1500 ? 2 : 3;
    for (let place = 0; place < found.rows.length; place++) {
      paint.fillStyle = colourOf(place);
      paint.beginPath();
      paint.arc(across(found.x[place]), up(found.y[place]), size, 0, 6.3);
      paint.fill();
    }
    low.textContent = found.rows.length ? shown(range.x[0]) : "";
    high.textContent = found.rows.length ? shown(range.x[1]) : "";
    box.querySelector(".middle").textContent = xChoice.value;
    left.textContent = found.rows.length ? `${yChoice.value}: ${shown(range.y[0])} to ${shown(range.y[1])}` : yChoice.value;
    const all = found.total > found.rows.length ? `${count(found.rows.length)} of ${count(found.total)} rows are drawn, a random sample.` : `${count(found.total)} rows.`;
    told.textContent = `${all} Drag to filter by a rectangle, click a point to open its row.`;
    canvas.setAttribute("aria-label", `${yChoice.value} against ${xChoice.value}, coloured by ${colourChoice.value}. ${all} Use Filter for ranges of either.`);
  }

  const share = (value, [from, to]) => Math.max(0, Math.min(1, (value - from) / (to - from)));
  const across = (value) => MARGIN + share(value, range.x) * (range.width - 2 * MARGIN);
  const up = (value) => range.height - MARGIN - share(value, range.y) * (range.height - 2 * MARGIN);
  const xAt = (place) => range.x[0] + ((place - MARGIN) / (range.width - 2 * MARGIN)) * (range.x[1] - range.x[0]);
  const yAt = (place) => range.y[0] + ((range.height - MARGIN - place) / (range.height - 2 * MARGIN)) * (range.y[1] - range.y[0]);

  // The colour of each point, and the legend that explains it.
  function colouring() {
    const none = css("--open");
    const key = (colour, text) => {
      const swatch = make("span", { class: "swatch" });
      swatch.style.background = colour;
      return make("li", {}, swatch, text);
    };
    if (found.texts.length) {
      const counts = new Map();
      for (const code of found.colour) counts.set(code, (counts.get(code) || 0) + 1);
      const ranked = [...counts.keys()].filter((code) => code >= 0).sort((one, other) => (found.texts.length <= COLOURS ? one - other : counts.get(other) - counts.get(one) || one - other));
      const colours = new Map(ranked.slice(0, COLOURS).map((code, place) => [code, css(`--c${place}`)]));
      const rest = ranked.length - colours.size + (counts.has(-1) ? 1 : 0);
      legend.replaceChildren(...[...colours].map(([code, colour]) => key(colour, found.texts[code])), ...(rest > 0 ? [key(none, "others, or no value")] : []));
      return (place) => colours.get(found.colour[place]) || none;
    }
    const known = found.colour.filter((value) => value !== null);
    const from = known.reduce((least, value) => Math.min(least, value), Infinity), to = known.reduce((most, value) => Math.max(most, value), -Infinity);
    const shades = Array.from({ length: 6 }, (_, place) => css(`--s${place}`));
    legend.replaceChildren(...(known.length ? [key(shades[0], shown(from)), key(shades[5], shown(to))] : []), ...(known.length < found.colour.length ? [key(none, "no value")] : []));
    return (place) => (found.colour[place] === null ? none : shades[Math.min(5, Math.floor(((found.colour[place] - from) / (to - from || 1)) * 6))]);
  }

  let begun = null;
  const at = (event) => {
    const frameBox = frame.getBoundingClientRect();
    return [Math.max(0, Math.min(frameBox.width, event.clientX - frameBox.left)), Math.max(0, Math.min(frameBox.height, event.clientY - frameBox.top))];
  };
  canvas.addEventListener("pointerdown", (event) => {
    begun = at(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!begun) return;
    const now = at(event);
    brush.hidden = false;
    Object.assign(brush.style, { left: `${Math.min(begun[0], now[0])}px`, top: `${Math.min(begun[1], now[1])}px`, width: `${Math.abs(now[0] - begun[0])}px`, height: `${Math.abs(now[1] - begun[1])}px` });
  });
  canvas.addEventListener("pointerup", (event) => {
    const from = begun, to = at(event);
    begun = null;
    brush.hidden = true;
    if (!from || !found || !range) return;
    if (Math.hypot(from[0] - to[0], from[1] - to[1]) < 5) return openNearest(to);
    addFilter(bounds(xChoice.value, xAt(Math.min(from[0], to[0])), xAt(Math.max(from[0], to[0])), range.x));
    addFilter(bounds(yChoice.value, yAt(Math.max(from[1], to[1])), yAt(Math.min(from[1], to[1])), range.y));
  });
  canvas.addEventListener("pointercancel", () => {
    begun = null;
    brush.hidden = true;
  });

  function openNearest([left_, top]) {
    let nearest = null, least = 15;
    found.rows.forEach((row, place) => {
      const distance = Math.hypot(across(found.x[place]) - left_, up(found.y[place]) - top);
      if (distance < least) [nearest, least] = [row, distance];
    });
    if (nearest !== null) change({ view: "rows", row: nearest });
  }

  new ResizeObserver(draw).observe(frame);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  return { show };
}

// Starts the page, shows the chosen view, and listens to the keys.
import { $, attempt, count, make, newest, say } from "./dom.js";
import { startCharts, showCharts } from "./charts.js";
import { openFilter, showChips, startFilters } from "./filters.js";
import { flagOpen, knowAnnotators, writeNote } from "./notes.js";
import { showOverlap, startOverlap } from "./overlap.js";
import { leavePair, movePair, otherPairText, showPairs, startPairs, turnDifferences, turnPairPage } from "./pairs.js";
import { chooseColumns, leave, move, otherText, showRows, startRows, turnOrder, turnPage } from "./rows.js";
import { startScatter } from "./scatter.js";
import * as server from "./server.js";
import { change, query, readAddress, state, VIEWS, whenChanged } from "./state.js";

let about, map;
const SHOW = { rows: () => showRows(), charts: showCharts, map: () => map.show(), overlap: showOverlap, pairs: () => showPairs() };

const there = (view) => ({ rows: about.rows > 0, charts: about.rows > 0, map: Boolean(about.map), overlap: Object.keys(about.arms).length > 1, pairs: Boolean(about.pairs) })[view];

async function start() {
  readAddress();
  about = await attempt(server.about);
  $("loading").hidden = true;
  if (!about) return;
  document.title = `${about.title} · handpicked explore`;
  $("title").textContent = about.title;
  $("title").title = about.source ? about.source.files.join("\n") : "";
  $("accounts").textContent = accounts();
  $("export").title = `All notes as JSON lines; they are kept in ${about.notes.file}`;
  knowAnnotators(about.annotators);
  if (about.remarks.length) say(about.remarks.join("\n"));
  for (const [place, view] of VIEWS.entries()) {
    if (there(view)) $("views").append(make("button", { type: "button", id: `go-${view}`, onclick: () => change({ view }) }, view, " ", make("kbd", {}, String(place + 1))));
  }
  if (about.rows) {
    startRows(about);
    startFilters(about);
    startCharts(about);
    startOverlap(about);
  }
  if (about.map) {
    $("map-about").textContent = `${about.map.about}. Points near each other mean similar things; distances far apart mean little.`;
    map = startScatter($("mapped"), about, { numbers: [about.map.x, about.map.y], x: about.map.x, y: about.map.y, colour: about.map.clusters || "state", fixed: true });
  }
  if (about.pairs) startPairs(about);
  whenChanged(show);
  show();
}

function accounts() {
  const parts = Object.entries(about.accounts).map(([name, number]) => `${count(number)} ${name}`);
  const rows = parts.length ? `${count(about.rows)} rows = ${parts.join(" + ")}` : "";
  return [about.kind, rows, about.source ? about.source.format : ""].filter(Boolean).join(" · ");
}

function show(changed = ["view"]) {
  if (!there(state.view)) state.view = VIEWS.find(there) || "rows";
  for (const view of VIEWS) {
    $(view).hidden = view !== state.view;
    $(`go-${view}`)?.setAttribute("aria-current", view === state.view ? "page" : "false");
  }
  $("bar").hidden = state.view === "pairs" || !about.rows;
  if (changed.includes("view")) document.body.classList.remove("reading");
  showChips();
  SHOW[state.view]();
  if (state.view !== "rows" && state.view !== "pairs") counted();
}

const counting = newest();

async function counted() {
  const current = counting();
  const found = await attempt(() => server.ask("rows", { ...query(), sort: "", limit: 0, columns: [] }));
  if (found && current()) $("count").textContent = found.total === about.rows ? `${count(found.total)} rows` : `${count(found.total)} of ${count(about.rows)} rows`;
}

const inPairs = () => state.view === "pairs";
const KEYS = {
  j: () => (inPairs() ? movePair(1) : state.view === "rows" && move(1)),
  k: () => (inPairs() ? movePair(-1) : state.view === "rows" && move(-1)),
  "]": () => (inPairs() ? turnPairPage(1) : state.view === "rows" && turnPage(1)),
  "[": () => (inPairs() ? turnPairPage(-1) : state.view === "rows" && turnPage(-1)),
  "/": () => $(inPairs() ? "pair-search" : "search").focus(),
  f: () => !inPairs() && about.rows && openFilter(),
  s: () => state.view === "rows" && $("sort").focus(),
  r: () => state.view === "rows" && turnOrder(),
  c: () => state.view === "rows" && chooseColumns(),
  m: () => (inPairs() ? otherPairText() : state.view === "rows" && otherText()),
  d: () => inPairs() && turnDifferences(),
  x: flagOpen,
  n: writeNote,
  "?": () => $("help").showModal(),
  Escape: () => (inPairs() ? leavePair() : state.view === "rows" && leave()),
};

addEventListener("keydown", (event) => {
  if (!about || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const field = event.target.closest?.("input, textarea, select");
  if (field) {
    if (event.key !== "Escape") return;
    event.preventDefault(); // a browser empties a search field
    field.blur();
    return;
  }
  const view = VIEWS[Number(event.key) - 1];
  const action = view && there(view) ? () => change({ view }) : KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

$("keys").addEventListener("click", () => $("help").showModal());
start();


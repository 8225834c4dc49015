// The list of rows, a page at a time, and the open row beside it.
import { $, attempt, count, make, newest, shown } from "./dom.js";
import { body, rendersMarkdown, turn, turnMarkdown } from "./conversation.js";
import { noteForm } from "./notes.js";
import { ask } from "./server.js";
import { change, query, state } from "./state.js";

const PAGE = 50;
let about, rows = [], total = 0, offset = 0, opened = null;
const list = newest(), detail = newest();

export function startRows(found) {
  about = found;
  const sortable = about.columns.map((column) => make("option", { value: column.name }, column.name));
  $("sort").append(make("option", { value: "" }, "row"), ...sortable);
  $("sort").addEventListener("change", () => change({ sort: $("sort").value, row: null }));
  $("direction").addEventListener("click", turnOrder);
  $("previous").addEventListener("click", () => turnPage(-1));
  $("next").addEventListener("click", () => turnPage(1));
  $("columns").addEventListener("click", chooseColumns);
  $("list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      move(step);
    } else if (event.key === "Enter" && opened !== null) $("detail").focus();
  });
}

export const turnOrder = () => change({ descending: !state.descending, row: null });
const columns = () => state.columns || about.shown;

// Ask for the page of rows at ``at`` and show it; ``choose`` is the place of the row to open on it.
export async function showRows(at = 0, choose = null) {
  const current = list();
  $("sort").value = state.sort;
  $("direction").textContent = state.descending ? "descending" : "ascending";
  $("list").setAttribute("aria-busy", "true");
  const found = await attempt(() => ask("rows", { ...query(), offset: at, limit: PAGE, columns: columns() }));
  if (!current()) return;
  $("list").setAttribute("aria-busy", "false");
  if (!found) return;
  ({ rows, total } = found);
  offset = at;
  $("count").textContent = total === about.rows ? `${count(total)} rows` : `${count(total)} of ${count(about.rows)} rows`;
  $("range").textContent = total ? `${count(offset + 1)} to ${count(offset + rows.length)}` : "none";
  $("previous").disabled = offset === 0;
  $("next").disabled = offset + PAGE >= total;
  head();
  $("list").replaceChildren(...rows.map(item));
  $("list").scrollTop = 0;
  if (!rows.length) $("list").append(make("li", { class: "muted empty" }, "No row satisfies this. Take a filter away, or search for something else."));
  if (choose !== null && rows.length) open(rows[Math.min(choose, rows.length - 1)].row);
  else if (state.row !== null) open(state.row, { remember: false });
  else if (matchMedia("(min-width: 60rem)").matches && rows.length) open(rows[0].row, { remember: false });
  else close(false);
}

function head() {
  $("heads").replaceChildren(make("span", {}, "row"), make("span", {}, "prompt and response"),
    ...columns().map((name) => make("span", { class: "num" }, name)));
  $("heads").style.setProperty("--values", columns().length);
}

function item(row) {
  const values = columns().map((name) => make("span", { class: "value", "data-label": name }, shown(row[name])));
  const made = make("li", { role: "option", id: `row-${row.row}`, "aria-selected": "false", onclick: () => open(row.row, { go: true }) },
    make("span", { class: "number" }, count(row.row), row.state === "kept" || row.state === "rejected" ? make("span", { class: "became" }, row.state) : null, row.note ? make("span", { class: "mark", title: row.note }, row.note === "flag" ? "⚑" : "✎") : null),
    make("span", { class: "texts" }, make("span", { class: "ask", dir: "auto" }, row.prompt ?? "(could not be read)"), make("span", { class: "said", dir: "auto" }, row.response ?? "")),
    ...values);
  if (row.state) made.classList.add(row.state);
  made.style.setProperty("--values", values.length);
  return made;
}

// Open a row. ``go`` moves a phone to it; ``remember`` puts it into the address.
export async function open(row, { go = false, remember = true } = {}) {
  const current = detail();
  if (remember) change({ row }, { quiet: true, replace: true });
  opened = row;
  mark(row);
  const found = await attempt(() => ask("row", { row }));
  if (!current() || !found) return;
  $("detail").replaceChildren(...shownRow(found));
  $("detail").scrollTop = 0;
  if (go || remember) document.body.classList.toggle("reading", go || document.body.classList.contains("reading"));
}

export function close(focus = true) {
  document.body.classList.remove("reading");
  opened = null;
  $("detail").replaceChildren(make("p", { class: "muted" }, total ? "Choose a row." : ""));
  if (focus) $("list").focus();
}

export function leave() {
  document.body.classList.remove("reading");
  $("list").focus();
}

function mark(row) {
  for (const one of $("list").children) one.setAttribute("aria-selected", String(one.id === `row-${row}`));
  const one = document.getElementById(`row-${row}`);
  if (!one) return;
  $("list").setAttribute("aria-activedescendant", one.id);
  one.scrollIntoView({ block: "nearest" });
}

// The next or previous row, over the end of a page too.
export function move(step) {
  const at = rows.findIndex((row) => row.row === opened);
  const next = at + step;
  if (at < 0 && rows.length) open(rows[0].row);
  else if (next >= 0 && next < rows.length) open(rows[next].row);
  else if (next < 0 && offset > 0) showRows(Math.max(0, offset - PAGE), PAGE - 1);
  else if (next >= rows.length && offset + PAGE < total) showRows(offset + PAGE, 0);
}

export function turnPage(step) {
  const at = offset + step * PAGE;
  if (at >= 0 && at < total) showRows(at, 0);
}

export function otherText() {
  turnMarkdown();
  if (opened !== null) open(opened, { remember: false });
}

function shownRow(found) {
  const kind = found.values.state || "";
  const reasons = Object.entries(found.values).filter(([name, value]) => value && /^reason( |$)/.test(name));
  const parts = [
    make("div", { class: "line wrap tools" },
      make("button", { type: "button", class: "quiet back", onclick: leave }, "← List"),
      make("h2", {}, `Row ${count(found.row)}`), kind ? make("span", { class: `state ${kind}` }, kind) : null, make("span", { class: "space" }),
      make("button", { type: "button", class: "quiet", onclick: () => move(-1), "aria-label": "Previous row" }, "↑ ", make("kbd", {}, "K")),
      make("button", { type: "button", class: "quiet", onclick: () => move(1), "aria-label": "Next row" }, "↓ ", make("kbd", {}, "J")),
      make("button", { type: "button", class: "quiet", onclick: otherText, "aria-pressed": String(!rendersMarkdown()) }, "As it is ", make("kbd", {}, "M"))),
    found.values.arms && found.values.arms !== "no arm" ? make("p", { class: "reason" }, make("b", {}, "in: "), found.values.arms) : "",
    ...reasons.map(([name, value]) => make("p", { class: "reason" }, name === "reason" ? "" : make("b", {}, `${name.slice(7)}: `), value)),
  ];
  if (found.rejected) {
    parts.push(make("p", { class: "muted small" }, `${found.rejected.file}, ${found.rejected.place}`));
    if (found.rejected.excerpt) parts.push(body(found.rejected.excerpt, true));
  }
  parts.push(...found.messages.map(turn));
  parts.push(noteForm({ about: "row", row: found.row }, found.notes, (notes) => noted(found.row, notes)));
  parts.push(values(found));
  return parts;
}

function values(found) {
  const units = Object.fromEntries(about.columns.map((column) => [column.name, column]));
  const lines = Object.entries(found.values).filter(([name]) => !/^reason( |$)/.test(name)).map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: typeof value === "number" ? "num" : "" }, value === null ? make("span", { class: "muted" }, "no value") : shown(value)),
      make("td", { class: "muted small" }, units[name].kind === "number" ? units[name].about : "")));
  return make("details", { class: "values", open: true }, make("summary", {}, "Values"), make("table", {}, make("tbody", {}, ...lines)),
    make("p", { class: "muted small" }, found.id ? `id ${found.id}` : ""));
}

function noted(row, notes) {
  const one = rows.find((other) => other.row === row);
  if (!one) return;
  one.note = notes.some((note) => note.flag) ? "flag" : notes.length ? "note" : null;
  const line = document.getElementById(`row-${row}`);
  const again = item(one);
  again.setAttribute("aria-selected", line.getAttribute("aria-selected"));
  line.replaceWith(again);
}

export function chooseColumns() {
  const known = about.columns.filter((column) => column.name !== "prompt" && column.name !== "response");
  $("columns-fields").replaceChildren(...known.map((column) => make("label", {},
    make("input", { type: "checkbox", value: column.name, checked: columns().includes(column.name) }), ` ${column.name}`)));
  $("columns-dialog").onclose = () => {
    const chosen = [...$("columns-fields").querySelectorAll("input:checked")].map((box) => box.value).slice(0, 8);
    change({ columns: chosen });
  };
  $("columns-dialog").showModal();
}

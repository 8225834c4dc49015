// Search, filters as chips, and the dialog that makes a filter of a column.
import { $, attempt, count, make, shown } from "./dom.js";
import { ask } from "./server.js";
import { addFilter, change, dropFilter, state } from "./state.js";

let about;

export function startFilters(found) {
  about = found;
  let waiting;
  const search = () => {
    clearTimeout(waiting);
    change({ search: $("search").value, within: $("within").value, row: null }, { replace: true });
  };
  $("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, 250);
  });
  $("search").addEventListener("change", search);
  $("search").addEventListener("keydown", (event) => event.key === "Enter" && search());
  $("within").addEventListener("change", search);
  $("filter").addEventListener("click", () => openFilter());
  const groups = Map.groupBy ? Map.groupBy(about.columns, (column) => column.group) : grouped(about.columns);
  for (const [group, columns] of groups) {
    $("filter-column").append(make("optgroup", { label: group }, ...columns.map((column) => make("option", { value: column.name }, column.name))));
  }
  $("filter-column").addEventListener("change", fields);
  $("filter-cancel").addEventListener("click", () => $("filter-dialog").close());
  $("filter-form").addEventListener("submit", (event) => event.submitter?.value === "add" && add());
}

function grouped(columns) {
  const found = new Map();
  for (const column of columns) found.set(column.group, [...(found.get(column.group) || []), column]);
  return found;
}

export function showChips() {
  if ($("search") !== document.activeElement) $("search").value = state.search;
  $("within").value = state.within;
  const chips = state.where.map((filter, place) => make("li", {}, make("button", { type: "button", class: "chip", "aria-label": `Take away: ${told(filter)}`, onclick: () => dropFilter(place) },
    told(filter), make("span", { "aria-hidden": "true" }, " ×"))));
  if (state.where.length > 1 || (state.where.length && state.search)) {
    chips.push(make("li", {}, make("button", { type: "button", class: "quiet", onclick: () => change({ where: [], search: "", row: null }) }, "Take all away")));
  }
  $("chips").replaceChildren(...chips);
  $("chips").hidden = !chips.length;
}

function told(filter) {
  const not = filter.exclude ? "not " : "";
  if (filter.missing !== undefined) return `${not}${filter.column}: ${filter.missing ? "no value" : "has a value"}`;
  if (filter.values) return `${not}${filter.column}: ${filter.values.join(" or ")}`;
  if (filter.contains) return `${not}${filter.column} has “${filter.contains}”`;
  if (filter.low === undefined) return `${not}${filter.column} up to ${shown(filter.high)}`;
  if (filter.high === undefined) return `${not}${filter.column} from ${shown(filter.low)}`;
  return `${not}${filter.column} ${shown(filter.low)} to ${shown(filter.high)}`;
}

export function openFilter(column = $("filter-column").value) {
  $("filter-column").value = column;
  $("filter-missing").checked = $("filter-exclude").checked = false;
  fields();
  $("filter-dialog").showModal();
  $("filter-column").focus();
}

async function fields() {
  const column = about.columns.find((one) => one.name === $("filter-column").value);
  $("filter-about").textContent = column.about;
  const box = $("filter-fields");
  const still = () => $("filter-column").value === column.name;
  const before = state.where.find((one) => one.column === column.name) || {};
  if (column.kind === "number") {
    const field = (id, label) => make("label", { class: "field" }, label, make("input", { id, type: "number", step: "any", value: before[id.slice(7)] ?? null }));
    box.replaceChildren(make("div", { class: "line" }, field("filter-low", "From"), field("filter-high", "to")));
    const spread = await attempt(() => ask("spread", { column: column.name }));
    if (spread && still()) {
      $("filter-low").placeholder = shown(spread.low);
      $("filter-high").placeholder = shown(spread.high);
    }
  } else if (column.kind === "category") {
    box.replaceChildren(make("p", { class: "muted" }, "…"));
    const found = await attempt(() => ask("counts", { column: column.name }));
    if (!found || !still()) return;
    const more = found.different - found.values.length;
    box.replaceChildren(make("div", { class: "choices" }, ...found.values.map(([value, all]) => make("label", {},
      make("input", { type: "checkbox", value, checked: (before.values || []).includes(value) }), ` ${value} `, make("span", { class: "muted" }, count(all)))),
    ...(found.values.length ? [] : [make("p", { class: "muted" }, "No row has a value.")])), more > 0 && found.values.length === 200 ? make("p", { class: "muted small" }, `${count(more)} rarer values are not listed.`) : "");
  } else box.replaceChildren(make("label", { class: "field" }, "Contains", make("input", { id: "filter-contains", value: before.contains ?? null, autocomplete: "off" })));
}

function add() {
  const filter = { column: $("filter-column").value };
  const value = (id) => ($(id) && $(id).value !== "" ? Number($(id).value) : undefined);
  const chosen = [...$("filter-fields").querySelectorAll("input:checked")].map((box) => box.value);
  if ($("filter-missing").checked) filter.missing = true;
  else if (chosen.length) filter.values = chosen;
  else if ($("filter-contains")?.value) filter.contains = $("filter-contains").value;
  else if (value("filter-low") !== undefined || value("filter-high") !== undefined) Object.assign(filter, { low: value("filter-low"), high: value("filter-high") });
  else return;
  if ($("filter-exclude").checked) filter.exclude = true;
  addFilter(JSON.parse(JSON.stringify(filter)));
}

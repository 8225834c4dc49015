// What is looked at: view, search, filters, order, columns and the open row. The address holds it, so that a page
// loaded again, and Back, show the same.

export const VIEWS = ["rows", "charts", "map", "overlap", "pairs"];
const START = { view: "rows", search: "", within: "both", where: [], sort: "", descending: false, columns: null, row: null };

export const state = { ...START };
const listeners = new Set();

export const whenChanged = (listener) => listeners.add(listener);

export const query = () => ({
  search: state.search, within: state.within, where: state.where, sort: state.sort, descending: state.descending,
});

export function change(changes, { quiet = false, replace = false } = {}) {
  const before = JSON.stringify(state);
  Object.assign(state, changes);
  if (JSON.stringify(state) === before) return;
  const kept = Object.fromEntries(Object.entries(state).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(START[key])));
  const hash = "#" + encodeURIComponent(JSON.stringify(kept));
  if (replace) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  if (!quiet) for (const listener of listeners) listener(Object.keys(changes));
}

export function readAddress() {
  let kept = {};
  try {
    kept = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  } catch {
    // an address without a state, or one that was cut off
  }
  const sound = kept && typeof kept === "object" && !Array.isArray(kept);
  Object.assign(state, START);
  if (!sound) return;
  for (const key of Object.keys(START)) if (key in kept) state[key] = kept[key];
  if (!VIEWS.includes(state.view)) state.view = "rows";
  if (!Array.isArray(state.where)) state.where = [];
}

addEventListener("popstate", () => {
  readAddress();
  for (const listener of listeners) listener(Object.keys(START));
});

// A filter replaces one of the same column that says the same kind of thing.
export function addFilter(filter) {
  const kind = (one) => ["low" in one || "high" in one, "values" in one, "contains" in one, one.missing !== undefined, Boolean(one.exclude)].join();
  const where = state.where.filter((one) => one.column !== filter.column || kind(one) !== kind(filter));
  change({ where: [...where, filter], row: null });
}

export const dropFilter = (place) => change({ where: state.where.filter((_, other) => other !== place), row: null });

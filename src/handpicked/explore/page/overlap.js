// How the subsets of arms overlap: an UpSet plot with a line for each combination.
import { $, attempt, count, make, newest, plural } from "./dom.js";
import { ask } from "./server.js";
import { addFilter, change, query } from "./state.js";

const run = newest();
let about;
export const startOverlap = (found) => (about = found);

export async function showOverlap() {
  const current = run();
  const found = await attempt(() => ask("overlap", query()));
  if (!found || !current()) return;
  const most = Math.max(...found.combinations.map(([, rows]) => rows), 1);
  const head = make("tr", {}, ...found.arms.map((arm, place) => make("th", { scope: "col", class: "arm" }, make("span", {}, arm), make("span", { class: "muted" }, ` ${count(found.sizes[place])}`))), make("th", { scope: "col" }, "rows"));
  const body = found.combinations.map(([inside, rows]) => {
    const name = found.arms.filter((_, place) => inside[place]).join(" + ");
    const bar = make("span", { class: "meter" }, make("span", { class: "found" }));
    bar.firstChild.style.width = `${(rows / most) * 100}%`;
    const first = inside.indexOf(true), last = inside.lastIndexOf(true);
    const dots = inside.map((there, place) => make("td", { class: `dot${there ? " in" : ""}${place >= first && place < last ? " joined" : ""}` }, make("span", { class: "sr" }, there ? "in" : "not in")));
    return make("tr", {}, ...dots, make("td", {}, make("button", { type: "button", "aria-label": `${name}: ${plural(rows, "row")}`, onclick: () => see(name) }, make("span", { class: "num" }, count(rows)), bar)));
  });
  $("upset").replaceChildren(make("div", { class: "scroll" }, make("table", { class: "upset" }, make("thead", {}, head), make("tbody", {}, ...body))),
    make("p", { class: "muted small" }, `${plural(found.none, "row")} in no arm${found.others ? `; ${plural(found.others, "row")} in rarer combinations` : ""}.`));
}

function see(name) {
  change({ view: "rows" }, { quiet: true });
  addFilter({ column: "arms", values: [name] });
}

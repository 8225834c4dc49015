// Pairs of answers: found by rival, outcome, test set and length, with the judges' words and a diff.
import { $, attempt, count, make, newest } from "./dom.js";
import { body, turnMarkdown } from "./conversation.js";
import { noteForm } from "./notes.js";
import { ask } from "./server.js";

const PAGE = 50;
const CHOICES = [["first", "First answer", "first"], ["rival", "Against", "rivals"], ["outcome", "Outcome", "outcomes"], ["test_set", "Test set", "test_sets"], ["length", "First is", "lengths"], ["judge", "Judge", "judges"]];
const list = newest(), detail = newest();
let about, pairs = [], total = 0, offset = 0, opened = null, differences = true;

export function startPairs(found) {
  about = found.pairs;
  const search = make("input", { type: "search", id: "pair-search", placeholder: "Search", "aria-label": "Search prompts, answers and judges' words", autocomplete: "off" });
  const choices = CHOICES.filter(([, , known]) => about[known].length > 1).map(([name, label, known]) =>
    make("label", {}, `${label} `, make("select", { name }, make("option", { value: "" }, "any"), ...about[known].map((value) => make("option", { value }, value || "(none)")))));
  $("pair-filters").append(make("span", { class: "grow field" }, search), ...choices);
  let waiting;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(showPairs, 250);
  });
  $("pair-filters").addEventListener("change", () => showPairs());
  $("pair-filters").addEventListener("submit", (event) => event.preventDefault());
  $("pair-previous").addEventListener("click", () => turnPairPage(-1));
  $("pair-next").addEventListener("click", () => turnPairPage(1));
  $("pair-list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    movePair(step);
  });
}

export async function showPairs(at = 0, choose = 0) {
  if (typeof at !== "number") at = 0;
  const current = list();
  const asked = Object.fromEntries([...$("pair-filters").querySelectorAll("select")].map((one) => [one.name, one.value]));
  const found = await attempt(() => ask("pairs", { ...asked, search: $("pair-search").value, offset: at, limit: PAGE }));
  if (!found || !current()) return;
  ({ pairs, total } = found);
  offset = at;
  const decided = Object.entries(found.counts).filter(([, number]) => number).map(([outcome, number]) => `${count(number)} ${outcome}`);
  $("pair-count").textContent = `${total === about.total ? count(total) : `${count(total)} of ${count(about.total)}`} pairs${decided.length ? `: ${decided.join(", ")}` : ""}, from the side of the first answer`;
  $("pair-range").textContent = total ? `${count(at + 1)} to ${count(at + pairs.length)}` : "none";
  $("pair-previous").disabled = !at;
  $("pair-next").disabled = at + PAGE >= total;
  $("pair-list").replaceChildren(...pairs.map(item));
  if (!pairs.length) {
    $("pair-list").append(make("li", { class: "muted empty" }, "No pair satisfies this."));
    $("pair-detail").replaceChildren();
    opened = null;
  } else if (choose > 0 || at > 0 || matchMedia("(min-width: 60rem)").matches) openPair(pairs[Math.min(choose, pairs.length - 1)].id);
}

const item = (pair) => make("li", { role: "option", id: `pair-${pair.id}`, "aria-selected": "false", onclick: () => openPair(pair.id, true) },
  make("span", { class: `outcome ${pair.outcome || ""}` }, pair.outcome || "–"),
  make("span", { class: "texts" }, make("span", { class: "ask", dir: "auto" }, pair.ask), make("span", { class: "said" }, `${pair.a} against ${pair.b}${pair.test_set ? ` · ${pair.test_set}` : ""} · ${count(pair.length_a)} and ${count(pair.length_b)} characters`)));

export async function openPair(id, go = false) {
  const current = detail();
  opened = id;
  for (const one of $("pair-list").children) one.setAttribute("aria-selected", String(one.id === `pair-${id}`));
  const one = document.getElementById(`pair-${id}`);
  if (one) {
    $("pair-list").setAttribute("aria-activedescendant", one.id);
    one.scrollIntoView({ block: "nearest" });
  }
  const found = await attempt(() => ask("pair", { id }));
  if (!found || !current()) return;
  $("pair-detail").replaceChildren(...shownPair(found));
  $("pair-detail").scrollTop = 0;
  if (go) document.body.classList.add("reading");
}

export function leavePair() {
  document.body.classList.remove("reading");
  $("pair-list").focus();
}

export function movePair(step) {
  const next = pairs.findIndex((pair) => pair.id === opened) + step;
  if (next >= 0 && next < pairs.length) openPair(pairs[next].id);
  else if (next < 0 && offset > 0) showPairs(offset - PAGE, PAGE - 1);
  else if (next >= pairs.length && offset + PAGE < total) showPairs(offset + PAGE);
}

export function turnPairPage(step) {
  const at = offset + step * PAGE;
  if (at >= 0 && at < total) showPairs(at);
}

export function otherPairText() {
  turnMarkdown();
  if (opened) openPair(opened);
}

export function turnDifferences() {
  differences = !differences;
  if (opened) openPair(opened);
}

function shownPair(found) {
  const marked = differences && found.diff !== null;
  const side = (place, name, text) => {
    const content = marked ? make("div", { class: "text", dir: "auto" }, ...found.diff.map((part) => (part[0] === "equal" ? part[place] : part[place] && make("mark", {}, part[place])))) : body(text);
    return make("div", { class: "answer" }, make("h3", { class: "role" }, name, make("span", { class: "muted" }, ` ${count(place === 1 ? found.length_a : found.length_b)} characters`)), content);
  };
  return [
    make("div", { class: "line wrap tools" }, make("button", { type: "button", class: "quiet back", onclick: leavePair }, "← List"), make("h2", {}, `${found.a} against ${found.b}`), make("span", { class: "space" }),
      make("button", { type: "button", class: "quiet", onclick: () => movePair(-1), "aria-label": "Previous pair" }, "↑ ", make("kbd", {}, "K")),
      make("button", { type: "button", class: "quiet", onclick: () => movePair(1), "aria-label": "Next pair" }, "↓ ", make("kbd", {}, "J")),
      make("button", { type: "button", class: "quiet", onclick: turnDifferences, "aria-pressed": String(differences) }, "Differences ", make("kbd", {}, "D"))),
    make("div", { class: "turn user" }, make("h3", { class: "role" }, "prompt", found.test_set ? make("span", { class: "muted" }, ` ${found.test_set}${found.category ? `, ${found.category}` : ""}`) : null), body(found.prompt)),
    make("div", { class: "answers" }, side(1, found.a, found.answer_a), side(2, found.b, found.answer_b)),
    differences && found.diff === null ? make("p", { class: "muted small" }, "These answers are too long to be compared word by word.") : null,
    found.reference ? make("details", { class: "folded" }, make("summary", {}, "reference answer"), body(found.reference)) : null,
    ...found.verdicts.map(verdict),
    noteForm({ about: "pair", id: found.id }, found.notes, () => {}),
  ].filter(Boolean);
}

function verdict(found) {
  const reviews = found.reviews.map((review) => {
    const order = { ab: "first answer shown first", ba: "first answer shown second", unknown: "order not known" }[review.order];
    const said = review.preferred ? (review.preferred === "tie" ? "tie" : `preferred the ${review.preferred} shown`) : `no verdict: ${review.reason || "could not be parsed"}`;
    return make("div", { class: "review" }, make("p", { class: "muted small" }, `${order} · ${said}${review.scores ? ` · scores ${review.scores.join(" and ")}` : ""}${review.truncated ? " · answers were cut to the judge's limit" : ""}`),
      make("div", { class: "text", dir: "auto" }, review.raw));
  });
  return make("section", { class: "verdict" }, make("h3", { class: "role" }, found.judge, make("span", { class: "muted" }, ` ${found.strict}${found.summed !== found.strict ? `, summed ${found.summed}` : ""}`)), ...reviews);
}

// Votes on blind pairs. Every text of a run enters the page by textContent, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const TAG_KEYS = { "more detail": "d", "more correct": "c", "better form": "f", "follows the instruction": "i", "only longer": "l", "other": "o" };
const VOTE_KEYS = { 1: "first", ArrowLeft: "first", 2: "tie", t: "tie", 3: "second", ArrowRight: "second" };
const SCREENS = ["start", "voting", "finished", "results"];

let about, name, state, shownAt;
let busy = false;

// ---- talking to the server

async function ask(where, body) {
  const request = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let reply;
  try {
    reply = await fetch(where, request);
  } catch {
    throw new Error("handpicked does not answer: was it stopped? Nothing was lost; start it again, open the address it prints, and go on.");
  }
  const found = await reply.json();
  if (!reply.ok) throw new Error(found.error);
  return found;
}

// One request at a time, so that a key pressed twice cannot vote on a pair that was not seen.
async function once(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
    $("problem").hidden = true;
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  } finally {
    busy = false;
  }
}

// ---- screens

function show(screen) {
  for (const id of SCREENS) $(id).hidden = id !== screen;
  $("voter").hidden = screen !== "voting";
  $("progress").hidden = screen === "start";
  window.scrollTo(0, 0);
}

const showing = () => SCREENS.find((id) => !$(id).hidden);

async function enter(who) {
  const query = "?annotator=" + encodeURIComponent(who);
  const found = await ask("state" + query);
  name = who;
  sessionStorage.setItem("name", who);
  $("who").textContent = who;
  const allSeen = !found.pair && found.final && !found.open;
  if (allSeen) showResults(await ask("results" + query), found);
  else update(found);
}

function count(found) {
  state = found;
  $("bar").max = state.total;
  $("bar").value = state.done;
  $("count").textContent = `${state.done} of ${state.total}`;
  $("undo").disabled = $("unveil").disabled = !state.open;
}

function update(found) {
  count(found);
  show(state.pair ? "voting" : "finished");
  if (!state.pair) return $("finished").querySelector("h1").focus();
  text("prompt", state.pair.prompt);
  text("first", state.pair.first);
  text("second", state.pair.second);
  $("prompt").scrollTop = 0;
  $("note").value = state.before ? state.before.note : "";
  for (const button of $("tags").children) press(button, Boolean(state.before && state.before.tags.includes(button.value)));
  shownAt = performance.now();
  $("voting").querySelector("h1").focus({ preventScroll: true });
}

function text(id, content) {
  $(id).textContent = content;
  $(id).classList.toggle("empty", !content);
}

const press = (button, on) => button.setAttribute("aria-pressed", String(on));
const pressed = (button) => button.getAttribute("aria-pressed") === "true";

// ---- what a person can do

function vote(choice) {
  if (showing() !== "voting") return;
  const tags = [...$("tags").children].filter(pressed).map((button) => button.value);
  const seconds = (performance.now() - shownAt) / 1000;
  once(async () => update(await ask("vote", { annotator: name, case: state.pair.case, choice, tags, note: $("note").value, seconds })));
}

function undo() {
  if (!$("undo").disabled) once(async () => update(await ask("undo", { annotator: name })));
}

function askToUnveil() {
  if ($("unveil").disabled) return;
  const one = state.open === 1;
  $("confirm-text").textContent = `You will see who wrote each answer and what the judge said of the ${state.open} pair${one ? "" : "s"} `
    + `that you voted on. ${one ? "That vote is" : "Those votes are"} then final.`;
  $("confirm").returnValue = "";
  $("confirm").showModal();
}

function unveil() {
  once(async () => {
    const results = await ask("unveil", { annotator: name });
    showResults(results, await ask("state?annotator=" + encodeURIComponent(name)));
  });
}

// ---- the results

// An element with its class, attributes and children; strings become text.
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function table(heads, rows) {
  const head = heads.map((label, i) => make("th", { scope: "col", class: i ? "num" : "" }, label));
  const body = rows.map((row) => make("tr", {}, ...row.map((cell, i) => (i ? make("td", { class: "num", "data-label": heads[i] }, cell) : make("th", { scope: "row" }, cell)))));
  return make("table", { class: "stack" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

function estimate(found, percent) {
  const shown = (value) => (percent ? `${Math.round(100 * value)}%` : value.toFixed(2).replace("-", "−"));
  if (found.value === null) return "no value";
  return found.low === null ? shown(found.value) : `${shown(found.value)} (${shown(found.low)} to ${shown(found.high)})`;
}

function showResults(results, found) {
  count(found);
  show("results");
  const { summary, cases } = results;
  $("said").textContent = headline(summary);
  $("go-on").hidden = !found.pair;
  $("summary").replaceChildren(...sections(summary));
  $("pairs").replaceChildren(...cases.map(pair).reverse());
  only();
  $("results").querySelector("h1").focus({ preventScroll: true });
}

function headline(summary) {
  const main = summary.agreement.find((found) => found.other === "all people");
  if (!main) return "There are no votes yet.";
  if (main.agreement.value === null) return "The judge gave no verdict on these pairs, so there is nothing to compare.";
  return `${main.one} and people agree on ${estimate(main.agreement, true)} of ${main.agreement.n} pairs; Cohen's kappa ${estimate(main.kappa)}, where 0 is chance and 1 is perfect.`;
}

function sections(summary) {
  const outcomes = (label, n) => [label, n.n, n.win, n.tie, n.lose, n.unparsed].map(String);
  const made = [
    make("h2", {}, "Agreement"),
    table(["Between", "Same label", "Kappa", "Pairs"], summary.agreement.map((found) => [`${found.one} and ${found.other}`, estimate(found.agreement, true), estimate(found.kappa), String(found.agreement.n)])),
  ];
  for (const met of summary.comparisons) {
    const judges = Object.entries(met.judges).map(([judge, n]) => outcomes(`${judge} (strict)`, n));
    made.push(make("h2", { class: "name" }, `${met.a} against ${met.b}`), table(["By", "Pairs", "Wins", "Ties", "Losses", "Unparsed"], [outcomes("people", met.people), ...judges]));
  }
  const reasons = Object.entries(summary.reasons).filter(([, n]) => n).map(([tag, n]) => [tag, `${n} of ${summary.votes}`]);
  if (reasons.length) made.push(make("h2", {}, "Reasons given"), table(["Reason", "Votes"], reasons));
  made.push(make("p", { class: "by" }, `People preferred the longer answer in ${estimate(summary.longer, true)} of ${summary.longer.n} pairs with a preference and clearly different lengths.`));
  if (summary.stale) made.push(make("p", { class: "by" }, `${summary.stale} votes are left out: their answers have changed since.`));
  return made;
}

const preferred = (found, outcome) => ({ win: `${found.a} is better`, tie: "tie", lose: `${found.b} is better`, unparsed: "unparsed" })[outcome];

function pair(found) {
  const judged = found.verdicts.length ? found.verdicts[0].strict : "unparsed";
  const differs = judged !== "unparsed" && judged !== found.vote.outcome;
  const said = found.verdicts.map((verdict) => `${verdict.judge}: ${preferred(found, verdict.strict)}`);
  const reasons = [...found.vote.tags, found.vote.note].filter(Boolean).join("; ");
  return make("details", { class: "pair", ...(differs ? { "data-differs": "" } : {}) },
    make("summary", {}, make("span", { class: "ask", dir: "auto" }, found.prompt),
      make("span", { class: differs ? "outcome differs" : "outcome" }, [`You: ${preferred(found, found.vote.outcome)}`, ...said].join(" · "))),
    make("div", { class: "reading" },
      ...(reasons ? [make("div", {}, make("h2", {}, "Your reasons"), make("div", { class: "text", dir: "auto" }, reasons))] : []),
      make("div", { class: "answers" }, answer(found.a, found.answer_a), answer(found.b, found.answer_b)),
      ...(found.reference ? [make("div", {}, make("h2", {}, "Reference"), make("div", { class: "text", dir: "auto" }, found.reference))] : []),
      ...found.verdicts.map((verdict) => verdictOf(found, verdict))));
}

const answer = (arm, content) => make("article", {}, make("h2", { class: "name" }, arm), make("div", { class: content ? "text" : "text empty", dir: "auto" }, content));

function verdictOf(found, verdict) {
  const orders = { ab: `${found.a} shown first`, ba: `${found.b} shown first`, unknown: "order unknown" };
  const reviews = verdict.reviews.map((review) => {
    const facts = [orders[review.order], review.preferred ? `prefers ${review.preferred === "tie" ? "neither" : "the " + review.preferred}` : `unparsed: ${review.reason}`];
    if (review.scores) facts.push(`scores ${review.scores.join(" and ")}`);
    if (review.truncated) facts.push("answers were cut to fit");
    return make("div", { class: "review" }, make("div", { class: "by" }, facts.join(" · ")), make("div", { class: "text", dir: "auto" }, review.raw));
  });
  return make("div", {}, make("h2", { class: "name" }, `${verdict.judge}: ${preferred(found, verdict.strict)} (strict), ${preferred(found, verdict.summed)} (summed)`), ...reviews);
}

function only() {
  for (const item of $("pairs").children) item.hidden = $("differing").checked && !("differs" in item.dataset);
}

const goOn = () => once(() => enter(name));

// ---- keys and buttons

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox])")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const pressedKey = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const tag = [...$("tags").children].find((button) => button.dataset.key === pressedKey);
  const voting = showing() === "voting";
  if (voting && pressedKey in VOTE_KEYS) vote(VOTE_KEYS[pressedKey]);
  else if (voting && tag) press(tag, !pressed(tag));
  else if (voting && pressedKey === "n") $("note").focus();
  else if (pressedKey === "z" && showing() !== "results") undo();
  else if (pressedKey === "u" && showing() !== "results") askToUnveil();
  else if (pressedKey === "?") $("help").showModal();
  else if (pressedKey === "Enter" && showing() === "results" && event.target === $("results").querySelector("h1") && state.pair) goOn();
  else return;
  event.preventDefault();
}

function wire() {
  for (const tag of about.tags) {
    const button = make("button", { type: "button", value: tag, "aria-pressed": "false", "data-key": TAG_KEYS[tag] }, tag + " ", make("kbd", {}, TAG_KEYS[tag].toUpperCase()));
    button.addEventListener("click", () => press(button, !pressed(button)));
    $("tags").append(button);
    $("help-tags").append(make("kbd", {}, TAG_KEYS[tag].toUpperCase()), " ");
  }
  for (const known of about.annotators) $("names").append(make("option", { value: known }));
  for (const button of document.querySelectorAll(".vote")) button.addEventListener("click", () => vote(button.dataset.choice));
  $("note").maxLength = about.note_limit;
  $("undo").addEventListener("click", undo);
  $("unveil").addEventListener("click", askToUnveil);
  $("unveil-all").addEventListener("click", askToUnveil);
  $("keys").addEventListener("click", () => $("help").showModal());
  $("go-on").addEventListener("click", goOn);
  $("differing").addEventListener("change", only);
  $("confirm").addEventListener("close", () => { if ($("confirm").returnValue === "yes") unveil(); });
  $("enter").addEventListener("submit", (event) => { event.preventDefault(); once(() => enter($("name").value)); });
  document.addEventListener("keydown", key);
}

once(async () => {
  about = await ask("about");
  $("title").textContent = about.title;
  $("total").textContent = about.total;
  document.title = `${about.title}: inspect`;
  wire();
  const known = sessionStorage.getItem("name");
  show("start");
  if (known) await enter(known);
  else $("name").focus();
});

// Notes and flags on what is open. A note is on the disk when the page says so.
import { $, attempt, make } from "./dom.js";
import { ask } from "./server.js";

let annotators = [];
export const knowAnnotators = (names) => (annotators = names);
const NAME = "annotator";

function remembered() {
  try {
    return localStorage.getItem(NAME) || "";
  } catch {
    return "";
  }
}

// The form for the notes on one row or pair; ``subject`` says which, ``saved`` is told the notes that stand.
export function noteForm(subject, notes, saved) {
  const name = make("input", { id: "annotator", list: "annotators", maxlength: 60, autocomplete: "off", value: remembered(), "aria-label": "Your name" });
  const text = make("textarea", { id: "note", rows: 2, maxlength: 10000, "aria-label": "Note" });
  const flag = make("button", { type: "button", id: "flag", "aria-pressed": "false" }, "Flag ", make("kbd", {}, "X"));
  const told = make("span", { class: "muted", role: "status", id: "note-status" });
  const others = make("ul", { class: "notes" });
  const pressed = () => flag.getAttribute("aria-pressed") === "true";
  const own = (list) => list.find((note) => note.annotator === clean(name.value));

  function show(list, keepText = false) {
    const mine = own(list);
    flag.setAttribute("aria-pressed", String(Boolean(mine && mine.flag)));
    if (!keepText) text.value = mine ? mine.text : "";
    others.replaceChildren(...list.filter((note) => note !== mine).map((note) => make("li", {}, make("b", {}, note.annotator), note.flag ? " flagged it" : "", note.text ? `: ${note.text}` : "")));
  }

  async function keep() {
    if (!clean(name.value)) {
      told.textContent = "Write your name first: notes are kept under it.";
      name.focus();
      return;
    }
    told.textContent = "saving …";
    const sent = text.value;
    const found = await attempt(() => ask("note", { ...subject, annotator: clean(name.value), flag: pressed(), text: sent }));
    if (!found) {
      told.textContent = "Not saved.";
      return;
    }
    try {
      localStorage.setItem(NAME, clean(name.value));
    } catch {
      // a browser that keeps nothing: the name is asked for again
    }
    told.textContent = "Saved.";
    notes = found.notes;
    show(found.notes, text.value !== sent);
    saved(found.notes);
  }

  flag.addEventListener("click", () => {
    flag.setAttribute("aria-pressed", String(!pressed()));
    keep();
  });
  text.addEventListener("change", keep);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) text.blur();
  });
  name.addEventListener("change", () => show(notes));
  show(notes);
  return make("section", { class: "note", "aria-label": "Notes" },
    make("div", { class: "line wrap" }, flag, make("label", { class: "grow" }, make("span", { class: "label" }, "Your name"), name,
      make("datalist", { id: "annotators" }, ...annotators.map((one) => make("option", { value: one })))), told),
    make("label", {}, make("span", { class: "label" }, "Note ", make("kbd", {}, "N")), text), others);
}

const clean = (name) => name.trim().replace(/\s+/g, " ");

export const flagOpen = () => $("flag")?.click();
export const writeNote = () => $("note")?.focus();

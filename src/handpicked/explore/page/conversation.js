// A conversation: each turn with its thought, its content and its calls of tools.
import { make } from "./dom.js";
import { markdown } from "./markdown.js";

let asMarkdown = true;
export const rendersMarkdown = () => asMarkdown;
export const turnMarkdown = () => (asMarkdown = !asMarkdown);

// A text as Markdown or as it is.
export function body(text, plain = false) {
  if (!text) return make("div", { class: "text empty" });
  if (plain || !asMarkdown) return make("div", { class: "text", dir: "auto" }, text);
  return make("div", { class: "markdown", dir: "auto" }, ...markdown(text));
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const folded = (label, ...children) => make("details", { class: "folded" }, make("summary", {}, label), ...children);

export function turn(message) {
  const parts = [make("h3", { class: "role" }, message.role, message.name ? make("span", { class: "muted" }, ` ${message.name}`) : null,
    message.weight === 0 ? make("span", { class: "muted" }, " not learned") : null,
    message.call_id ? make("span", { class: "muted" }, ` result of ${message.call_id}`) : null)];
  if (message.tools) parts.push(folded("tools it may call", make("pre", { tabindex: 0 }, indented(message.tools))));
  if (message.reasoning) parts.push(make("div", { class: "thought" }, make("span", { class: "label" }, "Reasoning"), body(message.reasoning)));
  if (message.content || (!message.calls.length && !message.reasoning)) parts.push(body(message.content, message.role === "tool"));
  for (const call of message.calls) {
    parts.push(make("div", { class: "call" }, make("span", { class: "label" }, "Calls "), make("code", {}, call.name), call.id ? make("span", { class: "muted" }, ` ${call.id}`) : null,
      make("pre", { tabindex: 0 }, indented(call.arguments))));
  }
  if (message.cut) parts.push(make("p", { class: "muted small" }, "The text goes on; this page shows its beginning."));
  return make("div", { class: `turn ${["system", "user", "assistant", "tool"].includes(message.role) ? message.role : "other"}` }, ...parts);
}

// Elements, numbers as text, and messages. Every text of a pool or a model enters the page by textContent.

export const $ = (id) => document.getElementById(id);

// An element with its class, attributes and children; strings become text.
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const count = (value) => value.toLocaleString("en-US");

// A value as text. None is a dash, never a zero.
export function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return count(value).replace("-", "−");
  const size = Math.abs(value);
  const text = size >= 1e6 || size < 1e-4 ? value.toExponential(2) : value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
  return text.replace("-", "−");
}

export const plural = (number, one, many = one + "s") => `${count(number)} ${number === 1 ? one : many}`;

export function say(message) {
  $("problem").textContent = message || "";
  $("problem").hidden = !message;
}

// Runs work whose mistakes become a message on the page.
export async function attempt(work) {
  try {
    const done = await work();
    say("");
    return done;
  } catch (error) {
    say(error.message);
    return undefined;
  }
}

// Only the newest of several runs of the same work may show its result.
export function newest() {
  let latest = 0;
  return () => {
    const mine = ++latest;
    return () => mine === latest;
  };
}

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Questions to the server. While it does not answer the page says so, and asks again until it does.
import { $ } from "./dom.js";

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function send(where, request) {
  for (let tries = 0; ; tries++) {
    try {
      const reply = await fetch(where, request);
      const text = await reply.text();
      $("lost").hidden = true;
      return { ok: reply.ok, text };
    } catch {
      $("lost").hidden = false;
      await sleep(Math.min(250 * 2 ** tries, 3000));
    }
  }
}

function read({ ok, text }) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error(text.slice(0, 300) || "handpicked sent an empty answer.");
  }
  if (!ok) throw new Error(found.error || "handpicked refused this.");
  return found;
}

export const about = async () => read(await send("about"));

export const ask = async (where, body) =>
  read(await send(where, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));

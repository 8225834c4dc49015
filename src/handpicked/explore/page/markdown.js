// Markdown as elements. Texts come from models and strangers: no HTML of theirs is parsed, nothing is fetched, and a
// link is shown with its address and cannot be followed by a click.
import { make } from "./dom.js";

const LONGEST = 100000;
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|__([^_\n]+)__|\*([^*\s][^*\n]*)\*|~~([^~\n]+)~~|(!?)\[([^\][\n]*)\]\(([^()\s]+)\)/g;

export function markdown(text) {
  if (text.length > LONGEST) return [make("div", { class: "text", dir: "auto" }, text)];
  const lines = text.split("\n");
  const blocks = [];
  for (let at = 0; at < lines.length; ) {
    const [block, next] = fence(lines, at) || heading(lines, at) || rule(lines, at) || table(lines, at) || list(lines, at) || quote(lines, at) || paragraph(lines, at);
    if (block) blocks.push(block);
    at = next;
  }
  return blocks;
}

export function inline(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    const [all, code, bold, strong, italic, struck, image, label, address] = found;
    parts.push(text.slice(end, found.index));
    end = found.index + all.length;
    if (code !== undefined) parts.push(make("code", {}, code));
    else if (bold !== undefined || strong !== undefined) parts.push(make("strong", {}, bold ?? strong));
    else if (italic !== undefined) parts.push(make("em", {}, italic));
    else if (struck !== undefined) parts.push(make("s", {}, struck));
    else parts.push(make("span", { class: "link" }, image ? "image: " : "", label || address, label ? make("span", { class: "muted" }, ` (${address})`) : ""));
  }
  parts.push(text.slice(end));
  return parts;
}

function fence(lines, at) {
  const open = /^ {0,3}(`{3,}|~{3,})/.exec(lines[at]);
  if (!open) return null;
  let end = at + 1;
  while (end < lines.length && !lines[end].trimStart().startsWith(open[1])) end++;
  return [make("pre", { tabindex: 0 }, make("code", {}, lines.slice(at + 1, end).join("\n"))), end + 1];
}

function heading(lines, at) {
  const found = /^ {0,3}(#{1,6}) +(.*)$/.exec(lines[at]);
  return found && [make("p", { class: `heading level${Math.min(found[1].length, 4)}` }, ...inline(found[2].replace(/ +#+ *$/, ""))), at + 1];
}

const rule = (lines, at) => (/^ {0,3}([-*_])( *\1){2,} *$/.test(lines[at]) ? [make("hr"), at + 1] : null);

const cells = (line) => line.trim().replace(/^\|/, "").replace(/\|$/, "").split("|").map((cell) => cell.trim());

function table(lines, at) {
  if (!lines[at].includes("|") || !/^[\s|:-]*-[\s|:-]*$/.test(lines[at + 1] || "") || !(lines[at + 1] || "").includes("|")) return null;
  const heads = cells(lines[at]);
  const rows = [];
  let end = at + 2;
  for (; end < lines.length && lines[end].includes("|"); end++) rows.push(cells(lines[end]));
  const head = make("tr", {}, ...heads.map((cell) => make("th", { scope: "col" }, ...inline(cell))));
  const body = rows.map((row) => make("tr", {}, ...heads.map((_, place) => make("td", {}, ...inline(row[place] || "")))));
  return [make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body))), end];
}

const ITEM = /^( {0,12})([-*+]|\d{1,9}[.)]) +(.*)$/;

function list(lines, at) {
  const first = ITEM.exec(lines[at]);
  if (!first) return null;
  const numbered = /\d/.test(first[2]);
  const made = make(numbered ? "ol" : "ul", numbered ? { start: parseInt(first[2], 10) } : {});
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (item && item[1].length > first[1].length && made.lastChild) {
      const [inner, next] = list(lines, end);
      made.lastChild.append(inner);
      end = next;
    } else if (item && item[1].length === first[1].length && /\d/.test(item[2]) === numbered) {
      made.append(make("li", {}, ...inline(item[3])));
      end++;
    } else if (!item && lines[end].trim() && /^\s/.test(lines[end]) && made.lastChild) {
      made.lastChild.append(" ", ...inline(lines[end].trim()));
      end++;
    } else if (!lines[end].trim() && ITEM.test(lines[end + 1] || "") && ITEM.exec(lines[end + 1])[1].length >= first[1].length) end++;
    else break;
  }
  return [made, end];
}

function quote(lines, at) {
  let end = at;
  while (end < lines.length && /^ {0,3}>/.test(lines[end])) end++;
  if (end === at) return null;
  return [make("blockquote", {}, ...inline(lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, "")).join("\n"))), end];
}

function paragraph(lines, at) {
  if (!lines[at].trim()) return [null, at + 1];
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !fence(lines, end) && !heading(lines, end) && !ITEM.test(lines[end]) && !/^ {0,3}>/.test(lines[end])) end++;
  return [make("p", { dir: "auto" }, ...inline(lines.slice(at, end).join("\n"))), end];
}

// A report: the little Markdown that oncalld writes, as elements. What is none of it stays as it is written.

import { el } from "./dom.js";

/** The elements of a text: headings, lists in lists, blocks of code, paragraphs. */
export function elements(text) {
  const nodes = [];
  let list = null; // its last item may get a list of its own
  let fence = null;
  const add = (node, inside) => { inside ? inside.append(node) : nodes.push(node); return node; };
  for (const line of text.split("\n")) {
    const [, indent, said] = line.match(/^( *)(.*)$/);
    if (fence) {
      if (said === fence.mark) fence = null;
      else fence.block.append(`${line.slice(fence.indent)}\n`);
      continue;
    }
    const [heading, item, mark] = [said.match(/^(#{1,3}) (.*)/), said.match(/^- (.*)/), said.match(/^`{3,}/)?.[0]];
    if (mark) {
      fence = { mark, indent: indent.length, block: add(el("pre", { tabindex: "0" }), indent && list?.lastElementChild) };
    } else if (item) {
      list ??= add(el("ul"));
      const above = indent && list.lastElementChild;
      const into = above ? above.querySelector("ul") ?? add(el("ul"), above) : list;
      into.append(el("li", {}, inline(item[1])));
    } else if (said !== "") {
      list = null;
      nodes.push(heading ? el(`h${heading[1].length + 2}`, {}, inline(heading[2])) : el("p", {}, inline(said)));
    }
  }
  return nodes;
}

/** Escaped characters, code, and what is strong. */
const MARKS = /\\([!-/:-@[-`{-~])|(?<!`)(`+)(?!`)(.+?)(?<!`)\2(?!`)|\*\*((?:\\.|[^\\])+?)\*\*/g;

function inline(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(MARKS)) {
    const [whole, character, , code, strong] = found;
    parts.push(text.slice(end, found.index), character
      ?? (code !== undefined ? el("code", {}, code.replace(/^ (.*\S.*) $/, "$1")) : el("strong", {}, inline(strong))));
    end = found.index + whole.length;
  }
  return [...parts, text.slice(end)];
}

// Building the page. Text is only ever set as text: what is shown comes from logs and alerts, and may be hostile.

/** An element with properties and children; strings become text. */
export function el(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A labelled state, in the colour of its meaning. */
export function badge(text, tone = "") {
  return el("span", { class: `badge ${tone}` }, text.replaceAll("_", " "));
}

const TONES = {
  good: ["resolved", "no_fault", "succeeded", "approved", "consumed", "run", "closed"],
  warning: ["mitigated", "inconclusive", "awaiting_approval", "waiting", "retrying", "ask", "pending", "taken_over", "expired",
    "voided", "undoing", "reversible", "warning"],
  bad: ["unresolved", "failed", "escalated", "denied", "refuse", "destructive", "critical"],
};

/** The colour of a state's word. */
export function tone(word) {
  return Object.keys(TONES).find((name) => TONES[name].includes(word)) ?? "";
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DATE = { dateStyle: "medium", timeStyle: "short" };

/** A moment in the reader's zone: `14:02:11`, with the date where it is another day's. */
export function clock(text, ...more) {
  if (!text) return el("span", {}, "–");
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  const shown = today ? at.toLocaleTimeString([], CLOCK) : at.toLocaleString([], DATE);
  return el("time", { datetime: text, title: at.toString() }, shown, ...more);
}

/** The same, and how long ago that is; the page keeps it up to date. */
export function when(text) {
  return clock(text, " ", el("span", { class: "age" }, text && age(text)));
}

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** How long ago a moment is, or how far ahead: `3 min ago`, `in 59 min`. */
export function age(text, now = Date.now()) {
  const seconds = Math.trunc((now - new Date(text).getTime()) / 1000);
  const unit = UNITS.find(([size]) => Math.abs(seconds) >= size);
  if (!unit) return "now";
  const length = `${Math.floor(Math.abs(seconds) / unit[0])} ${unit[1]}`;
  return seconds > 0 ? `${length} ago` : `in ${length}`;
}

/** Names and values. */
export function pairs(entries, kind) {
  return el("dl", { class: kind }, entries.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

/** The facts of a result: short values as a list, long ones as they are. */
export function facts(values) {
  const short = [];
  const long = [];
  for (const [name, value] of Object.entries(values ?? {})) {
    if (value === null || value === "") continue;
    if (typeof value === "string" && MOMENT.test(value)) short.push([name, clock(value)]);
    else if (typeof value !== "object") short.push([name, String(value)]);
    else if (Array.isArray(value) && value.every((item) => typeof item === "string")) {
      if (value.length > 0) short.push([name, value.join(", ")]);
    } else if (Object.keys(value).length > 0) {
      const lines = Array.isArray(value) ? value.map((item) => (name === "lines" ? item?.text ?? "" : inLine(item))) : [inLine(value)];
      long.push(el("h4", {}, name), el("pre", { tabindex: "0" }, lines.join("\n")));
    }
  }
  return [pairs(short, "facts"), ...long];
}

/** A value on one line: `action die   attributes {"signal":"9"}`. */
function inLine(value) {
  if (value === null || typeof value !== "object") return String(value);
  const said = (item) => (item !== null && typeof item === "object" ? JSON.stringify(item) : String(item));
  return Object.entries(value).filter(([, item]) => item !== null && item !== "")
    .map(([name, item]) => `${name} ${said(item)}`).join("   ");
}

/**
 * Makes the children of `parent` those of `items`, keeping every node whose item did not change: so what is typed,
 * focused or unfolded stays as it is while events arrive.
 */
export function reconcile(parent, items, keyOf, build) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const nodes = items.map((item) => {
    const key = keyOf(item);
    const signature = JSON.stringify(item);
    const known = old.get(key);
    old.delete(key);
    if (known?.signature === signature) return known;
    const node = build(item);
    node.dataset.key = key;
    node.signature = signature;
    if (known) replace(known, node);
    return node;
  });
  old.forEach((node) => node.remove());
  arrange(parent, nodes);
}

/** Makes these the children of `parent`, moving none that is where it belongs: what is moved loses the focus. */
export function arrange(parent, nodes) {
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
}

/** Puts a node in the place of another, as far unfolded, and with the focus if that had it. */
function replace(before, after) {
  keepOpen(before, after);
  const focused = before.contains(document.activeElement);
  before.replaceWith(after);
  if (focused) (after.querySelector("summary, button, a, input") ?? after).focus();
}

function keepOpen(before, after) {
  const all = (node) => [node, ...node.querySelectorAll("details")];
  const open = all(before).filter((node) => node.open).map((node) => node.dataset.name);
  for (const node of all(after)) {
    if (open.includes(node.dataset.name)) node.open = true;
  }
}

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

/** A moment, in the reader's zone. */
export function when(text) {
  if (!text) return el("span", {}, "–");
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  return el("time", { datetime: text, title: text }, today ? at.toLocaleTimeString() : at.toLocaleString());
}

/** Names and values. */
export function pairs(entries) {
  return el("dl", {}, entries.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/** The facts of a result: short values as a list, long ones as they are. */
export function facts(values) {
  const short = [];
  const long = [];
  for (const [name, value] of Object.entries(values ?? {})) {
    if (value === null || value === "") continue;
    if (typeof value !== "object") short.push([name, String(value)]);
    else if (Array.isArray(value) && value.every((item) => typeof item === "string")) {
      if (value.length > 0) short.push([name, value.join(", ")]);
    } else if (name === "lines" && Array.isArray(value)) {
      long.push(el("pre", { tabindex: "0" }, value.map((line) => line?.text ?? "").join("\n")));
    } else if (Object.keys(value).length > 0) {
      long.push(el("h4", {}, name), el("pre", { tabindex: "0" }, JSON.stringify(value, null, 1)));
    }
  }
  return [pairs(short), ...long];
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
    if (known?.signature === signature) return known;
    const node = build(item);
    node.dataset.key = key;
    node.signature = signature;
    if (known) keepOpen(known, node);
    return node;
  });
  if (nodes.length !== parent.children.length || nodes.some((node, index) => parent.children[index] !== node)) {
    parent.replaceChildren(...nodes);
  }
}

function keepOpen(before, after) {
  const open = [...before.querySelectorAll("details[open]")].map((node) => node.dataset.name);
  for (const node of after.querySelectorAll("details")) {
    if (open.includes(node.dataset.name)) node.open = true;
  }
}

// What models are asked and answer. Their words are shown as theirs, and only ever as text.

import { badge, clock, el } from "./dom.js";

const several = (count, what) => `${count === 0 ? "no" : count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
const money = (millionths) => (millionths / 1e6).toFixed(4);

/** What all questions cost together. */
export function sums({ questions, unused, usage, cost }) {
  const refused = unused > 0 ? `, ${several(unused, "answer")} not used` : "";
  return `${several(questions, "question")}, ${several(usage.input, "token")} asked and ${usage.output.toLocaleString("en")} answered, cost ${money(cost)}${refused}`;
}

/** What a model did, without what it said. */
function did(outcome) {
  if (outcome.is === "proposed") {
    const { steps, windows } = outcome.proposal;
    return windows.length > 0 ? `wants to see ${several(windows.length, "part")} of what was captured` : `proposed ${several(steps.length, "step")}`;
  }
  if (outcome.is === "claimed") return `made ${several(outcome.claims.findings.length, "finding")}`;
  return { written: "wrote a summary", malformed: "answered in another form", failed: "gave no answer" }[outcome.is] ?? outcome.is;
}

function asking({ models, faults, windows }) {
  const by = models.length > 0 ? `asking ${models.join(", ")}` : "asking";
  if (faults.length > 0) return `${by} again, with ${several(faults.length, "fault")} of the answer`;
  return windows.length > 0 ? `${by}, with ${several(windows.length, "part")} of what was captured` : by;
}

/** One question, as far as it went. */
export function exchangeView(item) {
  const { end, unused } = item;
  const answered = () => (end.model ? `${end.model} ${did(end.outcome)}` : "no model answered");
  const said = end ? answered() : `${asking(item)}…`;
  const cost = end && `${several(end.usage.input + end.usage.output, "token")}, ${money(end.cost)}, ${(end.milliseconds / 1000).toFixed(1)} s`;
  return el("li", { class: "step" },
    el("div", { class: "row" },
      badge(item.agent),
      el("span", { class: "grow" }, said),
      cost && el("span", { class: "faint" }, cost),
      el("span", { class: "faint" }, clock(item.began_at))),
    unused && el("p", { class: "inside warning" }, `Not used: ${unused}`));
}

/** What a model wrote about the verdict. */
export function proseView(prose) {
  return el("section", { class: "card", "aria-label": "In a model's words" },
    el("p", { class: "faint" }, "Written by the model ", el("code", {}, prose.model), "; the facts below are from the journal."),
    el("p", { class: "lines" }, prose.text));
}

// Steps of an incident: what was read, what was done.

import { badge, clock, el, facts, pairs, tone } from "./dom.js";

/** One step with its evidence, folded up, or its action. */
export function stepView(record) {
  const { step, evidence, action, error } = record;
  const status = record.asks ? "awaiting_approval" : record.status;
  const head = el("div", { class: "row" },
    el("code", {}, [step.operation, step.target].filter(Boolean).join(" ")),
    badge(status, tone(status)),
    record.attempt > 1 && el("span", { class: "faint" }, `attempt ${record.attempt}`),
    el("span", { class: "faint grow" }, step.reason),
    el("span", { class: "faint" }, clock(record.finished_at ?? record.started_at)));
  return el("li", { class: "step" },
    evidence ? el("details", { "data-name": "evidence" }, el("summary", {}, head), evidenceView(evidence)) : head,
    step.expects && expectationView(record),
    error && el("p", { class: `inside ${status === "skipped" ? "faint" : "problem"}` }, error),
    action && !record.asks && actionView(action));
}

/** What a model expected of a step that it proposed, and whether it came so. */
function expectationView({ step: { expects }, judged }) {
  const held = judged?.held ?? null;
  const said = [
    expects.duration && ["Takes about", expects.duration],
    expects.success && ["Expected", el("code", {}, expects.success)],
    held !== null && ["Came so", el("span", { class: held ? "good" : "warning" }, held ? "yes" : "no")],
    judged?.problem && ["Cannot be told", judged.problem],
    judged?.meaning && ["By the model, this means", judged.meaning],
  ].filter(Boolean);
  return said.length > 0 && el("div", { class: "inside" }, pairs(said));
}

function evidenceView(evidence) {
  return el("div", { class: "inside" },
    evidence.commands.map((command) => el("pre", { class: "command" }, command)),
    facts(evidence.facts),
    evidence.truncated && el("p", { class: "faint" }, "It was longer: the rest was cut off."));
}

function outcome(call) {
  if (!call.outcome) return ["nobody knows yet", "warning"];
  const { is, error } = call.outcome;
  if (is === "done") return ["done", "good"];
  return [`${is === "not_done" ? "not done" : "nobody can tell"}: ${error}`, "bad"];
}

function callView(call) {
  const [text, mark] = outcome(call);
  return [el("pre", { class: "command" }, call.command),
    el("p", { class: mark }, text, call.probed ? " (found out after a restart)" : "")];
}

function actionView(action) {
  const { gate, verify } = action;
  return el("div", { class: "inside" },
    action.calls.length === 0 && action.commands.map((command) => el("pre", { class: "command" }, command)),
    action.diff.length > 0 && el("pre", {}, action.diff.join("\n")),
    pairs([
      ["Risk", badge(action.risk, tone(action.risk))],
      gate && ["Gate", el("span", {}, badge(gate.decision, tone(gate.decision)), ` ${gate.reason} (${gate.rule})`)],
      verify && ["Verified", el("span", { class: verify.held ? "good" : "bad" },
        `${verify.held ? "it helped" : "it did not help"}: ${verify.detail}`)],
      verify && ["Independent signal", { true: "agrees", false: "disagrees" }[verify.independent] ?? "none"],
      verify?.criterion && ["Checked", el("code", { class: "faint" }, verify.criterion)],
    ].filter(Boolean)),
    action.calls.length > 0 && [el("h4", {}, "Sent"), action.calls.map(callView)],
    action.undo_calls.length > 0 && [el("h4", {}, "Sent to take it back"), action.undo_calls.map(callView)],
    action.undone !== null && el("p", { class: action.undone ? "warning" : "bad" },
      action.undone ? "Taken back." : "Could not be taken back."));
}

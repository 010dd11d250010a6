// One incident, live.

import { arrange, badge, el, pairs, reconcile, tone, when } from "./dom.js";
import { call, session } from "./client.js";
import { place, rated } from "./incidents.js";
import { approvalCard } from "./approvals.js";
import { elements } from "./report.js";
import { stepView } from "./steps.js";
import { exchangeView, proseView, sums } from "./thoughts.js";

const PHASES = ["triage", "isolation", "root_cause", "resolution"];

/** The view of one incident; `show` fills it anew, keeping what did not change. */
export class IncidentView {
  constructor(id) {
    this.id = id;
    this.head = el("section");
    this.approvals = el("div");
    this.manual = el("ul", { class: "plain", "data-name": "manual" });
    this.findings = el("ul", { class: "plain", "data-name": "findings" });
    this.findingsTitle = el("h3", {}, "Findings");
    this.phases = el("div");
    this.prose = el("div");
    this.sums = el("p", { class: "faint" });
    this.exchanges = el("ul", { class: "plain", "data-name": "exchanges" });
    this.models = el("section", { hidden: true }, el("h3", {}, "Models"), this.sums, el("div", { class: "card" }, this.exchanges));
    this.comments = el("ul", { class: "plain" });
    this.report = el("section", { class: "card report", hidden: true, "aria-label": "Report" });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.node = el("article", {}, this.head, this.prose, this.approvals, this.manual, this.findingsTitle, this.findings,
      el("h3", {}, "Steps"), this.phases, this.models, el("h3", {}, "Comments"), this.comments,
      session.may("responder") && this.#commentForm(), this.problem, this.#tools(), this.report);
  }

  load() {
    return call("GET", `/api/v1/incidents/${encodeURIComponent(this.id)}`);
  }

  /** Shows it; answers with what to tell those who hear the page. */
  show(incident) {
    reconcile(this.head, [summary(incident)], () => "head", () => header(incident));
    const order = (approval) => (approval.state === "pending" ? 0 : 1);
    reconcile(this.prose, incident.prose ? [incident.prose] : [], () => "prose", proseView);
    this.models.hidden = incident.exchanges.length === 0;
    this.sums.textContent = incident.thought.questions > 0 ? sums(incident.thought) : "";
    reconcile(this.exchanges, incident.exchanges, (item) => String(item.index), exchangeView);
    reconcile(this.approvals, [...incident.approvals].sort((one, other) => order(one) - order(other)),
      (approval) => approval.id, (approval) => approvalCard(approval, { link: false }));
    reconcile(this.manual, incident.manual, (item) => item.remedy, manualView);
    this.findingsTitle.hidden = incident.findings.length === 0;
    reconcile(this.findings, incident.findings, (item) => item.id, (item) => findingView(item, incident.steps));
    const asked = new Set(incident.approvals.filter((approval) => approval.state === "pending").map((approval) => approval.step));
    const steps = incident.steps.map((record) => ({ ...record, asks: asked.has(record.step.id) }));
    this.#phases(PHASES.map((name) => ({ name, steps: steps.filter((record) => record.phase === name) }))
      .filter((phase) => phase.steps.length > 0)
      .map((phase) => ({ ...phase, finished: incident.finished_phases.includes(phase.name) })));
    reconcile(this.comments, incident.comments.map((comment, index) => ({ ...comment, index })),
      (comment) => String(comment.index), commentView);
    const [closed, taken] = [incident.state === "closed", incident.state === "taken_over"];
    this.takeOver.hidden = closed || taken;
    this.release.hidden = !taken;
    this.close.hidden = closed;
    if (!this.report.hidden) this.#loadReport();
    return [incident.title, incident.state, incident.verdict].filter(Boolean).join(", ").replaceAll("_", " ");
  }

  #phases(phases) {
    const known = new Map([...this.phases.children].map((node) => [node.dataset.phase, node]));
    const nodes = phases.map((phase) => known.get(phase.name) ?? el("section", { class: "card", "data-phase": phase.name },
      el("div", { class: "row" }, el("span", { class: "title" }, phase.name.replaceAll("_", " ")), el("span", { class: "faint" })),
      el("ul", { class: "plain" })));
    phases.forEach((phase, index) => {
      nodes[index].querySelector(".faint").textContent = phase.finished ? "finished" : "";
      reconcile(nodes[index].querySelector("ul"), phase.steps, (record) => record.step.id, stepView);
    });
    known.forEach((node) => { if (!nodes.includes(node)) node.remove(); });
    arrange(this.phases, nodes);
  }

  async #say(what, comment) {
    this.problem.textContent = "";
    try {
      await call("POST", `/api/v1/incidents/${encodeURIComponent(this.id)}/${what}`, { comment });
      dispatchEvent(new Event("oncalld:changed"));
      return true;
    } catch (error) {
      this.problem.textContent = error.message;
      return false;
    }
  }

  #commentForm() {
    const input = el("input", { type: "text", "aria-label": "Comment", placeholder: "For whoever looks at this next", maxlength: "4000", required: true });
    const send = async (event) => {
      event.preventDefault();
      if (await this.#say("comment", input.value)) input.value = "";
    };
    return el("form", { class: "actions", onsubmit: send }, el("span", { class: "grow" }, input), el("button", {}, "Comment"));
  }

  #tools() {
    const button = (text, what, title) => el("button", { type: "button", title, onclick: () => this.#say(what, "") }, text);
    this.takeOver = button("Take over", "take-over", "You do the rest: nothing further is run until you release it");
    this.release = button("Release", "release", "oncalld goes on");
    this.close = button("Close", "close", "Whatever has come of it, this is over");
    const toggle = () => {
      this.report.hidden = !this.report.hidden;
      shown.setAttribute("aria-expanded", String(!this.report.hidden));
      if (!this.report.hidden) this.#loadReport();
    };
    const shown = el("button", { type: "button", "aria-expanded": "false", onclick: toggle }, "Report");
    return el("div", { class: "actions" }, session.may("responder") && [this.takeOver, this.release, this.close],
      shown);
  }

  async #loadReport() {
    try {
      const path = `/api/v1/incidents/${encodeURIComponent(this.id)}/report`;
      const text = await call("GET", path, undefined, "text/markdown");
      if (this.report.signature === text) return;
      this.report.signature = text;
      this.report.replaceChildren(...elements(text));
    } catch (error) {
      this.report.replaceChildren(el("p", { class: "problem" }, error.message));
      this.report.signature = null;
    }
  }
}

/** What the head shows, so that it is built anew only if that changes. */
function summary({ id, state, verdict, verdict_reason, cause, escalated, taken_over_by, waiting_on, alerts, read_only, closed_at, retrying }) {
  return { id, state, verdict, verdict_reason, cause, escalated, taken_over_by, waiting_on, alerts, read_only, closed_at, retrying };
}

function header(incident) {
  const link = (id) => el("a", { href: `#/incidents/${encodeURIComponent(id)}` }, id);
  return el("div", {},
    el("h2", {}, incident.title),
    el("div", { class: "row" },
      badge(incident.state, tone(incident.state)),
      incident.verdict && badge(incident.verdict, tone(incident.verdict)),
      rated(incident),
      el("span", { class: "grow" }, place(incident)),
      el("code", {}, incident.id)),
    pairs([
      incident.verdict && ["Verdict", incident.verdict_reason],
      incident.cause && ["Cause", el("span", {}, el("code", {}, incident.cause.code),
        ` ${Math.round(incident.cause.confidence * 100)} %: ${incident.cause.summary}`)],
      incident.cause?.prevention && ["Prevention", incident.cause.prevention],
      ["Opened", when(incident.opened_at)],
      incident.closed_at && ["Closed", when(incident.closed_at)],
      incident.escalated && incident.escalated !== incident.verdict_reason && ["Escalated", el("span", { class: "bad" }, incident.escalated)],
      incident.taken_over_by && ["Taken over by", incident.taken_over_by],
      ...incident.retrying.map((retry) => ["Tried again", el("span", { class: "warning" },
        `${retry.what}: ${retry.attempts} of ${retry.most} tries, next `, when(retry.next_at), `: ${retry.error}`)]),
      incident.waiting_on && ["Waits for", link(incident.waiting_on)],
      incident.follows && ["Follows", link(incident.follows)],
      incident.read_only && ["Only reads", incident.read_only],
    ].filter(Boolean)),
    incident.alerts.length > 0 && el("details", { "data-name": "alerts" },
      el("summary", {}, `${incident.alerts.length} alert${incident.alerts.length === 1 ? "" : "s"}`),
      incident.alerts.map((alert) => el("div", { class: "card" },
        el("div", { class: "row" }, badge(alert.status, alert.status === "firing" ? "bad" : "good"), when(alert.starts_at)),
        pairs(Object.entries({ ...alert.labels, ...alert.annotations }))))));
}

function manualView(item) {
  return el("li", { class: "card asks" }, el("span", { class: "title" }, "For a person"),
    el("p", { class: "lines" }, item.instructions.trim()), el("p", { class: "faint" }, item.reason));
}

function findingView(item, steps) {
  const name = (id) => steps.find((record) => record.step.id === id)?.step.name ?? id;
  return el("li", { class: "card" },
    el("div", { class: "row" }, el("span", { class: "grow" }, item.summary),
      item.cause && badge(`${item.cause.code} ${Math.round(item.cause.confidence * 100)} %`, "bad")),
    el("p", { class: "faint" }, item.model && `claimed by the model ${item.model}; `, `rests on ${item.cites.map(name).join(", ")}`));
}

function commentView(comment) {
  return el("li", { class: "card" }, el("span", { class: "faint" }, comment.by, " ", when(comment.at)),
    el("p", { class: "lines" }, comment.text));
}

// One incident, live.

import { badge, el, pairs, reconcile, tone, when } from "./dom.js";
import { call } from "./client.js";
import { approvalCard } from "./approvals.js";
import { stepView } from "./steps.js";

const PHASES = ["triage", "isolation", "root_cause", "resolution"];

/** The view of one incident; `show` fills it anew, keeping what did not change. */
export class IncidentView {
  constructor(id) {
    this.id = id;
    this.head = el("section");
    this.approvals = el("div");
    this.findings = el("ul", { class: "plain" });
    this.phases = el("div");
    this.comments = el("ul", { class: "plain" });
    this.findingsTitle = el("h3", {}, "Findings");
    this.report = el("pre", { tabindex: "0", hidden: true });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.node = el("article", {}, this.head, this.approvals, this.findingsTitle, this.findings,
      el("h3", {}, "Steps"), this.phases, el("h3", {}, "Comments"), this.comments, this.#commentForm(),
      this.problem, this.#tools(), this.report);
  }

  show(incident) {
    reconcile(this.head, [summary(incident)], () => "head", () => header(incident));
    const order = (approval) => (approval.state === "pending" ? 0 : 1);
    reconcile(this.approvals, [...incident.approvals].sort((one, other) => order(one) - order(other)),
      (approval) => approval.id, (approval) => approvalCard(approval, { link: false }));
    this.findingsTitle.hidden = incident.findings.length + incident.manual.length === 0;
    reconcile(this.findings, [...incident.findings, ...incident.manual], (item) => item.id ?? `manual ${item.remedy}`, (item) => findingView(item, incident.steps));
    const phases = PHASES.map((name) => ({ name, steps: incident.steps.filter((record) => record.phase === name) }))
      .filter((phase) => phase.steps.length > 0)
      .map((phase) => ({ ...phase, finished: incident.finished_phases.includes(phase.name) }));
    this.#phases(phases);
    reconcile(this.comments, incident.comments.map((comment, index) => ({ ...comment, index })),
      (comment) => String(comment.index), (comment) => el("li", { class: "card" },
        el("span", { class: "faint" }, comment.by, " ", when(comment.at)), el("p", {}, comment.text)));
    this.takeOver.hidden = incident.state === "closed" || incident.state === "taken_over";
    this.release.hidden = incident.state !== "taken_over";
    this.close.hidden = incident.state === "closed";
    if (!this.report.hidden) this.#loadReport();
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
    if (nodes.some((node, index) => this.phases.children[index] !== node)) this.phases.replaceChildren(...nodes);
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
    const input = el("input", { type: "text", "aria-label": "Comment", maxlength: "4000", required: true });
    const send = async (event) => {
      event.preventDefault();
      if (await this.#say("comment", input.value)) input.value = "";
    };
    return el("form", { class: "actions", onsubmit: send }, el("span", { class: "grow" }, input), el("button", {}, "Comment"));
  }

  #tools() {
    const button = (text, what) => el("button", { type: "button", onclick: () => this.#say(what, "") }, text);
    this.takeOver = button("Take over", "take-over");
    this.release = button("Release", "release");
    this.close = button("Close", "close");
    const toggle = () => {
      this.report.hidden = !this.report.hidden;
      if (!this.report.hidden) this.#loadReport();
    };
    return el("div", { class: "actions" }, this.takeOver, this.release, this.close,
      el("button", { type: "button", onclick: toggle }, "Report"));
  }

  async #loadReport() {
    try {
      const path = `/api/v1/incidents/${encodeURIComponent(this.id)}/report`;
      this.report.textContent = await call("GET", path, undefined, "text/markdown");
    } catch (error) {
      this.report.textContent = error.message;
    }
  }
}

/** What the head shows, so that it is built anew only if that changes. */
function summary({ id, state, verdict, verdict_reason, cause, escalated, taken_over_by, waiting_on, alerts, read_only, closed_at, retrying }) {
  return { id, state, verdict, verdict_reason, cause, escalated, taken_over_by, waiting_on, alerts, read_only, closed_at, retrying };
}

function header(incident) {
  const place = incident.service ? `${incident.environment} / ${incident.service}` : incident.environment;
  const link = (id) => el("a", { href: `#/incidents/${encodeURIComponent(id)}` }, id);
  return el("div", {},
    el("h2", {}, incident.title),
    el("div", { class: "row" },
      badge(incident.state, tone(incident.state)),
      incident.verdict && badge(incident.verdict, tone(incident.verdict)),
      el("span", { class: tone(incident.severity) }, incident.severity),
      el("span", { class: "grow" }, place),
      el("code", {}, incident.id)),
    pairs([
      ["Opened", when(incident.opened_at)],
      incident.closed_at && ["Closed", when(incident.closed_at)],
      incident.verdict && ["Verdict", incident.verdict_reason],
      incident.cause && ["Cause", el("span", {}, el("code", {}, incident.cause.code),
        ` ${Math.round(incident.cause.confidence * 100)} %: ${incident.cause.summary}`)],
      incident.cause?.prevention && ["Prevention", incident.cause.prevention],
      incident.escalated && ["Escalated", el("span", { class: "bad" }, incident.escalated)],
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

function findingView(item, steps) {
  const name = (id) => steps.find((record) => record.step.id === id)?.step.name ?? id;
  if (item.instructions !== undefined) {
    return el("li", { class: "card asks" }, el("span", { class: "title" }, "For a person"),
      el("p", {}, item.instructions), el("p", { class: "faint" }, item.reason));
  }
  return el("li", { class: "card" },
    el("div", { class: "row" }, el("span", { class: "grow" }, item.summary),
      item.cause && badge(`${item.cause.code} ${Math.round(item.cause.confidence * 100)} %`, "bad")),
    el("p", { class: "faint" }, `rests on ${item.cites.map(name).join(", ")}`));
}

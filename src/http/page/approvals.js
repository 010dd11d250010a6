// Requests for decisions: what exactly would be run, and approve or deny.

import { badge, el, pairs, reconcile, tone, when } from "./dom.js";
import { call, session } from "./client.js";

/** Everything that waits for a decision. */
export class ApprovalsView {
  constructor() {
    this.list = el("div");
    this.none = el("p", { class: "faint", hidden: true }, "Nothing waits for a decision.");
    this.node = el("div", {}, el("h2", {}, "Waiting for a decision"), this.list, this.none);
  }

  load() {
    return null; // what is pending is always known
  }

  show(_, pending) {
    this.none.hidden = pending.length > 0;
    reconcile(this.list, pending, (approval) => approval.id, approvalCard);
  }
}

/** A request, with buttons while it is pending, and folded up once it is decided. */
export function approvalCard(approval, { link = true } = {}) {
  const pending = approval.state === "pending";
  const head = el("div", { class: "row" },
    el("span", { class: "title" }, `${approval.operation} ${approval.target}`),
    badge(approval.risk, tone(approval.risk)),
    badge(approval.state, tone(approval.state)),
    el("span", { class: "faint grow" }, approval.environment),
    link && el("a", { href: `#/incidents/${encodeURIComponent(approval.incident)}` }, approval.incident));
  const body = [
    el("h4", {}, "Runs exactly"),
    lines(approval.command).map((line) => el("pre", { class: "command" }, line)),
    approval.diff.length > 0 && [el("h4", {}, "Changes"), el("pre", {}, approval.diff.join("\n"))],
    el("h4", {}, "Undo"),
    approval.undo ? lines(approval.undo).map((line) => el("pre", { class: "command" }, line))
      : el("p", { class: "warning" }, "Nothing takes this back."),
    pairs([
      ["Why it is asked", approval.reason],
      [pending ? "Expires" : "Asked", when(pending ? approval.expires_at : approval.requested_at)],
      pending && ["Needs", `${approval.quorum} × ${approval.role}`],
      approval.decided_by.length > 0 && ["Decided by", approval.decided_by.join(", ")],
      approval.comment && ["Comment", approval.comment],
      approval.void_because && ["Void because", approval.void_because],
      ["Digest", el("code", {}, approval.digest)],
    ].filter(Boolean)),
  ];
  const name = { "aria-label": `Approval ${approval.id}`, "data-name": `approval ${approval.id}` };
  return pending ? el("section", { class: "card asks", ...name }, head, body, decision(approval))
    : el("details", { class: "card", ...name }, el("summary", {}, head), body);
}

function lines(text) {
  return text.split("\n").filter((line) => line !== "");
}

const A = { responder: "a responder", approver: "an approver", admin: "an admin" };

/** Why whoever reads this cannot approve it; nothing if they can. */
function barred(approval) {
  if (!session.may(approval.role)) return `Deciding needs ${A[approval.role] ?? approval.role}.`;
  const { name } = session.who;
  if (approval.excluded === name) return "You started this yourself: somebody else has to approve it.";
  return approval.decided_by.includes(name) ? "You have approved this; it needs others as well." : "";
}

function decision(approval) {
  const why = barred(approval);
  const note = why && el("p", { class: "faint" }, why);
  if (!session.may(approval.role)) return note;
  const comment = el("input", { type: "text", placeholder: "Comment (optional)", "aria-label": "Comment", maxlength: "4000" });
  const problem = el("p", { class: "problem", role: "alert" });
  const decide = (what) => async () => {
    buttons.forEach((button) => { button.disabled = true; });
    problem.textContent = "";
    try {
      const path = `/api/v1/approvals/${encodeURIComponent(approval.id)}/${what}`;
      await call("POST", path, { digest: approval.digest, comment: comment.value || undefined });
      dispatchEvent(new Event("oncalld:changed"));
    } catch (error) {
      problem.textContent = error.message;
      buttons.forEach((button) => { button.disabled = false; });
    }
  };
  const buttons = [
    !why && el("button", { type: "button", class: "primary", onclick: decide("approve") }, "Approve"),
    el("button", { type: "button", class: "danger", onclick: decide("deny") }, "Deny"),
  ].filter(Boolean);
  return [note, el("div", { class: "actions" }, el("span", { class: "grow" }, comment), buttons), problem];
}

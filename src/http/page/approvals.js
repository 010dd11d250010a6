// Requests for decisions: what exactly would be run, and approve or deny.

import { badge, el, pairs, tone, when } from "./dom.js";
import { call } from "./client.js";

/** A request, with buttons while it is pending, and folded up once it is decided. */
export function approvalCard(approval, { link = true } = {}) {
  const pending = approval.state === "pending";
  const head = el(pending ? "div" : "summary", {},
    el("div", { class: "row" },
      el("span", { class: "title" }, `${approval.operation} ${approval.target}`),
      badge(approval.risk, tone(approval.risk)),
      badge(approval.state, tone(approval.state)),
      el("span", { class: "faint grow" }, approval.environment),
      link && el("a", { href: `#/incidents/${encodeURIComponent(approval.incident)}` }, approval.incident)));
  const kind = pending ? ["section", { class: "card asks" }] : ["details", { class: "card", "data-name": "approval" }];
  const card = el(kind[0], { ...kind[1], "aria-label": `Approval ${approval.id}` }, head,
    el("h4", {}, "Runs exactly"),
    lines(approval.command).map((line) => el("pre", { class: "command" }, line)),
    approval.diff.length > 0 && [el("h4", {}, "Changes"), el("pre", {}, approval.diff.join("\n"))],
    el("h4", {}, "Undo"),
    approval.undo ? lines(approval.undo).map((line) => el("pre", { class: "command" }, line))
      : el("p", { class: "warning" }, "Nothing takes this back."),
    pairs([
      ["Why it is asked", approval.reason],
      ["Expires", when(approval.expires_at)],
      ["Needs", `${approval.quorum} × ${approval.role}`],
      approval.decided_by.length > 0 && ["Decided by", approval.decided_by.join(", ")],
      approval.comment && ["Comment", approval.comment],
      ["Digest", el("code", {}, approval.digest)],
    ].filter(Boolean)));
  if (pending) card.append(...decision(approval));
  return card;
}

function lines(text) {
  return text.split("\n").filter((line) => line !== "");
}

function decision(approval) {
  const comment = el("input", { type: "text", placeholder: "Comment (optional)", "aria-label": "Comment", maxlength: "4000" });
  const problem = el("p", { class: "problem", role: "alert" });
  const buttons = [];
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
  buttons.push(
    el("button", { type: "button", class: "primary", onclick: decide("approve") }, "Approve"),
    el("button", { type: "button", class: "danger", onclick: decide("deny") }, "Deny"));
  return [el("div", { class: "actions" }, el("span", { class: "grow" }, comment), buttons), problem];
}

//! What was not done and why, and what is left for people.

use crate::domain::{
    AlertStatus, Approval, ApprovalState, CallOutcome, Event, EventBody, GateDecision, Incident, StepRecord, StepRole,
    StepStatus, Verdict,
};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A remedy that was not carried out.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NotDone {
    /// The operation and target, or the remedy's id.
    pub what: String,
    /// Why not.
    pub why: String,
    /// The commands that were not sent.
    pub commands: Vec<String>,
    /// What a person would do.
    pub instructions: String,
}

pub(super) fn not_done(incident: &Incident) -> Vec<NotDone> {
    let remedies = incident.steps.iter().filter(|record| matches!(record.step.role, StepRole::Remedy(_)));
    let unsent = remedies.filter(|record| record.action.as_ref().is_none_or(|action| action.calls.is_empty()));
    let steps = unsent.map(|record| NotDone {
        what: format!("{} on {}", record.step.operation, place(record)),
        why: why(incident, record),
        commands: record.action.as_ref().map(|action| action.commands.clone()).unwrap_or_default(),
        instructions: String::new(),
    });
    let manual = incident.manual.iter().map(|manual| NotDone {
        what: manual.remedy.clone(),
        why: manual.reason.clone(),
        commands: Vec::new(),
        instructions: manual.instructions.clone(),
    });
    steps.chain(manual).collect()
}

fn place(record: &StepRecord) -> &str {
    if record.step.target.is_empty() { "the environment" } else { &record.step.target }
}

fn why(incident: &Incident, record: &StepRecord) -> String {
    let asked = incident.approvals.iter().rev().find(|approval| approval.step == record.step.id);
    let gate = record.action.as_ref().and_then(|action| action.gate.as_ref());
    let refused = gate.filter(|gate| gate.decision == GateDecision::Refuse);
    match (asked.and_then(of_approval), refused, &record.error) {
        (Some(told), _, _) => told,
        (None, Some(gate), _) => format!("refused by the gate (rule {}): {}", gate.rule, gate.reason),
        (None, None, Some(error)) => error.clone(),
        (None, None, None) if record.status == StepStatus::Pending => "not reached".into(),
        (None, None, None) => "not needed any more".into(),
    }
}

/// What a person's decision, or the lack of one, says about why it was not done.
fn of_approval(approval: &Approval) -> Option<String> {
    let by = approval.decided_by.join(" and ");
    let comment = approval.comment.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    match approval.state {
        ApprovalState::Denied => Some(format!("denied by {by} ({}){comment}", approval.id)),
        ApprovalState::Expired => {
            Some(format!("nobody decided by {} ({})", approval.expires_at.format("%Y-%m-%d %H:%M:%SZ"), approval.id))
        }
        ApprovalState::Pending => Some(format!("waiting for a decision ({})", approval.id)),
        ApprovalState::Voided => Some(format!("the request {} became void before it was carried out", approval.id)),
        ApprovalState::Approved | ApprovalState::Consumed => None,
    }
}

pub(super) fn loose_ends(incident: &Incident, events: &[Event]) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(reason) = &incident.escalated {
        let times = incident.escalations;
        found.push(format!(
            "Escalated, people were told {times} {}: {reason}",
            if times == 1 { "time" } else { "times" }
        ));
    }
    if let Some(by) = &incident.taken_over_by {
        found.push(format!("{by} has taken over; nothing runs until it is released"));
    }
    if let Some(other) = &incident.waiting_on {
        found.push(format!("Waits for {other}, the incident of a dependency"));
    }
    if let Some(why) = &incident.read_only {
        found.push(format!("Only reading was allowed: {why}"));
    }
    for approval in incident.approvals.iter().filter(|approval| approval.state == ApprovalState::Pending) {
        let until = approval.expires_at.format("%Y-%m-%d %H:%M:%SZ");
        found.push(format!(
            "{} on {} waits for a decision until {until} ({})",
            approval.operation, approval.target, approval.id
        ));
    }
    found.extend(incident.steps.iter().flat_map(of_step));
    if incident.verdict == Some(Verdict::Mitigated) {
        found.push("Nothing independent has proved the fix: watch the alert".into());
    }
    let firing: Vec<&str> =
        incident.alerts.iter().filter(|alert| alert.status == AlertStatus::Firing).map(|alert| alert.name()).collect();
    if !firing.is_empty() {
        found.push(format!("No sender has said yet that this is over: {}", firing.join(", ")));
    }
    found.extend(undelivered(events));
    found
}

/// Calls of which nobody knows, undos that failed, verifications without an end.
fn of_step(record: &StepRecord) -> Vec<String> {
    let Some(action) = &record.action else { return Vec::new() };
    let unknown = |call: &&crate::domain::CallRecord| {
        !matches!(call.outcome, Some(CallOutcome::Done { .. } | CallOutcome::NotDone { .. }))
    };
    let mut found: Vec<String> = action
        .calls
        .iter()
        .chain(&action.undo_calls)
        .filter(unknown)
        .map(|call| format!("Nobody can tell whether this was done: {}", call.command))
        .collect();
    if action.undone == Some(false) {
        found.push(format!("{} on {} could not be taken back wholly", record.step.operation, place(record)));
    }
    found
}

/// Channels whose last word on a subject is a failure.
fn undelivered(events: &[Event]) -> Vec<String> {
    let mut last: BTreeMap<(&str, &str), Option<&str>> = BTreeMap::new();
    for event in events {
        if let EventBody::NotificationFinished { channel, subject, error } = &event.body {
            last.insert((channel, subject), error.as_deref());
        }
    }
    last.into_iter()
        .filter_map(|((channel, subject), error)| {
            error.map(|error| format!("Channel {channel} was not told of {subject}: {error}"))
        })
        .collect()
}

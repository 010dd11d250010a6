//! What was changed, and by whose decision.

use crate::domain::{
    Action, CallOutcome, CallRecord, Decision, Event, EventBody, GateDecision, Incident, Risk, StepId, StepRecord,
    StepRole, Timestamp, UndoReason,
};
use serde::Serialize;
use utoipa::ToSchema;

/// One mutating step of which at least one call was sent.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ActionReport {
    /// The step.
    pub step: StepId,
    /// The operation.
    pub operation: String,
    /// The target.
    pub target: String,
    /// Why it was planned.
    pub reason: String,
    /// The cause that it treats; empty where a person asked for the operation.
    pub cause: String,
    /// Its risk.
    pub risk: Risk,
    /// Who or what decided that it runs.
    pub decided: String,
    /// What people said when they decided.
    pub comment: Option<String>,
    /// What it changed: before → after.
    pub changes: Vec<String>,
    /// What was sent.
    pub calls: Vec<SentCall>,
    /// How its effect was checked.
    pub verification: String,
    /// The condition that was checked, as the catalogue has it.
    pub criterion: Option<String>,
    /// How it was taken back, or could be.
    pub undo: String,
    /// What would take it back, where it was not taken back.
    pub undo_commands: Vec<String>,
    /// What was sent to take it back.
    pub undo_calls: Vec<SentCall>,
}

/// One native call.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SentCall {
    /// As a person would type it.
    pub command: String,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What came of it.
    pub outcome: String,
}

pub(super) fn all(incident: &Incident, events: &[Event]) -> Vec<ActionReport> {
    incident
        .steps
        .iter()
        .filter_map(|record| record.action.as_ref().map(|action| (record, action)))
        .filter(|(_, action)| !action.calls.is_empty())
        .map(|(record, action)| one(incident, events, record, action))
        .collect()
}

fn one(incident: &Incident, events: &[Event], record: &StepRecord, action: &Action) -> ActionReport {
    let approval = incident.approvals.iter().find(|approval| action.approval.as_ref() == Some(&approval.id));
    ActionReport {
        step: record.step.id.clone(),
        operation: record.step.operation.clone(),
        target: record.step.target.clone(),
        reason: record.step.reason.clone(),
        cause: match &record.step.role {
            StepRole::Remedy(remedy) => remedy.cause.clone(),
            StepRole::Diagnose => String::new(),
        },
        risk: action.risk,
        decided: decided(action, approval.map(|approval| deciders(events, approval))),
        comment: approval.and_then(|approval| approval.comment.clone()),
        changes: action.diff.clone(),
        calls: action.calls.iter().map(sent).collect(),
        verification: verification(action),
        criterion: action.verify.as_ref().and_then(|verify| verify.criterion.clone()),
        undo: undo(action),
        undo_commands: match action.undo_wanted {
            Some(_) => Vec::new(),
            None => action.binding.undo_commands(),
        },
        undo_calls: action.undo_calls.iter().map(sent).collect(),
    }
}

fn decided(action: &Action, by: Option<String>) -> String {
    match (by, &action.gate) {
        (Some(by), _) => by,
        (None, Some(gate)) if gate.decision == GateDecision::Run => {
            format!("by policy, without asking (rule {}: {})", gate.rule, gate.reason)
        }
        _ => "by policy".into(),
    }
}

/// Who approved and when, from the events; from the request where they are not at hand.
fn deciders(events: &[Event], approval: &crate::domain::Approval) -> String {
    let decisions: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::ApprovalDecided { approval: id, decision: Decision::Approve, by, .. } if *id == approval.id => {
                Some(format!("{by} at {}", event.at.format("%H:%M:%SZ")))
            }
            _ => None,
        })
        .collect();
    let names = if decisions.is_empty() { approval.decided_by.join(" and ") } else { decisions.join(" and ") };
    let whose = if names.is_empty() { "an approver".into() } else { names };
    format!("approved by {whose} ({}, digest {})", approval.id, approval.digest.short())
}

fn sent(record: &CallRecord) -> SentCall {
    let outcome = match &record.outcome {
        Some(CallOutcome::Done { result }) => match result.get("detail").and_then(|detail| detail.as_str()) {
            Some(detail) if !detail.is_empty() => format!("done: {detail}"),
            _ => "done".into(),
        },
        Some(CallOutcome::NotDone { error, .. }) => format!("not done: {error}"),
        Some(CallOutcome::Unknown { error }) => format!("nobody can tell whether it was done: {error}"),
        None => "sent; no answer yet".into(),
    };
    let outcome = if record.probed { format!("{outcome} (found out by a probe)") } else { outcome };
    SentCall { command: record.command.clone(), at: record.intended_at, outcome }
}

fn verification(action: &Action) -> String {
    let Some(verify) = &action.verify else { return "not verified".into() };
    let held = if verify.held { "it helped" } else { "it did not help" };
    let independent = match verify.independent {
        Some(true) => ", and an independent signal agrees",
        Some(false) => ", but an independent signal disagrees",
        None if verify.held => "; no independent signal was asked, or it told nothing",
        None => "",
    };
    let detail = if verify.detail.is_empty() { String::new() } else { format!(": {}", verify.detail) };
    format!("{held}{independent}{detail}")
}

fn undo(action: &Action) -> String {
    let why = match action.undo_wanted.as_ref().map(|wanted| wanted.reason) {
        Some(UndoReason::VerifyFailed) => "because its verification did not hold",
        Some(UndoReason::Incomplete) => "because only a part of it was done",
        None => "",
    };
    match (action.undone, action.undo_wanted.is_some()) {
        (Some(true), _) => format!("taken back {why}").trim_end().to_owned(),
        (Some(false), _) => format!("not taken back, though wanted {why}").trim_end().to_owned(),
        (None, true) => format!("wanted {why}"),
        (None, false) => {
            if action.binding.undo_commands().is_empty() {
                "nothing takes it back".into()
            } else {
                "it stays; this takes it back".into()
            }
        }
    }
}

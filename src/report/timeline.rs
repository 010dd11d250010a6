//! What happened, in order, a line each. Reading steps of one phase that ended one after the other share a line.

use super::gather::step_name;
use crate::domain::{
    CallOutcome, Decision, Event, EventBody, Finding, Incident, PlanSource, StepOutcome, StepRole, Timestamp,
    UndoReason,
};
use serde::Serialize;
use utoipa::ToSchema;

/// An incident that people are told of for days has many events; what is between its beginning and its end is left out.
const MAX_MOMENTS: usize = 200;

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Moment {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// The command that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

pub(super) fn moments(incident: &Incident, events: &[Event]) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    let mut reading: Vec<String> = Vec::new();
    for event in events {
        if let Some(name) = read(incident, &event.body) {
            reading.push(name);
            if reading.len() > 1 {
                moments.pop();
            }
            moments.push(Moment { at: event.at, what: format!("Read: {}", reading.join(", ")), command: None });
        } else if let Some(what) = told(incident, &event.body) {
            reading.clear();
            moments.push(Moment { at: event.at, what, command: event.body.command() });
        }
    }
    shortened(moments)
}

fn shortened(mut moments: Vec<Moment>) -> Vec<Moment> {
    if moments.len() > MAX_MOMENTS {
        let half = MAX_MOMENTS / 2;
        let tail = moments.split_off(moments.len() - half);
        let left_out = moments.len() - half;
        moments.truncate(half);
        let at = moments.last().map_or(tail[0].at, |moment| moment.at);
        let what = format!("({left_out} more lines are in the journal)");
        moments.push(Moment { at, what, command: None });
        moments.extend(tail);
    }
    moments
}

/// The name of a reading step that succeeded.
fn read(incident: &Incident, body: &EventBody) -> Option<String> {
    match body {
        EventBody::StepFinished { step, outcome: StepOutcome::Succeeded { .. }, .. } => Some(step_name(incident, step)),
        _ => None,
    }
}

/// A line for what is worth one.
fn told(incident: &Incident, body: &EventBody) -> Option<String> {
    let step = |id| step_name(incident, id);
    Some(match body {
        EventBody::AlertsReceived { sender, alerts, .. } => {
            let names: Vec<String> =
                alerts.iter().map(|alert| format!("{} {}", alert.name(), status(alert.status))).collect();
            format!("{sender} reports {}", names.join(", "))
        }
        EventBody::IncidentOpened { follows: Some(other), .. } => format!("Incident opened, following up {other}"),
        EventBody::IncidentOpened { .. } => "Incident opened".into(),
        EventBody::WaitingStarted { on, dependency } => format!("Waits for {on}, the incident of {dependency}"),
        EventBody::WaitingEnded { on } => format!("{on} is closed; diagnosed again"),
        EventBody::DiagnosisRequested { by, note } if note.is_empty() => format!("{by} asked for a new diagnosis"),
        EventBody::DiagnosisRequested { by, note } => format!("{by} asked for a new diagnosis: {note}"),
        EventBody::FreezeEnded { window } => format!("Freeze window '{window}' is over; diagnosed again"),
        EventBody::ExchangeEnded { index, end } => {
            let asked = incident.exchanges.iter().find(|asked| asked.index == *index);
            let agent = asked.map_or("model", |asked| asked.agent.as_str());
            format!("The {agent} asked: {} ({})", end.did(), end.spent())
        }
        EventBody::ModelsNotAsked { agent, why, .. } => format!("Models of the {agent} not asked: {why}"),
        EventBody::ExchangeSettled { unused: Some(why), .. } => format!("Answer not used: {why}"),
        EventBody::PlanMade { plan, reason } => {
            let names: Vec<&str> = plan.steps().map(|(_, step)| step.name.as_str()).collect();
            let by = match &plan.source {
                PlanSource::Model { model } => format!(" by the model {model}"),
                PlanSource::Runbook { .. } | PlanSource::Person { .. } => String::new(),
            };
            format!("Plan {}{by}, {reason}: {}", plan.revision, names.join(", "))
        }
        EventBody::StepFinished { step: id, outcome: StepOutcome::Failed { error, .. }, .. } => {
            format!("{} failed: {error}", step(id))
        }
        EventBody::StepFinished { step: id, outcome: StepOutcome::Skipped { reason }, .. }
            if is_remedy(incident, id) =>
        {
            format!("{} skipped: {reason}", step(id))
        }
        EventBody::ExpectationJudged { step: id, judged } => format!("{}: {}", step(id), judged.words()),
        EventBody::FindingMade { finding } => found(finding),
        EventBody::RemedyManual { remedy, reason, .. } => format!("Remedy {remedy} is left to people: {reason}"),
        EventBody::PrepareFailed { step: id, error, .. } => format!("{} could not be prepared: {error}", step(id)),
        EventBody::GateDecided { step: id, decision, rule, reason } => {
            format!("Gate: {} {} (rule {rule}: {reason})", decision.as_str(), step(id))
        }
        EventBody::ApprovalRequested { approval } => format!("Asked ({})", approval.id),
        EventBody::ApprovalDecided { approval, decision, by, comment } => {
            let verb = if *decision == Decision::Approve { "approved" } else { "denied" };
            format!("{by} {verb} {approval}{}", comment.as_ref().map(|text| format!(": {text}")).unwrap_or_default())
        }
        EventBody::ApprovalExpired { approval } => format!("Nobody decided on {approval} in time"),
        EventBody::ApprovalVoided { approval, reason } => format!("{approval} is void: {reason}"),
        other => return acted(incident, other).or_else(|| ended(other)),
    })
}

fn found(finding: &Finding) -> String {
    let summary = &finding.summary;
    match (&finding.cause, &finding.model) {
        (Some(cause), None) => format!("Cause found, {} ({:.0} %): {summary}", cause.code, cause.confidence * 100.0),
        (Some(cause), Some(model)) => {
            format!("The model {model} claims {} ({:.0} %): {summary}", cause.code, cause.confidence * 100.0)
        }
        (None, None) => format!("Found: {summary}"),
        (None, Some(model)) => format!("The model {model} claims: {summary}"),
    }
}

fn acted(incident: &Incident, body: &EventBody) -> Option<String> {
    let step = |id| step_name(incident, id);
    Some(match body {
        EventBody::CallIntended { undo: false, .. } => "Sent".into(),
        EventBody::CallIntended { undo: true, .. } => "Sent, to take back".into(),
        EventBody::CallFinished { step: id, outcome, probed, .. } => {
            let how = if *probed { ", as a probe found" } else { "" };
            match outcome {
                CallOutcome::Done { .. } => format!("{}: done{how}", step(id)),
                CallOutcome::NotDone { error, .. } => format!("{}: not done{how}: {error}", step(id)),
                CallOutcome::Unknown { error } => format!("{}: nobody can tell{how}: {error}", step(id)),
            }
        }
        EventBody::VerifyFinished { step: id, held, independent, detail, .. } => {
            let held = if *held { "helped" } else { "did not help" };
            let independent = match independent {
                Some(true) => ", and an independent signal agrees",
                Some(false) => ", but an independent signal disagrees",
                None => "",
            };
            format!("{} {held}{independent}{}", step(id), after_colon(detail))
        }
        EventBody::UndoRequested { step: id, reason, .. } => {
            let why = match reason {
                UndoReason::VerifyFailed => "the verification did not hold",
                UndoReason::Incomplete => "only a part was done",
            };
            format!("{} is to be taken back: {why}", step(id))
        }
        EventBody::UndoFinished { step: id, undone, detail } => {
            format!("{} {}{}", step(id), if *undone { "taken back" } else { "not taken back" }, after_colon(detail))
        }
        EventBody::TargetRechecked { healthy, detail, .. } => {
            let state = match healthy {
                Some(true) => "healthy",
                Some(false) => "not healthy",
                None => "not to be told",
            };
            format!("Target read again: {state}{}", after_colon(detail))
        }
        _ => return None,
    })
}

fn ended(body: &EventBody) -> Option<String> {
    Some(match body {
        EventBody::VerdictReached { verdict, reason, .. } => format!("Verdict {verdict}: {reason}"),
        EventBody::IncidentEscalated { reason } => format!("Escalated: {reason}"),
        EventBody::EnvironmentLost { problem } => format!("Stands still: {problem}"),
        EventBody::EnvironmentReturned {} => "The environment answers again; the work goes on".into(),
        EventBody::IncidentTakenOver { by } => format!("{by} took over"),
        EventBody::IncidentReleased { by } => format!("{by} released it"),
        EventBody::CommentAdded { by, text } => format!("{by}: {text}"),
        EventBody::IncidentClosed { by: Some(by), reason } => format!("Closed by {by}: {reason}"),
        EventBody::IncidentClosed { by: None, reason } => format!("Closed: {reason}"),
        EventBody::NotificationFinished { channel, subject, error: Some(error) } => {
            format!("Channel {channel} was not told of {subject}: {error}")
        }
        EventBody::KillSwitchSet { on, by, reason } => {
            format!("{by} turned the kill switch {}: {reason}", if *on { "on" } else { "off" })
        }
        _ => return None,
    })
}

fn is_remedy(incident: &Incident, id: &crate::domain::StepId) -> bool {
    incident.steps.iter().any(|record| record.step.id == *id && matches!(record.step.role, StepRole::Remedy(_)))
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

fn status(status: crate::domain::AlertStatus) -> &'static str {
    match status {
        crate::domain::AlertStatus::Firing => "firing",
        crate::domain::AlertStatus::Resolved => "resolved",
    }
}

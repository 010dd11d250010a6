//! What an incident is doing.

use crate::domain::{
    ApprovalState, Incident, IncidentState, PhaseName, Retry, StepRecord, StepRole, StepStatus, Verdict,
};
use crate::flow::{MAX_ATTEMPTS, backoff};

/// What the incident is doing, for people: derived, never stored on its own.
pub(super) fn state_of(incident: &Incident) -> IncidentState {
    if incident.closed_at.is_some() {
        return IncidentState::Closed;
    }
    if incident.taken_over_by.is_some() {
        return IncidentState::TakenOver;
    }
    if incident.escalated.is_some() {
        return IncidentState::Escalated;
    }
    if incident.plan.is_none() {
        return if incident.alerts.is_empty() { IncidentState::Open } else { IncidentState::Planning };
    }
    if let Some(state) = incident.steps.iter().rev().find_map(action_state) {
        return state;
    }
    if incident.approvals.iter().any(|approval| approval.state == ApprovalState::Pending) {
        return IncidentState::AwaitingApproval;
    }
    let settled = |record: &StepRecord| record.status.is_final() || record.phase == PhaseName::Resolution;
    if incident.waiting_on.is_some() && incident.steps.iter().all(settled) {
        return IncidentState::Waiting;
    }
    let begins_again =
        |record: &StepRecord| record.status == StepStatus::Retrying && matches!(record.step.role, StepRole::Remedy(_));
    if incident.steps.iter().any(begins_again) {
        return IncidentState::Remediating;
    }
    // Otherwise it closes, or people are called, with the next decision.
    if incident.verdict.is_some_and(Verdict::is_well) && incident.fires() {
        IncidentState::Watching
    } else {
        IncidentState::Diagnosing
    }
}

/// What is tried again, and when. Nothing is while a person has the wheel, or the environment is away.
pub(super) fn retrying(incident: &Incident) -> Vec<Retry> {
    if incident.closed_at.is_some() || incident.taken_over_by.is_some() || incident.lost.is_some() {
        return Vec::new();
    }
    incident.steps.iter().filter_map(retry).collect()
}

fn retry(record: &StepRecord) -> Option<Retry> {
    let unsent = record.action.as_ref().and_then(|action| action.unsent.as_ref());
    let (attempts, at, error) = match unsent.filter(|_| !record.status.is_final()) {
        Some(unsent) => (unsent.attempts, unsent.at, unsent.error.clone()),
        None if record.status == StepStatus::Retrying => {
            (record.attempt, record.finished_at?, record.error.clone().unwrap_or_default())
        }
        None => return None,
    };
    let what = format!("{} {}", record.step.operation, record.step.target).trim().to_owned();
    let next_at = at + backoff(attempts).as_chrono();
    let step = record.step.id.clone();
    (attempts < MAX_ATTEMPTS).then_some(Retry { step, what, attempts, most: MAX_ATTEMPTS, next_at, error })
}

fn action_state(record: &StepRecord) -> Option<IncidentState> {
    let action = record.action.as_ref()?;
    if record.status.is_final() || !matches!(record.step.role, StepRole::Remedy(_)) {
        return None;
    }
    if action.undo_wanted.is_some() && action.undone.is_none() {
        return Some(IncidentState::Undoing);
    }
    match (action.calls.len(), action.calls.iter().all(|call| call.outcome.is_some())) {
        (0, _) => None,
        (sent, true) if sent == action.binding.calls.len() => Some(IncidentState::Validating),
        _ => Some(IncidentState::Remediating),
    }
}

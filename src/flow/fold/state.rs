//! What an incident is doing.

use crate::domain::{ApprovalState, Incident, IncidentState, PhaseName, StepRecord, StepRole};

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
    IncidentState::Diagnosing
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

//! Requests for decisions.

use super::action::with_action;
use crate::domain::{
    Approval, ApprovalId, ApprovalState, Decision, Digest, Event, EventBody, Incident, StepId, StepStatus,
};
use crate::gate;

pub(super) fn apply(incident: &mut Incident, event: &Event) {
    match &event.body {
        EventBody::ApprovalRequested { approval } => {
            with_action(incident, &approval.step, |action| {
                // A request to take the action back is another one.
                if action.digest == approval.digest {
                    action.approval = Some(approval.id.clone());
                }
            });
            // Identifiers are made once; should one come again, the last request is the one that counts.
            incident.approvals.retain(|known| known.id != approval.id);
            incident.approvals.push(approval.clone());
        }
        EventBody::ApprovalDecided { approval, decision, by, comment } => {
            decide(incident, approval, *decision, by, comment.as_deref());
        }
        EventBody::ApprovalExpired { approval } => set(incident, approval, ApprovalState::Expired),
        EventBody::ApprovalVoided { approval, reason } => void(incident, approval, reason),
        _ => {}
    }
}

pub(super) fn set(incident: &mut Incident, id: &ApprovalId, state: ApprovalState) {
    if let Some(approval) = incident.approvals.iter_mut().find(|approval| approval.id == *id) {
        approval.state = state;
    }
}

/// The approval that already allows exactly this: of an attempt at this step that was certainly not sent.
pub(super) fn standing(incident: &Incident, step: &StepId, digest: &Digest) -> Option<ApprovalId> {
    let allows = |approval: &&Approval| {
        approval.state == ApprovalState::Approved && approval.step == *step && approval.digest == *digest
    };
    incident.approvals.iter().rev().find(allows).map(|approval| approval.id.clone())
}

/// The approval of an action is as if it had not been used: the call that consumed it was certainly not sent.
pub(super) fn give_back(incident: &mut Incident, step: &StepId) {
    let used = incident.steps.iter().find(|record| record.step.id == *step);
    let used = used.and_then(|record| record.action.as_ref()).and_then(|action| action.approval.clone());
    let approval = incident.approvals.iter_mut().find(|approval| Some(&approval.id) == used.as_ref());
    if let Some(approval) = approval.filter(|approval| approval.state == ApprovalState::Consumed) {
        approval.state = ApprovalState::Approved;
    }
}

/// So is the approval of an undo of which nothing was sent: it expires as it would have. That of the action, which may
/// cover the undo, stays used: the action was carried out.
pub(super) fn give_undo_back(incident: &mut Incident, step: &StepId) {
    let record = incident.steps.iter().find(|record| record.step.id == *step);
    let action = record.and_then(|record| record.action.as_ref()).filter(|action| action.undo_calls.is_empty());
    let Some(action) = action else { return };
    let seen = action.undo_wanted.as_ref().and_then(|wanted| wanted.seen.as_ref());
    let digest = gate::undo_digest(&action.binding, seen);
    let used = |approval: &&mut Approval| {
        approval.state == ApprovalState::Consumed && approval.step == *step && approval.digest == digest
    };
    if let Some(approval) = incident.approvals.iter_mut().rev().find(used) {
        approval.state = ApprovalState::Approved;
    }
}

fn decide(incident: &mut Incident, id: &ApprovalId, decision: Decision, by: &str, comment: Option<&str>) {
    if let Some(approval) = incident.approvals.iter_mut().find(|approval| approval.id == *id) {
        approval.decided_by.push(by.to_owned());
        approval.comment = comment.map(str::to_owned).or(approval.comment.take());
        approval.state = match decision {
            Decision::Deny => ApprovalState::Denied,
            Decision::Approve if approval.decided_by.len() >= approval.quorum as usize => ApprovalState::Approved,
            Decision::Approve => ApprovalState::Pending,
        };
    }
}

/// A voided approval was about something that is no longer so: its step is prepared anew.
fn void(incident: &mut Incident, id: &ApprovalId, reason: &str) {
    if let Some(approval) = incident.approvals.iter_mut().find(|approval| approval.id == *id) {
        approval.state = ApprovalState::Voided;
        approval.void_because = Some(reason.to_owned());
    }
    if let Some(record) = incident.steps.iter_mut().find(|record| {
        record.action.as_ref().is_some_and(|action| action.approval.as_ref() == Some(id) && action.calls.is_empty())
    }) {
        record.action = None;
        record.status = StepStatus::Pending;
    }
}

//! The last look, just before a native call: an intent with the clearance to send it, or why not.

use super::case::{Case, skipped};
use super::permission::{refused, told};
use super::undo;
use crate::domain::{ApprovalState, EventBody, GateDecision, Incident, Left, StepId};
use crate::expr::Truth;
use crate::flow::{Snapshot, decide::record};
use crate::gate::{self, Cleared, Clearing, Observed, Purpose, Refused};

/// What was read of the target just before a call.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Status and identity.
    pub seen: Left,
    /// The remedy's precondition, if it has one.
    pub precondition: Option<Truth>,
}

/// What comes of reading the target just before a call. The clearance must not be used before the intent is durable.
pub fn inspected(
    incident: &Incident,
    snapshot: &Snapshot<'_>,
    step: &StepId,
    index: usize,
    undo: bool,
    seen: &Inspected,
) -> (Vec<EventBody>, Option<Cleared>) {
    let Some(record) = record(incident, step) else { return (Vec::new(), None) };
    let Some(action) = &record.action else { return (Vec::new(), None) };
    let case = Case { incident, snapshot, record, action };
    let (purpose, approval) = if undo {
        let automatic = undo::is_automatic(case);
        (Purpose::Undo { automatic }, undo::covering(case, automatic))
    } else {
        let purpose = if action.calls.is_empty() { Purpose::Begin } else { Purpose::Continue };
        (purpose, case.approval())
    };
    let clearing = Clearing {
        index,
        calls: &action.calls,
        undo_calls: &action.undo_calls,
        observed: Observed { identity: &seen.seen.identity, status: &seen.seen.status },
        precondition: seen.precondition.clone(),
    };
    let cleared =
        case.ask_gate(purpose, approval, |request, current, pinned| gate::clear(request, current, pinned, &clearing));
    let cleared = match cleared {
        Ok(cleared) => cleared,
        Err(why) if undo => return (undo::not_cleared(case, &why, &seen.seen), None),
        Err(why) => return (not_cleared(case, &why, &seen.seen), None),
    };
    let consumed = approval.filter(|approval| approval.state == ApprovalState::Approved);
    let prepared = case.action.binding.calls.get(index);
    let command = prepared.and_then(|prepared| if undo { prepared.undo_command() } else { Some(prepared.command()) });
    let intent = EventBody::CallIntended {
        step: step.clone(),
        index,
        undo,
        call: cleared.call().clone(),
        command: command.unwrap_or_default(),
        process: snapshot.process.to_owned(),
        approval: consumed.map(|approval| approval.id.clone()),
        before: seen.seen.status.clone(),
    };
    (vec![intent], Some(cleared))
}

/// What a refusal at the last moment means for the step.
fn not_cleared(case: Case<'_>, why: &Refused, seen: &Left) -> Vec<EventBody> {
    let step = case.step();
    let reason = why.to_string();
    if !case.action.calls.is_empty() {
        return match why {
            Refused::Ruled(ruling) if ruling.rule == gate::rule::BUSY => Vec::new(),
            _ => undo::interrupted(case, &format!("only a part of the remedy was done: {reason}"), seen),
        };
    }
    let void = || {
        let approval = case.approval().map(|approval| approval.id.clone());
        approval.map(|approval| EventBody::ApprovalVoided { approval, reason: reason.clone() })
    };
    match why {
        // The world moved on: look at it again and, where people decide, ask again.
        Refused::Drifted(_) => match void() {
            Some(voided) => vec![voided],
            None => vec![EventBody::PrepareFailed { step, error: reason, transient: true }],
        },
        Refused::Precondition(_) => void().into_iter().chain([skipped(step, &reason)]).collect(),
        // Another step has the target, or the terms changed: the next decision waits, or asks (again).
        Refused::Ruled(ruling) if ruling.rule == gate::rule::BUSY => Vec::new(),
        Refused::Ruled(ruling) if ruling.decision == GateDecision::Ask => void().into_iter().collect(),
        Refused::Ruled(ruling) => told(step, case.action, ruling).into_iter().chain(refused(case, reason)).collect(),
        Refused::Sequence { .. } => refused(case, reason),
    }
}

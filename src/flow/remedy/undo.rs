//! Taking back what did not help, as far as the operation and the state of the target allow.

use super::case::{Case, failed};
use super::permission::{Subject, request, request_with};
use crate::catalog::Undo;
use crate::domain::{Approval, ApprovalState, CallOutcome, EventBody, GateDecision, UndoReason};
use crate::flow::{Effect, Next};
use crate::gate::{self, Purpose};

/// The next move of an undo; `why` says what it is for.
pub(super) fn take_back(case: Case<'_>, reason: UndoReason, why: &str) -> Next {
    let step = case.step();
    let remaining = remaining(case);
    let nothing_to_undo = remaining.is_empty() && case.action.undo_calls.is_empty();
    if policy(case) == Undo::None || nothing_to_undo {
        return Next::Append(vec![failed(step, format!("{why}; there is nothing to take back"))]);
    }
    let broken = case.action.undo_calls.iter().find_map(|call| match &call.outcome {
        Some(CallOutcome::NotDone { error, .. } | CallOutcome::Unknown { error }) => Some(error),
        _ => None,
    });
    if let Some(error) = broken {
        return Next::Append(given_up(case, why, &format!("taking it back failed: {error}")));
    }
    let Some(index) = remaining.first().copied() else {
        let detail = format!("{why}; it was taken back");
        return Next::Append(vec![EventBody::UndoFinished { step, undone: true, detail }]);
    };
    match (&case.action.undo_wanted, reason) {
        (Some(_), _) => undo_permission(case, index, why),
        (None, UndoReason::VerifyFailed) => Next::Wait { effects: vec![Effect::Compare { step }], wakes_at: None },
        // What was only half done is not compared: the rest of it is what is missing.
        (None, UndoReason::Incomplete) => Next::Append(vec![EventBody::UndoRequested { step, reason, clean: true }]),
    }
}

/// Calls that were done and can be taken back, last first.
fn remaining(case: Case<'_>) -> Vec<usize> {
    let action = case.action;
    let done = action.calls.iter().rev().filter(|call| matches!(call.outcome, Some(CallOutcome::Done { .. })));
    done.map(|call| call.index)
        .filter(|index| action.binding.calls.get(*index).is_some_and(|prepared| prepared.undo.is_some()))
        .filter(|index| !action.undo_calls.iter().any(|undone| undone.index == *index))
        .collect()
}

fn policy(case: Case<'_>) -> Undo {
    case.operation().map_or(Undo::None, |operation| operation.undo)
}

/// Whether the undo may run under the approval of the action.
pub(super) fn is_automatic(case: Case<'_>) -> bool {
    policy(case) == Undo::Auto && case.action.undo_wanted.as_ref().is_some_and(|wanted| wanted.clean)
}

fn undo_permission(case: Case<'_>, index: usize, why: &str) -> Next {
    let automatic = is_automatic(case);
    let asked = covering(case, automatic);
    if asked.is_some_and(|approval| approval.state == ApprovalState::Pending) {
        return Next::idle();
    }
    let ruling = case.ask_gate(Purpose::Undo { automatic }, asked, gate::decide);
    let own = gate::undo_digest(&case.action.binding);
    match ruling.decision {
        GateDecision::Run => {
            let effect = Effect::Inspect { step: case.step(), index, undo: true };
            Next::Wait { effects: vec![effect], wakes_at: None }
        }
        GateDecision::Ask if asked.is_none_or(|approval| approval.digest != own) => {
            Next::Append(vec![request(case, &ruling, Subject::Undo)])
        }
        _ => Next::Append(given_up(case, why, &format!("it was not taken back: {}", ruling.reason))),
    }
}

/// The request that covers an undo: its own if there is one, else the action's where the undo may run by itself.
pub(super) fn covering<'a>(case: Case<'a>, automatic: bool) -> Option<&'a Approval> {
    let own = request_with(case.incident, &gate::undo_digest(&case.action.binding));
    let of_action = || automatic.then(|| request_with(case.incident, &case.action.digest)).flatten();
    own.or_else(of_action)
}

/// The undo ends here, and people must look.
pub(super) fn given_up(case: Case<'_>, why: &str, problem: &str) -> Vec<EventBody> {
    let detail = if why.is_empty() { problem.to_owned() } else { format!("{why}; {problem}") };
    vec![
        EventBody::UndoFinished { step: case.step(), undone: false, detail },
        EventBody::IncidentEscalated { reason: format!("a remedy did not help; {problem}") },
    ]
}

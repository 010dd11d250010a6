//! Taking back what did not help or was only half done, as far as the operation and the state of the target allow.

use super::again::{Again, again};
use super::case::{Case, failed};
use super::permission::{Subject, busy, outdated, request, request_with};
use crate::catalog::Undo;
use crate::domain::{
    Action, Approval, ApprovalState, CallOutcome, Digest, EventBody, GateDecision, Incident, Left, StepId, UndoReason,
    Values,
};
use crate::flow::{Effect, Next, decide::record};
use crate::gate::{self, Observed, Purpose, Refused};

/// The next move of an undo.
pub(super) fn take_back(case: Case<'_>) -> Next {
    let (step, action) = (case.step(), case.action);
    let (_, why) = reason(action);
    if is_impossible(case) {
        return Next::Append(vec![failed(step, format!("{why}; there is nothing to take back"))]);
    }
    let broken = action.undo_calls.iter().find_map(|call| match &call.outcome {
        Some(CallOutcome::NotDone { error, .. } | CallOutcome::Unknown { error }) => Some(error),
        _ => None,
    });
    if let Some(error) = broken {
        return Next::Append(given_up(case, &format!("taking it back failed: {error}")));
    }
    match (remaining(case).first(), &action.undo_wanted) {
        (None, _) => {
            let detail = format!("{why}; it was taken back");
            Next::Append(vec![EventBody::UndoFinished { step, undone: true, detail }])
        }
        (Some(_), None) => Next::Wait { effects: vec![Effect::Compare { step }], wakes_at: None },
        (Some(index), Some(_)) => match again(case, true) {
            Again::Now => permission(case, *index),
            Again::Later(next) => next,
            Again::Never(why) => Next::Append(given_up(case, &format!("taking it back failed: {why}"))),
        },
    }
}

/// What comes of reading the target before an undo; nothing seen means that it cannot be read, or is gone.
pub fn compared(incident: &Incident, step: &StepId, seen: Option<Left>) -> Option<EventBody> {
    let action = record(incident, step)?.action.as_ref()?;
    let (reason, why) = reason(action);
    let clean = seen.as_ref().is_some_and(|now| {
        let untouched = gate::left_by(&action.calls).is_some_and(|left| changes(action, left, now).is_empty());
        // Of what is only half done, the rest is what is missing.
        untouched && (reason == UndoReason::Incomplete || wellness(&now.status) < wellness(&action.before))
    });
    Some(EventBody::UndoRequested { step: step.clone(), reason, why, clean, seen })
}

/// An action that cannot go on: it is taken back, by a person's decision, since the target is not as it was left.
pub(super) fn interrupted(case: Case<'_>, why: &str, seen: &Left) -> Vec<EventBody> {
    let (step, why) = (case.step(), why.to_owned());
    if is_impossible(case) {
        return vec![failed(step, why.clone()), EventBody::IncidentEscalated { reason: why }];
    }
    let (reason, seen) = (UndoReason::Incomplete, Some(seen.clone()));
    vec![EventBody::UndoRequested { step, reason, why, clean: false, seen }]
}

/// What a refusal at the last moment means for an undo.
pub(super) fn not_cleared(case: Case<'_>, why: &Refused, seen: &Left) -> Vec<EventBody> {
    let (reason, told) = reason(case.action);
    match why {
        // It is not as it was when this was decided: a person decides, on what is so now.
        Refused::Drifted(_) if case.action.undo_calls.is_empty() => {
            let own = request_with(case.incident, &digest(case.action));
            let void = own
                .filter(|own| own.state == ApprovalState::Approved)
                .map(|own| EventBody::ApprovalVoided { approval: own.id.clone(), reason: why.to_string() });
            let (step, seen) = (case.step(), Some(seen.clone()));
            let wanted = EventBody::UndoRequested { step, reason, why: told, clean: false, seen };
            void.into_iter().chain([wanted]).collect()
        }
        // The next decision waits, or asks.
        Refused::Ruled(ruling) if ruling.rule == gate::rule::BUSY || ruling.decision == GateDecision::Ask => Vec::new(),
        _ => given_up(case, &format!("it was not taken back: {why}")),
    }
}

/// Why an action is to be taken back.
fn reason(action: &Action) -> (UndoReason, String) {
    if let Some(wanted) = &action.undo_wanted {
        return (wanted.reason, wanted.why.clone());
    }
    let refused = action.calls.iter().find_map(|call| match &call.outcome {
        Some(CallOutcome::NotDone { error, .. }) => Some(error),
        _ => None,
    });
    let refused = refused.or(action.unsent.as_ref().filter(|unsent| !unsent.undo).map(|unsent| &unsent.error));
    match (refused, &action.verify) {
        (Some(error), _) => (UndoReason::Incomplete, format!("only a part of the remedy was done: {error}")),
        (None, verify) => {
            let detail = verify.as_ref().map(|verify| verify.detail.clone());
            (UndoReason::VerifyFailed, detail.unwrap_or_default())
        }
    }
}

fn is_impossible(case: Case<'_>) -> bool {
    policy(case) == Undo::None || remaining(case).is_empty() && case.action.undo_calls.is_empty()
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

fn permission(case: Case<'_>, index: usize) -> Next {
    let automatic = is_automatic(case);
    let asked = covering(case, automatic);
    if asked.is_some_and(|approval| approval.state == ApprovalState::Pending) {
        return Next::idle();
    }
    let ruling = case.ask_gate(Purpose::Undo { automatic }, asked, gate::decide);
    if let Some(wait) = busy(case, &ruling) {
        return wait;
    }
    let own = asked.filter(|approval| approval.digest == digest(case.action));
    match (ruling.decision, own.map(|own| (own, own.state))) {
        (GateDecision::Run, _) => {
            let effect = Effect::Inspect { step: case.step(), index, undo: true };
            Next::Wait { effects: vec![effect], wakes_at: None }
        }
        (GateDecision::Ask, None) => Next::Append(vec![request(case, &ruling, Subject::Undo)]),
        (GateDecision::Ask, Some((own, ApprovalState::Approved))) => Next::Append(vec![outdated(own, &ruling)]),
        _ => Next::Append(given_up(case, &format!("it was not taken back: {}", ruling.reason))),
    }
}

/// The request that covers an undo: its own if there is one, else the action's where the undo may run by itself.
pub(super) fn covering<'a>(case: Case<'a>, automatic: bool) -> Option<&'a Approval> {
    let own = request_with(case.incident, &digest(case.action));
    let of_action = || automatic.then(|| request_with(case.incident, &case.action.digest)).flatten();
    own.or_else(of_action)
}

/// What an approver of the undo echoes.
pub(super) fn digest(action: &Action) -> Digest {
    gate::undo_digest(&action.binding, action.undo_wanted.as_ref().and_then(|wanted| wanted.seen.as_ref()))
}

/// What an undo changes, and what others have changed since.
pub(super) fn diff(action: &Action) -> Vec<String> {
    let seen = action.undo_wanted.as_ref().and_then(|wanted| wanted.seen.as_ref());
    let since = match (gate::left_by(&action.calls), seen) {
        (Some(left), Some(now)) => changes(action, left, now),
        _ => vec!["nobody knows what the target is like since then".into()],
    };
    let back = action.diff.iter().map(|line| format!("take back: {line}"));
    back.chain(since.into_iter().map(|change| format!("not by this action: {change}"))).collect()
}

fn changes(action: &Action, left: &Left, now: &Left) -> Vec<String> {
    gate::changes_since(left, &action.binding, Observed { identity: &now.identity, status: &now.status })
}

/// How well a target is: not running, running, ready.
fn wellness(status: &Values) -> u8 {
    let holds = |field: &str| status.get(field).and_then(serde_json::Value::as_bool).unwrap_or(false);
    match (holds("running"), holds("ready")) {
        (_, true) => 2,
        (true, false) => 1,
        (false, false) => 0,
    }
}

/// The undo ends here, and people must look.
fn given_up(case: Case<'_>, problem: &str) -> Vec<EventBody> {
    let (_, why) = reason(case.action);
    let detail = if why.is_empty() { problem.to_owned() } else { format!("{why}; {problem}") };
    vec![
        EventBody::UndoFinished { step: case.step(), undone: false, detail },
        EventBody::IncidentEscalated { reason: format!("a remedy did not help; {problem}") },
    ]
}

//! The last check, just before one native call is sent. Everything is looked at again, with the target as it is now.

use super::request::{GateRequest, Purpose, Rulebook, Ruling};
use super::{Cleared, decide};
use crate::domain::{ActCall, Binding, CallOutcome, CallRecord, GateDecision, Left, Values, seen};
use crate::expr::Truth;
use std::collections::BTreeMap;

/// A target's state: as captured just now, or as an action left it.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Immutable identity of every instance.
    pub identity: &'a BTreeMap<String, String>,
    /// At least the operation's guard fields; others are not looked at.
    pub status: &'a Values,
}

/// One call of an action that is about to be sent.
#[derive(Clone, Debug)]
pub struct Clearing<'a> {
    /// Position in the binding's calls.
    pub index: usize,
    /// What was sent of this action so far.
    pub calls: &'a [CallRecord],
    /// What was sent to take it back so far.
    pub undo_calls: &'a [CallRecord],
    /// The target, captured just now.
    pub observed: Observed<'a>,
    /// The binding's precondition, evaluated just now over the captured state; none if the binding has none.
    pub precondition: Option<Truth>,
}

/// Why a call is not sent.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The gate does not say run (any more).
    #[error("{}: {}", .0.rule, .0.reason)]
    Ruled(Ruling),
    /// The target is not what was decided on; an approval is void.
    #[error("the target has changed since this was decided: {}", .0.join(", "))]
    Drifted(Vec<String>),
    /// The reason to act is gone, or cannot be seen; an approval is void.
    #[error("the remedy's precondition does not hold any more: {0}")]
    Precondition(String),
    /// The call is not the next one of its action; a fault of oncalld.
    #[error("call {index} is not next: {problem}")]
    Sequence {
        /// Position in the binding's calls.
        index: usize,
        /// Why not.
        problem: String,
    },
}

/// Clears one call of a binding, or its undo if that is the request's purpose. Consumes nothing itself: the caller makes
/// the intent durable, which uses up the approval, before it hands the clearance to an executor.
///
/// # Errors
/// Why the call must not be sent.
pub fn clear(
    request: &GateRequest<'_>,
    current: &Rulebook<'_>,
    pinned: &Rulebook<'_>,
    clearing: &Clearing<'_>,
) -> Result<Cleared, Refused> {
    let call = next(request, clearing)?;
    let ruling = decide(request, current, pinned);
    if ruling.decision != GateDecision::Run {
        return Err(Refused::Ruled(ruling));
    }
    unchanged(request, clearing, call)?;
    if request.purpose == Purpose::Begin {
        precondition(request.binding, clearing)?;
    }
    Ok(Cleared { call: call.clone(), step: request.step.clone() })
}

/// The call, if it is its turn: an action's calls go out once each, in order, each after the one before it was done;
/// an undo takes back what was done, the last call first.
fn next<'a>(request: &GateRequest<'a>, clearing: &Clearing<'_>) -> Result<&'a ActCall, Refused> {
    let index = clearing.index;
    let wrong = |problem: &str| Err(Refused::Sequence { index, problem: problem.into() });
    let Some(prepared) = request.binding.calls.get(index) else { return wrong("the action has no such call") };
    let sent = |records: &[CallRecord]| records.iter().any(|record| record.index == index);
    match request.purpose {
        Purpose::Begin | Purpose::Continue => {
            let begun = !clearing.calls.is_empty();
            if begun != (request.purpose == Purpose::Continue) {
                wrong("what was sent so far does not fit the purpose")
            } else if sent(clearing.calls) {
                wrong("it was sent already")
            } else if !clearing.undo_calls.is_empty() {
                wrong("the action is being taken back")
            } else if !(0..index).all(|earlier| clearing.calls.iter().any(|record| is_done(record, earlier))) {
                wrong("a call before it was not done")
            } else {
                Ok(&prepared.call)
            }
        }
        Purpose::Undo { .. } => {
            let Some(undo) = &prepared.undo else { return wrong("nothing takes it back") };
            if !clearing.calls.iter().any(|record| record.index == index && !is_not_done(record)) {
                wrong("it was not done, so there is nothing to take back")
            } else if request.purpose == (Purpose::Undo { automatic: true })
                && !clearing.calls.iter().all(|record| is_done(record, record.index) || is_not_done(record))
            {
                wrong("nobody can tell what was done, so a person must decide")
            } else if sent(clearing.undo_calls) {
                wrong("it was taken back already")
            } else if clearing.calls.iter().any(|record| {
                let has_undo = request.binding.calls.get(record.index).is_some_and(|later| later.undo.is_some());
                record.index > index && has_undo && !is_not_done(record) && !taken_back(clearing, record.index)
            }) {
                wrong("a call after it must be taken back first")
            } else {
                Ok(undo)
            }
        }
    }
}

fn is_done(record: &CallRecord, index: usize) -> bool {
    record.index == index && matches!(record.outcome, Some(CallOutcome::Done { .. }))
}

fn is_not_done(record: &CallRecord) -> bool {
    matches!(record.outcome, Some(CallOutcome::NotDone { .. }))
}

fn taken_back(clearing: &Clearing<'_>, index: usize) -> bool {
    clearing.undo_calls.iter().any(|record| is_done(record, index))
}

/// Compares the target with what was decided on: before the first call wholly, later without what our own calls touch.
fn unchanged(request: &GateRequest<'_>, clearing: &Clearing<'_>, call: &ActCall) -> Result<(), Refused> {
    let binding = request.binding;
    let now = clearing.observed;
    let changes = match request.purpose {
        Purpose::Begin => {
            let mut changes = identity_changes(&binding.identity, now.identity);
            changes.extend(guard_changes(&binding.guard, now.status));
            changes
        }
        Purpose::Continue => match left_by(clearing.calls) {
            Some(left) => changes_since(left, binding, now),
            None => bystander_changes(binding, clearing, call),
        },
        // Once the first call of an undo is out, the target is neither as before nor as the action left it: it must be as
        // the undo has left it so far, if that could be read then.
        Purpose::Undo { .. } if !clearing.undo_calls.is_empty() => {
            left_by(clearing.undo_calls).map_or_else(Vec::new, |left| changes_since(left, binding, now))
        }
        Purpose::Undo { automatic: true } => match left_by(clearing.calls) {
            Some(left) => changes_since(left, binding, now),
            None => vec!["nobody knows how the action left it".into()],
        },
        Purpose::Undo { automatic: false } => match request.undo_seen {
            Some(seen) => changes_since(seen, binding, now),
            None => vec!["nobody knows how it was when this was asked".into()],
        },
    };
    if changes.is_empty() { Ok(()) } else { Err(Refused::Drifted(changes)) }
}

/// The target as the last call that was not refused left it, if it could be read then.
pub fn left_by(calls: &[CallRecord]) -> Option<&Left> {
    calls.iter().rev().find(|record| !is_not_done(record)).and_then(|record| record.left.as_ref())
}

/// What of a target is not as it was seen before: its instances, and the fields that the operation guards.
pub fn changes_since(before: &Left, binding: &Binding, now: Observed<'_>) -> Vec<String> {
    let mut changes = identity_changes(&before.identity, now.identity);
    let fields = binding.guard.keys().filter(|field| before.status.get(*field) != now.status.get(*field));
    changes.extend(fields.map(|field| {
        let told = |status: &Values| status.get(field).map_or_else(|| "not to be read".to_owned(), ToString::to_string);
        format!("{field} was {} and is {}", told(&before.status), told(now.status))
    }));
    changes
}

fn identity_changes(expected: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let gone = expected.iter().filter_map(|(id, image)| match found.get(id) {
        None => Some(format!("instance {} is gone", short(id))),
        Some(other) if other != image => Some(format!("instance {} runs something else", short(id))),
        Some(_) => None,
    });
    let new = found.keys().filter(|id| !expected.contains_key(*id));
    gone.chain(new.map(|id| format!("instance {} is new", short(id)))).collect()
}

fn guard_changes(expected: &Values, found: &Values) -> Vec<String> {
    expected
        .iter()
        .filter(|(field, before)| found.get(*field) != Some(*before))
        .map(|(field, before)| match found.get(field) {
            Some(now) => format!("{field} was {before} and is {now}"),
            None => format!("{field} was {before} and cannot be read"),
        })
        .collect()
}

/// Instances that no call of this action names so far must be as they were, and the one that this call names must exist.
fn bystander_changes(binding: &Binding, clearing: &Clearing<'_>, call: &ActCall) -> Vec<String> {
    let sent: Vec<&ActCall> =
        clearing.calls.iter().filter_map(|record| binding.calls.get(record.index)).map(|sent| &sent.call).collect();
    // A call that names no instance (scaling a service) may have touched any of them.
    let touches_all = sent.iter().any(|sent| !binding.identity.keys().any(|id| names(sent, id)));
    let found = clearing.observed.identity;
    binding
        .identity
        .iter()
        .filter(|(id, _)| !touches_all && !sent.iter().any(|sent| names(sent, id)))
        .filter(|(id, image)| found.get(*id) != Some(*image))
        .map(|(id, _)| format!("instance {} is not as it was", short(id)))
        .chain(
            binding
                .identity
                .keys()
                .filter(|id| names(call, id) && !found.contains_key(*id))
                .map(|id| format!("instance {} is gone", short(id))),
        )
        .collect()
}

/// Whether one of the call's fields is this instance.
fn names(call: &ActCall, instance: &str) -> bool {
    let fields = serde_json::to_value(call).unwrap_or_default();
    fields
        .get("with")
        .and_then(|with| with.as_object())
        .is_some_and(|with| with.values().any(|field| field.as_str() == Some(instance)))
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn precondition(binding: &Binding, clearing: &Clearing<'_>) -> Result<(), Refused> {
    let Some(expression) = &binding.precondition else { return Ok(()) };
    let now = seen(expression, "status", clearing.observed.status, None);
    match &clearing.precondition {
        Some(Truth::True) => Ok(()),
        Some(Truth::False) if now.is_empty() => Err(Refused::Precondition(format!("{expression} is false now"))),
        Some(Truth::False) => Err(Refused::Precondition(format!("it is {now} ({expression})"))),
        Some(Truth::Unknown(why)) => Err(Refused::Precondition(format!("{expression} cannot be told: {why}"))),
        None => Err(Refused::Precondition(format!("{expression} was not looked at"))),
    }
}

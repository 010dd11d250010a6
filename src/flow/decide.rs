//! The order in which an incident's concerns are looked at.

use super::{
    Dependency, Effect, Next, Snapshot, away, circumstances, diagnose, freeze, messages, remedy, settle, think,
};
use crate::domain::{
    AlertStatus, Approval, ApprovalState, EventBody, Incident, IncidentId, StepId, StepRecord, Timestamp,
};

/// What comes next for this incident. Deterministic: the same state and snapshot give the same answer.
pub fn decide(incident: &Incident, snapshot: &Snapshot<'_>) -> Next {
    let next = work(incident, snapshot);
    match next {
        Next::Append(events) => Next::Append(circumstances::noted(incident, snapshot, events)),
        Next::Wait { mut effects, wakes_at } => {
            let (told, tell_at) = messages::due(incident, snapshot);
            effects.extend(told.into_iter().chain(think::under_way(incident, snapshot)));
            let away_at = if incident.closed_at.is_none() { away::told_at(incident, snapshot) } else { None };
            let moments = [wakes_at, tell_at, away_at, freeze::looked_at(incident, snapshot)];
            Next::Wait { effects, wakes_at: moments.into_iter().flatten().min() }
        }
    }
}

fn work(incident: &Incident, snapshot: &Snapshot<'_>) -> Next {
    // A call that may have been sent is always followed up, whoever has the wheel.
    let doubtful = in_doubt(incident, snapshot);
    let news = if incident.closed_at.is_none() { away::news(incident, snapshot) } else { None };
    if let Some(news) = news {
        return Next::Append(news);
    }
    if !doubtful.is_empty() {
        return Next::Wait { effects: doubtful, wakes_at: None };
    }
    let left_over = think::left_over(incident, snapshot);
    if !left_over.is_empty() {
        return Next::Append(left_over);
    }
    if incident.closed_at.is_some() {
        return Next::idle();
    }
    if let Some(events) = expired(incident, snapshot) {
        return Next::Append(events);
    }
    if let Some(next) = homeless(incident, snapshot) {
        return next;
    }
    if incident.taken_over_by.is_some() {
        return Next::Wait { effects: Vec::new(), wakes_at: next_expiry(incident) };
    }
    if incident.lost.is_some() || !was_seen(incident, snapshot) {
        // What runs ends by itself; nothing else is begun.
        return Next::Wait { effects: diagnose::running(incident), wakes_at: next_expiry(incident) };
    }
    if let Some(next) = waiting(incident, snapshot) {
        return next;
    }
    if let Some(events) = freeze::over(incident, snapshot) {
        return Next::Append(events);
    }
    if let Some(next) = settle::prose(incident, snapshot).filter(|next| matches!(next, Next::Append(_))) {
        return next;
    }
    if let Some(next) = settle::recheck(incident, snapshot) {
        return next;
    }
    let next = diagnose::next(incident, snapshot)
        .or_else(|| remedy::next(incident, snapshot))
        .unwrap_or_else(|| settle::next(incident, snapshot));
    match next {
        Next::Wait { effects, wakes_at } => {
            let told_at = waits_until(incident, snapshot).filter(|_| incident.escalated.is_none());
            Next::Wait { effects, wakes_at: earliest(earliest(wakes_at, next_expiry(incident)), told_at) }
        }
        append => append,
    }
}

/// Whether the environment of a known target was looked at since this process began: before, everything would seem gone.
fn was_seen(incident: &Incident, snapshot: &Snapshot<'_>) -> bool {
    let exists = snapshot.current.environments.contains_key(&incident.environment);
    incident.service.is_none() || !exists || snapshot.inventory.read_at.is_some()
}

/// Calls with an intent and no outcome: ours are being sent, those of another process are probed.
fn in_doubt(incident: &Incident, snapshot: &Snapshot<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for record in &incident.steps {
        let Some(action) = &record.action else { continue };
        let calls =
            action.calls.iter().map(|call| (call, false)).chain(action.undo_calls.iter().map(|call| (call, true)));
        for (call, undo) in calls.filter(|(call, _)| call.outcome.is_none()) {
            let (step, index) = (record.step.id.clone(), call.index);
            effects.push(if call.process == snapshot.process {
                Effect::Send { step, index, undo }
            } else {
                Effect::Probe { step, index, undo }
            });
        }
    }
    effects
}

/// The incident's environment is not configured any more: people are told, and nothing is read or done. Should it be
/// configured again, the incident goes on.
fn homeless(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    let name = &incident.environment;
    if snapshot.current.environments.contains_key(name) {
        return None;
    }
    let reason = format!(
        "environment '{name}' is not configured any more: nothing is read or done there; close the incident, or configure \
         the environment again"
    );
    let mut events = void_live(incident, &format!("environment '{name}' is not configured any more"));
    if incident.escalated.as_ref() != Some(&reason) {
        events.push(EventBody::IncidentEscalated { reason });
    }
    Some(if events.is_empty() { Next::idle() } else { Next::Append(events) })
}

/// Requests that may still lead to something.
pub(super) fn live(incident: &Incident) -> impl Iterator<Item = &Approval> {
    let is_live = |state| matches!(state, ApprovalState::Pending | ApprovalState::Approved);
    incident.approvals.iter().filter(move |approval| is_live(approval.state))
}

/// The end of all requests that may still lead to something.
pub(super) fn void_live(incident: &Incident, reason: &str) -> Vec<EventBody> {
    let void = |approval: &Approval| EventBody::ApprovalVoided { approval: approval.id.clone(), reason: reason.into() };
    live(incident).map(void).collect()
}

fn expired(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Vec<EventBody>> {
    let events: Vec<EventBody> = live(incident)
        .filter(|approval| approval.expires_at <= snapshot.now)
        .map(|approval| EventBody::ApprovalExpired { approval: approval.id.clone() })
        .collect();
    (!events.is_empty()).then_some(events)
}

fn next_expiry(incident: &Incident) -> Option<Timestamp> {
    live(incident).map(|approval| approval.expires_at).min()
}

/// Begins or ends waiting for a dependency's incident. An action that has begun is finished first. What was asked of
/// people came from a diagnosis that is made anew afterwards.
fn waiting(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    let (mut events, change) = match &incident.waiting_on {
        Some(on) if !snapshot.awaited_is_open => {
            (void_live(incident, "it is diagnosed anew"), EventBody::WaitingEnded { on: on.clone() })
        }
        Some(on) => return impatient(incident, snapshot, on).map(|event| Next::Append(vec![event])),
        None if !is_acting(incident) && incident.verdict.is_none() => {
            let Dependency { incident: on, service } = snapshot.dependency.clone()?;
            let events = void_live(incident, &format!("{service} comes first: see {on}"));
            (events, EventBody::WaitingStarted { on, dependency: service })
        }
        None => return None,
    };
    events.push(change);
    Some(Next::Append(events))
}

/// People are told of what waits for long. It waits on all the same.
fn impatient(incident: &Incident, snapshot: &Snapshot<'_>, on: &IncidentId) -> Option<EventBody> {
    let (dependency, since) = incident.waiting_since.as_ref()?;
    let late = waits_until(incident, snapshot).is_some_and(|until| until <= snapshot.now);
    let since = since.format("%H:%M UTC");
    let reason = || format!("it has waited since {since} for {on}, the incident of {dependency}, which it needs");
    (late && incident.escalated.is_none()).then(|| EventBody::IncidentEscalated { reason: reason() })
}

/// How long waiting for another incident is nobody's business: as long as until people are reminded of what escalated.
fn waits_until(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Timestamp> {
    let (_, since) = incident.waiting_since.as_ref()?;
    Some(*since + snapshot.current.policies.defaults.escalate_every.as_chrono())
}

/// Whether a mutating step has sent something and is not settled.
pub(super) fn is_acting(incident: &Incident) -> bool {
    incident.steps.iter().any(|record| !record.status.is_final() && has_sent(record))
}

/// Whether a call of a step was sent, or is about to be.
pub(super) fn has_sent(record: &StepRecord) -> bool {
    record.action.as_ref().is_some_and(|action| !action.calls.is_empty())
}

/// Whether people must look, and nothing more is done until they have, or the target is well again.
pub(super) fn is_given_up(incident: &Incident) -> bool {
    incident.escalated.is_some() && incident.verdict.is_some() && incident.closed_at.is_none()
}

/// Whether the incident has alerts, and its senders say that all of them are over.
pub(super) fn all_resolved(incident: &Incident) -> bool {
    !incident.alerts.is_empty() && incident.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved)
}

/// The record of a step.
pub(super) fn record<'a>(incident: &'a Incident, step: &StepId) -> Option<&'a StepRecord> {
    incident.steps.iter().find(|record| record.step.id == *step)
}

/// The earlier of two moments, where there are any.
pub(super) fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

//! What of a record happened, and what was decided; what was seen of one step when another, equal one asks for it.

use crate::domain::{ApprovalState, Event, EventBody, Incident, Step, StepId, StepOutcome, Trigger};
use crate::flow::{Effect, think};

/// Whether an event came from outside, rather than of a decision.
pub(super) fn happened(event: &Event, before: &Event, incident: &Incident) -> bool {
    match &event.body {
        // Nobody was left who would have waited for the answer.
        EventBody::ExchangeSettled { index, .. } => {
            matches!(&before.body, EventBody::ExchangeEnded { index: ended, end } if ended == index && think::is_lost(end))
        }
        EventBody::ExchangeBegun { .. }
        | EventBody::ModelsNotAsked { .. }
        | EventBody::PlanMade { .. }
        | EventBody::ExpectationJudged { .. }
        | EventBody::PhaseFinished { .. }
        | EventBody::FindingMade { .. }
        | EventBody::GateDecided { .. }
        | EventBody::ApprovalRequested { .. }
        | EventBody::CallIntended { .. }
        | EventBody::UndoFinished { .. }
        | EventBody::VerdictReached { .. }
        | EventBody::IncidentEscalated { .. }
        | EventBody::ApprovalVoided { .. }
        | EventBody::StepFinished { outcome: StepOutcome::Skipped { .. }, .. } => false,
        EventBody::StepFinished { step, outcome: StepOutcome::Failed { .. }, .. } => {
            let acts = |id: &StepId| incident.steps.iter().any(|known| known.step.id == *id && known.action.is_some());
            !acts(step)
        }
        // What was asked for by hand is over with its last step, or with its environment.
        EventBody::IncidentClosed { by, .. } => by.is_some() || matches!(incident.trigger, Trigger::Operation { .. }),
        // What the environment can never do is told at once.
        EventBody::RemedyManual { reason, .. } => is_impossible(&before.body, reason),
        _ => true,
    }
}

/// Whether a step could not be made ready, for good and for this reason.
pub(super) fn is_impossible(body: &EventBody, reason: &str) -> bool {
    matches!(body, EventBody::PrepareFailed { transient: false, error, .. } if error == reason)
}

/// Whether two decisions lead to the same, whatever words they use.
pub(super) fn alike(then: &EventBody, now: &EventBody) -> bool {
    use EventBody as Body;
    match (then, now) {
        (Body::PlanMade { plan: then, .. }, Body::PlanMade { plan: now, .. }) => {
            then.steps().count() == now.steps().count()
                && then.steps().zip(now.steps()).all(|((phase, then), (other, now))| {
                    phase == other && then.id == now.id && then.name == now.name && is_same(then, now)
                })
        }
        (Body::FindingMade { finding: then }, Body::FindingMade { finding: now }) => {
            let code = |finding: &crate::domain::Finding| finding.cause.as_ref().map(|cause| cause.code.clone());
            (&then.runbook, &then.id, code(then)) == (&now.runbook, &now.id, code(now))
        }
        (Body::RemedyManual { remedy: then, .. }, Body::RemedyManual { remedy: now, .. }) => then == now,
        (Body::GateDecided { step: one, decision: then, .. }, Body::GateDecided { step: other, decision: now, .. }) => {
            one == other && then == now
        }
        (Body::ApprovalRequested { approval: then }, Body::ApprovalRequested { approval: now }) => {
            (&then.id, &then.digest) == (&now.id, &now.digest)
        }
        (Body::VerdictReached { verdict: then, .. }, Body::VerdictReached { verdict: now, .. }) => then == now,
        (Body::ExchangeBegun { index: one, agent: then, .. }, Body::ExchangeBegun { index: other, agent: now, .. }) => {
            one == other && then == now
        }
        (Body::ModelsNotAsked { agent: then, .. }, Body::ModelsNotAsked { agent: now, .. }) => then == now,
        (Body::ExchangeSettled { unused: then, .. }, Body::ExchangeSettled { unused: now, .. }) => {
            then.is_some() == now.is_some()
        }
        (Body::StepFinished { step: then, .. }, Body::StepFinished { step: now, .. }) => then == now,
        (Body::IncidentClosed { .. }, Body::IncidentClosed { .. })
        | (Body::IncidentEscalated { .. }, Body::IncidentEscalated { .. }) => true,
        (then, now) => then == now,
    }
}

/// Whether two steps look at, or do, the same.
pub(super) fn is_same(one: &Step, other: &Step) -> bool {
    (&one.operation, &one.target, &one.arguments) == (&other.operation, &other.target, &other.arguments)
}

/// Whether an event may be what a look just before a call led to.
pub(super) fn look(effects: &[Effect], body: &EventBody) -> bool {
    effects.iter().any(|effect| leads_to(effect, body))
}

fn leads_to(effect: &Effect, body: &EventBody) -> bool {
    match (effect, body) {
        (
            Effect::Inspect { step, index, undo },
            EventBody::CallIntended { step: called, index: position, undo: back, .. },
        ) => (step, index, undo) == (called, position, back),
        (Effect::Inspect { .. }, body) => leads_from_a_look(body),
        _ => false,
    }
}

fn leads_from_a_look(body: &EventBody) -> bool {
    matches!(
        body,
        EventBody::ApprovalVoided { .. }
            | EventBody::PrepareFailed { .. }
            | EventBody::StepFinished { .. }
            | EventBody::GateDecided { .. }
            | EventBody::RemedyManual { .. }
            | EventBody::UndoRequested { .. }
            | EventBody::UndoFinished { .. }
            | EventBody::IncidentEscalated { .. }
    )
}

/// How many of these events one look led to.
pub(super) fn found(events: &[Event]) -> usize {
    let at = events.first().map(|event| event.at);
    let first_is_call = events.first().is_some_and(|event| matches!(event.body, EventBody::CallIntended { .. }));
    if first_is_call {
        return 1;
    }
    events.iter().take_while(|event| Some(event.at) == at && leads_from_a_look(&event.body)).count().max(1)
}

/// What an incident waits for, in words.
pub(super) fn waiting(incident: &Incident) -> String {
    let asked = incident.approvals.iter().find(|approval| approval.state == ApprovalState::Pending);
    match asked {
        Some(approval) => format!("waits for people to decide on {} on {}", approval.operation, approval.target),
        None => "decides nothing yet".to_owned(),
    }
}

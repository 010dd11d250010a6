//! What decisions go by besides their incident is noted when it has changed: so [`super::replay`] can decide again.

use super::Snapshot;
use crate::config::Config;
use crate::domain::{Circumstances, EventBody, Incident, Mutation, Service, StepRecord, is_secret_name};
use std::collections::BTreeSet;

/// Services around a target that are noted at most: as many as a model is offered, and far more than most have.
const AROUND: usize = 50;

/// Changes that are noted at most, the last ones: far more than any sane budget allows in its window.
const MUTATIONS: usize = 50;

/// Events that were decided, after the circumstances that they were decided in, if these are news.
pub(super) fn noted(incident: &Incident, snapshot: &Snapshot<'_>, events: Vec<EventBody>) -> Vec<EventBody> {
    if !events.iter().any(is_weighed) {
        return events;
    }
    match circumstances(incident, snapshot, &events).since(&incident.circumstances) {
        Some(circumstances) => [EventBody::CircumstancesNoted { circumstances }].into_iter().chain(events).collect(),
        None => events,
    }
}

/// Whether a decision rests on more than its incident.
fn is_weighed(event: &EventBody) -> bool {
    matches!(
        event,
        EventBody::ExchangeBegun { .. }
            | EventBody::ExchangeSettled { .. }
            | EventBody::ModelsNotAsked { .. }
            | EventBody::PlanMade { .. }
            | EventBody::PhaseFinished { .. }
            | EventBody::GateDecided { .. }
            | EventBody::VerdictReached { .. }
            | EventBody::IncidentEscalated { .. }
    )
}

fn circumstances(incident: &Incident, snapshot: &Snapshot<'_>, events: &[EventBody]) -> Circumstances {
    let gated = events.iter().any(|event| matches!(event, EventBody::GateDecided { .. }));
    let agents = &snapshot.pinned.agents;
    let models = [&agents.planner, &agents.analyst, &agents.reporter].iter().any(|agent| !agent.models.is_empty());
    Circumstances {
        kind: Some(snapshot.kind),
        config: Some(snapshot.current.digest.clone()),
        services: Some(services(incident, snapshot, events)),
        alerting: Some(snapshot.alerting),
        kill_switch: Some(snapshot.kill_switch),
        mutations: gated.then(|| mutations(incident, snapshot)),
        thought: models.then_some(snapshot.thought),
    }
}

/// The target and what steps are about, whole; what is around the target by its name and needs.
fn services(incident: &Incident, snapshot: &Snapshot<'_>, events: &[EventBody]) -> Vec<Service> {
    let inventory = snapshot.inventory;
    let planned = events.iter().filter_map(|event| match event {
        EventBody::PlanMade { plan, .. } => Some(plan),
        _ => None,
    });
    let planned = planned.flat_map(|plan| plan.steps()).map(|(_, step)| step.target.as_str());
    let known = incident.steps.iter().map(|StepRecord { step, .. }| step.target.as_str());
    let whole: BTreeSet<&str> = incident.service.as_deref().into_iter().chain(planned).chain(known).collect();
    let around = incident.service.as_deref().map(|name| inventory.around(name, AROUND)).unwrap_or_default();
    let names: BTreeSet<&str> = whole.union(&around).copied().collect();
    let with_labels = [snapshot.pinned, snapshot.current].iter().any(|config| !config.policies.rules.is_empty());
    let service = |name: &&str| {
        let service = inventory.services.get(*name)?;
        Some(if whole.contains(name) { told(service, with_labels) } else { outline(service) })
    };
    names.iter().filter_map(service).collect()
}

/// A service as decisions see it. Labels are for rules of policies alone, and may hold secrets.
fn told(service: &Service, with_labels: bool) -> Service {
    let mut service = service.clone();
    service.labels.retain(|name, _| with_labels && !is_secret_name(name));
    service
}

fn outline(service: &Service) -> Service {
    let Service { name, depends_on, job, protected, .. } = service.clone();
    Service { name, depends_on, job, protected, ..Service::default() }
}

/// What budgets and the flap breaker count.
fn mutations(incident: &Incident, snapshot: &Snapshot<'_>) -> Vec<Mutation> {
    let window = |config: &&Config| config.policies.budgets.window.max(config.policies.flap.window);
    let longest = [snapshot.pinned, snapshot.current].iter().map(window).max().unwrap_or_default();
    let since = snapshot.now - longest.as_chrono();
    let counts = |mutation: &&Mutation| mutation.environment == incident.environment && mutation.at >= since;
    let mut found: Vec<Mutation> = snapshot.history.mutations.iter().filter(counts).cloned().collect();
    found.drain(..found.len().saturating_sub(MUTATIONS));
    found
}

//! The reading phases: run what is planned, judge what it shows, plan what that makes worth knowing.

use super::{Effect, MAX_ATTEMPTS, Next, Snapshot, backoff, decide::earliest, only_reads, think};
use crate::domain::{
    EventBody, Evidence, Incident, Phase, PhaseName, Plan, PlanSource, Service, Step, StepOutcome, StepRecord,
    StepRole, StepStatus, Trigger,
};
use crate::{catalog::Case, expr::Truth, judge, plan};
use std::collections::BTreeSet;

/// The next move of the diagnosis; none when it is over.
pub(super) fn next(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    let Some(current) = &incident.plan else {
        let first = first_plan(incident, snapshot);
        return Some(Next::Append(vec![EventBody::PlanMade { plan: first, reason: "first plan".into() }]));
    };
    let unfinished =
        |phase: &&Phase| phase.name != PhaseName::Resolution && !incident.finished_phases.contains(&phase.name);
    let phase = current.phases.iter().find(unfinished);
    let steps = phase.iter().flat_map(|phase| &phase.steps);
    let records: Vec<&StepRecord> = steps.filter_map(|step| super::decide::record(incident, &step.id)).collect();
    let between = records.iter().all(|record| record.status == StepStatus::Pending) && is_open(incident, current);
    if let Some(next) = between.then(|| think::between_phases(incident, snapshot)).flatten() {
        return Some(next);
    }
    let phase = phase?;
    if records.iter().all(|record| record.status.is_final()) {
        return Some(Next::Append(finish(incident, snapshot, current, phase.name)));
    }
    let skipped = not_worthwhile(incident, snapshot, &records);
    if !skipped.is_empty() {
        return Some(Next::Append(skipped));
    }
    Some(run(&records, snapshot))
}

/// Steps of this phase that a model wanted only in a case which this is not.
fn not_worthwhile(incident: &Incident, snapshot: &Snapshot<'_>, records: &[&StepRecord]) -> Vec<EventBody> {
    let evidence = evidence(incident);
    let (catalog, alerts, service) = (&snapshot.pinned.catalog, &incident.alerts, service(incident, snapshot));
    let case = Case { catalog, alerts, service, evidence: &evidence };
    let pending = records.iter().filter(|record| record.status == StepStatus::Pending);
    let skipped = pending.filter_map(|record| {
        let condition = record.step.expects.as_ref()?.when.as_deref()?;
        let why = match judge::holds(condition, &case) {
            Truth::True => return None,
            Truth::False => "does not hold".to_owned(),
            Truth::Unknown(problem) => format!("cannot be told: {problem}"),
        };
        let outcome = StepOutcome::Skipped { reason: format!("it is for when {condition}, which {why}") };
        let step = record.step.id.clone();
        Some(EventBody::StepFinished { step, attempt: record.attempt, outcome, milliseconds: 0 })
    });
    skipped.collect()
}

/// Whether the diagnosis may still look for more: nothing is concluded, and no remedy planned.
fn is_open(incident: &Incident, current: &Plan) -> bool {
    incident.verdict.is_none() && current.phases.iter().all(|phase| phase.name != PhaseName::Resolution)
}

/// Starts what may start, up to the limit over all incidents, and waits for what runs.
fn run(records: &[&StepRecord], snapshot: &Snapshot<'_>) -> Next {
    let running: Vec<&&StepRecord> = records.iter().filter(|record| record.status == StepStatus::Running).collect();
    let limit = snapshot.current.platform.limits.concurrent_steps;
    let free = limit.saturating_sub(running.len() + snapshot.reading);
    let mut wakes_at = None;
    let mut started = Vec::new();
    for record in records {
        let due = match record.status {
            StepStatus::Pending => true,
            // It failed because of its environment, which is away: that is said, and waited for.
            StepStatus::Retrying if record.attempt >= MAX_ATTEMPTS && snapshot.inventory.stale.is_some() => false,
            StepStatus::Retrying => {
                let at = record.finished_at.map(|at| at + backoff(record.attempt).as_chrono());
                wakes_at = earliest(wakes_at, at.filter(|at| *at > snapshot.now));
                at.is_none_or(|at| at <= snapshot.now)
            }
            _ => false,
        };
        if due && started.len() < free {
            started.push(EventBody::StepStarted { step: record.step.id.clone(), attempt: record.attempt + 1 });
        }
    }
    if !started.is_empty() {
        return Next::Append(started);
    }
    let effects = running
        .iter()
        .map(|record| Effect::RunStep { step: record.step.id.clone(), attempt: record.attempt })
        .collect();
    Next::Wait { effects, wakes_at }
}

/// Reading steps that are under way.
pub(super) fn running(incident: &Incident) -> Vec<Effect> {
    let reading = |record: &&StepRecord| {
        record.status == StepStatus::Running && record.phase != PhaseName::Resolution && record.action.is_none()
    };
    let run = |record: &StepRecord| Effect::RunStep { step: record.step.id.clone(), attempt: record.attempt };
    incident.steps.iter().filter(reading).map(run).collect()
}

/// Judges what a phase showed, and plans what is worth knowing now.
fn finish(incident: &Incident, snapshot: &Snapshot<'_>, current: &Plan, phase: PhaseName) -> Vec<EventBody> {
    let evidence = evidence(incident);
    let service = service(incident, snapshot);
    let mut events: Vec<EventBody> = Vec::new();
    if let Trigger::Alert | Trigger::Diagnose { .. } | Trigger::Storm { .. } = incident.trigger {
        let found = judge::findings(&snapshot.pinned.catalog, &evidence, &incident.alerts, service, &incident.findings);
        events.extend(found.into_iter().map(|finding| EventBody::FindingMade { finding }));
    }
    let case = Case { catalog: &snapshot.pinned.catalog, alerts: &incident.alerts, service, evidence: &evidence };
    let done = current_steps(incident).filter(|record| record.phase == phase && record.evidence.is_some());
    let judged = done.filter(|record| record.judged.is_none()).filter_map(|record| {
        let judged = judge::as_expected(record.step.expects.as_ref()?, &case)?;
        Some(EventBody::ExpectationJudged { step: record.step.id.clone(), judged })
    });
    events.extend(judged);
    events.push(EventBody::PhaseFinished { revision: current.revision, phase });
    if let PlanSource::Runbook { .. } = current.source {
        let done: BTreeSet<String> = current_steps(incident).map(|record| record.step.name.clone()).collect();
        let input = input(incident, snapshot);
        if let Some(plan) = plan::revise(&input, &evidence, phase, current, &done, revision(incident)) {
            events.push(EventBody::PlanMade { plan, reason: format!("what {phase} showed") });
        }
    }
    events
}

/// The plan that an incident begins with.
fn first_plan(incident: &Incident, snapshot: &Snapshot<'_>) -> Plan {
    match &incident.trigger {
        Trigger::Operation { name, operation, arguments } => {
            by_hand(incident, snapshot, name, operation, arguments.clone())
        }
        _ => plan::first(&input(incident, snapshot), revision(incident)),
    }
}

/// One operation that a person asked for.
fn by_hand(
    incident: &Incident,
    snapshot: &Snapshot<'_>,
    name: &str,
    operation: &str,
    arguments: crate::domain::Values,
) -> Plan {
    let declared = snapshot.pinned.catalog.operations.get(operation);
    let (phase, role) = if !only_reads(snapshot.pinned, snapshot.kind, operation) {
        let remedy = crate::domain::Remedy {
            id: operation.to_owned(),
            runbook: String::new(),
            cause: String::new(),
            precondition: None,
            position: 0,
        };
        (PhaseName::Resolution, StepRole::Remedy(remedy))
    } else {
        (PhaseName::Triage, StepRole::Diagnose)
    };
    let revision = revision(incident);
    let step = Step {
        id: incident.id.step(revision, 1),
        name: operation.to_owned(),
        operation: operation.to_owned(),
        target: incident.service.clone().unwrap_or_default(),
        arguments,
        reason: format!("{name} asked for it"),
        role,
        timeout: declared.map_or(crate::domain::TimeSpan::from_secs(30), |declared| declared.timeout),
        expects: None,
    };
    Plan {
        revision,
        source: PlanSource::Person { name: name.to_owned() },
        phases: vec![crate::domain::Phase { name: phase, steps: vec![step] }],
    }
}

/// What the planner is given.
pub(super) fn input<'a>(incident: &'a Incident, snapshot: &'a Snapshot<'_>) -> plan::PlanInput<'a> {
    plan::PlanInput {
        catalog: &snapshot.pinned.catalog,
        kind: snapshot.kind,
        service: service(incident, snapshot),
        inventory: snapshot.inventory,
        alerts: &incident.alerts,
        incident: &incident.id,
    }
}

/// The target as the inventory has it now.
pub(super) fn service<'a>(incident: &Incident, snapshot: &'a Snapshot<'_>) -> Option<&'a Service> {
    snapshot.inventory.services.get(incident.service.as_deref()?)
}

/// The revision that a new plan has.
pub(super) fn revision(incident: &Incident) -> u32 {
    last_revision(incident) + 1
}

/// The revision of the last plan that was made.
pub(super) fn last_revision(incident: &Incident) -> u32 {
    let last = incident.steps.iter().filter_map(revision_of).max();
    incident.plan.as_ref().map(|plan| plan.revision).max(last).unwrap_or(0)
}

/// Steps carry the revision that made them in their identifier.
pub(super) fn revision_of(record: &StepRecord) -> Option<u32> {
    record.step.id.revision()
}

/// Evidence of the present diagnosis: after waiting for a dependency, what was seen before no longer counts.
pub(super) fn evidence(incident: &Incident) -> Vec<&Evidence> {
    current_steps(incident)
        .filter(|record| record.step.role == StepRole::Diagnose)
        .filter_map(|record| record.evidence.as_ref())
        .collect()
}

/// Steps of the present diagnosis.
pub(super) fn current_steps(incident: &Incident) -> impl Iterator<Item = &StepRecord> {
    let since = incident.diagnosed_since;
    incident.steps.iter().filter(move |record| revision_of(record).is_some_and(|revision| revision >= since))
}

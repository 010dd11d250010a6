//! Alerts, plans, reading steps and claims.

use crate::domain::{
    Alert, AlertStatus, Finding, Incident, PhaseName, Plan, Step, StepId, StepOutcome, StepRecord, StepStatus,
    Timestamp,
};

pub(super) fn receive(incident: &mut Incident, alert: &Alert) {
    match incident.alerts.iter_mut().find(|known| known.fingerprint == alert.fingerprint) {
        // A resolution that is older than the current episode is a straggler.
        Some(known) if alert.status == AlertStatus::Resolved && alert.starts_at < known.starts_at => {}
        Some(known) => *known = alert.clone(),
        None => incident.alerts.push(alert.clone()),
    }
    if alert.status == AlertStatus::Firing {
        incident.recheck = None;
    }
}

/// A new diagnosis: what was seen stays in the record, what was concluded does not.
pub(super) fn start_over(incident: &mut Incident) {
    incident.waiting_on = None;
    skip_what_remains(incident);
    incident.diagnosed_since = incident.plan.as_ref().map_or(1, |plan| plan.revision + 1);
    incident.plan = None;
    incident.finished_phases.clear();
    incident.findings.clear();
    incident.cause = None;
}

fn skip_what_remains(incident: &mut Incident) {
    for record in &mut incident.steps {
        if matches!(record.status, StepStatus::Pending | StepStatus::Retrying) {
            record.status = StepStatus::Skipped;
            record.error.get_or_insert_with(|| "replaced by a revision of the plan".to_owned());
        }
    }
}

pub(super) fn plan(incident: &mut Incident, plan: &Plan) {
    skip_what_remains(incident);
    let known = |step: &StepId| incident.steps.iter().any(|record| record.step.id == *step);
    let fresh: Vec<StepRecord> =
        plan.steps().filter(|(_, step)| !known(&step.id)).map(|(phase, step)| pending(phase, step.clone())).collect();
    incident.steps.extend(fresh);
    incident.plan = Some(plan.clone());
}

fn pending(phase: PhaseName, step: Step) -> StepRecord {
    StepRecord {
        phase,
        step,
        status: StepStatus::Pending,
        attempt: 0,
        started_at: None,
        finished_at: None,
        evidence: None,
        error: None,
        action: None,
    }
}

pub(super) fn step_started(incident: &mut Incident, step: &StepId, attempt: u32, at: Timestamp) {
    with_step(incident, step, |record| {
        record.status = StepStatus::Running;
        record.attempt = attempt;
        record.started_at = Some(at);
        record.finished_at = None;
    });
}

pub(super) fn step_finished(
    incident: &mut Incident,
    step: &StepId,
    attempt: u32,
    outcome: &StepOutcome,
    at: Timestamp,
) {
    with_step(incident, step, |record| {
        record.finished_at = Some(at);
        record.attempt = record.attempt.max(attempt);
        let (status, error) = match outcome {
            StepOutcome::Succeeded { evidence } => {
                record.evidence = Some(evidence.clone());
                (StepStatus::Succeeded, None)
            }
            StepOutcome::Failed { error, transient: true } => (StepStatus::Retrying, Some(error)),
            StepOutcome::Failed { error, transient: false } => (StepStatus::Failed, Some(error)),
            StepOutcome::Skipped { reason } => (StepStatus::Skipped, Some(reason)),
        };
        record.status = status;
        record.error = error.cloned();
        // What was not done is prepared anew, as things are then.
        if status == StepStatus::Retrying {
            record.action = None;
        }
    });
}

/// The cause is the one that is claimed with the most confidence, the first of equals.
pub(super) fn found(incident: &mut Incident, finding: &Finding) {
    if let Some(cause) = &finding.cause
        && incident.cause.as_ref().is_none_or(|known| cause.confidence > known.confidence)
    {
        incident.cause = Some(cause.clone());
    }
    incident.findings.push(finding.clone());
}

pub(super) fn with_step(incident: &mut Incident, step: &StepId, change: impl FnOnce(&mut StepRecord)) {
    if let Some(record) = incident.steps.iter_mut().find(|record| record.step.id == *step) {
        change(record);
    }
}

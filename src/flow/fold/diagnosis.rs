//! Alerts, plans, reading steps and claims.

use crate::domain::{
    Alert, AlertStatus, Finding, Incident, Judged, PhaseName, Plan, PlanSource, Step, StepId, StepOutcome, StepRecord,
    StepStatus, Timestamp, Trigger, Verdict,
};
use crate::flow::{decide::has_sent, diagnose::last_revision};
use crate::intake;

pub(super) fn receive(incident: &mut Incident, alert: &Alert, at: Timestamp) {
    let known = incident.alerts.iter_mut().find(|known| known.fingerprint == alert.fingerprint);
    let begins = match known {
        // A resolution that is older than the current episode is a straggler.
        Some(known) if alert.status == AlertStatus::Resolved && alert.starts_at < known.starts_at => return,
        Some(known) => {
            let begins = alert.starts_at > known.starts_at;
            *known = alert.clone();
            begins
        }
        None => {
            incident.alerts.push(alert.clone());
            true
        }
    };
    match alert.status {
        AlertStatus::Firing => incident.resolutions.remove(&alert.fingerprint),
        AlertStatus::Resolved => incident.resolutions.insert(alert.fingerprint.clone(), at),
    };
    // What was seen before does not tell what is so since.
    incident.recheck = None;
    if let Trigger::Alert | Trigger::Diagnose { .. } = incident.trigger {
        name(incident, alert);
    }
    // A verdict is about what was known when it was reached.
    if begins && alert.status == AlertStatus::Firing && incident.verdict.is_some() {
        start_over(incident);
    }
}

/// An incident is as severe as its most severe alert ever was, and is named after it.
fn name(incident: &mut Incident, alert: &Alert) {
    let severity = intake::graver(&incident.severity, alert.severity());
    if *severity != *incident.severity {
        incident.severity = severity.to_owned();
        incident.title = intake::title(&incident.alerts, &incident.environment, incident.service.as_deref());
    }
}

/// A new diagnosis: what was seen and done stays in the record, what was concluded does not.
pub(super) fn start_over(incident: &mut Incident) {
    incident.waiting_on = None;
    incident.waiting_since = None;
    incident.recheck = None;
    skip_what_remains(incident, "replaced by a new diagnosis");
    incident.diagnosed_since = last_revision(incident) + 1;
    incident.plan = None;
    incident.finished_phases.clear();
    incident.findings.clear();
    incident.cause = None;
    incident.manual.clear();
    incident.verdict = None;
    incident.verdict_reason.clear();
    incident.prose = None;
    incident.escalated = None;
    // Should it come to people again, it is for another reason, which they hear at once.
    incident.notified.retain(|subject, _| !subject.starts_with("escalation:"));
}

/// What did not send anything is not done any more.
fn skip_what_remains(incident: &mut Incident, why: &str) {
    for record in incident.steps.iter_mut().filter(|record| !record.status.is_final() && !has_sent(record)) {
        record.status = StepStatus::Skipped;
        record.error.get_or_insert_with(|| why.to_owned());
    }
}

/// What is under way when an incident ends is followed up by nobody.
pub(super) fn end(incident: &mut Incident) {
    skip_what_remains(incident, "the incident was closed");
    for record in incident.steps.iter_mut().filter(|record| !record.status.is_final()) {
        record.status = StepStatus::Failed;
        record.error = Some("the incident was closed before its effect was known".to_owned());
    }
}

pub(super) fn plan(incident: &mut Incident, plan: &Plan) {
    skip_what_remains(incident, "replaced by a revision of the plan");
    let known = |step: &StepId| incident.steps.iter().any(|record| record.step.id == *step);
    let fresh: Vec<StepRecord> =
        plan.steps().filter(|(_, step)| !known(&step.id)).map(|(phase, step)| pending(phase, step.clone())).collect();
    incident.steps.extend(fresh);
    // A model may have more to look at in a phase that was over.
    if matches!(plan.source, PlanSource::Model { .. }) {
        incident.finished_phases.retain(|finished| plan.phases.iter().all(|phase| phase.name != *finished));
    }
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
        judged: None,
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

pub(super) fn found(incident: &mut Incident, finding: &Finding) {
    incident.findings.push(finding.clone());
    incident.cause = Finding::surest(&incident.findings).map(|(_, cause)| cause.clone());
}

pub(super) fn judged(incident: &mut Incident, step: &StepId, judged: &Judged) {
    with_step(incident, step, |record| record.judged = Some(judged.clone()));
}

/// What was written is about another verdict.
pub(super) fn concluded(incident: &mut Incident, verdict: Verdict, reason: &str) {
    incident.verdict = Some(verdict);
    reason.clone_into(&mut incident.verdict_reason);
    incident.prose = None;
}

pub(super) fn with_step(incident: &mut Incident, step: &StepId, change: impl FnOnce(&mut StepRecord)) {
    if let Some(record) = incident.steps.iter_mut().find(|record| record.step.id == *step) {
        change(record);
    }
}

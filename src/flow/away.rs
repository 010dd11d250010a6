//! While an environment is away, the work in it stands still, and the incident says so. It goes on when it is back. What
//! somebody only wants to read is not waited for.

use super::{MAX_ATTEMPTS, Snapshot, diagnose, only_reads};
use crate::domain::{
    ApprovalState, EventBody, Incident, StepOutcome, StepRole, StepStatus, TimeSpan, Timestamp, Trigger,
};

/// How long an environment may be away before an incident says so that has no failed attempts to say it by: as long as
/// these would take.
const PATIENCE: TimeSpan = TimeSpan::from_secs(60);

/// That the environment is away, or is back, if that is news.
pub(super) fn news(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Vec<EventBody>> {
    match (&incident.lost, &snapshot.inventory.stale) {
        (Some(_), None) if snapshot.inventory.read_at.is_some() => Some(vec![EventBody::EnvironmentReturned {}]),
        (None, Some(problem)) if is_due(incident, snapshot) => {
            let problem = format!("{} does not answer: {problem}", incident.environment);
            Some(match reading(incident, snapshot) {
                Some(operation) => ended(incident, operation, &problem),
                None => {
                    vec![EventBody::EnvironmentLost { problem: format!("{problem}; work goes on when it does") }]
                }
            })
        }
        _ => None,
    }
}

/// The operation, if it only reads and a person asked for it: they are there, and can ask again. Nobody is called for it.
fn reading<'a>(incident: &'a Incident, snapshot: &Snapshot<'_>) -> Option<&'a str> {
    let Trigger::Operation { operation, .. } = &incident.trigger else { return None };
    let reads = incident.steps.iter().all(|record| record.step.role == StepRole::Diagnose);
    (reads && only_reads(snapshot.pinned, snapshot.kind, operation)).then_some(operation)
}

/// The end of what was to be read.
fn ended(incident: &Incident, operation: &str, problem: &str) -> Vec<EventBody> {
    let open = || incident.steps.iter().filter(|record| !record.status.is_final());
    let tried = open()
        .find_map(|record| Some(format!("gave up after {} attempts: {}; ", record.attempt, record.error.as_ref()?)));
    let why = format!("{}{problem}", tried.unwrap_or_default());
    let steps = open().map(|record| EventBody::StepFinished {
        step: record.step.id.clone(),
        attempt: record.attempt,
        outcome: StepOutcome::Failed { error: why.clone(), transient: false },
        milliseconds: 0,
    });
    let reason = format!("{operation}: {why}; ask again when it does");
    steps.chain([EventBody::IncidentClosed { by: None, reason }]).collect()
}

/// When an incident of an environment that is away will say so.
pub(super) fn told_at(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Timestamp> {
    let away = incident.lost.is_none() && snapshot.inventory.stale.is_some() && is_wanted(incident);
    away.then(|| since(incident, snapshot) + PATIENCE.as_chrono()).filter(|at| *at > snapshot.now)
}

fn is_due(incident: &Incident, snapshot: &Snapshot<'_>) -> bool {
    // What was tried in vain and has ended is nobody's business any more.
    let tired = incident.steps.iter().filter(|record| !record.status.is_final()).any(|record| {
        let unsent = record.action.as_ref().and_then(|action| action.unsent.as_ref());
        record.status == StepStatus::Retrying && record.attempt >= MAX_ATTEMPTS
            || unsent.is_some_and(|unsent| unsent.attempts >= MAX_ATTEMPTS)
    });
    let late = || since(incident, snapshot) + PATIENCE.as_chrono() <= snapshot.now;
    // What is being read ends by itself, and has its attempts.
    let unread = || snapshot.inventory.read_at.is_none() && diagnose::running(incident).is_empty();
    is_wanted(incident) && (tired || late() && (reading(incident, snapshot).is_none() || unread()))
}

/// Since when nothing is known of the environment, as far as this incident is concerned.
fn since(incident: &Incident, snapshot: &Snapshot<'_>) -> Timestamp {
    snapshot.inventory.read_at.map_or(incident.opened_at, |read_at| read_at.max(incident.opened_at))
}

/// Whether there is work that needs the environment now: not while it waits for a person, or for another incident.
fn is_wanted(incident: &Incident) -> bool {
    let asked = incident.approvals.iter().any(|approval| approval.state == ApprovalState::Pending);
    incident.verdict.is_none() && incident.waiting_on.is_none() && incident.taken_over_by.is_none() && !asked
}

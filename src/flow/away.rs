//! While an environment is away, the work in it stands still, and the incident says so. It goes on when it is back.

use super::{MAX_ATTEMPTS, Snapshot};
use crate::domain::{ApprovalState, EventBody, Incident, StepStatus, TimeSpan, Timestamp};

/// How long an environment may be away before an incident says so that has no failed attempts to say it by: as long as
/// these would take.
const PATIENCE: TimeSpan = TimeSpan::from_secs(60);

/// That the environment is away, or is back, if that is news.
pub(super) fn news(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<EventBody> {
    match (&incident.lost, &snapshot.inventory.stale) {
        (Some(_), None) if snapshot.inventory.read_at.is_some() => Some(EventBody::EnvironmentReturned {}),
        (None, Some(problem)) if is_due(incident, snapshot) => {
            let place = &incident.environment;
            let problem = format!("{place} does not answer: {problem}; work goes on when it does");
            Some(EventBody::EnvironmentLost { problem })
        }
        _ => None,
    }
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
    is_wanted(incident) && (tired || since(incident, snapshot) + PATIENCE.as_chrono() <= snapshot.now)
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

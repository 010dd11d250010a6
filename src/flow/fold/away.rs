//! An environment that is away, and back.

use crate::domain::{Incident, StepStatus};

/// People are told, as of anything else that does not go on by itself.
pub(super) fn lost(incident: &mut Incident, problem: &str) {
    incident.lost = Some(problem.to_owned());
    incident.escalated.get_or_insert_with(|| problem.to_owned());
}

/// What failed because of it has all its attempts again. Nobody needs to look any more, unless for another reason.
pub(super) fn returned(incident: &mut Incident) {
    if incident.escalated.is_some() && incident.escalated == incident.lost {
        incident.escalated = None;
    }
    incident.lost = None;
    for record in incident.steps.iter_mut().filter(|record| record.status == StepStatus::Retrying) {
        record.status = StepStatus::Pending;
        record.attempt = 0;
    }
    for action in incident.steps.iter_mut().filter_map(|record| record.action.as_mut()) {
        action.unsent = None;
    }
}

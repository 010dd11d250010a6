//! What a freeze window held back is taken up again once none is open.

use super::{
    Snapshot,
    decide::{is_given_up, void_live},
    diagnose, settle,
};
use crate::domain::{EventBody, GateDecision, GateRecord, Incident, TimeSpan, Timestamp};
use crate::gate::{self, rule};

/// How long after its end a window may be taken for open.
const LATE: TimeSpan = TimeSpan::from_secs(60);

/// That the window is over which held the remedy of this incident back. What was approved before it is asked about anew.
pub(super) fn over(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Vec<EventBody>> {
    let window = held_back(incident)?.to_owned();
    if gate::is_frozen(&snapshot.current.policies.freeze, &incident.environment, snapshot.now) {
        return None;
    }
    let mut events = void_live(incident, "it is diagnosed anew");
    events.push(EventBody::FreezeEnded { window });
    Some(events)
}

/// When to look again whether it is.
pub(super) fn looked_at(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Timestamp> {
    held_back(incident).map(|_| snapshot.now + LATE.as_chrono())
}

/// The window that held a remedy of the present diagnosis back, if nothing else has people look.
fn held_back(incident: &Incident) -> Option<&str> {
    if !is_given_up(incident) || incident.taken_over_by.is_some() || settle::unfinished(incident).is_some() {
        return None;
    }
    let gates = diagnose::current_steps(incident).filter_map(|record| record.action.as_ref()?.gate.as_ref());
    let mut refusals = gates.filter(|gate: &&GateRecord| gate.decision == GateDecision::Refuse);
    refusals.find_map(|gate| gate.rule.strip_prefix(rule::FREEZE))
}

//! What is remembered of closed incidents: so that a repeat is not taken for something new, and that whoever comes late
//! is told what happened.

use crate::domain::{
    Alert, Approval, ApprovalId, Digest, Evidence, Incident, IncidentId, StepRecord, StepRole, Timestamp, Trigger,
    Verdict,
};
use crate::flow::Episodes;
use std::collections::{BTreeMap, VecDeque};

/// Group keys, episodes and requests that are remembered, each: more than an environment of thousands of services has
/// in a day.
const MOST: usize = 10_000;

/// Episodes that are remembered of one group key: the latest.
const EPISODES: usize = 1_000;

/// Operations whose results are compared with those of good times: they say how the target is, not what happened to it.
const COMPARED: [&str; 5] = ["get_status", "get_config", "check_resources", "check_health", "get_dependencies"];

/// Good states that are remembered, each of one service and operation.
const MOST_GOOD: usize = 2_000;

/// The largest result that is remembered, as JSON: with those that there may be, that is 64 MiB.
const LARGEST_GOOD: usize = 32 << 10;

/// Environment, service and operation.
type GoodKey = (String, String, String);

/// Closed incidents, in so far as they still matter.
#[derive(Default)]
pub(super) struct Closed {
    groups: Recent<String, (IncidentId, Episodes)>,
    episodes: Recent<(Digest, Timestamp), IncidentId>,
    approvals: Recent<ApprovalId, Approval>,
    good: Recent<GoodKey, Evidence, MOST_GOOD>,
}

impl Closed {
    /// Remembers an incident; of those with one group key the one that was told last is the last one.
    pub fn remember(&mut self, incident: &Incident) {
        let episodes: Episodes = incident.alerts.iter().map(episode).collect();
        for episode in &episodes {
            self.episodes.put(episode.clone(), incident.id.clone());
        }
        for approval in &incident.approvals {
            self.approvals.put(approval.id.clone(), approval.clone());
        }
        for evidence in good(incident) {
            let (place, service) = (incident.environment.clone(), evidence.target.clone());
            self.good.put((place, service, evidence.operation.clone()), evidence.clone());
        }
        // No alert ever belongs to an operation that was run by hand.
        if let Trigger::Operation { .. } = incident.trigger {
            return;
        }
        // Those of the group's incidents before it count as well: one of them may be reported again.
        let before = self.groups.known.get(&incident.group_key).map(|(_, episodes)| episodes.clone());
        let mut all: Vec<_> = before.unwrap_or_default().into_iter().chain(episodes).collect();
        all.sort_by_key(|(_, starts_at)| std::cmp::Reverse(*starts_at));
        all.truncate(EPISODES);
        self.groups.put(incident.group_key.clone(), (incident.id.clone(), all.into_iter().collect()));
    }

    /// The last one of a group key, with the episodes that all of that key had.
    pub fn of_group(&self, group_key: &str) -> Option<(IncidentId, Episodes)> {
        self.groups.known.get(group_key).cloned()
    }

    /// The one that an alert belonged to.
    pub fn with(&self, alert: &Alert) -> Option<&IncidentId> {
        self.episodes.known.get(&episode(alert))
    }

    /// What was read of an incident's target when it was last good.
    pub fn good(&self, incident: &Incident) -> Vec<&Evidence> {
        let Some(service) = &incident.service else { return Vec::new() };
        let key = |operation: &str| (incident.environment.clone(), service.clone(), operation.to_owned());
        COMPARED.into_iter().filter_map(|operation| self.good.known.get(&key(operation))).collect()
    }

    /// A request of one, as it ended.
    pub fn approval(&self, id: &ApprovalId) -> Option<&Approval> {
        self.approvals.known.get(id)
    }
}

/// What shows the target as it should be: readings of a check that held, or of a diagnosis that found no fault.
fn good(incident: &Incident) -> impl Iterator<Item = &Evidence> {
    let well = incident.verdict.is_some_and(Verdict::is_well);
    let no_fault = incident.verdict == Some(Verdict::NoFault);
    let shows = move |record: &&StepRecord| match &record.step.role {
        StepRole::Diagnose => {
            no_fault && record.step.id.revision().is_some_and(|made| made >= incident.diagnosed_since)
        }
        StepRole::Remedy(_) => {
            let verified = record.action.as_ref().and_then(|action| action.verify.as_ref());
            well && verified.is_some_and(|verified| verified.held && verified.independent != Some(false))
        }
    };
    let of_target = |evidence: &&Evidence| {
        incident.service.as_deref() == Some(evidence.target.as_str()) && COMPARED.contains(&evidence.operation.as_str())
    };
    let small = |evidence: &&Evidence| {
        !evidence.truncated && serde_json::to_vec(&evidence.facts).is_ok_and(|facts| facts.len() <= LARGEST_GOOD)
    };
    incident.steps.iter().filter(shows).filter_map(|record| record.evidence.as_ref()).filter(of_target).filter(small)
}

fn episode(alert: &Alert) -> (Digest, Timestamp) {
    (alert.fingerprint.clone(), alert.starts_at)
}

/// A map that forgets what came first.
struct Recent<K, V, const BOUND: usize = MOST> {
    known: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V, const BOUND: usize> Default for Recent<K, V, BOUND> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<K: Ord + Clone, V, const BOUND: usize> Recent<K, V, BOUND> {
    fn put(&mut self, key: K, value: V) {
        if self.known.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > BOUND {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_is_forgotten_first() {
        let mut recent: Recent<usize, ()> = Recent::default();
        for number in 0..=MOST {
            recent.put(number, ());
        }
        assert_eq!((recent.known.len(), recent.known.contains_key(&0)), (MOST, false));
    }
}

//! What is remembered of closed incidents: so that a repeat is not taken for something new, and that whoever comes late
//! is told what happened.

use crate::domain::{Alert, Approval, ApprovalId, Digest, Incident, IncidentId, Timestamp, Trigger};
use crate::flow::Episodes;
use std::collections::{BTreeMap, VecDeque};

/// Group keys, episodes and requests that are remembered, each: more than an environment of thousands of services has
/// in a day.
const MOST: usize = 10_000;

/// Episodes that are remembered of one group key: the latest.
const EPISODES: usize = 1_000;

/// Closed incidents, in so far as they still matter.
#[derive(Default)]
pub(super) struct Closed {
    groups: Recent<String, (IncidentId, Episodes)>,
    episodes: Recent<(Digest, Timestamp), IncidentId>,
    approvals: Recent<ApprovalId, Approval>,
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

    /// A request of one, as it ended.
    pub fn approval(&self, id: &ApprovalId) -> Option<&Approval> {
        self.approvals.known.get(id)
    }
}

fn episode(alert: &Alert) -> (Digest, Timestamp) {
    (alert.fingerprint.clone(), alert.starts_at)
}

/// A map that forgets what came first.
struct Recent<K, V> {
    known: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<K: Ord + Clone, V> Recent<K, V> {
    fn put(&mut self, key: K, value: V) {
        if self.known.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MOST {
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
        let mut recent = Recent::default();
        for number in 0..=MOST {
            recent.put(number, ());
        }
        assert_eq!((recent.known.len(), recent.known.contains_key(&0)), (MOST, false));
    }
}

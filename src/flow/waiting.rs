//! Which incident waits for which: a fault is put right where it is, and what needs the faulty service comes after it.

use super::Dependency;
use crate::domain::{EventBody, Incident, IncidentId, Inventory, Trigger};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Open incidents, as far as others may wait for them.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Those that may be waited for, by environment and service.
    in_hand: BTreeMap<(String, String), IncidentId>,
    /// What each one waits for that waits.
    on: BTreeMap<IncidentId, IncidentId>,
}

impl Waiting {
    /// Takes note of an open incident.
    pub fn know(&mut self, incident: &Incident) {
        if incident.closed_at.is_some() {
            return;
        }
        if let Some(service) = incident.service.as_ref().filter(|_| is_in_hand(incident)) {
            self.in_hand.insert((incident.environment.clone(), service.clone()), incident.id.clone());
        }
        if let Some(on) = &incident.waiting_on {
            self.on.insert(incident.id.clone(), on.clone());
        }
    }

    /// Takes note of what was just decided in an incident: two that need each other may be decided on in one moment.
    pub fn decided(&mut self, id: &IncidentId, events: &[EventBody]) {
        for event in events {
            match event {
                EventBody::WaitingStarted { on, .. } => drop(self.on.insert(id.clone(), on.clone())),
                EventBody::WaitingEnded { .. } => drop(self.on.remove(id)),
                _ => {}
            }
        }
    }

    /// An open incident of something that this incident's target needs, nearest first; never one that waits for this
    /// very incident, or both would wait for ever.
    pub fn dependency(&self, incident: &Incident, inventory: &Inventory) -> Option<Dependency> {
        if !is_about_a_fault(incident) {
            return None;
        }
        let mut queue: VecDeque<&str> = VecDeque::from([incident.service.as_deref()?]);
        let mut seen: BTreeSet<&str> = queue.iter().copied().collect();
        while let Some(name) = queue.pop_front() {
            for needed in inventory.services.get(name).into_iter().flat_map(|service| &service.depends_on) {
                if !seen.insert(needed) {
                    continue;
                }
                queue.push_back(needed);
                let found = self.in_hand.get(&(incident.environment.clone(), needed.clone()));
                if let Some(id) = found.filter(|id| !self.waits_for(id, &incident.id)) {
                    return Some(Dependency { incident: id.clone(), service: needed.clone() });
                }
            }
        }
        None
    }

    /// Whether an incident is another one, or waits for it, however indirectly.
    fn waits_for(&self, waiting: &IncidentId, on: &IncidentId) -> bool {
        let mut chain = std::iter::successors(Some(waiting), |id| self.on.get(*id));
        // All but the last one wait. A chain of more than there are is a circle, which nobody may wait for.
        chain.by_ref().take(self.on.len() + 1).any(|id| id == on) || chain.next().is_some()
    }
}

/// Whether something is still found out or done in an incident. One that was given up ends when a person says so, one
/// that a storm keeps open ends with that, and what needs its target cannot wait for either unseen.
pub fn is_worked_on(incident: &Incident) -> bool {
    incident.closed_at.is_none() && incident.verdict.is_none()
}

/// Whether others may wait for an incident: it is about a fault of its target, and is worked on.
fn is_in_hand(incident: &Incident) -> bool {
    incident.fires() && is_worked_on(incident) && is_about_a_fault(incident)
}

fn is_about_a_fault(incident: &Incident) -> bool {
    matches!(incident.trigger, Trigger::Alert | Trigger::Diagnose { .. })
}

//! What decisions may look at, gathered once for all incidents of a round.

use super::ledger::Ledger;
use super::runner::Runner;
use super::shared::Shared;
use super::slot::Slot;
use crate::config::Config;
use crate::domain::{
    EventBody, Incident, IncidentId, Inventories, Inventory, StepRecord, StepRole, StepStatus, Timestamp, Trigger,
};
use crate::flow::{Busy, Dependency, Snapshot};
use crate::gate::Alerting;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The world at the moment of a round of decisions.
pub(super) struct World {
    pub now: Timestamp,
    pub current: Arc<Config>,
    inventories: Arc<Inventories>,
    kill_switch: bool,
    /// Mutating steps under way, with environment and incident.
    busy: Vec<(String, IncidentId, Busy)>,
    alerting: BTreeMap<String, Alerting>,
    /// Reading steps that run, over all incidents.
    reading: usize,
    /// Open incidents of services, by environment and service, with what they wait for.
    open: BTreeMap<(String, String), (IncidentId, Option<IncidentId>)>,
    nothing: Inventory,
}

/// The parts of a snapshot that are made for one incident.
pub(super) struct Surroundings {
    busy: Vec<Busy>,
    dependency: Option<Dependency>,
    /// Reading steps of other incidents.
    reading: usize,
}

impl World {
    pub fn gather(ledger: &Ledger, shared: &Shared, now: Timestamp) -> Self {
        let current = shared.config();
        let mut busy = Vec::new();
        let mut open = BTreeMap::new();
        let mut reading = 0;
        for (id, slot) in &ledger.slots {
            let incident = slot.latest();
            reading += self::reading(incident);
            busy.extend(acting(incident).map(|under_way| (incident.environment.clone(), id.clone(), under_way)));
            if let Some(service) = incident.service.as_ref().filter(|_| is_in_hand(incident)) {
                let key = (incident.environment.clone(), service.clone());
                open.insert(key, (id.clone(), incident.waiting_on.clone()));
            }
        }
        let since = now - current.policies.storm.window.as_chrono();
        let inventories = shared.inventories();
        let alerting = |name: &String| {
            let targets = inventories.get(name).map_or(0, |inventory| inventory.services.len());
            (name.clone(), ledger.alerting(name, targets, since))
        };
        let alerting = current.environments.keys().map(alerting).collect();
        Self {
            now,
            inventories,
            kill_switch: shared.is_stopped(),
            current,
            busy,
            alerting,
            reading,
            open,
            nothing: Inventory::default(),
        }
    }

    /// What is particular to one incident.
    pub fn around(&self, incident: &Incident) -> Surroundings {
        let elsewhere = |place: &String, id: &IncidentId| *place == incident.environment && *id != incident.id;
        Surroundings {
            busy: self
                .busy
                .iter()
                .filter(|(place, id, _)| elsewhere(place, id))
                .map(|(_, _, busy)| busy.clone())
                .collect(),
            dependency: self.dependency(incident),
            reading: self.reading.saturating_sub(reading(incident)),
        }
    }

    /// Takes note of what was decided in this round, and is not durable yet.
    pub fn decided(&mut self, events: &[EventBody]) {
        self.reading += events.iter().filter(|event| matches!(event, EventBody::StepStarted { .. })).count();
    }

    /// Whether no further reading step may begin.
    pub fn is_full(&self) -> bool {
        self.reading >= self.current.platform.limits.concurrent_steps
    }

    /// The snapshot for one incident.
    pub fn snapshot<'a>(
        &'a self,
        slot: &'a Slot,
        around: &'a Surroundings,
        ledger: &'a Ledger,
        runner: &'a Runner,
    ) -> Snapshot<'a> {
        let incident = &slot.incident;
        let awaited = incident.waiting_on.as_ref().and_then(|id| ledger.slots.get(id));
        Snapshot {
            now: self.now,
            process: runner.process(),
            pinned: &slot.pinned,
            current: &self.current,
            kind: runner.kind(&incident.environment),
            inventory: self.inventories.get(&incident.environment).unwrap_or(&self.nothing),
            kill_switch: self.kill_switch,
            history: &ledger.history,
            alerting: self.alerting.get(&incident.environment).copied().unwrap_or_default(),
            reading: around.reading,
            dependency: around.dependency.clone(),
            awaited_is_open: awaited.is_some_and(|slot| is_worked_on(slot.latest())),
            busy: &around.busy,
        }
    }

    /// An open incident of something that this incident's target needs, nearest first; never one that waits for this
    /// very incident, or both would wait for ever.
    fn dependency(&self, incident: &Incident) -> Option<Dependency> {
        if !matches!(incident.trigger, Trigger::Alert | Trigger::Diagnose { .. }) {
            return None;
        }
        let inventory = self.inventories.get(&incident.environment)?;
        let mut queue: VecDeque<&str> = VecDeque::from([incident.service.as_deref()?]);
        let mut seen: BTreeSet<&str> = queue.iter().copied().collect();
        while let Some(name) = queue.pop_front() {
            for needed in inventory.services.get(name).into_iter().flat_map(|service| &service.depends_on) {
                if !seen.insert(needed) {
                    continue;
                }
                queue.push_back(needed);
                let found = self.open.get(&(incident.environment.clone(), needed.clone()));
                if let Some((id, _)) = found.filter(|(id, _)| !self.waits_for(id, &incident.id)) {
                    return Some(Dependency { incident: id.clone(), service: needed.clone() });
                }
            }
        }
        None
    }

    fn waits_for(&self, waiting: &IncidentId, on: &IncidentId) -> bool {
        let mut current = Some(waiting);
        // Each hop is another incident, so the number of open ones bounds the walk.
        for _ in 0..=self.open.len() {
            match current {
                Some(id) if id == on => return true,
                Some(id) => {
                    current = self.open.values().find(|(open, _)| open == id).and_then(|(_, on)| on.as_ref());
                }
                None => return false,
            }
        }
        true
    }
}

/// Whether something is still found out or done in an incident. One that was given up ends when a person says so, one
/// that a storm keeps open ends with that, and what needs its target cannot wait for either unseen.
fn is_worked_on(incident: &Incident) -> bool {
    incident.closed_at.is_none() && incident.verdict.is_none()
}

/// Whether others may wait for an incident: it is about a fault of its target, and is worked on.
fn is_in_hand(incident: &Incident) -> bool {
    incident.fires() && is_worked_on(incident) && matches!(incident.trigger, Trigger::Alert | Trigger::Diagnose { .. })
}

/// Reading steps of an incident that run. Those of one that a person has taken over are stopped.
fn reading(incident: &Incident) -> usize {
    if incident.taken_over_by.is_some() || incident.closed_at.is_some() {
        return 0;
    }
    let runs = |record: &&StepRecord| record.status == StepStatus::Running && record.step.role == StepRole::Diagnose;
    incident.steps.iter().filter(runs).count()
}

/// Mutating steps of an incident that have sent something and are not settled.
fn acting(incident: &Incident) -> impl Iterator<Item = Busy> {
    incident
        .steps
        .iter()
        .filter(|record| matches!(record.step.role, StepRole::Remedy(_)) && !record.status.is_final())
        .filter(|record| record.action.as_ref().is_some_and(|action| !action.calls.is_empty()))
        .map(|record| Busy { target: record.step.target.clone(), step: record.step.id.clone() })
}

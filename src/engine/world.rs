//! What decisions may look at, gathered once for all incidents of a round.

use super::ledger::Ledger;
use super::runner::Runner;
use super::shared::Shared;
use super::slot::Slot;
use crate::config::Config;
use crate::domain::{
    Alerting, EventBody, Incident, IncidentId, Inventories, Inventory, Spent, StepRecord, StepRole, StepStatus,
    Timestamp,
};
use crate::flow::{Busy, Dependency, Snapshot, Waiting, is_worked_on};
use std::collections::BTreeMap;
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
    /// What is being asked of models may cost, over all incidents.
    reserved: Spent,
    /// Which incident waits for which.
    waiting: Waiting,
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
        let mut waiting = Waiting::default();
        let mut reading = 0;
        let mut reserved = Spent::default();
        for (id, slot) in &ledger.slots {
            let incident = slot.latest();
            reading += self::reading(incident);
            reserved += self::reserved(slot);
            busy.extend(acting(incident).map(|under_way| (incident.environment.clone(), id.clone(), under_way)));
            waiting.know(incident);
        }
        let window = current.policies.storm.window;
        let inventories = shared.inventories();
        let alerting = |name: &String| {
            let targets = inventories.get(name).map_or(0, |inventory| inventory.services.len());
            (name.clone(), ledger.alerting(name, targets, now, window))
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
            reserved,
            waiting,
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
            dependency: self
                .inventories
                .get(&incident.environment)
                .and_then(|inventory| self.waiting.dependency(incident, inventory)),
            reading: self.reading.saturating_sub(reading(incident)),
        }
    }

    /// Takes note of what was decided in this round, and is not durable yet.
    pub fn decided(&mut self, id: &IncidentId, events: &[EventBody]) {
        self.waiting.decided(id, events);
        for event in events {
            match event {
                EventBody::StepStarted { .. } => self.reading += 1,
                EventBody::ExchangeBegun { reserved, .. } => self.reserved += *reserved,
                _ => {}
            }
        }
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
            thought: [ledger.spending.of_day(self.now), self.reserved].into_iter().sum(),
            good: ledger.closed.good(incident),
            reading: around.reading,
            dependency: around.dependency.clone(),
            awaited_is_open: awaited.is_some_and(|slot| is_worked_on(slot.latest())),
            busy: &around.busy,
        }
    }
}

/// Reading steps of an incident that run. Those of one that a person has taken over are stopped.
fn reading(incident: &Incident) -> usize {
    if incident.taken_over_by.is_some() || incident.closed_at.is_some() {
        return 0;
    }
    let runs = |record: &&StepRecord| record.status == StepStatus::Running && record.step.role == StepRole::Diagnose;
    incident.steps.iter().filter(runs).count()
}

/// What an incident is asking models, or is about to, may cost. An end counts once it is durable, as its cost does.
pub(super) fn reserved(slot: &Slot) -> Spent {
    let ended = |index: u32| slot.incident.exchanges.iter().any(|known| known.index == index && known.end.is_some());
    slot.latest().exchanges.iter().filter(|exchange| !ended(exchange.index)).map(|exchange| exchange.reserved).sum()
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

//! What many may read while only the loop writes it: open incidents, inventories, configuration, kill switch, feed.

use super::answer::{Degraded, KillSwitch};
use super::metrics::Metrics;
use crate::config::Config;
use crate::domain::{Event, Incident, IncidentId, Inventories, Inventory};
use std::collections::BTreeMap;
use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio::sync::broadcast;

/// Events that a live reader may lag behind before it is told to resume from the journal: a storm of a few hundred
/// incidents fits, and at about 2 KiB an event the buffer stays below 10 MiB.
const FEED: usize = 4_096;

/// State that is read from everywhere and written by the loop alone. Locks are held for a clone, never across an await.
pub(super) struct Shared {
    incidents: RwLock<BTreeMap<IncidentId, Arc<Incident>>>,
    inventories: RwLock<Arc<Inventories>>,
    config: RwLock<Arc<Config>>,
    /// When and that the last changed configuration was refused.
    refused: RwLock<Option<String>>,
    kill_switch: RwLock<KillSwitch>,
    /// Read by senders immediately before each native call.
    stopped: AtomicBool,
    /// How often it was thrown: a reset that was asked for before is not about that.
    throws: AtomicU64,
    feed: broadcast::Sender<Arc<Event>>,
    pub(super) metrics: Metrics,
}

impl Shared {
    pub(super) fn new(config: Arc<Config>, metrics: Metrics) -> Self {
        let inventories =
            config.environments.keys().map(|name| (name.clone(), Inventory::default())).collect::<Inventories>();
        Self {
            incidents: RwLock::default(),
            inventories: RwLock::new(Arc::new(inventories)),
            config: RwLock::new(config),
            refused: RwLock::default(),
            kill_switch: RwLock::default(),
            stopped: AtomicBool::new(false),
            throws: AtomicU64::new(0),
            feed: broadcast::channel(FEED).0,
            metrics,
        }
    }

    pub(super) fn incident(&self, id: &IncidentId) -> Option<Arc<Incident>> {
        read(&self.incidents).get(id).cloned()
    }

    pub(super) fn open_incidents(&self) -> Vec<Arc<Incident>> {
        read(&self.incidents).values().cloned().collect()
    }

    pub(super) fn put_incident(&self, incident: Arc<Incident>) {
        let mut incidents = write(&self.incidents);
        if incident.closed_at.is_some() {
            incidents.remove(&incident.id);
        } else {
            incidents.insert(incident.id.clone(), incident);
        }
    }

    pub(super) fn inventories(&self) -> Arc<Inventories> {
        read(&self.inventories).clone()
    }

    pub(super) fn put_inventory(&self, environment: &str, inventory: Inventory) {
        let mut inventories = write(&self.inventories);
        // One that a reload has removed meanwhile does not come back.
        if let Some(known) = Arc::make_mut(&mut inventories).get_mut(environment) {
            *known = inventory;
        }
    }

    /// Notes that an environment could not be read; what was seen last stays.
    pub(super) fn inventory_failed(&self, environment: &str, problem: &str) {
        let mut inventories = write(&self.inventories);
        if let Some(known) = Arc::make_mut(&mut inventories).get_mut(environment) {
            known.stale = Some(problem.to_owned());
        }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        read(&self.config).clone()
    }

    /// Puts a configuration in force, with what is seen in environments that are new or others than before.
    pub(super) fn put_config(&self, config: Arc<Config>, mut seen: Inventories) {
        let before = self.inventories();
        let known = |name: &String| before.get(name).cloned().unwrap_or_default();
        let names = config.environments.keys();
        let inventories = names.map(|name| (name.clone(), seen.remove(name).unwrap_or_else(|| known(name)))).collect();
        *write(&self.inventories) = Arc::new(inventories);
        *write(&self.config) = config;
        *write(&self.refused) = None;
        self.metrics.reloaded(true);
    }

    /// Takes note of a configuration that is not put in force.
    pub(super) fn refuse_config(&self, why: String) {
        *write(&self.refused) = Some(why);
        self.metrics.reloaded(false);
    }

    pub(super) fn kill_switch(&self) -> KillSwitch {
        let mut state = read(&self.kill_switch).clone();
        state.on |= self.is_stopped();
        state
    }

    /// Takes over what is durable. A reset resets nothing if the switch was thrown since it was asked for, which is when
    /// there were `throws`: that throw may not be durable yet, or may never be.
    pub(super) fn put_kill_switch(&self, state: KillSwitch, throws: u64) {
        let mut known = write(&self.kill_switch);
        if state.on || self.throws() == throws {
            self.stopped.store(state.on, Ordering::SeqCst);
        }
        *known = state;
    }

    /// Stops everything at once.
    pub(super) fn throw_kill_switch(&self) {
        // Under the lock, so that a reset sees all of it or nothing.
        let _known = write(&self.kill_switch);
        self.throws.fetch_add(1, Ordering::SeqCst);
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// How often the switch was thrown.
    pub(super) fn throws(&self) -> u64 {
        self.throws.load(Ordering::SeqCst)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(super) fn publish(&self, event: Arc<Event>) {
        // Nobody listening is not an error.
        let _ = self.feed.send(event);
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.feed.subscribe()
    }

    pub(super) fn degraded(&self) -> Vec<Degraded> {
        let inventories = self.inventories();
        let refused = read(&self.refused).clone();
        let refused = refused.map(|problem| Degraded { dependency: "configuration".into(), problem });
        let environments = inventories.iter().filter_map(|(name, inventory)| {
            let problem = match (&inventory.stale, inventory.read_at) {
                (Some(problem), _) => problem.clone(),
                (None, None) => "not read yet".to_owned(),
                (None, Some(_)) => return None,
            };
            Some(Degraded { dependency: format!("environment {name}"), problem })
        });
        refused.into_iter().chain(environments).collect()
    }

    pub(super) fn metrics_text(&self) -> String {
        self.metrics.open_incidents(&self.open_incidents());
        self.metrics.text()
    }
}

/// A poisoned lock holds a whole value all the same: every write replaces one.
fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn a_reset_does_not_undo_a_throw_that_came_after_it_was_asked_for() {
        let config = Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap());
        let shared = Shared::new(config, Metrics::new(Arc::default()));
        shared.throw_kill_switch();
        let asked = shared.throws();
        shared.throw_kill_switch();
        shared.put_kill_switch(KillSwitch::default(), asked);
        assert!(shared.is_stopped() && shared.kill_switch().on, "somebody has thrown it meanwhile");
        shared.put_kill_switch(KillSwitch::default(), shared.throws());
        assert!(!shared.is_stopped() && !shared.kill_switch().on);
    }
}

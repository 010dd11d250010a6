//! One open incident in memory.

use crate::config::Config;
use crate::domain::{Incident, Timestamp};
use crate::flow::Effect;
use crate::gate::Cleared;
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::AbortHandle;

/// An incident, what is on its way to the journal, and what runs for it.
pub(super) struct Slot {
    /// The fold of what is durable.
    pub incident: Arc<Incident>,
    /// The fold of what is durable and of what is on its way; none if nothing is.
    pub ahead: Option<Box<Incident>>,
    /// Appends that are on their way. Nothing is decided until there are none.
    pub unsettled: usize,
    /// Effects under way, or whose facts are on their way.
    pub running: BTreeMap<Effect, Running>,
    /// How many effects were started.
    runs: u64,
    /// Clearances whose intent is on its way or durable, by the sending that they allow.
    pub clearances: BTreeMap<Effect, Cleared>,
    /// When to look again.
    pub wakes_at: Option<Timestamp>,
    /// The configuration that the incident began with.
    pub pinned: Arc<Config>,
}

/// An effect under way.
pub(super) struct Running {
    /// Which start of it: an equal effect may be stopped and wanted again.
    pub run: u64,
    /// Its task; none once it has ended, while its facts are on their way.
    pub handle: Option<AbortHandle>,
}

impl Slot {
    pub fn new(incident: Incident, pinned: Arc<Config>) -> Self {
        Self {
            incident: Arc::new(incident),
            ahead: None,
            unsettled: 0,
            running: BTreeMap::new(),
            runs: 0,
            clearances: BTreeMap::new(),
            wakes_at: None,
            pinned,
        }
    }

    /// The incident with everything that is on its way: what new facts are measured against.
    pub fn latest(&self) -> &Incident {
        self.ahead.as_deref().unwrap_or(&self.incident)
    }

    /// Whether anything of it is in the journal.
    pub fn is_durable(&self) -> bool {
        self.incident.seq > 0
    }

    /// Stops what is no longer wanted. What was sent cannot be unsent, and a message that is going out goes out.
    pub fn stop_unwanted(&mut self, wanted: &[Effect]) {
        self.running.retain(|effect, running| {
            let lasting = matches!(effect, Effect::Send { .. } | Effect::Probe { .. } | Effect::Notify { .. });
            match &running.handle {
                Some(handle) if !lasting && !wanted.contains(effect) => {
                    handle.abort();
                    false
                }
                _ => true,
            }
        });
    }

    /// The number of the next effect that is started.
    pub fn next_run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    /// Notes that an effect ended; whether that is wanted to be known. An effect that was stopped may have ended just
    /// before, and an equal one may have been started since: that one's result is yet to come.
    pub fn ended(&mut self, effect: &Effect, run: u64) -> bool {
        match self.running.get_mut(effect).filter(|running| running.run == run) {
            Some(running) => {
                running.handle = None;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::domain::{Digest, Event, EventBody, IncidentId, Trigger};

    #[tokio::test]
    async fn the_late_result_of_an_effect_that_was_stopped_is_not_that_of_its_successor() {
        let config = Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap());
        let body = EventBody::IncidentOpened {
            environment: "local".into(),
            target: None,
            group_key: "local/".into(),
            title: String::new(),
            severity: "none".into(),
            trigger: Trigger::Alert,
            config: config.digest.clone(),
            follows: None,
            read_only: None,
        };
        let (at, id, hash) = (crate::engine::now(), IncidentId::new("inc_1"), Digest::new(""));
        let opened = crate::flow::opened(&Event { seq: 1, at, incident: Some(id), body, hash }).unwrap();
        let mut slot = Slot::new(opened, config);
        let start = |slot: &mut Slot| {
            let (run, handle) = (slot.next_run(), tokio::spawn(std::future::pending::<()>()).abort_handle());
            slot.running.insert(Effect::Recheck, Running { run, handle: Some(handle) });
            run
        };
        let first = start(&mut slot);
        slot.stop_unwanted(&[]);
        assert!(!slot.ended(&Effect::Recheck, first), "it was stopped");
        let second = start(&mut slot);
        assert!(!slot.ended(&Effect::Recheck, first), "it was stopped, and its successor runs");
        assert!(slot.running[&Effect::Recheck].handle.is_some());
        assert!(slot.ended(&Effect::Recheck, second));
    }
}

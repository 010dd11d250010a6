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
    pub running: BTreeMap<Effect, Option<AbortHandle>>,
    /// Clearances whose intent is on its way or durable, by the sending that they allow.
    pub clearances: BTreeMap<Effect, Cleared>,
    /// When to look again.
    pub wakes_at: Option<Timestamp>,
    /// The configuration that the incident began with.
    pub pinned: Arc<Config>,
}

impl Slot {
    pub fn new(incident: Incident, pinned: Arc<Config>) -> Self {
        Self {
            incident: Arc::new(incident),
            ahead: None,
            unsettled: 0,
            running: BTreeMap::new(),
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
        self.running.retain(|effect, handle| {
            let lasting = matches!(effect, Effect::Send { .. } | Effect::Probe { .. } | Effect::Notify { .. });
            match handle {
                Some(handle) if !lasting && !wanted.contains(effect) => {
                    handle.abort();
                    false
                }
                _ => true,
            }
        });
    }
}

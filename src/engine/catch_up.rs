//! After a write that failed: what is in memory may lag behind the file, because a commit that reported an error may have
//! happened all the same. So what is there is read before anything is decided or tried again.

use super::answer::EngineError;
use super::inbox::Outcome;
use super::ledger::{Entry, Ledger, Origin};
use super::shared::Shared;
use super::slot::Slot;
use crate::config::Config;
use crate::domain::{Event, EventBody, IncidentId};
use crate::flow;
use crate::journal::{Journal, JournalError};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Events read per page: what the journal gives at most.
const PAGE: u32 = 1_000;

/// Pause before a journal that cannot be read is tried again.
const PAUSE: Duration = Duration::from_secs(1);

impl Ledger {
    /// Takes back what could not be made durable: decisions are dropped, facts are kept. Commands are kept where only
    /// somebody else's decision was out of date; otherwise whoever gave them is told.
    pub fn failed(&mut self, error: &JournalError) {
        let failed = std::mem::take(&mut self.writing);
        for id in failed.iter().filter_map(|entry| entry.append.incident.clone()) {
            let known = self.slots.get(&id).map_or(0, |slot| slot.incident.seq);
            self.behind.insert(id, known);
        }
        if let JournalError::GroupOpen { existing, .. } = error {
            self.behind.entry(existing.clone()).or_insert(0);
        }
        for entry in failed.into_iter().chain(std::mem::take(&mut self.pending)) {
            let stale = matches!(error, JournalError::Conflict { .. });
            match entry.origin {
                Origin::Fact(_) => self.held.push(entry),
                Origin::Command if stale => self.held.push(entry),
                Origin::Command => {
                    if let Some(settled) = entry.settled {
                        settled(Err(EngineError::from(error.clone())), &self.slots);
                    }
                }
                Origin::Decision => self.forget_mutations(&entry),
            }
        }
        self.settle_all();
    }

    /// Whether memory may lag behind the journal: nothing is decided or written until it has caught up.
    pub fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Folds what the journal has of an incident beyond what is in memory, then goes on with what is kept.
    pub fn caught_up(
        &mut self,
        id: &IncidentId,
        events: Vec<Event>,
        shared: &Shared,
        configs: &BTreeMap<crate::domain::Digest, Arc<Config>>,
    ) -> Vec<Arc<Event>> {
        self.behind.remove(id);
        if !self.slots.contains_key(id)
            && let Some(incident) = flow::fold(&events).filter(|incident| incident.closed_at.is_none())
        {
            let pinned = configs.get(&incident.config).cloned().unwrap_or_else(|| shared.config());
            let known = Slot::new(incident, pinned);
            shared.put_incident(known.incident.clone());
            self.slots.insert(id.clone(), known);
        }
        let events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
        for event in &events {
            if self.slots.get(id).is_some_and(|slot| slot.incident.seq < event.seq) {
                self.fold(event, shared);
            }
            shared.publish(event.clone());
        }
        self.forget_stored(id, &events);
        if !self.is_behind() {
            self.resume();
        }
        events
    }

    /// Facts that turned out to be in the journal are not written again.
    fn forget_stored(&mut self, id: &IncidentId, events: &[Arc<Event>]) {
        let stored = |entry: &Entry| {
            let there = |body: &EventBody| events.iter().any(|event| event.body == *body);
            entry.append.incident.as_ref() == Some(id) && !events.is_empty() && entry.append.events.iter().all(there)
        };
        let (done, held) = std::mem::take(&mut self.held).into_iter().partition(stored);
        self.held = held;
        let done: Vec<Entry> = done;
        for entry in done {
            if let (Origin::Fact(effect), Some(slot)) = (&entry.origin, self.slots.get_mut(id)) {
                slot.running.remove(effect);
            }
            if let Some(settled) = entry.settled {
                settled(Ok(()), &self.slots);
            }
        }
    }

    /// Puts what is kept, and what came meanwhile, on its way anew, on top of what is known now.
    fn resume(&mut self) {
        let kept = std::mem::take(&mut self.held);
        let newer = std::mem::take(&mut self.pending);
        self.settle_all();
        for entry in kept.into_iter().chain(newer) {
            self.again(entry);
        }
    }

    fn again(&mut self, entry: Entry) {
        let Entry { append, blobs, origin, settled, pinned } = entry;
        let delivery = append.delivery.clone();
        let again = match (append.incident.clone(), pinned) {
            // An incident that has ended meanwhile has no use for what its effects found.
            (Some(id), _) if matches!(origin, Origin::Fact(_)) && !self.slots.contains_key(&id) => return,
            (Some(id), Some(pinned)) => self.push(&id, append.events, append.at, origin, &pinned),
            _ => self.push_daemon(append),
        };
        (again.blobs, again.settled, again.append.delivery) = (blobs, settled, delivery);
    }

    /// Nothing is on its way any more.
    fn settle_all(&mut self) {
        for slot in self.slots.values_mut() {
            slot.unsettled = 0;
            slot.ahead = None;
            slot.clearances.clear();
        }
        self.slots.retain(|_, slot| slot.is_durable());
    }
}

/// Reads what the journal has of incidents beyond what is known. Goes on until it can be read.
pub(super) async fn read(journal: Arc<dyn Journal>, behind: BTreeMap<IncidentId, u64>, results: mpsc::Sender<Outcome>) {
    for (incident, known) in behind {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(known, |event| event.seq);
            match journal.events(Some(incident.clone()), after, PAGE).await {
                Ok(page) => {
                    let complete = page.len() < PAGE as usize;
                    events.extend(page);
                    if complete {
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(%incident, %error, "the journal cannot be read; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // The loop drains this queue to its end before it stops.
        let _ = results.send(Outcome::CaughtUp { incident, events }).await;
    }
}

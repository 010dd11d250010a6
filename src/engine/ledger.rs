//! What is in memory of the journal, and what is on its way into it.

use super::answer::EngineError;
use super::closed::Closed;
use super::shared::Shared;
use super::slot::Slot;
use super::spending::Spending;
use crate::config::Config;
use crate::domain::{
    Alert, Alerting, Digest, Event, EventBody, Incident, IncidentId, Mutation, StepId, TimeSpan, Timestamp, Trigger,
};
use crate::flow::{self, Effect};
use crate::gate::History;
use crate::journal::{Append, IncidentRow, Journal, JournalError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Mutations that budgets look back on: far more than any sane budget allows in its window.
const MUTATIONS: usize = 10_000;

/// What is told when an append is durable, or is not going to be.
pub(super) type Settled = Box<dyn FnOnce(Result<(), EngineError>, &BTreeMap<IncidentId, Slot>) + Send>;

/// Where an append comes from decides what happens to it if it cannot be made durable.
pub(super) enum Origin {
    /// Decided by the loop: dropped, and decided again.
    Decision,
    /// The end of an effect: kept until it is durable.
    Fact(Effect),
    /// A command: dropped, and whoever asked is told.
    Command,
}

/// An append on its way.
pub(super) struct Entry {
    pub append: Append,
    pub blobs: Vec<Vec<u8>>,
    pub origin: Origin,
    pub settled: Option<Settled>,
    /// The configuration of its incident.
    pub pinned: Option<Arc<Config>>,
}

/// The loop's memory.
pub(super) struct Ledger {
    pub slots: BTreeMap<IncidentId, Slot>,
    pub history: History,
    pub closed: Closed,
    pub spending: Spending,
    pub(super) pending: Vec<Entry>,
    pub(super) writing: Vec<Entry>,
    /// What is kept of a write that failed, until memory has caught up with the journal.
    pub(super) held: Vec<Entry>,
    /// Incidents that must catch up, each with the last event that is in memory.
    pub(super) behind: BTreeMap<IncidentId, u64>,
}

impl Ledger {
    pub fn new(slots: BTreeMap<IncidentId, Slot>, history: History) -> Self {
        Self {
            slots,
            history,
            closed: Closed::default(),
            spending: Spending::default(),
            pending: Vec::new(),
            writing: Vec::new(),
            held: Vec::new(),
            behind: BTreeMap::new(),
        }
    }

    /// The incidents that alerts belong to by what is durable: open ones, and closed ones that had the same episode.
    pub fn belong(&self, alerts: &[Alert]) -> Vec<IncidentId> {
        let mut found: Vec<IncidentId> = Vec::new();
        for alert in alerts {
            let has = |known: &Alert| known.fingerprint == alert.fingerprint && known.starts_at >= alert.starts_at;
            let open = self.slots.values().map(|slot| &slot.incident).find(|incident| incident.alerts.iter().any(has));
            let id = open.map(|incident| &incident.id).or_else(|| self.closed.with(alert));
            found.extend(id.filter(|id| !found.contains(id)).cloned());
        }
        found
    }

    /// Open incidents by group key, as they will be when everything on its way is durable.
    pub fn open(&self) -> BTreeMap<String, &Incident> {
        let latest = self.slots.values().map(Slot::latest).filter(|incident| incident.closed_at.is_none());
        latest.map(|incident| (incident.group_key.clone(), incident)).collect()
    }

    /// How much of an environment of so many targets alerts: the targets that began to within the window before now, and
    /// in a storm those that began to since the window before it and still do. What has alerted for longer is no part of it.
    pub fn alerting(&self, environment: &str, targets: usize, now: Timestamp, window: TimeSpan) -> Alerting {
        let here = |incident: &&Incident| incident.environment == environment && incident.closed_at.is_none();
        let open: Vec<&Incident> = self.slots.values().map(Slot::latest).filter(here).collect();
        let storm = open.iter().find(|incident| matches!(incident.trigger, Trigger::Storm { .. }));
        let since = storm.map_or(now, |storm| storm.opened_at) - window.as_chrono();
        let counts = |incident: &&Incident| incident.fires() && incident.opened_at >= since;
        let in_storm = storm.is_some();
        let alerting = open.into_iter().filter(counts);
        let count = alerting.filter_map(|incident| incident.service.as_deref()).collect::<BTreeSet<_>>().len();
        Alerting { count, targets: targets.max(count), in_storm }
    }

    /// Puts events of an incident on their way. The first event of a new incident is its opening.
    pub fn push(
        &mut self,
        id: &IncidentId,
        events: Vec<EventBody>,
        at: Timestamp,
        origin: Origin,
        pinned: &Arc<Config>,
    ) -> &mut Entry {
        let provisional = |seq: u64, body: &EventBody| Event {
            seq,
            at,
            incident: Some(id.clone()),
            body: body.clone(),
            hash: Digest::new(""),
        };
        if !self.slots.contains_key(id)
            && let Some(opened) = events.first().and_then(|body| flow::opened(&provisional(0, body)))
        {
            self.slots.insert(id.clone(), Slot::new(opened, pinned.clone()));
        }
        let mut append = Append { incident: Some(id.clone()), at, events, ..Append::default() };
        if let Some(slot) = self.slots.get_mut(id) {
            append.after = matches!(origin, Origin::Decision).then_some(slot.incident.seq);
            let mut ahead = slot.ahead.take().unwrap_or_else(|| Box::new(Incident::clone(&slot.incident)));
            for body in &append.events {
                let seq = ahead.seq;
                flow::apply(&mut ahead, &provisional(seq, body));
            }
            append.row = Some(row(&ahead));
            // Budgets count what is on its way too: several incidents may be decided on before the next fsync.
            let began = append.events.iter().filter_map(begins).filter_map(|step| mutation(&ahead, step, at));
            self.history.mutations.extend(began);
            slot.ahead = Some(ahead);
            slot.unsettled += 1;
        }
        let pinned = Some(pinned.clone());
        self.enqueue(Entry { append, blobs: Vec::new(), origin, settled: None, pinned })
    }

    /// Puts something that concerns no incident on its way.
    pub fn push_daemon(&mut self, append: Append) -> &mut Entry {
        self.enqueue(Entry { append, blobs: Vec::new(), origin: Origin::Command, settled: None, pinned: None })
    }

    fn enqueue(&mut self, entry: Entry) -> &mut Entry {
        self.pending.push(entry);
        let last = self.pending.len() - 1;
        &mut self.pending[last]
    }

    /// Appends on their way.
    pub fn depth(&self) -> usize {
        self.pending.len() + self.writing.len() + self.held.len()
    }

    /// Appends that wait for the batch that is being written.
    pub fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Takes everything that waits as one batch: all of it becomes durable together, or none.
    pub fn batch(&mut self, journal: &Arc<dyn Journal>) -> Option<impl Future<Output = BatchResult> + Send + 'static> {
        if self.pending.is_empty() || self.is_behind() {
            return None;
        }
        self.writing = std::mem::take(&mut self.pending);
        let blobs: Vec<Vec<u8>> = self.writing.iter().flat_map(|entry| entry.blobs.iter().cloned()).collect();
        let appends: Vec<Append> = self.writing.iter().map(|entry| entry.append.clone()).collect();
        let journal = journal.clone();
        Some(async move {
            futures_util::future::try_join_all(blobs.into_iter().map(|blob| journal.put_blob(blob))).await?;
            journal.append_all(appends).await
        })
    }

    /// Folds a batch that has become durable. Returns its events.
    pub fn durable(&mut self, stored: Vec<Vec<Event>>, shared: &Shared) -> Vec<Arc<Event>> {
        let mut all = Vec::new();
        let mut settled = Vec::new();
        for (entry, events) in std::mem::take(&mut self.writing).into_iter().zip(stored) {
            for event in events {
                let event = Arc::new(event);
                self.fold(&event, shared);
                shared.publish(event.clone());
                all.push(event);
            }
            if let Some(slot) = entry.append.incident.as_ref().and_then(|id| self.slots.get_mut(id)) {
                slot.unsettled = slot.unsettled.saturating_sub(1);
                if slot.unsettled == 0 {
                    slot.ahead = None;
                }
                if let Origin::Fact(effect) = &entry.origin {
                    slot.running.remove(effect);
                }
            }
            settled.extend(entry.settled);
        }
        for settled in settled {
            settled(Ok(()), &self.slots);
        }
        all
    }

    pub(super) fn fold(&mut self, event: &Event, shared: &Shared) {
        self.release(event);
        if let EventBody::ExchangeEnded { end, .. } = &event.body {
            self.spending.note(event.at, end.charged());
        }
        let Some(slot) = event.incident.as_ref().and_then(|id| self.slots.get_mut(id)) else {
            shared.metrics.observe(event, None);
            return;
        };
        shared.metrics.observe(event, slot.is_durable().then_some(&*slot.incident));
        match flow::opened(event) {
            Some(opened) => slot.incident = Arc::new(opened),
            None => flow::apply(Arc::make_mut(&mut slot.incident), event),
        }
        shared.put_incident(slot.incident.clone());
        let surplus = self.history.mutations.len().saturating_sub(MUTATIONS);
        self.history.mutations.drain(..surplus);
        if let EventBody::IncidentClosed { .. } = &event.body {
            let closed = slot.incident.clone();
            self.closed.remember(&closed);
        }
    }

    /// A mutation that certainly was not sent does not count any more. An earlier attempt at the same step may still.
    fn release(&mut self, event: &Event) {
        let EventBody::CallFinished { step, index: 0, undo: false, outcome, probed: false, .. } = &event.body else {
            return;
        };
        let counted = &mut self.history.mutations;
        let last = counted.iter().rposition(|mutation| mutation.step == *step);
        if let Some(last) = last.filter(|_| outcome.unsent().is_some()) {
            counted.remove(last);
        }
    }

    /// What was not begun after all does not count.
    pub(super) fn forget_mutations(&mut self, entry: &Entry) {
        let dropped: Vec<&StepId> = entry.append.events.iter().filter_map(begins).collect();
        self.history.mutations.retain(|mutation| !dropped.contains(&&mutation.step));
    }
}

/// How a batch ended: the events of each append, or why nothing was stored.
pub(super) type BatchResult = Result<Vec<Vec<Event>>, JournalError>;

impl Entry {
    /// Bytes that must be durable before.
    pub fn with_blobs(&mut self, blobs: Vec<Vec<u8>>) -> &mut Self {
        self.blobs = blobs;
        self
    }

    /// Marks a delivery as known.
    pub fn with_delivery(&mut self, delivery: crate::domain::DeliveryId) -> &mut Self {
        self.append.delivery = Some(delivery);
        self
    }

    /// Tells someone.
    pub fn then(&mut self, settled: Settled) {
        self.settled = Some(settled);
    }
}

/// The step that an event begins to carry out.
fn begins(event: &EventBody) -> Option<&StepId> {
    match event {
        EventBody::CallIntended { step, index: 0, undo: false, .. } => Some(step),
        _ => None,
    }
}

/// A mutating step as budgets count it.
pub(super) fn mutation(incident: &Incident, step: &StepId, at: Timestamp) -> Option<Mutation> {
    let record = incident.steps.iter().find(|record| record.step.id == *step)?;
    Some(Mutation {
        at,
        step: step.clone(),
        environment: incident.environment.clone(),
        target: record.step.target.clone(),
        operation: record.step.operation.clone(),
    })
}

/// The cached fold.
fn row(incident: &Incident) -> IncidentRow {
    IncidentRow {
        id: incident.id.clone(),
        group_key: incident.group_key.clone(),
        environment: incident.environment.clone(),
        service: incident.service.clone().unwrap_or_default(),
        open: incident.closed_at.is_none(),
        state: incident.state.as_str().to_owned(),
        verdict: incident.verdict.map_or_else(String::new, |verdict| verdict.as_str().to_owned()),
        opened_at: incident.opened_at,
        summary: serde_json::json!({
            "id": incident.id,
            "state": incident.state,
            "environment": incident.environment,
            "service": incident.service,
            "severity": incident.severity,
            "title": incident.title,
            "cause": incident.cause.as_ref().map(|cause| serde_json::json!({
                "code": cause.code, "confidence": cause.confidence, "summary": cause.summary,
            })),
            "verdict": incident.verdict,
            "alerts": incident.alerts.len(),
            "pending_approvals": incident.approvals.iter()
                .filter(|approval| approval.state == crate::domain::ApprovalState::Pending).count(),
            "waiting_on": incident.waiting_on,
            "opened_at": incident.opened_at,
            "closed_at": incident.closed_at,
        }),
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
pub(super) mod tests;

//! Where the last process stopped: the open incidents, what was mutated lately, the kill switch.

use super::Load;
use super::answer::KillSwitch;
use super::ledger::{Ledger, mutation};
use super::shared::Shared;
use super::slot::Slot;
use super::spending::DAY;
use super::truncated;
use crate::config::{Config, Sources};
use crate::domain::{CallRecord, Digest, Event, EventBody, ExchangeEnd, Incident, IncidentId, LeftOut, Timestamp};
use crate::flow;
use crate::gate::History;
use crate::journal::{IncidentFilter, IncidentRow, Journal, JournalError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Closed incidents that are read again at least: repeats are recognised by them.
const CLOSED: u32 = 500;

/// Closed incidents that are read again at most, so that a start stays a matter of seconds.
const MOST_CLOSED: usize = 10_000;

/// Events read per page: what the journal gives at most.
const PAGE: u32 = 1_000;

/// What the loop begins with.
pub(super) struct Recovered {
    pub ledger: Ledger,
    pub configs: BTreeMap<Digest, Arc<Config>>,
    /// What senders left out and nobody has fetched.
    pub left_out: Vec<LeftOut>,
}

pub(super) async fn recover(journal: &dyn Journal, shared: &Shared, load: &Load) -> Result<Recovered, JournalError> {
    let current = shared.config();
    journal.put_blob(current.sources.to_bytes()).await?;
    let mut configs = BTreeMap::from([(current.digest.clone(), current.clone())]);
    let mut ledger = Ledger::new(BTreeMap::new(), History::default());
    // Oldest first: the last incident of a group key is the one that counts.
    for id in lately_closed(journal, &current).await?.iter().rev() {
        if let Some(incident) = folded(journal, id).await? {
            remember(&mut ledger, &incident);
            ledger.closed.remember(&incident);
            // What it asked of models has an end that is not recorded yet.
            if incident.exchanges.iter().any(|exchange| !exchange.settled) {
                let pinned = pinned(journal, &incident, &current, load, &mut configs).await?;
                ledger.slots.insert(incident.id.clone(), Slot::new(incident, pinned));
            }
        }
    }
    let mut after = None;
    loop {
        let rows = journal.incidents(IncidentFilter { after: after.take(), ..filter(true, CLOSED) }).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id.clone());
        for row in &rows {
            let Some(incident) = folded(journal, &row.id).await? else { continue };
            remember(&mut ledger, &incident);
            let pinned = pinned(journal, &incident, &current, load, &mut configs).await?;
            shared.put_incident(Arc::new(incident.clone()));
            ledger.slots.insert(incident.id.clone(), Slot::new(incident, pinned));
        }
    }
    if let Some(state) = kill_switch(&journal.daemon_events(&["kill_switch_set"], 1).await?) {
        shared.put_kill_switch(state, shared.throws());
    }
    let left_out = truncated::outstanding(&journal.daemon_events(truncated::KINDS, PAGE).await?);
    Ok(Recovered { ledger, configs, left_out })
}

/// Closed incidents that still matter, those that something happened to last first: the last few hundred, and all that
/// may have changed something, or cost something, within the time that budgets and the flap breaker look back on.
async fn lately_closed(journal: &dyn Journal, current: &Config) -> Result<Vec<IncidentId>, JournalError> {
    let policies = &current.policies;
    let window = policies.budgets.window.max(policies.flap.window).as_chrono();
    let since = super::now() - if current.agents.models.is_empty() { window } else { window.max(DAY) };
    let late = |row: &IncidentRow| {
        let closed_at = row.summary.get("closed_at").and_then(|at| at.as_str()?.parse::<Timestamp>().ok());
        closed_at.is_none_or(|closed_at| closed_at >= since)
    };
    let mut found: Vec<IncidentId> = Vec::new();
    while found.len() < MOST_CLOSED {
        let after = found.last().cloned();
        let page = IncidentFilter { by_activity: true, after, ..filter(false, CLOSED) };
        let rows = journal.incidents(page).await?;
        found.extend(rows.iter().map(|row| row.id.clone()));
        if rows.len() < CLOSED as usize || !rows.last().is_some_and(late) {
            break;
        }
    }
    Ok(found)
}

fn filter(open: bool, limit: u32) -> IncidentFilter {
    IncidentFilter { open: Some(open), limit, ..IncidentFilter::default() }
}

async fn folded(journal: &dyn Journal, id: &IncidentId) -> Result<Option<Incident>, JournalError> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.seq);
        let page = journal.events(Some(id.clone()), after, PAGE).await?;
        let complete = page.len() < PAGE as usize;
        events.extend(page);
        if complete {
            return Ok(flow::fold(&events));
        }
    }
}

/// Budgets are counted across restarts, without what certainly was not sent.
fn remember(ledger: &mut Ledger, incident: &Incident) {
    for record in &incident.steps {
        let first = record.action.as_ref().and_then(|action| action.calls.first());
        let unsent = |call: &&CallRecord| !call.probed && call.outcome.as_ref().is_some_and(|it| it.unsent().is_some());
        if let Some(first) = first.filter(|call| !unsent(call)) {
            ledger.history.mutations.extend(mutation(incident, &record.step.id, first.intended_at));
        }
    }
    for exchange in &incident.exchanges {
        // One that has not ended counts with its incident, until it has.
        if let Some(spent) = exchange.end.as_ref().map(ExchangeEnd::charged) {
            ledger.spending.note(exchange.began_at, spent);
        }
    }
}

/// The configuration that an incident began with, or the current one where that is gone or no longer understood.
async fn pinned(
    journal: &dyn Journal,
    incident: &Incident,
    current: &Arc<Config>,
    load: &Load,
    configs: &mut BTreeMap<Digest, Arc<Config>>,
) -> Result<Arc<Config>, JournalError> {
    if let Some(known) = configs.get(&incident.config) {
        return Ok(known.clone());
    }
    let stored = journal.blob(incident.config.clone()).await?;
    let loaded = stored.and_then(|bytes| Sources::from_bytes(&bytes)).and_then(load);
    let config = match loaded {
        Some(config) => Arc::new(config),
        None => {
            tracing::warn!(incident = %incident.id, "its configuration cannot be had any more; it goes on with the current one");
            current.clone()
        }
    };
    configs.insert(incident.config.clone(), config.clone());
    Ok(config)
}

fn kill_switch(events: &[Event]) -> Option<KillSwitch> {
    let event = events.first()?;
    match &event.body {
        EventBody::KillSwitchSet { on, by, reason } => {
            Some(KillSwitch { on: *on, by: Some(by.clone()), reason: Some(reason.clone()), at: Some(event.at) })
        }
        _ => None,
    }
}

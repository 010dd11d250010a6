//! The loop.

use super::fetching::Fetching;
use super::inbox::{EffectResult, Inbox, Outcome};
use super::ledger::{BatchResult, Ledger, Origin};
use super::recover::Recovered;
use super::runner::{Job, Runner};
use super::shared::Shared;
use super::slot::Running;
use super::world::World;
use super::{WAITING, catch_up, now};
use crate::config::Config;
use crate::domain::{Digest, Event, EventBody, IncidentId, LeftOut, Timestamp};
use crate::flow::{self, Effect, Next};
use crate::journal::{Journal, JournalError};
use std::collections::{BTreeMap, BTreeSet};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Pause after the journal could not be written, before what is kept is tried again.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// Commands and outcomes taken up before the next batch is begun: enough to share an fsync, not enough to delay it.
const GULP: usize = 128;

/// The longest sleep without looking at the clock: a suspended machine's timers come late, not never.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// The loop's state. Nobody else writes any of it.
pub(super) struct Loop {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) shared: Arc<Shared>,
    pub(super) runner: Arc<Runner>,
    pub(super) ledger: Ledger,
    /// Configurations that open incidents are pinned to.
    pub(super) configs: BTreeMap<Digest, Arc<Config>>,
    pub(super) results: mpsc::Sender<Outcome>,
    pub(super) tasks: JoinSet<()>,
    pub(super) fetching: Fetching,
    dirty: BTreeSet<IncidentId>,
    /// Who may wait for a reading step of another incident to end.
    held_back: BTreeSet<IncidentId>,
    /// What an earlier process was still to fetch.
    left_out: Vec<LeftOut>,
    retry_at: Option<tokio::time::Instant>,
    drain: Duration,
    draining: bool,
    /// When this process began.
    pub(super) started: tokio::time::Instant,
}

impl Loop {
    pub fn new(
        journal: Arc<dyn Journal>,
        shared: Arc<Shared>,
        runner: Arc<Runner>,
        results: mpsc::Sender<Outcome>,
        recovered: Recovered,
        drain: Duration,
    ) -> Self {
        let dirty = recovered.ledger.slots.keys().cloned().collect();
        Self {
            journal,
            shared,
            runner,
            ledger: recovered.ledger,
            configs: recovered.configs,
            results,
            tasks: JoinSet::new(),
            fetching: Fetching::default(),
            dirty,
            held_back: BTreeSet::new(),
            left_out: recovered.left_out,
            retry_at: None,
            drain,
            draining: false,
            started: tokio::time::Instant::now(),
        }
    }

    /// Runs until `shutdown`, then until what was sent has ended and is durable, or the drain deadline has passed.
    pub async fn run(mut self, mut inbox: Inbox, shutdown: CancellationToken) {
        for left_out in std::mem::take(&mut self.left_out) {
            self.fetch_rest(left_out);
        }
        let mut batch: Option<JoinHandle<BatchResult>> = None;
        let mut deadline: Option<tokio::time::Instant> = None;
        loop {
            self.decide_due();
            if batch.is_none() && self.retry_at.is_none_or(|at| at <= tokio::time::Instant::now()) {
                self.retry_at = None;
                batch = self.ledger.batch(&self.journal).map(tokio::spawn);
            }
            self.shared.metrics.queue_depth(self.ledger.depth());
            if self.draining && (self.is_drained() || deadline.is_some_and(|at| at <= tokio::time::Instant::now())) {
                break;
            }
            let wake = self.wake(deadline);
            tokio::select! {
                result = finished(&mut batch), if batch.is_some() => {
                    batch = None;
                    self.settle(result);
                }
                outcome = inbox.outcomes.recv() => self.take_outcomes(outcome, &mut inbox),
                command = inbox.commands.recv(), if !self.draining && self.ledger.waiting() < WAITING => match command {
                    Some(command) => {
                        self.command(command);
                        for _ in 0..GULP.min(WAITING.saturating_sub(self.ledger.waiting())) {
                            let Ok(command) = inbox.commands.try_recv() else { break };
                            self.command(command);
                        }
                    }
                    // Every handle is gone: nobody can ask for anything any more.
                    None => shutdown.cancel(),
                },
                () = tokio::time::sleep_until(wake) => self.wake_sleepers(),
                () = shutdown.cancelled(), if !self.draining => {
                    deadline = Some(tokio::time::Instant::now() + self.drain);
                    inbox.commands.close();
                    self.begin_drain();
                }
            }
        }
        self.tasks.shutdown().await;
    }

    /// Everybody who may have something to do is asked what.
    fn decide_due(&mut self) {
        if self.dirty.is_empty() || self.ledger.is_behind() {
            return;
        }
        let mut world = World::gather(&self.ledger, &self.shared, now());
        for id in std::mem::take(&mut self.dirty) {
            self.decide(&mut world, &id);
        }
    }

    fn decide(&mut self, world: &mut World, id: &IncidentId) {
        let Some(slot) = self.ledger.slots.get(id).filter(|slot| slot.unsettled == 0) else { return };
        let around = world.around(&slot.incident);
        let next = flow::decide(&slot.incident, &world.snapshot(slot, &around, &self.ledger, &self.runner));
        match next {
            Next::Append(events) => {
                let pinned = slot.pinned.clone();
                world.decided(id, &events);
                self.ledger.push(id, events, world.now, Origin::Decision, &pinned);
            }
            Next::Wait { effects, wakes_at } => {
                if world.is_full() {
                    self.held_back.insert(id.clone());
                }
                self.want(id, effects, wakes_at);
            }
        }
    }

    /// Starts what is wanted and does not run, and stops what runs and is not wanted.
    fn want(&mut self, id: &IncidentId, effects: Vec<Effect>, wakes_at: Option<Timestamp>) {
        let Some(slot) = self.ledger.slots.get_mut(id) else { return };
        slot.wakes_at = wakes_at;
        slot.stop_unwanted(&effects);
        if slot.incident.closed_at.is_some() && effects.is_empty() && slot.running.is_empty() && wakes_at.is_none() {
            self.ledger.slots.remove(id);
            return;
        }
        for effect in effects {
            // While draining, only what finds out about calls that were sent goes on.
            let allowed = !self.draining || matches!(effect, Effect::Send { .. });
            if allowed && !slot.running.contains_key(&effect) {
                let run = slot.next_run();
                let job = Job {
                    incident: slot.incident.clone(),
                    pinned: slot.pinned.clone(),
                    cleared: slot.clearances.remove(&effect),
                    effect: effect.clone(),
                    run,
                };
                let (runner, results) = (self.runner.clone(), self.results.clone());
                let handle = self.tasks.spawn(async move { runner.run(job, results).await });
                slot.running.insert(effect, Running { run, handle: Some(handle) });
            }
        }
    }

    /// Folds a batch, or keeps what must not be lost.
    fn settle(&mut self, result: BatchResult) {
        while self.tasks.try_join_next().is_some() {}
        match result {
            Ok(stored) => {
                let events = self.ledger.durable(stored, &self.shared);
                for event in &events {
                    self.concern(event);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the journal could not be written; what is not durable is tried again or refused");
                self.ledger.failed(&error);
                self.retry_at = Some(tokio::time::Instant::now() + JOURNAL_PAUSE);
                let (journal, results) = (self.journal.clone(), self.results.clone());
                self.tasks.spawn(catch_up::read(journal, self.ledger.behind.clone(), results));
                self.everybody();
            }
        }
    }

    /// Marks who must look again because of an event.
    fn concern(&mut self, event: &Event) {
        log(event);
        if let EventBody::AlertsLeftOut { left_out } = &event.body {
            self.fetch_rest(left_out.clone());
            return;
        }
        let others = matches!(
            event.body,
            EventBody::IncidentOpened { .. }
                | EventBody::IncidentClosed { .. }
                | EventBody::KillSwitchSet { .. }
                // What is concluded frees those that waited for it, and what is diagnosed anew stops them again.
                | EventBody::VerdictReached { .. }
                | EventBody::DiagnosisRequested { .. }
                | EventBody::FreezeEnded { .. }
                | EventBody::VerifyFinished { .. }
                | EventBody::UndoFinished { .. }
                | EventBody::CallIntended { .. }
        );
        if matches!(event.body, EventBody::StepFinished { .. } | EventBody::IncidentTakenOver { .. }) {
            self.dirty.append(&mut self.held_back);
        }
        match &event.incident {
            Some(id) if !others => {
                self.dirty.insert(id.clone());
            }
            _ => self.everybody(),
        }
    }

    /// Everybody looks again.
    pub(super) fn everybody(&mut self) {
        self.dirty.extend(self.ledger.slots.keys().cloned());
    }

    fn take_outcomes(&mut self, first: Option<Outcome>, inbox: &mut Inbox) {
        let mut next = first;
        for _ in 0..GULP {
            match next {
                Some(outcome) => self.outcome(outcome),
                None => return,
            }
            next = inbox.outcomes.try_recv().ok();
        }
        if let Some(outcome) = next {
            self.outcome(outcome);
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::InventoryRead => self.everybody(),
            Outcome::Fetched { left_out, result } => self.fetched(left_out, result),
            Outcome::Effect { incident, effect, run, result } => self.ended(incident, effect, run, result),
            Outcome::CaughtUp { incident, events } => {
                for event in self.ledger.caught_up(&incident, events, &self.shared, &self.configs) {
                    self.concern(&event);
                }
                self.everybody();
            }
        }
    }

    fn ended(&mut self, id: IncidentId, effect: Effect, run: u64, result: EffectResult) {
        let Some(slot) = self.ledger.slots.get_mut(&id) else { return };
        if !slot.ended(&effect, run) {
            return;
        }
        match result {
            EffectResult::Stopped => {
                slot.running.remove(&effect);
            }
            EffectResult::Facts { events, blobs } => {
                let pinned = slot.pinned.clone();
                self.ledger.push(&id, events, now(), Origin::Fact(effect), &pinned).with_blobs(blobs);
                return;
            }
            EffectResult::Inspected(seen) => {
                slot.running.remove(&effect);
                self.inspected(&id, effect, &seen);
            }
        }
        self.dirty.insert(id);
    }

    /// The target was read just before a call: the gate decides now, with nothing in between but making it durable.
    fn inspected(&mut self, id: &IncidentId, effect: Effect, seen: &flow::Inspected) {
        let Effect::Inspect { step, index, undo } = effect else { return };
        let Some(slot) = self.ledger.slots.get(id) else { return };
        // Something else is on its way for this incident (a person took over, say): look again after it.
        if slot.unsettled > 0 || self.draining {
            return;
        }
        let world = World::gather(&self.ledger, &self.shared, now());
        let around = world.around(&slot.incident);
        let snapshot = world.snapshot(slot, &around, &self.ledger, &self.runner);
        let (events, cleared) = flow::inspected(&slot.incident, &snapshot, &step, index, undo, seen);
        let pinned = slot.pinned.clone();
        if events.is_empty() {
            return;
        }
        self.ledger.push(id, events, world.now, Origin::Decision, &pinned);
        if let (Some(cleared), Some(slot)) = (cleared, self.ledger.slots.get_mut(id)) {
            slot.clearances.insert(Effect::Send { step, index, undo }, cleared);
        }
    }

    fn wake_sleepers(&mut self) {
        let now = now();
        let due = self.ledger.slots.iter().filter(|(_, slot)| slot.wakes_at.is_some_and(|at| at <= now));
        self.dirty.extend(due.map(|(id, _)| id.clone()));
    }

    fn wake(&self, deadline: Option<tokio::time::Instant>) -> tokio::time::Instant {
        let start = tokio::time::Instant::now();
        let now = now();
        let sleepers = self.ledger.slots.values().filter_map(|slot| slot.wakes_at);
        let pause = sleepers.min().map_or(LONGEST_SLEEP, |at| {
            (at - now).to_std().unwrap_or_default().clamp(Duration::from_millis(5), LONGEST_SLEEP)
        });
        let moments = [Some(start + pause), self.retry_at.map(|at| at.max(start)), deadline];
        moments.into_iter().flatten().min().unwrap_or(start + pause)
    }

    fn begin_drain(&mut self) {
        self.draining = true;
        for slot in self.ledger.slots.values_mut() {
            slot.running.retain(|effect, running| match &running.handle {
                Some(handle) if !matches!(effect, Effect::Send { .. }) => {
                    handle.abort();
                    false
                }
                _ => true,
            });
        }
    }

    fn is_drained(&self) -> bool {
        self.ledger.depth() == 0 && self.ledger.slots.values().all(|slot| slot.running.is_empty())
    }
}

async fn finished(batch: &mut Option<JoinHandle<BatchResult>>) -> BatchResult {
    match batch {
        Some(handle) => handle
            .await
            .unwrap_or_else(|error| Err(JournalError::Unavailable(format!("the writing task ended: {error}")))),
        None => std::future::pending().await,
    }
}

/// One line an event that people care about; the journal has the rest.
fn log(event: &Event) {
    let incident = event.incident.as_ref().map_or("-", IncidentId::as_str);
    match &event.body {
        EventBody::IncidentOpened { title, environment, .. } => {
            tracing::info!(incident, environment, title, "incident opened");
        }
        EventBody::FindingMade { finding } => tracing::info!(incident, finding = finding.summary, "finding"),
        EventBody::GateDecided { decision, rule, reason, .. } => {
            tracing::info!(incident, decision = decision.as_str(), rule, reason, "gate");
        }
        EventBody::ApprovalRequested { approval } => {
            tracing::info!(incident, approval = %approval.id, command = approval.command, "approval requested");
        }
        EventBody::ApprovalDecided { approval, by, decision, .. } => {
            tracing::info!(incident, %approval, by, ?decision, "approval decided");
        }
        EventBody::CallIntended { undo, .. } => {
            tracing::info!(incident, command = event.body.command(), undo, "sending");
        }
        EventBody::CallFinished { outcome, .. } => tracing::info!(incident, ?outcome, "sent"),
        EventBody::VerdictReached { verdict, reason, .. } => {
            tracing::info!(incident, verdict = verdict.as_str(), reason, "verdict");
        }
        EventBody::EnvironmentLost { problem } => tracing::warn!(incident, problem, "the environment is away"),
        EventBody::EnvironmentReturned {} => tracing::info!(incident, "the environment is back"),
        EventBody::FreezeEnded { window } => tracing::info!(incident, window, "the freeze window is over"),
        EventBody::IncidentEscalated { reason } => tracing::warn!(incident, reason, "escalated"),
        EventBody::IncidentClosed { reason, .. } => tracing::info!(incident, reason, "incident closed"),
        EventBody::KillSwitchSet { on, by, reason } => tracing::warn!(on, by, reason, "kill switch"),
        _ => tracing::debug!(incident, seq = event.seq, kind = event.body.kind(), "event"),
    }
}

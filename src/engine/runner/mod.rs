//! Carrying effects out: translation, native calls, time-outs, redaction. Every effect ends in exactly one outcome.
//!
//! ```text
//! Job ─► run ─┬─ Ask     ─► think         ─► exchange_ended
//!             ├─ RunStep ─► read          ─► step_finished
//!             ├─ Prepare ─► prepare       ─► step_prepared | prepare_failed
//!             ├─ Inspect ─► act::inspect  ─► the gate looks (in the loop)
//!             ├─ Send    ─► act::send     ─► call_finished
//!             ├─ Probe   ─► act::probe    ─► call_finished
//!             ├─ Verify  ─► verify        ─► verify_finished
//!             ├─ Compare ─► act::compare  ─► undo_requested
//!             ├─ Recheck ─► recheck       ─► target_rechecked
//!             └─ Notify  ─► tell          ─► notification_finished
//! ```

mod act;
mod failure;
mod independent;
mod prepare;
mod read;
mod recheck;
mod tell;
mod think;
mod verify;

use super::inbox::{EffectResult, Outcome};
use super::place::{Equipment, Place};
use super::shared::Shared;
use super::{commands, now};
use crate::brief::Fences;
use crate::config::Config;
use crate::domain::{EnvironmentKind, EventBody, Incident, Service, StepId, StepRecord};
use crate::flow::Effect;
use crate::gate::Cleared;
use crate::journal::Journal;
use failure::Failure;
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, mpsc, watch};
use tracing::Instrument as _;

/// How long an environment has to answer when it is asked whether it is there at all.
const AWAY: Duration = Duration::from_secs(5);

/// An effect to carry out, with the state that asked for it.
pub(super) struct Job {
    pub incident: Arc<Incident>,
    pub pinned: Arc<Config>,
    pub effect: Effect,
    /// Permission to send, for [`Effect::Send`].
    pub cleared: Option<Cleared>,
    /// Which start of the effect: its outcome carries it.
    pub run: u64,
}

/// What effects are carried out with.
pub(super) struct Runner {
    process: String,
    /// Of what models are asked. They are made of a secret of this process, and `process` is none.
    fences: Fences,
    /// Exchanged whole by a reload.
    equipment: watch::Sender<Arc<Equipment>>,
    shared: Arc<Shared>,
    /// What was captured is read from it; nobody but the loop writes.
    journal: Arc<dyn Journal>,
    /// Places for questions to models.
    asking: Semaphore,
}

impl Runner {
    pub fn new(equipment: Equipment, shared: Arc<Shared>, journal: Arc<dyn Journal>) -> Self {
        Self {
            journal,
            process: format!("{:016x}", u64::from_be_bytes(commands::random())),
            fences: Fences::new(commands::random()),
            equipment: watch::Sender::new(Arc::new(equipment)),
            shared,
            asking: Semaphore::new(think::QUESTIONS),
        }
    }

    /// This process, as intents name it.
    pub fn process(&self) -> &str {
        &self.process
    }

    /// Kind of an environment; one that is gone from the configuration counts as processes, where nothing runs.
    pub fn kind(&self, environment: &str) -> EnvironmentKind {
        self.equipment().places.get(environment).map_or(EnvironmentKind::Process, |place| place.kind)
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.shared.config()
    }

    /// What there is to work with now.
    pub fn equipment(&self) -> Arc<Equipment> {
        self.equipment.borrow().clone()
    }

    /// Whoever follows the environments hears of their exchange.
    pub fn follow(&self) -> watch::Receiver<Arc<Equipment>> {
        self.equipment.subscribe()
    }

    /// Exchanges what there is to work with.
    pub fn equip(&self, equipment: Equipment) {
        self.equipment.send_replace(Arc::new(equipment));
    }

    /// Reads an environment's services anew; whether that worked.
    pub async fn read_inventory(&self, environment: &str, deadline: Duration) -> bool {
        let Some(place) = self.equipment().places.get(environment).cloned() else { return false };
        let problem = match tokio::time::timeout(deadline, place.environment.inventory()).await {
            Ok(Ok(mut inventory)) => {
                inventory.read_at.get_or_insert_with(now);
                self.shared.put_inventory(environment, inventory);
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", deadline.as_secs()),
        };
        let before = self.shared.inventories();
        // Said when it begins; metrics and /ready show that it lasts.
        if before.get(environment).is_none_or(|inventory| inventory.stale.is_none()) {
            tracing::warn!(environment, problem, "the environment cannot be read; trying again");
        }
        self.shared.inventory_failed(environment, &problem);
        false
    }

    /// Carries a job out and reports its one outcome, whatever happens.
    pub async fn run(self: Arc<Self>, job: Job, results: mpsc::Sender<Outcome>) {
        let (incident, effect, run) = (job.incident.id.clone(), job.effect.clone(), job.run);
        // At the level of errors, so that it is there for whatever is logged.
        let span = tracing::error_span!("effect", %incident);
        let work = AssertUnwindSafe(self.carry_out(job)).catch_unwind().instrument(span).await;
        let result = work.unwrap_or_else(|_| {
            tracing::error!(%incident, ?effect, "a defect of oncalld ended an effect; please report it");
            failure::panicked(&effect)
        });
        // The loop drains this queue to its end before it stops.
        let _ = results.send(Outcome::Effect { incident, effect, run, result }).await;
    }

    async fn carry_out(&self, mut job: Job) -> EffectResult {
        let effect = job.effect.clone();
        match &effect {
            Effect::Ask { index } => self.think(&job, *index).await,
            Effect::RunStep { step, attempt } => self.run_step(&job, step, *attempt).await,
            Effect::Prepare { step, .. } => self.prepare(&job, step).await,
            Effect::Inspect { step, .. } => self.inspect(&job, step).await,
            Effect::Send { step, index, undo } => {
                let cleared = job.cleared.take();
                self.send(&job, step, *index, *undo, cleared).await
            }
            Effect::Probe { step, index, undo } => self.probe(&job, step, *index, *undo).await,
            Effect::Verify { step } => self.verify(&job, step).await,
            Effect::Compare { step } => self.compare(&job, step).await,
            Effect::Recheck => self.recheck(&job).await,
            Effect::Notify { subject, channel } => self.tell(&job, subject, channel).await,
        }
    }

    fn place(&self, job: &Job) -> Result<Place, Failure> {
        let name = &job.incident.environment;
        let found = self.equipment().places.get(name).cloned();
        found.ok_or_else(|| Failure::permanent(format!("environment {name} is not configured any more")))
    }

    /// Whether the environment does not answer at all now.
    async fn is_away(&self, job: &Job) -> bool {
        let name = &job.incident.environment;
        self.equipment().places.contains_key(name) && !self.read_inventory(name, AWAY).await
    }

    /// The target as the inventory has it now; a nameless service for an operation on the environment.
    fn service(&self, job: &Job, target: &str) -> Result<Service, Failure> {
        if target.is_empty() {
            return Ok(Service::default());
        }
        let inventories = self.shared.inventories();
        let inventory = inventories.get(&job.incident.environment);
        let found = inventory.and_then(|inventory| inventory.services.get(target)).cloned();
        let problem = || format!("{} has no service '{target}'", job.incident.environment);
        found.ok_or_else(|| match inventory.is_some_and(|inventory| inventory.read_at.is_none()) {
            true => Failure::transient(format!("{}: nobody has looked yet", problem())),
            false => Failure::permanent(problem()),
        })
    }
}

impl Job {
    fn record(&self, step: &StepId) -> Result<&StepRecord, Failure> {
        let found = self.incident.steps.iter().find(|record| record.step.id == *step);
        found.ok_or_else(|| Failure::permanent(format!("there is no step {step}")))
    }
}

/// One fact, without blobs.
fn fact(event: EventBody) -> EffectResult {
    EffectResult::Facts { events: vec![event], blobs: Vec::new() }
}

/// Milliseconds since a moment.
fn since(start: std::time::Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

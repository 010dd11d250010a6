//! The engine: the only writer of incidents. One loop owns all their state and never waits for anything but its inbox.
//!
//! ```text
//!  http, cli ─► Engine ─► [commands] ─┐                        ┌─► batch task ─► Journal      one batch at a time
//!                                     ▼                        │       │
//!  effect tasks ─► [results] ───► Loop: facts ─► pending ──────┘       │ durable
//!       ▲                             ▲                                ▼
//!       │                             └── fold ◄───────────────────────┘ ─► feed, metrics, open incidents
//!       └──── Effect ◄── flow::decide(incident, snapshot)
//! ```
//!
//! What is decided is appended, made durable, folded, and only then acted on: an effect exists only because a durable
//! state asks for it. Everything that was waiting while a batch was written goes into the next one (group commit).

mod answer;
mod by_hand;
mod catch_up;
mod closed;
mod command;
mod commands;
mod fetching;
mod first_look;
mod handle;
mod inbox;
mod inventory;
mod ledger;
mod metrics;
mod needed;
mod place;
mod recover;
mod run;
mod runner;
mod shared;
mod slot;
mod spending;
#[cfg(test)]
mod tests;
mod thinking_metrics;
mod truncated;
mod world;

pub use answer::{Accepted, Degraded, EngineError, Identity, KillSwitch, Page, Readiness, RejectedAlert};
pub use handle::Engine;
pub use needed::Needed;
pub use place::{Equipment, Place, Places};

pub use crate::journal::IncidentFilter;

use crate::config::{Config, Sources};
use crate::domain::Timestamp;
use crate::journal::{Journal, JournalError, JournalGauges};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Commands that may ever wait; `limits.queue` says how many do.
const COMMANDS: usize = crate::config::LARGEST_QUEUE;

/// Appends that may wait for the one that is being written, before further commands wait in their queue: a slow disk
/// must not fill the memory.
const WAITING: usize = 256;

/// Results of effects that may wait. Every effect sends one, and at most a few run per open incident.
const RESULTS: usize = 1_024;

/// Makes a configuration of its texts; none if they are not understood any more.
pub type Load = Box<dyn Fn(Sources) -> Option<Config> + Send + Sync>;

/// What an engine is made of.
pub struct Parts {
    /// The configuration to begin with.
    pub config: Arc<Config>,
    /// Reads a configuration that an incident is pinned to.
    pub load: Load,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// What the journal counts.
    pub gauges: Arc<JournalGauges>,
    /// What effects are carried out with.
    pub equipment: Equipment,
    /// How long effects may take to end at shutdown.
    pub drain: Duration,
}

/// Builds an engine: folds what the journal holds, so that the returned task goes on where the last process stopped.
/// The task is the caller's to spawn; it ends after `shutdown` is cancelled and what is under way has been made durable.
///
/// # Errors
/// The journal cannot be read.
pub async fn build(
    parts: Parts,
    shutdown: CancellationToken,
) -> Result<(Engine, impl Future<Output = ()> + Send + 'static), JournalError> {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let (results, outcomes) = mpsc::channel(RESULTS);
    let shared = Arc::new(shared::Shared::new(parts.config.clone(), metrics::Metrics::new(parts.gauges)));
    let runner = Arc::new(runner::Runner::new(parts.equipment, shared.clone(), parts.journal.clone()));
    inventory::first(&runner).await;
    let recovered = recover::recover(parts.journal.as_ref(), &shared, &parts.load).await?;
    let engine = Engine { commands, shared: shared.clone(), journal: parts.journal.clone(), runner: runner.clone() };
    let inventories = inventory::refresh(runner.clone(), results.clone(), shutdown.clone());
    let work = run::Loop::new(parts.journal, shared, runner, results, recovered, parts.drain);
    let inbox = inbox::Inbox { commands: inbox, outcomes };
    let task = async move {
        tokio::join!(work.run(inbox, shutdown), inventories);
    };
    Ok((engine, task))
}

/// The time, in whole milliseconds, as it stands in the journal.
fn now() -> Timestamp {
    let now = chrono::Utc::now();
    now - chrono::Duration::nanoseconds(i64::from(now.timestamp_subsec_nanos() % 1_000_000))
}

//! Forgetting: what is older than `retention` in platform.yml says, and what only repeats are recognised by.
//!
//! ```text
//! every hour ─┬─ captured bytes        older than retention.blobs; open incidents keep theirs
//!             ├─ known deliveries      older than two weeks
//!             ├─ old containers,       older than retention.restore, unless an open incident's undo needs them
//!             │  old configurations    (never volumes, nor what others made)
//!             └─ the restore store     the same; what its documents name stays
//! ```
//!
//! Events are never deleted.

use crate::domain::{TimeSpan, Timestamp};
use crate::engine::{Engine, Needed, Places};
use crate::execute::restore::RestoreStore;
use crate::journal::sqlite::SqliteJournal;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often is looked. Ages are given in days, so an hour more does not matter; where somebody sets less, it does.
const EVERY: TimeSpan = TimeSpan::from_secs(3_600);

/// The shortest pause between two rounds.
const SHORTEST: TimeSpan = TimeSpan::from_secs(1);

/// Deliveries are recognised as repeats for this long: senders repeat an unchanged group every few hours at most.
const DELIVERIES: TimeSpan = TimeSpan::from_secs(14 * 86_400);

/// The longest that one environment may hold a round up: an engine that hangs is asked again in the next.
const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps house until `stop`.
pub(super) struct Housekeeping {
    pub engine: Engine,
    pub journal: SqliteJournal,
    pub store: RestoreStore,
    /// The environments as they are now.
    pub places: watch::Receiver<Arc<Places>>,
    pub stop: CancellationToken,
}

impl Housekeeping {
    /// At the start, and then again and again. Trouble is logged, and tried again the next time.
    pub async fn run(self) {
        loop {
            let retention = self.engine.config().platform.retention.clone();
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.round(retention.blobs, retention.restore) => {}
            }
            let pause = EVERY.min(retention.blobs).min(retention.restore).max(SHORTEST);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause.as_std()) => {}
            }
        }
    }

    async fn round(&self, blobs: TimeSpan, restore: TimeSpan) {
        let (now, needed) = (chrono::Utc::now(), self.engine.needed());
        self.forget(now, blobs, &needed).await;
        self.discard(now - restore.as_chrono(), &needed).await;
        self.sweep(restore, needed).await;
    }

    /// What the journal need not know any more.
    async fn forget(&self, now: Timestamp, age: TimeSpan, needed: &Needed) {
        let kept: Vec<_> = needed.blobs.iter().cloned().collect();
        match self.journal.sweep_blobs(now - age.as_chrono(), &kept).await {
            Ok(0) => {}
            Ok(blobs) => tracing::info!(blobs, "retention deleted captured results"),
            Err(error) => tracing::warn!(%error, "retention could not delete captured results"),
        }
        match self.journal.sweep_deliveries(now - DELIVERIES.as_chrono()).await {
            Ok(deliveries) => tracing::debug!(deliveries, "retention forgot deliveries"),
            Err(error) => tracing::warn!(%error, "retention could not forget deliveries"),
        }
    }

    /// Old containers and configurations.
    async fn discard(&self, before: Timestamp, needed: &Needed) {
        let places = self.places.borrow().clone();
        for (environment, place) in places.iter() {
            match tokio::time::timeout(PATIENCE, place.environment.discard(before, &needed.keys)).await {
                Ok(Ok(gone)) => {
                    for what in gone {
                        tracing::info!(environment, what, "retention deleted what an undo had needed");
                    }
                }
                Ok(Err(error)) => tracing::warn!(environment, %error, "retention could not delete what undo kept"),
                Err(_) => tracing::warn!(environment, "retention had no answer in time; it is tried again"),
            }
        }
    }

    /// What the restore store holds for nobody.
    async fn sweep(&self, age: TimeSpan, needed: Needed) {
        match self.store.sweep(age, needed.objects).await {
            Ok(0) => {}
            Ok(objects) => tracing::info!(objects, "retention swept the restore store"),
            Err(error) => tracing::warn!(%error, "retention could not sweep the restore store"),
        }
    }
}

//! Forgetting: blobs and known deliveries that are older than configured. Events are never deleted.

use super::SqliteJournal;
use crate::domain::TimeSpan;
use tokio::time::{MissedTickBehavior, interval};

/// How often retention looks: ages are given in days, so an hour more does not matter.
const EVERY: TimeSpan = TimeSpan::from_secs(3_600);

/// What is kept how long.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// Captured bytes, since they were last stored.
    pub blobs: TimeSpan,
    /// Deliveries that are recognised when repeated. Senders repeat within minutes, or hours after an outage.
    pub deliveries: TimeSpan,
}

/// Forgets at the start and then every hour, until it is dropped. Trouble is logged, and tried again the next time.
pub async fn retention(journal: SqliteJournal, ages: Ages) {
    let mut ticks = interval(EVERY.as_std());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = chrono::Utc::now();
        match journal.sweep_blobs(now - ages.blobs.as_chrono()).await {
            Ok(blobs) => tracing::debug!(blobs, "retention deleted captured bytes"),
            Err(error) => tracing::warn!(%error, "retention could not delete captured bytes"),
        }
        match journal.sweep_deliveries(now - ages.deliveries.as_chrono()).await {
            Ok(deliveries) => tracing::debug!(deliveries, "retention forgot deliveries"),
            Err(error) => tracing::warn!(%error, "retention could not forget deliveries"),
        }
    }
}

//! The task that watches an engine: its memory of events is short, and configurations are gone once changed.

use super::{DockerEnvironment, error::Answer, events::understood};
use crate::domain::Timestamp;
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// Pauses between attempts to reach an engine that does not answer.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A burst of events leads to one look at the configurations, this long after its first.
const SETTLE: Duration = Duration::from_millis(500);

/// On reconnecting, events are asked for from this long before the last one known: their times are the engine's.
const OVERLAP: i64 = 5;

/// Follows the events of an engine, and notes configurations, until told to stop.
pub struct Watcher {
    environment: DockerEnvironment,
}

impl Watcher {
    pub(super) fn new(environment: DockerEnvironment) -> Self {
        Self { environment }
    }

    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        let mut known_until: Option<Timestamp> = None;
        let mut reported = false;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.follow(&mut known_until) => ended,
            };
            if began.elapsed() > LONGEST_PAUSE {
                (pause, reported) = (FIRST_PAUSE, false); // it had worked
            }
            if let Err(error) = ended
                && !reported
            {
                let environment = &self.environment.shared.config.name;
                tracing::warn!(environment, %error, "the engine's events are not to be had; trying again");
                reported = true;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    /// Follows one connection to its end.
    async fn follow(&self, known_until: &mut Option<Timestamp>) -> Answer<()> {
        let shared = &self.environment.shared;
        let overlap = chrono::Duration::seconds(OVERLAP);
        // At first, everything that the engine remembers: what happened while nobody watched.
        let since = known_until.map_or_else(|| chrono::Utc::now() - chrono::Duration::days(7), |at| at - overlap);
        let dialect = shared.engine.meet().await?;
        self.environment.services().await?; // does it answer?
        let mut stream = std::pin::pin!(shared.engine.events(since, None, &[])?);
        let every = shared.config.refresh_every.as_std().max(Duration::from_secs(1));
        let mut look = Instant::now() + every;
        loop {
            tokio::select! {
                message = stream.next() => {
                    let Some(message) = message else { return Ok(()) };
                    if let Some((id, event)) = understood(message?, dialect) {
                        *known_until = Some(known_until.map_or(event.at, |known| known.max(event.at)));
                        shared.log().record(&id, event);
                        look = look.min(Instant::now() + SETTLE);
                    }
                }
                () = sleep_until(look) => {
                    self.environment.services().await?;
                    look = Instant::now() + every;
                }
            }
        }
    }
}

//! Keeping the inventories fresh: one reader an environment, so that webhooks are answered from memory alone.

use super::inbox::Outcome;
use super::runner::Runner;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The longest a reading may take; a hanging engine then counts as away.
const DEADLINE: Duration = Duration::from_secs(10);

/// Pause after a failure: short enough to see an engine return soon.
const PAUSE: Duration = Duration::from_secs(2);

/// How long the first reading may hold up the start: the engine of an environment answers in milliseconds or is away.
const FIRST: Duration = Duration::from_secs(2);

/// Reads all inventories once, so that the first alert already finds its target.
pub(super) async fn first(runner: &Runner) {
    let readings = runner.places().keys().map(|name| runner.read_inventory(name, FIRST));
    futures_util::future::join_all(readings).await;
}

/// Reads all inventories again and again until `shutdown`.
pub(super) async fn refresh(runner: Arc<Runner>, results: mpsc::Sender<Outcome>, shutdown: CancellationToken) {
    let readers = runner.places().iter().map(|(name, place)| {
        let (runner, results, shutdown) = (runner.clone(), results.clone(), shutdown.clone());
        let (name, every) = (name.clone(), place.inventory_every);
        async move {
            loop {
                let healthy = runner.read_inventory(&name, DEADLINE).await;
                let news = results.send(Outcome::InventoryRead);
                let pause = if healthy { every } else { PAUSE.min(every) };
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = async { let _ = news.await; tokio::time::sleep(pause).await } => {}
                }
            }
        }
    });
    futures_util::future::join_all(readers).await;
}

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
    let equipment = runner.equipment();
    let readings = equipment.places.keys().map(|name| runner.read_inventory(name, FIRST));
    futures_util::future::join_all(readings).await;
}

/// Reads all inventories again and again until `shutdown`; after a reload, those that there are then.
pub(super) async fn refresh(runner: Arc<Runner>, results: mpsc::Sender<Outcome>, shutdown: CancellationToken) {
    let mut changes = runner.follow();
    loop {
        let equipment = changes.borrow_and_update().clone();
        let readers = equipment.places.iter().map(|(name, place)| read(&runner, &results, name, place.inventory_every));
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = futures_util::future::join_all(readers), if !equipment.places.is_empty() => {}
            // The runner has the other end, so it is never gone.
            _ = changes.changed() => {}
        }
    }
}

/// Reads one inventory again and again.
async fn read(runner: &Runner, results: &mpsc::Sender<Outcome>, name: &str, every: Duration) {
    loop {
        let healthy = runner.read_inventory(name, DEADLINE).await;
        // The loop drains this queue to its end before it stops.
        let _ = results.send(Outcome::InventoryRead).await;
        tokio::time::sleep(if healthy { every } else { PAUSE.min(every) }).await;
    }
}

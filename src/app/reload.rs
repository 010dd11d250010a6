//! A changed configuration: checked whole, then put in force, or refused with the old one still serving.
//!
//! ```text
//! SIGHUP ─► read and checked ─► what cannot change? ─► environments and channels built ─► looked at
//!                │                     │                          │                          │
//!                └─────── refused: the old one serves ────────────┘                          ▼
//!           what is gone ends, what is new begins ◄── the engine exchanges everything at once (durable)
//! ```

use super::keeping::Keepers;
use super::places::{Fresh, Sites};
use crate::config::{Config, Platform, Telemetry};
use crate::engine::{Engine, Places};
use crate::telemetry::Log;
use futures_util::{Stream, StreamExt as _};
use std::{collections::BTreeSet, pin::Pin, sync::Arc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Changed configurations as they come: read and checked, or what is wrong with them.
pub type Changes = Pin<Box<dyn Stream<Item = Result<Config, String>> + Send>>;

/// Keeps the environments, and exchanges them when the configuration changes.
pub(super) struct Reloading {
    pub engine: Engine,
    pub sites: Sites,
    /// What the environments at the start are kept by.
    pub fresh: Vec<Fresh>,
    pub places: watch::Sender<Arc<Places>>,
    pub keepers: Keepers,
    /// Whose level can change.
    pub log: Option<Log>,
}

impl Reloading {
    /// Runs until `stop`. Ends every task of an environment before it ends itself.
    pub async fn run(mut self, mut changes: Changes, stop: CancellationToken) {
        for Fresh { name, keeping, .. } in std::mem::take(&mut self.fresh) {
            self.keepers.begin(name, keeping);
        }
        let mut more = true;
        while more {
            let change = tokio::select! {
                () = stop.cancelled() => break,
                change = changes.next() => change,
            };
            match change {
                Some(change) => self.take(change).await,
                None => more = false,
            }
        }
        stop.cancelled().await;
        self.keepers.end_all().await;
    }

    async fn take(&mut self, change: Result<Config, String>) {
        let outcome = match change {
            Ok(config) => self.exchange(config).await,
            Err(problem) => Err(problem),
        };
        match outcome {
            Ok(changed) => tracing::info!(changed, "the changed configuration is in force"),
            Err(problem) => {
                self.engine.refuse_reload();
                tracing::error!(problem, "the changed configuration is refused; the old one stays in force");
            }
        }
    }

    /// Puts a configuration in force, and says what is another than before.
    async fn exchange(&mut self, config: Config) -> Result<String, String> {
        let config = Arc::new(config);
        let before = self.engine.config();
        changeable(&before.platform, &config.platform)?;
        let prepared = self.sites.prepare(&config).await.map_err(|error| error.to_string())?;
        let seen = prepared.look().await;
        let (equipment, fresh, commit) = prepared.apart();
        let places = Arc::new(equipment.places.clone());
        self.engine.reload(config.clone(), equipment, seen).await.map_err(|error| error.to_string())?;
        commit(&mut self.sites);
        self.tell(&before.platform.telemetry, &config.platform.telemetry);
        for name in self.keepers.names() {
            if !places.contains_key(&name) {
                self.keepers.end(&name).await;
                self.sites.leave(&name).await;
            }
        }
        self.places.send_replace(places);
        for one in fresh {
            self.keepers.end(&one.name).await;
            one.begin().await;
            self.keepers.begin(one.name, one.keeping);
        }
        Ok(changed(&before, &config))
    }

    /// Has the log say as much as is wanted now.
    fn tell(&self, before: &Telemetry, after: &Telemetry) {
        if before.log != after.log {
            tracing::warn!("`telemetry.log` is another: that takes effect at the next start");
        }
        let Some(log) = self.log.as_ref().filter(|_| before.level != after.level) else { return };
        // Said before and, with what else has changed, after it: one of the two may be below the level.
        tracing::info!(from = before.level, to = after.level, "the log's level changes");
        if let Err(problem) = log.set_level(&after.level) {
            tracing::error!(problem, "the log's level stays as it was");
        }
    }
}

/// What is another than before: files, and the log's level.
fn changed(before: &Config, after: &Config) -> String {
    let (old, new) = (&before.sources.0, &after.sources.0);
    let files: BTreeSet<&String> =
        old.keys().chain(new.keys()).filter(|path| old.get(*path) != new.get(*path)).collect();
    let mut all: Vec<String> = files.into_iter().cloned().collect();
    let [from, to] = [before, after].map(|config| &config.platform.telemetry.level);
    if from != to {
        all.push(format!("telemetry.level ({from} before, {to} now)"));
    }
    if all.is_empty() { "no file; secrets may be others".to_owned() } else { all.join(", ") }
}

/// What holds for a whole run. The address decides whether tokens are needed, so that nothing else may slip in with it.
fn changeable(before: &Platform, after: &Platform) -> Result<(), String> {
    let listen = (before.listen != after.listen).then(|| format!("listen ({} now)", before.listen));
    let folder = (before.data_dir != after.data_dir).then(|| format!("data_dir ({} now)", before.data_dir.display()));
    let journal = (before.journal != after.journal).then(|| format!("journal ({} now)", before.journal));
    let fixed: Vec<String> = [listen, folder, journal].into_iter().flatten().collect();
    if fixed.is_empty() {
        return Ok(());
    }
    Err(format!("{} cannot change while oncalld runs; restart it, or change that back", fixed.join(", ")))
}

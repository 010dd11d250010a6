//! The tasks that keep environments in order, one each: this is their owner, and joins every one of them.

use crate::execute::{docker::Watcher, process::ProcessTask};
use std::{collections::BTreeMap, time::Duration};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// How long a task may take to end before it is ended: all of them only look.
const PATIENCE: Duration = Duration::from_secs(5);

/// A task that is not spawned yet.
pub(super) enum Keeping {
    /// Follows an engine.
    Docker(Watcher),
    /// Looks after shims.
    Process(ProcessTask),
}

/// Tasks by the environment that they keep.
#[derive(Default)]
pub(super) struct Keepers(BTreeMap<String, Keeper>);

struct Keeper {
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

impl Keepers {
    /// Spawns an environment's task. The one before must have been ended.
    pub fn begin(&mut self, name: String, keeping: Keeping) {
        let stop = CancellationToken::new();
        let told = stop.clone();
        let handle = tokio::spawn(async move {
            match keeping {
                Keeping::Docker(watcher) => watcher.run(told).await,
                Keeping::Process(task) => tokio::select! {
                    () = told.cancelled() => {}
                    () = task.run() => {}
                },
            }
        });
        self.0.insert(name, Keeper { stop, handle });
    }

    /// Ends an environment's task, if there is one, and waits for its end.
    pub async fn end(&mut self, name: &str) {
        if let Some(keeper) = self.0.remove(name) {
            joined(name, keeper).await;
        }
    }

    /// The environments with a task.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Ends all of them.
    pub async fn end_all(&mut self) {
        self.0.values().for_each(|keeper| keeper.stop.cancel());
        for (name, keeper) in std::mem::take(&mut self.0) {
            joined(&name, keeper).await;
        }
    }
}

async fn joined(environment: &str, Keeper { stop, mut handle }: Keeper) {
    stop.cancel();
    let ended = match tokio::time::timeout(PATIENCE, &mut handle).await {
        Ok(ended) => ended,
        Err(_) => {
            handle.abort();
            handle.await
        }
    };
    if ended.is_err_and(|error: JoinError| error.is_panic()) {
        tracing::error!(environment, "a defect of oncalld ended the task that kept it; please report it");
    }
}

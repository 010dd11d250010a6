//! Containers that were put aside, once nobody can want them back any more: they are removed, their volumes stay.

use super::{
    DockerEnvironment,
    connect::DEADLINE,
    error::{Answer, EngineError, within},
    observed::present,
    snapshot::Kept,
};
use crate::domain::Timestamp;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use std::collections::BTreeSet;

/// Containers looked at in one round: what is left comes in the next.
const AT_MOST: usize = 100;

impl DockerEnvironment {
    /// Removes containers that we put aside before a time, and whose key nobody needs; their names.
    pub(super) async fn discard_kept(&self, before: Timestamp, needed: &BTreeSet<String>) -> Answer<Vec<String>> {
        let old: Vec<(String, Kept)> = {
            let snapshots = self.shared.snapshots.lock().await;
            let old = snapshots.kept().iter().filter(|(_, kept)| kept.at < before && !needed.contains(&kept.key));
            old.take(AT_MOST).map(|(id, kept)| (id.clone(), kept.clone())).collect()
        };
        let mut gone = Vec::new();
        for (id, kept) in old {
            let aside = format!("{}-{}", kept.name, kept.key);
            let Some(container) = present(self.shared.engine.inspect(&id).await)? else {
                self.unremember(&id).await?; // somebody removed it
                continue;
            };
            if container.name() != aside {
                // Somebody put it to use again: it is a container like any other, and a service once more.
                tracing::info!(
                    environment = self.shared.config.name,
                    container = container.name(),
                    aside,
                    "a container that was put aside has another name now, and is not put aside any more"
                );
                self.unremember(&id).await?;
            } else if container.is_running() {
                tracing::warn!(
                    environment = self.shared.config.name,
                    container = aside,
                    "a container that was put aside runs, so it is kept; stop it or rename it"
                );
            } else if self.remove_stopped(&id).await? {
                self.unremember(&id).await?;
                gone.push(format!("container {aside}, put aside {}", kept.at.format("%Y-%m-%d %H:%M UTC")));
            }
        }
        Ok(gone)
    }

    /// Removes a container unless it runs, which is looked at by the engine itself; volumes stay. Whether it is gone.
    async fn remove_stopped(&self, id: &str) -> Answer<bool> {
        let docker = self.shared.engine.docker()?;
        let options = RemoveContainerOptionsBuilder::default().force(false).v(false).build();
        match within(DEADLINE, docker.remove_container(id, Some(options))).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_missing() => Ok(true),
            // It was started just now, or is being removed by somebody else.
            Err(EngineError::Refused { status: 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

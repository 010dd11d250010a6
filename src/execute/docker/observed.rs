//! What is there: the containers, their services, and the note taken of their configurations.

use super::connect::DEADLINE;
use super::{
    DockerEnvironment,
    declared::DeclaredService,
    error::{Answer, EngineError, within},
    inspect::Container,
    inventory::{Known, declaration, grouped, inventory},
};
use crate::domain::{Inventory, TimeSpan, Timestamp, Values};
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::collections::BTreeMap;

/// Inspections at once: enough to hide the engine's latency, too few to burden it.
const AT_ONCE: usize = 8;

/// Containers looked at; an engine with more is beyond what one daemon should watch in one environment.
const MOST_CONTAINERS: usize = 2_000;

/// A service that restarts by itself and whose containers were removed counts as missing, not as gone, this long.
const MISSED_FOR: i64 = 24;

/// Up for this long counts as ready where nothing checks its health and nothing else is declared.
const READY_AFTER: TimeSpan = TimeSpan::from_secs(10);

impl DockerEnvironment {
    /// All containers, whole.
    pub(super) async fn containers(&self) -> Answer<Vec<Container>> {
        let docker = self.shared.engine.docker()?;
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let listed = within(DEADLINE, docker.list_containers(Some(options))).await?;
        let ids: Vec<String> = listed.into_iter().filter_map(|summary| summary.id).take(MOST_CONTAINERS).collect();
        stream::iter(ids)
            .map(|id| async move { present(self.shared.engine.inspect(&id).await) })
            .buffer_unordered(AT_ONCE)
            .try_filter_map(|container| async { Ok(container) })
            .try_collect()
            .await
    }

    /// Containers by id or name; those that do not exist are left out.
    pub(super) async fn some(&self, ids: &[String]) -> Answer<Vec<Container>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(present(self.shared.engine.inspect(id).await)?);
        }
        Ok(found)
    }

    /// The services now; note is taken of configurations that changed.
    pub(super) async fn services(&self) -> Answer<Inventory> {
        let containers = self.containers().await?;
        let now = chrono::Utc::now();
        self.note(&containers, now).await;
        let snapshots = self.shared.snapshots.lock().await;
        let known = Known {
            declared: &self.shared.config.services,
            protected: &self.shared.config.protected,
            kept: snapshots.kept(),
            lasting: snapshots.lasting(chrono::Duration::hours(MISSED_FOR), now).collect(),
            protected_before: &|name| snapshots.past(name).and_then(|past| past.protected.clone()),
        };
        Ok(inventory(&containers, &known, now))
    }

    /// Takes note of configurations. A store that refuses is told of, but what runs can be read all the same.
    async fn note(&self, containers: &[Container], now: Timestamp) {
        let mut snapshots = self.shared.snapshots.lock().await;
        let kept = snapshots.kept().clone();
        let declared = &self.shared.config.services;
        let known = Known { declared, protected: &[], kept: &kept, lasting: Vec::new(), protected_before: &|_| None };
        for (name, group) in grouped(containers, &known) {
            let found = declaration(&name, &group, declared);
            let name = found.map_or(&name, |(declared, _)| declared);
            let ready_after = found.and_then(|(_, facts)| facts.ready_after).unwrap_or(READY_AFTER);
            // The first stands for all: replicas are made alike. Containers that remove themselves are nobody's service.
            let Some(first) = group.first().filter(|container| !container.removes_itself()) else { continue };
            if let Err(error) = snapshots.observe(name, first, ready_after, now).await {
                tracing::warn!(environment = self.shared.config.name, service = name, %error, "no note could be taken of a configuration");
            }
        }
    }

    /// What is declared of a service.
    pub(super) fn declared(&self, service: &str) -> Option<&DeclaredService> {
        self.shared.config.services.get(service)
    }

    /// Whether a container's service is a job, by its label or by declaration.
    pub(super) fn is_job(&self, container: &Container) -> bool {
        let name = container.label("com.docker.compose.service").unwrap_or(container.name());
        let declared = declaration(name, &[container], &self.shared.config.services);
        container.label("oncalld.job") == Some("true") || declared.is_some_and(|(_, facts)| facts.job)
    }

    /// The canonical name of a container's service.
    pub(super) async fn service_of(&self, container: &Container) -> Answer<String> {
        let services = self.services().await?;
        let found = services
            .services
            .values()
            .find(|service| service.instances.iter().any(|instance| instance.id == container.id()));
        Ok(found.map_or_else(|| container.name().to_owned(), |service| service.name.clone()))
    }

    /// Brings what the engine remembers of some containers into our longer memory. That it cannot tell is no failure.
    pub(super) async fn recall(&self, ids: &[String]) {
        match self.shared.engine.remembered(ids, chrono::Utc::now()).await {
            Ok(found) => {
                let mut log = self.shared.log();
                for (id, event) in found {
                    log.record(&id, event);
                }
            }
            Err(error) => {
                tracing::debug!(environment = self.shared.config.name, %error, "the engine's events cannot be read")
            }
        }
    }

    /// The result of `container.events`.
    pub(super) async fn events(&self, ids: &[String], since: Option<Timestamp>) -> Answer<Values> {
        let dialect = self.shared.engine.dialect().await?;
        if ids.is_empty() {
            return Ok(self.shared.log().result(&[], since, dialect));
        }
        let known = self.some(ids).await?;
        // A name stands for the container that has it; an id for one that may be gone.
        let by_name: BTreeMap<&str, &str> = known.iter().map(|container| (container.name(), container.id())).collect();
        let ids: Vec<String> =
            ids.iter().map(|id| by_name.get(id.as_str()).map_or_else(|| id.clone(), |id| (*id).to_owned())).collect();
        self.recall(&ids).await;
        Ok(self.shared.log().result(&ids, since, dialect))
    }
}

impl super::Shared {
    /// The memory of events. Nothing panics while it is held; were it so, what it holds would still be whole.
    pub(super) fn log(&self) -> std::sync::MutexGuard<'_, super::EventLog> {
        self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// None where it does not exist.
pub(super) fn present(answer: Answer<Container>) -> Answer<Option<Container>> {
    match answer {
        Ok(container) => Ok(Some(container)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The only container, for calls that name one.
pub(super) fn only(found: Option<Container>, name: &str) -> Answer<Container> {
    found.ok_or_else(|| EngineError::Refused { status: 404, message: format!("there is no container {name}") })
}

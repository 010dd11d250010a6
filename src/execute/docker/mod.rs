//! The `container.*` calls, on a Docker Engine or on Podman through the same API.
//!
//! ```text
//! DockerConfig ─► build() ─┬─► DockerEnvironment   reads, acts, inventory; a clone shares everything
//!                          └─► Watcher             unspawned task: events from the start, configurations when they change
//!
//! a call ─► mod.rs (which) ─► topic file ─► connect.rs (bollard, or JSON over the same socket) ─► engine
//!                                ├─ dialect: Docker or Podman, found when the engine is met, and what follows from that
//!                                └─ pure: exit, inventory, snapshot::digest, …
//! ```

mod act;
mod cgroup;
mod config;
mod connect;
mod connectivity;
mod data_store;
mod declared;
mod dependencies;
mod dialect;
mod discard;
mod disk;
mod error;
mod events;
mod exec;
mod exit;
mod files;
mod health;
mod image;
mod inspect;
mod inventory;
mod logs;
mod observed;
mod paths;
mod podman;
mod probe;
mod processes;
mod prune;
mod recreate;
mod replacement;
mod resources;
mod scale;
mod snapshot;
mod status;
mod swap;
mod typed;
mod watch;
mod withhold;

pub use connect::{ConnectError, Connection};
pub use declared::{DeclaredService, DockerConfig};
pub use watch::Watcher;

use crate::domain::{ActCall, Inventory, ReadCall, Service, Timestamp, Values};
use crate::execute::{Captured, Environment, ExecuteError, Executor, NativeCall, Probed, probe::Prober};
use crate::gate::Cleared;
use connect::Engine;
use error::{Answer, EngineError};
use events::EventLog;
use futures_util::future::BoxFuture;
use snapshot::Snapshots;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// A Docker environment that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its engine's address or certificates.
    #[error("environment {environment}: {source}")]
    Connect {
        /// The environment.
        environment: String,
        /// Why.
        source: ConnectError,
    },
    /// The record of configurations cannot be read.
    #[error("environment {environment}: the record of configurations cannot be read: {source}")]
    Record {
        /// The environment.
        environment: String,
        /// Why.
        source: std::io::Error,
    },
}

/// An environment whose services run in containers of one engine. Clones share it.
#[derive(Clone)]
pub struct DockerEnvironment {
    shared: Arc<Shared>,
}

struct Shared {
    config: DockerConfig,
    engine: Engine,
    prober: Prober,
    events: Arc<Mutex<EventLog>>,
    /// One record for all that work on the environment, also while a reload exchanges them.
    snapshots: Arc<tokio::sync::Mutex<Snapshots>>,
}

/// Sets an environment up. The engine need not answer yet; [`Watcher`] waits for it.
///
/// # Errors
/// The address or a certificate is wrong, or the record of configurations cannot be read.
pub async fn build(config: DockerConfig) -> Result<(DockerEnvironment, Watcher), BuildError> {
    let environment = config.name.clone();
    let failed = |source| BuildError::Connect { environment: environment.clone(), source };
    let engine = Engine::connect(&config.connection).map_err(failed)?;
    let prober = Prober::new().map_err(|error| failed(ConnectError::Client(error.to_string())))?;
    let snapshots = Snapshots::open(config.store.clone(), &config.name)
        .await
        .map_err(|source| BuildError::Record { environment: environment.clone(), source })?;
    let shared = Arc::new(Shared {
        config,
        engine,
        prober,
        events: Arc::default(),
        snapshots: Arc::new(tokio::sync::Mutex::new(snapshots)),
    });
    let built = DockerEnvironment { shared };
    Ok((built.clone(), Watcher::new(built)))
}

impl DockerEnvironment {
    /// The same environment with another configuration. What still works with the old one shares its record with it.
    ///
    /// # Errors
    /// The address or a certificate is wrong.
    pub fn renewed(&self, config: DockerConfig) -> Result<(Self, Watcher), BuildError> {
        let environment = config.name.clone();
        let failed = |source| BuildError::Connect { environment: environment.clone(), source };
        let before = &self.shared;
        let engine = Engine::connect(&config.connection).map_err(failed)?;
        let prober = Prober::new().map_err(|error| failed(ConnectError::Client(error.to_string())))?;
        // Another engine has other events.
        let same = config.connection == before.config.connection;
        let events = if same { before.events.clone() } else { Arc::default() };
        let shared = Shared { config, engine, prober, events, snapshots: before.snapshots.clone() };
        let renewed = Self { shared: Arc::new(shared) };
        Ok((renewed.clone(), Watcher::new(renewed)))
    }

    /// Whether the engine answers.
    pub async fn answers(&self) -> bool {
        self.ping().await.is_ok()
    }

    async fn ping(&self) -> Answer<()> {
        let docker = self.shared.engine.docker()?;
        error::within(std::time::Duration::from_secs(5), docker.ping()).await.map(|_| ())
    }

    async fn perform_read(&self, call: &ReadCall) -> Answer<Values> {
        match call {
            ReadCall::ContainerList {} => Ok(inventory::listed(&self.services().await?)),
            ReadCall::ContainerStatus { containers } => self.status(containers).await,
            ReadCall::ContainerLogs { containers, since, until, tail, level, pattern } => {
                let wanted = logs::Wanted {
                    since: *since,
                    until: *until,
                    tail: *tail,
                    level: level.as_deref(),
                    pattern: pattern.as_deref(),
                };
                self.logs(containers, &wanted).await
            }
            ReadCall::ContainerEvents { containers, since } => self.events(containers, *since).await,
            ReadCall::ContainerResources { containers } => self.resources(containers).await,
            ReadCall::ContainerHealth { containers, endpoint, timeout } => {
                self.health(containers, endpoint.as_deref(), *timeout).await
            }
            ReadCall::ContainerConnectivity { from, to, port } => self.connectivity(from, to, *port).await,
            ReadCall::ContainerProcesses { containers } => self.processes(containers).await,
            ReadCall::ContainerDisk { containers, service } => self.disk(containers, service).await,
            ReadCall::ContainerConfig { containers, service } => self.configuration(containers, service).await,
            ReadCall::ContainerDependencies { service } => self.dependencies(service).await,
            ReadCall::ContainerHistory { service } => self.history(service).await,
            ReadCall::ContainerImage { containers, service } => self.image(containers, service).await,
            ReadCall::ContainerQuery { container, argv, timeout } => self.query(container, argv, *timeout).await,
            ReadCall::ContainerParameter { container, engine, name } => self.parameter(container, engine, name).await,
            ReadCall::ContainerOwner { container, service, path } => self.owner(container, service, path).await,
            ReadCall::ContainerSessions { container, engine } => self.sessions(container, engine).await,
            other => Err(EngineError::declined(format!("{} is not a call of a Docker environment", other.name()))),
        }
    }
}

impl Executor for DockerEnvironment {
    fn families(&self) -> &'static [&'static str] {
        &["container"]
    }

    fn read<'a>(&'a self, call: &'a ReadCall) -> BoxFuture<'a, Result<Values, ExecuteError>> {
        Box::pin(async move {
            let read = async { self.withhold(call, self.perform_read(call).await?).await };
            read.await.map_err(|error| error.for_read(call.name()))
        })
    }

    fn act(&self, cleared: Cleared) -> BoxFuture<'_, Result<Values, ExecuteError>> {
        Box::pin(async move {
            let call = cleared.call();
            if act::is_one_request(call) {
                return self.perform_act(call).await.map_err(|error| error.for_act(call.name()));
            }
            // Of several requests the first may be done when the engine goes away; so it is asked for before.
            self.ping().await.map_err(|error| error.for_read(call.name()))?;
            self.perform_act(call).await.map_err(|error| error.for_composite_act(call.name()))
        })
    }

    fn probe<'a>(&'a self, call: &'a ActCall) -> BoxFuture<'a, Result<Option<Probed>, ExecuteError>> {
        Box::pin(async move { self.how_far(call).await.map_err(|error| error.for_read(call.name())) })
    }

    fn refusal<'a>(&'a self, call: &'a ActCall) -> BoxFuture<'a, Result<Option<String>, ExecuteError>> {
        Box::pin(async move {
            let dialect = self.shared.engine.dialect().await.map_err(|error| error.for_read(call.name()))?;
            Ok(dialect.refusal(call))
        })
    }

    fn command<'a>(&'a self, call: NativeCall<'a>) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.typed(call))
    }
}

impl Environment for DockerEnvironment {
    fn inventory(&self) -> BoxFuture<'_, Result<Inventory, ExecuteError>> {
        Box::pin(async move { self.services().await.map_err(|error| error.for_read("container.list")) })
    }

    fn capture<'a>(&'a self, service: &'a Service) -> BoxFuture<'a, Result<Captured, ExecuteError>> {
        Box::pin(async move {
            let ids: Vec<String> = service.instances.iter().map(|instance| instance.id.clone()).collect();
            let captured = self.captured(&ids).await;
            captured.map_err(|error| error.for_read("container.status"))
        })
    }

    fn discard<'a>(
        &'a self,
        before: Timestamp,
        needed: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, ExecuteError>> {
        Box::pin(async move {
            let gone = self.discard_kept(before, needed).await;
            gone.map_err(|error| error.for_act("container.remove"))
        })
    }
}

//! The process environment: declared programs, each instance under a shim of its own.
//!
//! ```text
//! ProcessEnvironment ─┬─ read   status events logs resources health disk settings command    (files, /proc, probes)
//!                     ├─ act    lifecycle recreate paths command                             (orders to shims)
//!                     └─ boot   starts what should run, adopts what already does
//! ProcessTask ─────────── keep  re-adopts, counts failing probes, notes changes and what was last good
//! ```
//!
//! Nothing is remembered here that matters: state, orders and configurations are files of the shims, so the daemon can
//! be killed at any moment, and finds its services again by pid and start time.

mod act;
mod boot;
mod clear;
mod command;
mod control;
mod dependencies;
mod disk;
mod effective;
mod events;
mod health;
mod keep;
mod lifecycle;
mod logs;
mod ownership;
mod ports;
mod recreate;
mod resources;
mod service;
mod settings;
mod snapshot;
mod status;
mod typed;
mod undeclared;

pub use keep::ProcessTask;

use crate::{
    config::{EnvironmentConfig, ServiceConfig},
    domain::{ActCall, Inventory, ReadCall, Service, Timestamp, Values},
    execute::{
        Captured, Environment, ExecuteError, Executor, NativeCall, Probed, probe::Prober, restore::RestoreStore,
    },
    gate::Cleared,
};
use futures_util::future::BoxFuture;
use service::Managed;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::Arc,
};

/// What a process environment is made of.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// Its name.
    pub name: String,
    /// Folder of the shims' files; kept from run to run.
    pub state: PathBuf,
    /// The program that has the `shim` subcommand: this one.
    pub shim: PathBuf,
    /// Declared services. Those without an `argv` are only known, not run.
    pub services: BTreeMap<String, ServiceConfig>,
    /// Commands that only read, as [`crate::execute::allow`] understands them.
    pub read_only_commands: Vec<Vec<String>>,
    /// Where last good configurations and tails of logs are kept.
    pub store: RestoreStore,
}

impl ProcessConfig {
    /// From what `environments.yml` says, with the state below `data`.
    ///
    /// # Errors
    /// It cannot be told which program this is.
    pub fn of(environment: &EnvironmentConfig, data: &std::path::Path, store: RestoreStore) -> io::Result<Self> {
        Ok(Self {
            name: environment.name.clone(),
            state: data.join("processes").join(&environment.name),
            shim: std::env::current_exe()?,
            services: environment.services.clone(),
            read_only_commands: environment.read_only_commands.clone(),
            store,
        })
    }
}

/// The environment. Clones share it.
#[derive(Clone, Debug)]
pub struct ProcessEnvironment {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ProcessConfig,
    services: BTreeMap<String, Arc<Managed>>,
    /// Services of configurations before this one; they may be declared again.
    retired: BTreeMap<String, Arc<Managed>>,
    prober: Prober,
}

impl ProcessEnvironment {
    /// Adopts what runs, starts what should, and returns the environment with the task that keeps it so.
    ///
    /// # Errors
    /// The state folder cannot be used. A service that does not start is no error: that is what the environment is for.
    pub async fn build(config: ProcessConfig) -> io::Result<(Self, ProcessTask)> {
        let environment = Self::prepare(config, None)?;
        environment.begin().await;
        Ok((environment.clone(), environment.task()))
    }

    /// Makes everything ready and starts nothing. With what was there `before`, the same environment with another
    /// configuration: what still works with the old one acts on no service at the same time.
    ///
    /// # Errors
    /// The state folder cannot be used, or a service has a name that no folder can have.
    pub fn prepare(config: ProcessConfig, before: Option<&Self>) -> io::Result<Self> {
        let prober = Prober::new().map_err(io::Error::other)?;
        let inner = boot::prepare(config, prober, before.map(|before| before.inner.as_ref()))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Adopts what runs, starts what should, and says what runs although nothing declares it.
    pub async fn begin(&self) {
        boot::begin(&self.inner).await;
    }

    /// Says what runs, and goes on running, when the environment is not configured any more.
    pub async fn leave(&self) {
        undeclared::tell(&self.inner.config, &BTreeMap::new()).await;
    }

    /// The task that keeps it so.
    pub fn task(&self) -> ProcessTask {
        ProcessTask::of(self.clone())
    }

    fn managed(&self, call: &str, name: &str) -> Result<&Arc<Managed>, ExecuteError> {
        self.inner.services.get(name).ok_or_else(|| {
            let near = crate::domain::nearest(name, self.inner.services.keys().map(String::as_str));
            let hint = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
            let place = &self.inner.config.name;
            ExecuteError::permanent(call, format!("no service '{name}' is declared in environment '{place}'{hint}"))
        })
    }

    async fn answer(&self, call: &ReadCall) -> Result<Values, ExecuteError> {
        let name = call.name();
        let managed = |service: &str| self.managed(name, service);
        match call {
            ReadCall::ProcessList {} => self.list().await,
            ReadCall::ProcessStatus { service } => self.status(name, managed(service)?).await,
            ReadCall::ProcessLogs { service, since, until, tail, level, pattern } => {
                let wanted = logs::Wanted { since: *since, until: *until, tail: *tail, level, pattern };
                logs::logs(name, managed(service)?, &wanted).await
            }
            ReadCall::ProcessEvents { service, since } => events::events(name, managed(service)?, *since).await,
            ReadCall::ProcessResources { service } => resources::resources(name, managed(service)?).await,
            ReadCall::ProcessHealth { service, endpoint, timeout } => {
                self.health(name, managed(service)?, endpoint.as_deref(), *timeout).await
            }
            ReadCall::ProcessConnectivity { from, to, port } => {
                self.connectivity(name, managed(from)?, managed(to)?, *port).await
            }
            ReadCall::ProcessProcesses { service } => resources::processes(name, managed(service)?).await,
            ReadCall::ProcessDisk { service } => disk::disk(name, managed(service)?).await,
            ReadCall::ProcessConfig { service } => self.settings(name, managed(service)?).await,
            ReadCall::ProcessDependencies { service } => self.dependencies(name, managed(service)?).await,
            ReadCall::ProcessHistory { service } => settings::history(name, managed(service)?).await,
            ReadCall::ProcessImage { service } => settings::image(name, managed(service)?).await,
            ReadCall::ProcessQuery { service, argv, timeout } => {
                self.query(name, managed(service)?, argv, *timeout).await
            }
            ReadCall::ProcessParameter { service, engine, name: parameter } => {
                command::parameter(name, managed(service)?, engine, parameter).await
            }
            ReadCall::ProcessOwner { service, path } => ownership::owner(name, managed(service)?, path).await,
            ReadCall::ProcessSessions { service, engine } => command::sessions(name, managed(service)?, engine).await,
            _ => Err(not_ours(name)),
        }
    }
}

fn not_ours(call: &str) -> ExecuteError {
    ExecuteError::permanent(call, "this is not a call of a process environment")
}

impl Executor for ProcessEnvironment {
    fn families(&self) -> &'static [&'static str] {
        &["process"]
    }

    fn read<'a>(&'a self, call: &'a ReadCall) -> BoxFuture<'a, Result<Values, ExecuteError>> {
        Box::pin(self.answer(call))
    }

    fn act(&self, cleared: Cleared) -> BoxFuture<'_, Result<Values, ExecuteError>> {
        Box::pin(async move { self.perform(cleared.call()).await })
    }

    fn probe<'a>(&'a self, call: &'a ActCall) -> BoxFuture<'a, Result<Option<Probed>, ExecuteError>> {
        Box::pin(async move {
            match call {
                ActCall::ProcessRecreate { service, key, .. } => {
                    recreate::probe_recreate(call.name(), self.managed(call.name(), service)?, key).await.map(Some)
                }
                ActCall::ProcessRestore { service, key } => {
                    recreate::probe_restore(call.name(), self.managed(call.name(), service)?, key).await.map(Some)
                }
                _ => Ok(None),
            }
        })
    }

    fn command<'a>(&'a self, call: NativeCall<'a>) -> BoxFuture<'a, Option<String>> {
        Box::pin(self.typed(call))
    }
}

impl Environment for ProcessEnvironment {
    fn inventory(&self) -> BoxFuture<'_, Result<Inventory, ExecuteError>> {
        Box::pin(self.take_inventory())
    }

    fn capture<'a>(&'a self, service: &'a Service) -> BoxFuture<'a, Result<Captured, ExecuteError>> {
        Box::pin(async move {
            let managed = self.managed("process.status", &service.name)?;
            let status = self.status("process.status", managed).await?;
            Ok(Captured { status, identity: settings::identity("process.status", managed).await? })
        })
    }

    fn discard<'a>(
        &'a self,
        before: Timestamp,
        needed: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, ExecuteError>> {
        Box::pin(async move {
            let mut gone = Vec::new();
            for managed in self.inner.services.values() {
                gone.extend(recreate::discard(managed, before, needed.clone()).await?);
            }
            Ok(gone)
        })
    }
}

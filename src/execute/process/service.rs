//! One declared service and where its files are.

use crate::{
    config::{RestartPolicy, ServiceConfig},
    domain::{Timestamp, clean_text},
    execute::{ExecuteError, probe::Answer},
    shim::{InstanceFolder, Launch, ServiceFolder},
};
use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// More instances than this of one service is a slip of the finger.
pub(super) const MOST_REPLICAS: u32 = 50;

/// Characters of what a look at the health endpoint brought.
const LOOK_LENGTH: usize = 300;

/// A declared service.
#[derive(Debug)]
pub(super) struct Managed {
    pub(super) name: String,
    pub(super) declared: ServiceConfig,
    pub(super) folder: ServiceFolder,
    /// One action at a time: each reads an order, changes it and waits for the shim.
    pub(super) acting: Arc<tokio::sync::Mutex<()>>,
    /// One note of a change at a time, or it would be noted twice.
    pub(super) noting: Arc<Mutex<()>>,
    observed: Mutex<Observed>,
}

/// What only repeated looking can tell; lost with the daemon, and soon known again.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// The last looks at its health endpoint, newest last.
    pub(super) looks: VecDeque<Look>,
    /// Probes of the health endpoint that failed in a row.
    pub(super) failing_streak: i64,
    /// Since when it has been ready at every look.
    pub(super) ready_since: Option<Instant>,
    /// Whether the present configuration is known as good.
    pub(super) recorded: bool,
}

/// A look at the health endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) at: Timestamp,
    pub(super) healthy: bool,
    pub(super) output: String,
}

/// Looks that are told.
const LOOKS: usize = 5;

impl Observed {
    /// Takes note of what the health endpoint answered.
    pub(super) fn looked(&mut self, answer: &Answer) {
        let output = match answer.status {
            Some(status) if answer.healthy => format!("answered {status}"),
            _ if answer.healthy => "answered".to_owned(),
            _ => clean_text(&answer.error, LOOK_LENGTH),
        };
        self.looks.push_back(Look { at: chrono::Utc::now(), healthy: answer.healthy, output });
        while self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
    }
}

impl Managed {
    pub(super) fn new(name: &str, declared: ServiceConfig, folder: ServiceFolder) -> Self {
        let observed = Mutex::default();
        Self { name: name.to_owned(), declared, folder, acting: Arc::default(), noting: Arc::default(), observed }
    }

    /// The same service under another declaration: still one action at a time.
    pub(super) fn renewed(&self, declared: ServiceConfig) -> Self {
        Self {
            acting: self.acting.clone(),
            noting: self.noting.clone(),
            ..Self::new(&self.name, declared, self.folder.clone())
        }
    }

    /// A plain value under a lock that is never held over an await; a poisoned one is still whole.
    pub(super) fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is declared, as the shim takes it.
    pub(super) fn declared_launch(&self) -> Launch {
        let (restart, retries) = match self.declared.restart {
            RestartPolicy::No => ("no", 0),
            RestartPolicy::Always => ("always", 0),
            RestartPolicy::UnlessStopped => ("unless-stopped", 0),
            RestartPolicy::OnFailure(retries) => ("on-failure", retries),
        };
        Launch {
            argv: self.declared.argv.clone(),
            environment: self.declared.environment.iter().map(|(n, v)| (n.clone(), v.expose().to_owned())).collect(),
            working_dir: self.declared.working_dir.clone(),
            memory: self.declared.memory.map(|size| size.0),
            restart: restart.to_owned(),
            retries,
            log_file: self.declared.log_file.clone(),
        }
    }

    /// The effective configuration.
    pub(super) fn launch(&self) -> io::Result<Launch> {
        Ok(self.folder.launch()?.unwrap_or_else(|| self.declared_launch()))
    }

    /// How many instances there should be.
    pub(super) fn replicas(&self) -> io::Result<u32> {
        let scaled: Option<u32> = crate::shim::folder::read_json(&self.folder.path().join("replicas.json"))?;
        Ok(scaled.unwrap_or(self.declared.replicas).min(MOST_REPLICAS))
    }

    /// Its instances' folders, by number from 1.
    pub(super) fn instances(&self) -> io::Result<Vec<(u32, InstanceFolder)>> {
        Ok((1..=self.replicas()?).map(|n| (n, self.folder.instance(n))).collect())
    }

    /// The name of an instance: that of the service, with a number from the second one on.
    pub(super) fn instance_name(&self, n: u32) -> String {
        if n == 1 { self.name.clone() } else { format!("{}-{n}", self.name) }
    }

    /// TCP ports that it serves on, as far as its declaration tells.
    pub(super) fn ports(&self) -> BTreeSet<u16> {
        let health = self.declared.health.as_deref().and_then(|endpoint| endpoint.split_once("://"));
        let authority = health.map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
        [self.declared.address.as_deref(), authority]
            .into_iter()
            .flatten()
            .filter_map(|address| address.rsplit_once(':')?.1.parse().ok())
            .collect()
    }

    /// `host:port` where it is reached.
    pub(super) fn address(&self) -> Option<String> {
        let first = self.ports().into_iter().next().map(|port| format!("127.0.0.1:{port}"));
        self.declared.address.clone().or(first)
    }
}

/// Runs file and `/proc` work off the runtime.
pub(super) async fn blocking<T: Send + 'static>(
    call: &str,
    managed: &Arc<Managed>,
    work: impl FnOnce(&Managed) -> io::Result<T> + Send + 'static,
) -> Result<T, ExecuteError> {
    let managed = managed.clone();
    match tokio::task::spawn_blocking(move || work(&managed)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ExecuteError::transient(call, error)),
        Err(error) => Err(ExecuteError::transient(call, error)),
    }
}

//! For `oncalld plan` and `oncalld journal verify`: looking, without a daemon and without touching anything.

use super::AppError;
use crate::config::{Config, EnvironmentConfig, KindSetting};
use crate::domain::{Delivery, EnvironmentKind, Instance, Inventories, Inventory, Redactor, Service};
use crate::execute::{
    Environment as _,
    docker::{self, DockerConfig},
    restore::RestoreStore,
};
use crate::flow::{self, Preview};
use crate::journal::{Verification, sqlite};
use chrono::Utc;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How long an engine may take to list its containers.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a delivery would lead to, and what could not be looked at.
#[derive(Debug)]
pub struct Previewed {
    /// Incidents that would be opened.
    pub incidents: Vec<Preview>,
    /// Environments whose inventory could not be read: targets there stay unknown.
    pub problems: Vec<String>,
}

/// Previews a delivery against what runs now. Services of process environments are those that are declared.
///
/// # Errors
/// There is no room for temporary files.
pub async fn preview(config: &Config, delivery: &Delivery) -> Result<Previewed, AppError> {
    let scratch = Scratch::new();
    let failed = |source| AppError::Folder { path: scratch.0.clone(), source };
    let store = RestoreStore::open(scratch.0.clone()).await.map_err(failed)?;
    let (mut inventories, mut kinds, mut problems) = (Inventories::new(), BTreeMap::new(), Vec::new());
    for (name, environment) in &config.environments {
        let (kind, seen) = look(environment, &store).await;
        kinds.insert(name.clone(), kind);
        match seen {
            Ok(inventory) => drop(inventories.insert(name.clone(), inventory)),
            Err(problem) => problems.push(format!("environment {name}: {problem}")),
        }
    }
    Ok(Previewed { incidents: flow::preview(delivery, config, &inventories, &kinds), problems })
}

async fn look(environment: &EnvironmentConfig, store: &RestoreStore) -> (EnvironmentKind, Result<Inventory, String>) {
    if environment.kind == KindSetting::Fixed(EnvironmentKind::Process) {
        return (EnvironmentKind::Process, Ok(declared(environment)));
    }
    let settings = DockerConfig::of(environment, store.clone(), Redactor::default(), Vec::new());
    // The watcher is what would change anything, and it is not run.
    let (docker, _) = match docker::build(settings).await {
        Ok(built) => built,
        Err(error) => return (EnvironmentKind::Docker, Err(error.to_string())),
    };
    if environment.kind == KindSetting::Auto && !docker.answers().await {
        return (EnvironmentKind::Process, Ok(declared(environment)));
    }
    let seen = match tokio::time::timeout(PATIENCE, docker.inventory()).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the engine did not answer within {} s", PATIENCE.as_secs())),
    };
    (EnvironmentKind::Docker, seen)
}

/// A process environment runs what is declared, so what is declared is its inventory.
fn declared(environment: &EnvironmentConfig) -> Inventory {
    let service = |(name, declared): (&String, &crate::config::ServiceConfig)| {
        let instance =
            Instance { id: name.clone(), name: name.clone(), state: "unknown".into(), ..Instance::default() };
        let service = Service {
            name: name.clone(),
            aliases: declared.aliases.clone(),
            instances: vec![instance],
            depends_on: declared.depends_on.clone(),
            addresses: declared.address.iter().cloned().collect(),
            health: declared.health.clone(),
            job: declared.job,
            protected: declared.protected.then(|| "declared as protected".to_owned()),
            ..Service::default()
        };
        (name.clone(), service)
    };
    let services = environment.services.iter().map(service).collect();
    Inventory { services, read_at: Some(Utc::now()), stale: None }
}

/// A folder of this process's own that is removed in the end: an executor wants a store, and the daemon's is not ours.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("oncalld-plan-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left behind it is a few empty folders.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Checks the whole hash chain of the configured journal; a daemon may be using it.
///
/// # Errors
/// The journal cannot be read, or it is not what was written.
pub async fn verify_journal(config: &Config) -> Result<Verification, AppError> {
    Ok(sqlite::verify(&sqlite::path_of(&config.platform.journal)?).await?)
}

//! The configured environments, built: where services run, and what else their calls need.

use super::{AppError, Task};
use crate::config::{Config, Endpoint, EnvironmentConfig, KindSetting, Secret};
use crate::domain::{EnvironmentKind, Redactor};
use crate::engine::{Place, Places};
use crate::execute::{
    Environment, Executor,
    alertmanager::Alertmanager,
    docker::{self, DockerConfig},
    process::{ProcessConfig, ProcessEnvironment},
    prometheus::Prometheus,
    restore::RestoreStore,
};
use crate::notify::{Notifier, NotifyExecutor};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Builds all environments, and the tasks that serve them until `stop`.
pub(super) async fn build(
    config: &Config,
    store: &RestoreStore,
    redactor: &Redactor,
    notifiers: &[Arc<dyn Notifier>],
    stop: &CancellationToken,
) -> Result<(Places, Vec<Task>), AppError> {
    let mut places = Places::new();
    let mut tasks = Vec::new();
    for (name, environment) in &config.environments {
        let failed = |problem: String| AppError::Environment { environment: name.clone(), problem };
        let built = settled(config, environment, store, redactor, stop).await.map_err(failed)?;
        tracing::info!(environment = name, kind = %built.kind, "environment");
        tasks.push(built.task);
        let (mut executors, alertmanager) = queried(environment).map_err(failed)?;
        executors.push(Arc::new(NotifyExecutor::new(name.clone(), notifiers.iter().cloned())));
        places.insert(
            name.clone(),
            Place {
                kind: built.kind,
                environment: built.environment,
                executors,
                alertmanager,
                inventory_every: environment.inventory_every.as_std(),
            },
        );
    }
    Ok((places, tasks))
}

/// An environment whose kind is settled.
struct Settled {
    kind: EnvironmentKind,
    environment: Arc<dyn Environment>,
    task: Task,
}

/// Builds the environment itself. `auto` is Docker where its engine answers now, else processes.
async fn settled(
    config: &Config,
    environment: &EnvironmentConfig,
    store: &RestoreStore,
    redactor: &Redactor,
    stop: &CancellationToken,
) -> Result<Settled, String> {
    if environment.kind != KindSetting::Fixed(EnvironmentKind::Process) {
        let settings = DockerConfig::of(environment, store.clone(), redactor.clone(), Vec::new());
        let (docker, watcher) = docker::build(settings).await.map_err(|error| error.to_string())?;
        if environment.kind != KindSetting::Auto || docker.answers().await {
            let task = Box::pin(watcher.run(stop.clone()));
            return Ok(Settled {
                kind: EnvironmentKind::Docker,
                environment: Arc::new(docker),
                task: ("docker", task),
            });
        }
    }
    let settings = ProcessConfig::of(environment, &config.platform.data_dir, store.clone());
    let built = ProcessEnvironment::build(settings.map_err(|error| error.to_string())?).await;
    let (process, task) = built.map_err(|error| error.to_string())?;
    let task = Box::pin(task.run());
    Ok(Settled { kind: EnvironmentKind::Process, environment: Arc::new(process), task: ("processes", task) })
}

/// Executors of what is only queried, and the Alertmanager among them.
type Queried = (Vec<Arc<dyn Executor>>, Option<Arc<Alertmanager>>);

/// What the environment's calls may need besides: its Prometheus and its Alertmanager.
fn queried(environment: &EnvironmentConfig) -> Result<Queried, String> {
    let bearer = |endpoint: &Endpoint| endpoint.bearer.as_ref().map(Secret::expose).map(str::to_owned);
    let mut executors: Vec<Arc<dyn Executor>> = Vec::new();
    if let Some(endpoint) = &environment.prometheus {
        executors.push(Arc::new(Prometheus::new(&endpoint.url, bearer(endpoint).as_deref(), endpoint.timeout)?));
    }
    let alertmanager = match &environment.alertmanager {
        Some(endpoint) => {
            let built = Arc::new(Alertmanager::new(&endpoint.url, bearer(endpoint).as_deref(), endpoint.timeout)?);
            executors.push(built.clone());
            Some(built)
        }
        None => None,
    };
    Ok((executors, alertmanager))
}

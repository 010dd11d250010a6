//! Beginning: what runs is adopted, what should run is started.

use super::{
    Inner, ProcessConfig, control, effective,
    service::{Managed, blocking},
    snapshot::Snapshot,
    undeclared,
};
use crate::{
    domain::ExitReason,
    execute::probe::Prober,
    shim::{
        InstanceFolder, RunState, ServiceFolder, Want,
        control::{Command, adopt},
    },
};
use futures_util::future::join_all;
use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Component, Path},
    sync::Arc,
};

/// What to do with an instance that is found at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// It was never started.
    New,
    /// Its program and its shim live.
    Watched,
    /// Its program lives without a shim.
    Orphaned,
    /// It should run, and died with its shim, as when the machine went down.
    Lost,
    /// It is as it was left.
    Settled,
}

/// Makes everything ready; nothing is started.
pub(super) fn prepare(config: ProcessConfig, prober: Prober, before: Option<&Inner>) -> io::Result<Inner> {
    DirBuilder::new().recursive(true).mode(0o700).create(&config.state)?;
    let state = config.state.canonicalize()?;
    let config = ProcessConfig { state, ..config };
    let mut retired: BTreeMap<String, Arc<Managed>> =
        before.into_iter().flat_map(|inner| inner.retired.iter().chain(&inner.services)).map(owned).collect();
    let mut services = BTreeMap::new();
    for (name, declared) in config.services.iter().filter(|(_, declared)| !declared.argv.is_empty()) {
        check_name(name)?;
        let managed = match retired.remove(name) {
            Some(known) if known.declared == *declared => known,
            Some(known) => Arc::new(known.renewed(declared.clone())),
            None => Arc::new(Managed::new(name, declared.clone(), ServiceFolder::new(&config.state, name))),
        };
        services.insert(name.clone(), managed);
    }
    Ok(Inner { config, services, retired, prober })
}

fn owned((name, managed): (&String, &Arc<Managed>)) -> (String, Arc<Managed>) {
    (name.clone(), managed.clone())
}

/// Adopts what runs and starts what should. A service that does not start is no error here.
pub(super) async fn begin(inner: &Inner) {
    let config = &inner.config;
    for managed in in_order(&inner.services) {
        let _acting = managed.acting.lock().await;
        if let Err(error) = boot_service(config, managed).await {
            tracing::error!(service = managed.name, environment = config.name, %error, "the service cannot be started");
        }
    }
    undeclared::tell(config, &inner.services).await;
}

/// Dependencies first; among a circle of them, by name.
pub(super) fn in_order(services: &BTreeMap<String, Arc<Managed>>) -> Vec<&Arc<Managed>> {
    let mut ordered: Vec<&Arc<Managed>> = Vec::new();
    let mut left: Vec<&Arc<Managed>> = services.values().collect();
    while !left.is_empty() {
        let waits = |managed: &&Arc<Managed>| {
            let needed = &managed.declared.depends_on;
            left.iter().any(|other| other.name != managed.name && needed.contains(&other.name))
        };
        let next = left.iter().position(|managed| !waits(managed)).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

async fn boot_service(config: &ProcessConfig, managed: &Arc<Managed>) -> Result<(), String> {
    let text = |error: crate::execute::ExecuteError| error.to_string();
    let instances = blocking("process.start", managed, |managed| {
        let taken_over = effective::take_over_declaration(managed)?;
        effective::note_changes(managed)?;
        let instances = Snapshot::all(managed)?;
        let runs = instances.iter().any(|instance| instance.main.is_some());
        if taken_over && runs {
            tracing::info!(
                service = managed.name,
                "its declaration is another; what runs goes on as it was started, until the service is restarted"
            );
        }
        Ok(instances)
    })
    .await
    .map_err(text)?;
    let one_by_one = instances.iter().map(|instance| boot_instance(config, managed, instance));
    for result in join_all(one_by_one).await {
        result?;
    }
    Ok(())
}

async fn boot_instance(config: &ProcessConfig, managed: &Managed, instance: &Snapshot) -> Result<(), String> {
    let service = &managed.name;
    match found(managed, instance).map_err(|error| error.to_string())? {
        Found::New | Found::Lost => start(config, &instance.folder).await,
        Found::Watched => {
            tracing::info!(service, instance = instance.name, "adopted");
            Ok(())
        }
        Found::Orphaned => {
            tracing::warn!(service, instance = instance.name, "adopted without its shim, which gets a successor");
            adopt(&config.shim, &instance.folder).map(drop).map_err(|error| error.to_string())
        }
        Found::Settled => Ok(()),
    }
}

fn found(managed: &Managed, instance: &Snapshot) -> io::Result<Found> {
    if !instance.known && instance.order.generation == 0 {
        return Ok(Found::New);
    }
    if instance.main.is_some() {
        return Ok(if instance.shim_alive { Found::Watched } else { Found::Orphaned });
    }
    if instance.shim_alive {
        return Ok(Found::Watched); // between two runs
    }
    // A shim that was told to end, as by a machine that shuts down, took its program along; nobody stopped the service.
    let left = instance.state.status == RunState::Exited && instance.state.exit_reason == ExitReason::Stopped;
    let cut_off = matches!(instance.state.status, RunState::Running | RunState::Restarting | RunState::Starting);
    let lost = instance.order.want != Want::Stopped && (left || (cut_off && managed.launch()?.restarts(false, 0)));
    Ok(if lost { Found::Lost } else { Found::Settled })
}

async fn start(config: &ProcessConfig, instance: &InstanceFolder) -> Result<(), String> {
    control::order("process.start", config, instance, Command::start())
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

/// A name becomes the name of a folder.
fn check_name(name: &str) -> io::Result<()> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name && name.len() <= 100 => Ok(()),
        _ => {
            let problem =
                format!("'{name}' cannot be the name of a service that is run here; use letters, digits and '-'");
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for wrong in ["", ".", "..", "a/b", "/etc", "a/", &"x".repeat(101)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
        assert!(check_name("api-2").is_ok());
    }
}

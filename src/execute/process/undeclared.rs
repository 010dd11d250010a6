//! What runs under a shim although nothing declares it any more. Nobody ends it but people: they are told how.

use super::{ProcessConfig, service::Managed};
use crate::shim::ServiceFolder;
use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

/// Instances that are told of at once; more are a sign of something else.
const AT_MOST: usize = 100;

/// A shim that lives, and what it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Undeclared {
    service: String,
    instance: u32,
    shim: i32,
}

/// Says of every instance that runs undeclared how it can be ended.
pub(super) async fn tell(config: &ProcessConfig, services: &BTreeMap<String, Arc<Managed>>) {
    let (state, services) = (config.state.clone(), services.clone());
    let found = tokio::task::spawn_blocking(move || find(&state, &services)).await;
    match found.map_err(io::Error::other).flatten() {
        Ok(undeclared) => {
            for Undeclared { service, instance, shim } in undeclared {
                tracing::warn!(
                    environment = config.name,
                    service,
                    instance,
                    "it runs and is not declared any more: it goes on, and nobody watches it; end it with `kill {shim}`, \
                     or declare it again"
                );
            }
        }
        Err(error) => {
            tracing::warn!(environment = config.name, %error, "it cannot be told what runs undeclared");
        }
    }
}

fn find(state: &Path, services: &BTreeMap<String, Arc<Managed>>) -> io::Result<Vec<Undeclared>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(state)? {
        let service = entry?.file_name().to_string_lossy().into_owned();
        let folder = ServiceFolder::new(state, &service);
        let declared = services.get(&service).map_or(Ok(0), |managed| managed.replicas())?;
        for instance in instances(folder.path())?.into_iter().filter(|instance| *instance > declared) {
            let shim = folder.instance(instance).state()?.and_then(|state| state.shim);
            if let Some(shim) = shim.filter(|shim| shim.alive().is_some())
                && found.len() < AT_MOST
            {
                found.push(Undeclared { service: service.clone(), instance, shim: shim.pid });
            }
        }
    }
    Ok(found)
}

/// Numbers of the instances that have a folder.
fn instances(service: &Path) -> io::Result<Vec<u32>> {
    let Ok(entries) = fs::read_dir(service) else { return Ok(Vec::new()) }; // a file is no service
    let mut found = Vec::new();
    for entry in entries {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

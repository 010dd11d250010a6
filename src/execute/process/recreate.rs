//! Starting a service with another configuration, and with the old one again.
//!
//! The old configuration is kept as `kept-<key>.json` beside the effective one, mode 0600, before anything is changed.

use super::{
    ProcessConfig,
    act::acted,
    control, effective,
    service::{Managed, blocking},
    snapshot::{Snapshot, instances},
};
use crate::{
    domain::{Digest, ExitReason, Timestamp, Values},
    execute::{ExecuteError, Probed},
    shim::{
        Launch, RunState,
        control::Command,
        folder::{read_json, write_json},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// How long the program may take to end before it is started anew.
const GRACE: Duration = Duration::from_secs(10);

/// What is to be different.
pub(super) struct Change<'a> {
    pub(super) image: &'a Option<String>,
    pub(super) command_from: &'a Option<String>,
    pub(super) restore: &'a [String],
    pub(super) set: &'a BTreeMap<String, String>,
    pub(super) remove: &'a [String],
    pub(super) from: &'a Option<String>,
}

/// What a recreation keeps.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    before: Launch,
    /// Digest of what replaced it.
    after: Digest,
    /// It was put back.
    restored: bool,
}

pub(super) async fn recreate(
    call: &str,
    config: &ProcessConfig,
    managed: &Arc<Managed>,
    key: &str,
    change: &Change<'_>,
) -> Result<Values, ExecuteError> {
    let kept_at = kept_path(call, managed, key)?;
    let before = blocking(call, managed, |managed| managed.launch()).await?;
    let after = changed(call, config, managed, &before, change).await?;
    let digest = after.digest();
    let kept = Kept { before, after: digest.clone(), restored: false };
    blocking(call, managed, move |managed| {
        if !kept_at.exists() {
            write_json(&kept_at, &kept, true)?;
        }
        managed.folder.set_launch(&after)
    })
    .await?;
    start_anew(call, config, managed).await.map_err(|error| error.after_others(true))?;
    Ok(acted(true, format!("runs with configuration {}", digest.short())))
}

pub(super) async fn restore(
    call: &str,
    config: &ProcessConfig,
    managed: &Arc<Managed>,
    key: &str,
) -> Result<Values, ExecuteError> {
    let kept_at = kept_path(call, managed, key)?;
    let kept: Option<Kept> = blocking(call, managed, move |_| read_json(&kept_at)).await?;
    let Some(kept) = kept else {
        return Err(ExecuteError::permanent(call, format!("nothing was kept as '{key}'")));
    };
    let kept_at = kept_path(call, managed, key)?;
    let digest = kept.before.digest();
    blocking(call, managed, move |managed| {
        managed.folder.set_launch(&kept.before)?;
        write_json(&kept_at, &Kept { restored: true, ..kept }, true)
    })
    .await?;
    start_anew(call, config, managed).await.map_err(|error| error.after_others(true))?;
    Ok(acted(true, format!("runs with configuration {} again", digest.short())))
}

/// The configuration as it is to be. Nothing is done if a value is not to be had.
async fn changed(
    call: &str,
    config: &ProcessConfig,
    managed: &Managed,
    before: &Launch,
    change: &Change<'_>,
) -> Result<Launch, ExecuteError> {
    let mut after = before.clone();
    if let Some(from) = change.command_from {
        after.argv = source(call, config, managed, from).await?.argv;
    }
    if let Some(program) = change.image {
        match after.argv.first_mut() {
            Some(first) => first.clone_from(program),
            None => after.argv.push(program.clone()),
        }
    }
    for name in change.remove {
        after.environment.remove(name);
    }
    after.environment.extend(change.set.iter().map(|(name, value)| (name.clone(), value.clone())));
    if !change.restore.is_empty() {
        let from = change.from.as_deref().unwrap_or("last_good");
        let good = source(call, config, managed, from).await?;
        for name in change.restore {
            let value = good.environment.get(name).ok_or_else(|| {
                ExecuteError::permanent(
                    call,
                    format!("the {} configuration has no {name} either", from.replace('_', " ")),
                )
            })?;
            after.environment.insert(name.clone(), value.clone());
        }
    }
    Ok(after)
}

async fn source(call: &str, config: &ProcessConfig, managed: &Managed, from: &str) -> Result<Launch, ExecuteError> {
    match from {
        "declared" => Ok(managed.declared_launch()),
        "last_good" => {
            let good = effective::last_good(config, managed).await;
            let good = good.map_err(|error| ExecuteError::transient(call, error))?;
            let unknown = || ExecuteError::permanent(call, "no last good configuration is known; use the declared one");
            good.map(|good| good.launch).ok_or_else(unknown)
        }
        other => {
            Err(ExecuteError::permanent(call, format!("'{other}' is no source of values; use declared or last_good")))
        }
    }
}

async fn start_anew(call: &str, config: &ProcessConfig, managed: &Arc<Managed>) -> Result<(), ExecuteError> {
    for instance in instances(call, managed).await? {
        let state = control::order(call, config, &instance.folder, Command::restart(GRACE)).await?;
        if state.status == RunState::Created && state.exit_reason == ExitReason::StartFailed {
            // It was done, only it did not help: the verification will say so, and the undo take it back.
            tracing::warn!(
                instance = instance.name,
                error = state.error,
                "it does not start with its new configuration"
            );
        }
    }
    Ok(())
}

pub(super) async fn probe_recreate(call: &str, managed: &Arc<Managed>, key: &str) -> Result<Probed, ExecuteError> {
    let kept_at = kept_path(call, managed, key)?;
    blocking(call, managed, move |managed| {
        let Some(kept) = read_json::<Kept>(&kept_at)? else { return Ok(Probed::NotHappened) };
        Ok(compare(managed, &kept.after)?.unwrap_or_else(|| {
            Probed::Unknown("the old configuration was kept, but the new one is not in force".into())
        }))
    })
    .await
}

pub(super) async fn probe_restore(call: &str, managed: &Arc<Managed>, key: &str) -> Result<Probed, ExecuteError> {
    let kept_at = kept_path(call, managed, key)?;
    blocking(call, managed, move |managed| match read_json::<Kept>(&kept_at)? {
        Some(kept) if kept.restored => Ok(compare(managed, &kept.before.digest())?
            .unwrap_or_else(|| Probed::Unknown("the configuration was put back, but is not in force".into()))),
        Some(kept) if managed.launch()?.digest() == kept.after => Ok(Probed::NotHappened),
        Some(_) => Ok(Probed::Unknown("the configuration is neither the old nor the new one".into())),
        None => Ok(Probed::NotHappened),
    })
    .await
}

/// Deletes kept configurations that were last written before a time, but for the keys that are needed.
pub(super) async fn discard(
    managed: &Arc<Managed>,
    before: Timestamp,
    needed: BTreeSet<String>,
) -> Result<Vec<String>, ExecuteError> {
    blocking("process.restore", managed, move |managed| {
        let folder = managed.folder.path();
        let mut gone = Vec::new();
        if !folder.exists() {
            return Ok(gone);
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let key = name.to_str().and_then(|name| name.strip_prefix("kept-")?.strip_suffix(".json"));
            let Some(key) = key.filter(|key| !needed.contains(*key)) else { continue };
            let written: Timestamp = entry.metadata()?.modified()?.into();
            if written < before {
                fs::remove_file(entry.path())?;
                gone.push(format!("configuration of {} kept as {key}", managed.name));
            }
        }
        Ok(gone)
    })
    .await
}

/// Happened, if every instance was started with this configuration.
fn compare(managed: &Managed, wanted: &Digest) -> std::io::Result<Option<Probed>> {
    let in_force = managed.launch()?.digest() == *wanted
        && Snapshot::all(managed)?.iter().all(|instance| instance.state.config.as_ref() == Some(wanted));
    Ok(in_force.then_some(Probed::Happened))
}

fn kept_path(call: &str, managed: &Managed, key: &str) -> Result<PathBuf, ExecuteError> {
    let plain =
        !key.is_empty() && key.len() <= 64 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if plain {
        Ok(managed.folder.path().join(format!("kept-{key}.json")))
    } else {
        Err(ExecuteError::permanent(call, format!("'{key}' is not a key: use letters, digits, '-' and '_'")))
    }
}

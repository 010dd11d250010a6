//! `process.config`, `process.history`, `process.image`, and what a service is identified by.

use super::{
    ProcessEnvironment, effective,
    events::values,
    service::{Managed, blocking},
};
use crate::{
    domain::{Digest, Timestamp, Values},
    execute::{
        ExecuteError,
        comparison::{Source, compare},
    },
    shim::Launch,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Changes that a result lists.
const MOST_LISTED: usize = 50;

impl ProcessEnvironment {
    pub(super) async fn settings(&self, call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
        let last_good = effective::last_good(&self.inner.config, managed).await;
        let last_good = last_good.map_err(|error| ExecuteError::transient(call, error))?;
        blocking(call, managed, move |managed| {
            effective::note_changes(managed)?;
            let now = managed.launch()?;
            let declared = effective::comparable(&managed.declared_launch());
            // A declaration is whole here, as a last good configuration is elsewhere: what it leaves out should not be.
            let difference = compare(&effective::comparable(&now), &declared, Source::LastGood);
            let word = |name: &String| {
                let differs = difference.changed.contains(name) || difference.added.contains(name);
                if differs { "[redacted: not as declared]" } else { "[redacted: as declared]" }
            };
            let environment: BTreeMap<&String, &str> = now.environment.keys().map(|name| (name, word(name))).collect();
            Ok(values(json!({
                "source": Source::Declared.as_str(),
                "environment": environment,
                "missing": difference.missing,
                "changed": difference.changed,
                "added": difference.added,
                "command": now.argv,
                "command_changed": difference.command_changed,
                "image": effective::program(&now),
                "image_changed": difference.image_changed,
                "limits_changed": difference.limits_changed,
                "networks_missing": [],
                "ports_changed": false,
                "last_good_at": last_good.map(|good| good.at),
                "changed_at": effective::changes(managed)?.last().map(|change| change.at),
                "config_digest": now.digest(),
                "mounts": [],
            })))
        })
        .await
    }
}

pub(super) async fn history(call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
    blocking(call, managed, |managed| {
        effective::note_changes(managed)?;
        let changes = effective::changes(managed)?;
        let listed: Vec<Value> = changes
            .iter()
            .rev()
            .take(MOST_LISTED)
            .map(|change| {
                json!({"at": change.at, "what": change.what, "from": change.from.digest.short(), "to": change.to.digest.short()})
            })
            .collect();
        let of_program = changes.iter().rev().find(|change| change.from.program != change.to.program);
        let previous = of_program.map_or("", |change| change.from.program.as_str());
        let present = !previous.is_empty() && find_program(previous, &managed.launch()?).is_some();
        Ok(values(json!({
            "changes": listed,
            "last_change_at": changes.last().map(|change| change.at),
            "image_changed_at": of_program.map(|change| change.at),
            "previous_image": previous,
            "previous_present": present,
        })))
    })
    .await
}

pub(super) async fn image(call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
    blocking(call, managed, |managed| {
        let launch = managed.launch()?;
        let found = find_program(effective::program(&launch), &launch);
        let metadata = found.as_ref().and_then(|path| fs::metadata(path).ok());
        let created = metadata.as_ref().and_then(|metadata| metadata.modified().ok()).map(Timestamp::from);
        let changes = effective::changes(managed)?;
        let of_program = changes.iter().rev().find(|change| change.from.program != change.to.program);
        let previous = of_program.map_or("", |change| change.from.program.as_str());
        Ok(values(json!({
            "reference": effective::program(&launch),
            "id": program_id(&launch),
            "present": found.is_some(),
            "created": created,
            "architecture": if found.is_some() { env::consts::ARCH } else { "" },
            "host_architecture": env::consts::ARCH,
            "size": metadata.map(|metadata| metadata.len()),
            "previous": previous,
            "previous_present": !previous.is_empty() && find_program(previous, &launch).is_some(),
        })))
    })
    .await
}

/// Program by instance. It stays the same over restarts, and changes when the program's file is replaced.
pub(super) async fn identity(call: &str, managed: &Arc<Managed>) -> Result<BTreeMap<String, String>, ExecuteError> {
    blocking(call, managed, |managed| {
        let id = program_id(&managed.launch()?);
        Ok(managed.instances()?.into_iter().map(|(n, _)| (managed.instance_name(n), id.clone())).collect())
    })
    .await
}

/// Identifies the very file that would be executed. Its content is not read: a program may have hundreds of MiB.
pub(super) fn program_id(launch: &Launch) -> String {
    let Some(path) = find_program(effective::program(launch), launch) else { return String::new() };
    let Ok(metadata) = fs::metadata(&path) else { return String::new() };
    let facts = (&path, metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    format!("file:{}", Digest::of_json(&facts))
}

/// Where a program is that is named as in an argv.
fn find_program(name: &str, launch: &Launch) -> Option<PathBuf> {
    let is_file = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    if name.is_empty() {
        return None;
    }
    if name.contains('/') {
        let folder = launch.working_dir.clone().unwrap_or_default();
        return Some(folder.join(name)).filter(|path| is_file(path));
    }
    let declared = launch.environment.get("PATH").map(Into::into);
    let paths = declared.or_else(|| env::var_os("PATH"))?;
    env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| is_file(path))
}

/// What a result of reading a file that may not be there is.
pub(super) fn missing_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

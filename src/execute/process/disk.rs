//! `process.disk`.

use super::{
    clear::absolute,
    events::values,
    logs,
    service::{Managed, blocking},
};
use crate::{domain::Values, execute::ExecuteError, shim::Launch};
use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Entries that are added up for one path, and how long that may take: a size is an estimate above that.
const MOST_ENTRIES: usize = 200_000;
const LONGEST: Duration = Duration::from_secs(5);

/// A file system that the service uses.
struct Mount {
    path: PathBuf,
    facts: StatVfs,
}

pub(super) async fn disk(call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
    blocking(call, managed, |managed| {
        let launch = managed.launch()?;
        let logs: Vec<PathBuf> = logs::log_files(managed)?.into_iter().map(|(_, log)| log).collect();
        let folder = std::path::absolute(launch.working_dir.unwrap_or_else(|| PathBuf::from(".")))?;
        let declared = managed.declared.clearable.iter();
        let clearable = declared.map(|path| Ok((path, absolute(managed, path)?))).collect::<io::Result<Vec<_>>>()?;
        let mounts = file_systems([&folder].into_iter().chain(clearable.iter().map(|(_, path)| path)).chain(&logs));
        let listed: Vec<Value> = mounts.values().map(mount).collect();
        let percents = || listed.iter().map(|mount| (mount["percent"].as_f64().unwrap_or_default(), &mount["path"]));
        let fullest = percents().max_by(|a, b| a.0.total_cmp(&b.0));
        let deadline = Instant::now() + LONGEST;
        let clearable: Vec<Value> = clearable
            .iter()
            .map(|(declared, path)| {
                let mount = device(path).and_then(|device| mounts.get(&device));
                let mount = mount.map(|mount| mount.path.display().to_string()).unwrap_or_default();
                json!({"path": declared, "size": size_of(path, deadline), "mount": mount})
            })
            .collect();
        let log_size: u64 =
            logs.iter().flat_map(|log| [log.clone(), crate::shim::rotated(log)]).map(|log| length(&log)).sum();
        Ok(values(json!({
            "percent": fullest.map_or(0.0, |(percent, _)| percent),
            "fullest": fullest.map_or(&Value::Null, |(_, path)| path).as_str().unwrap_or_default(),
            "clearable": clearable,
            "log_size": log_size,
            "mounts": listed,
        })))
    })
    .await
}

/// What a service sees of the host's file systems, as its status tells: those of its folder, its declared paths and its
/// logs.
pub(super) fn seen(managed: &Managed, launch: &Launch) -> io::Result<Vec<Value>> {
    let folder = std::path::absolute(launch.working_dir.clone().unwrap_or_else(|| PathBuf::from(".")))?;
    let declared = managed.declared.clearable.iter().chain(&managed.declared.ownable);
    let mut paths = declared.map(|path| absolute(managed, path)).collect::<io::Result<Vec<_>>>()?;
    paths.extend(logs::log_files(managed)?.into_iter().map(|(_, log)| log));
    paths.push(folder);
    let told = |found: &Mount| {
        let read_only = found.facts.f_flag.contains(StatVfsMountFlags::RDONLY);
        let path = found.path.display().to_string();
        json!({"path": path, "kind": "filesystem", "source": "", "read_only": read_only})
    };
    Ok(file_systems(paths.iter()).values().map(told).collect())
}

/// The file systems of these paths, by device.
fn file_systems<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> BTreeMap<u64, Mount> {
    let mut mounts = BTreeMap::new();
    for path in paths {
        note_mount(path, &mut mounts);
    }
    mounts
}

/// The file system of a path, or of the nearest folder above it that exists.
fn note_mount(path: &Path, mounts: &mut BTreeMap<u64, Mount>) {
    let Some(existing) = path.ancestors().find(|path| path.exists()) else { return };
    let (Some(device), Ok(facts)) = (device(existing), statvfs(existing)) else { return };
    mounts.entry(device).or_insert_with(|| Mount { path: mount_point(existing, device), facts });
}

fn device(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|path| path.exists())?;
    fs::metadata(existing).ok().map(|metadata| metadata.dev())
}

/// The topmost folder on the same file system.
fn mount_point(path: &Path, device: u64) -> PathBuf {
    let same = |path: &&Path| fs::metadata(path).is_ok_and(|metadata| metadata.dev() == device);
    path.ancestors().take_while(same).last().unwrap_or(path).to_owned()
}

fn mount(mount: &Mount) -> Value {
    let facts = &mount.facts;
    let size = facts.f_blocks * facts.f_frsize;
    let used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize;
    let free = facts.f_bavail * facts.f_frsize;
    // As df: of what a user could have, without what is reserved for root.
    let percent =
        |used: u64, free: u64| if used + free == 0 { 0.0 } else { used as f64 * 100.0 / (used + free) as f64 };
    let inodes = (facts.f_files > 0).then(|| percent(facts.f_files - facts.f_ffree, facts.f_favail));
    json!({
        "path": mount.path.display().to_string(),
        "kind": "filesystem",
        "size": size,
        "used": used,
        "free": free,
        "percent": percent(used, free),
        "inodes_percent": inodes,
        "read_only": facts.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Bytes below a path, on its file system, links not followed.
fn size_of(path: &Path, deadline: Instant) -> u64 {
    let Ok(root) = fs::symlink_metadata(path) else { return 0 };
    let mut pending = vec![path.to_owned()];
    let (mut total, mut seen) = (0, 0);
    while let Some(folder) = pending.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            seen += 1;
            if seen > MOST_ENTRIES || Instant::now() > deadline {
                return total;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.dev() != root.dev() {
                continue;
            }
            if metadata.is_dir() {
                pending.push(entry.path());
            } else {
                total += metadata.blocks() * 512;
            }
        }
    }
    total
}

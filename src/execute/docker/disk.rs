//! Disk use of a service's mounts and writable layer, and of what may be cleared.

use super::{
    DockerEnvironment,
    error::Answer,
    exec::Program,
    files::{Space, size_below, space},
    inspect::Container,
    paths::mount_of,
};
use crate::domain::Values;
use serde_json::{Value, json};
use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _, time::Duration};

/// A `df` or `du` in the container may wait for a disk.
const PATIENCE: Duration = Duration::from_secs(15);

/// One mount.
struct Mount {
    path: String,
    kind: String,
    space: Space,
}

impl Mount {
    /// As `df` counts: of what a plain user may use.
    fn percent(&self) -> f64 {
        let usable = self.space.used + self.space.free;
        if usable == 0 { 0.0 } else { (self.space.used as f64 * 1_000.0 / usable as f64).round() / 10.0 }
    }
}

impl DockerEnvironment {
    /// The result of `container.disk`.
    pub(super) async fn disk(&self, ids: &[String], service: &str) -> Answer<Values> {
        let nothing = Vec::new();
        let declared = self.declared(service).map_or(&nothing, |facts| &facts.clearable);
        let (mut mounts, mut clearable, mut log_size) = (Vec::new(), Vec::new(), 0_u64);
        for container in self.some(ids).await? {
            mounts.extend(self.spaces(&container).await);
            log_size += self.log_size(&container).await;
            for path in declared {
                if let Some(size) = self.size(&container, path).await {
                    let mount = mount_of(&container, path).and_then(|mount| mount["Destination"].as_str());
                    let mount = mount.map_or_else(|| nearest(&mounts, path), str::to_owned);
                    clearable.push(json!({"path": path, "size": size, "mount": mount}));
                }
            }
        }
        let fullest =
            mounts.iter().filter(|mount| !mount.space.read_only).max_by(|a, b| a.percent().total_cmp(&b.percent()));
        let listed: Vec<Value> = mounts
            .iter()
            .map(|mount| {
                json!({
                    "path": mount.path, "kind": mount.kind, "size": mount.space.size, "used": mount.space.used,
                    "free": mount.space.free, "percent": mount.percent(),
                    "inodes_percent": mount.space.inodes_percent, "read_only": mount.space.read_only,
                })
            })
            .collect();
        Ok(Values::from_iter([
            ("percent".to_owned(), json!(fullest.map_or(0.0, Mount::percent))),
            ("fullest".to_owned(), json!(fullest.map_or("", |mount| mount.path.as_str()))),
            ("mounts".to_owned(), json!(listed)),
            ("clearable".to_owned(), json!(clearable)),
            ("log_size".to_owned(), json!(log_size)),
        ]))
    }

    /// Use of a container's file systems: seen from here where possible, else told by its own `df`.
    async fn spaces(&self, container: &Container) -> Vec<Mount> {
        let kinds = kinds(container);
        let mut found = Vec::new();
        for (path, (kind, read_only)) in &kinds {
            let Some(place) = self.inside(container, path).await else { continue };
            if let Ok(Ok(mut space)) = tokio::task::spawn_blocking(move || space(&place)).await {
                space.read_only |= read_only;
                found.push(Mount { path: path.clone(), kind: kind.clone(), space });
            }
        }
        if !found.is_empty() || container.pid().is_none() {
            return found;
        }
        let argv = ["df", "-P", "-k"].into_iter().map(str::to_owned).chain(kinds.keys().cloned()).collect();
        let program = Program { argv, timeout: PATIENCE, ..Program::default() };
        match self.run(container, &program).await {
            Ok(output) => told(&output.stdout, &kinds),
            Err(_) => Vec::new(), // a container without `df`, on another machine: nothing can be seen
        }
    }

    /// Bytes below a path; none where the path is not there or cannot be seen.
    async fn size(&self, container: &Container, path: &str) -> Option<u64> {
        if let Some(place) = self.inside(container, path).await {
            return tokio::task::spawn_blocking(move || size_below(&place)).await.ok()?.ok();
        }
        container.pid()?;
        let argv = ["du", "-s", "-k", "-x", path].map(str::to_owned).to_vec();
        let output = self.run(container, &Program { argv, timeout: PATIENCE, ..Program::default() }).await.ok()?;
        output.stdout.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
    }

    async fn log_size(&self, container: &Container) -> u64 {
        if !self.shared.engine.local || container.log_path().is_empty() {
            return 0;
        }
        let found = tokio::fs::metadata(container.log_path()).await;
        found.map_or(0, |found| found.blocks() * 512)
    }
}

/// Where a container's file systems are: kind, and whether it may only be read.
fn kinds(container: &Container) -> BTreeMap<String, (String, bool)> {
    let layer_read_only = container.host_config()["ReadonlyRootfs"].as_bool() == Some(true);
    let mut kinds = BTreeMap::from([
        ("/".to_owned(), ("layer".to_owned(), layer_read_only)),
        ("/dev/shm".to_owned(), ("tmpfs".to_owned(), false)),
    ]);
    for (path, _) in container.host_config()["Tmpfs"].as_object().into_iter().flatten() {
        kinds.insert(path.clone(), ("tmpfs".into(), false));
    }
    for mount in container.mounts() {
        let text = |name: &str| mount[name].as_str().unwrap_or_default().to_owned();
        kinds.insert(text("Destination"), (text("Type"), mount["RW"].as_bool() == Some(false)));
    }
    kinds
}

/// Of the mounts that hold a path, the nearest.
fn nearest(mounts: &[Mount], path: &str) -> String {
    let holds = |mount: &&Mount| {
        let base = mount.path.trim_end_matches('/');
        path == base || path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
    };
    mounts.iter().filter(holds).max_by_key(|mount| mount.path.len()).map_or("/", |mount| &mount.path).to_owned()
}

/// What `df -P -k` printed.
fn told(output: &str, kinds: &BTreeMap<String, (String, bool)>) -> Vec<Mount> {
    let mut found: Vec<Mount> = Vec::new();
    for line in output.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [.., size, used, free, _, path] = columns[..] else { continue };
        let kib = |text: &str| text.parse::<u64>().unwrap_or(0) << 10;
        let Some((kind, read_only)) = kinds.get(path) else { continue };
        if found.iter().any(|mount| mount.path == path) {
            continue;
        }
        let space =
            Space { size: kib(size), used: kib(used), free: kib(free), inodes_percent: None, read_only: *read_only };
        found.push(Mount { path: path.to_owned(), kind: kind.clone(), space });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_df_is_understood() {
        let container = Container::new(json!({"HostConfig": {"Tmpfs": {"/data": "size=1m"}}}));
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                     overlay 100 60 20 75% /\ntmpfs 1024 1024 0 100% /data\n";
        let found = told(table, &kinds(&container));
        assert_eq!(found.iter().map(Mount::percent).collect::<Vec<_>>(), [75.0, 100.0]);
        assert_eq!((nearest(&found, "/data/x"), nearest(&found, "/database")), ("/data".into(), "/".into()));
    }
}

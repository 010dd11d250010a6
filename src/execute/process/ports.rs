//! Who holds a port that a service needs.

use super::{service::Managed, snapshot::Snapshot};
use crate::shim::{MARKER, proc};
use std::{collections::BTreeSet, fs, path::Path};

/// A process chain longer than this is not followed up.
const DEEPEST: usize = 32;

/// A port that a service needs and something else holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) port: u16,
    /// A service of this environment, or what can be said of the process.
    pub(super) owner: String,
    pub(super) owner_known: bool,
}

/// The first of the service's ports that others hold and it does not.
pub(super) fn conflict(managed: &Managed, instances: &[Snapshot], state: &Path) -> Option<Conflict> {
    let own: BTreeSet<i32> = instances.iter().flat_map(Snapshot::processes).map(|stat| stat.pid).collect();
    managed.ports().into_iter().find_map(|port| {
        let holders = proc::listeners(port);
        let holder = *holders.first()?;
        let is_own = |pid: &Option<i32>| {
            pid.is_some_and(|pid| own.contains(&pid) || owner(pid, state).as_deref() == Some(&managed.name))
        };
        if holders.iter().any(is_own) {
            return None;
        }
        Some(match holder.map(|pid| (pid, owner(pid, state))) {
            Some((_, Some(service))) => Conflict { port, owner: service, owner_known: true },
            Some((pid, None)) => Conflict { port, owner: describe(pid), owner_known: false },
            // A process of another user; one of ours could be looked at.
            None => Conflict { port, owner: "a process of another user".into(), owner_known: false },
        })
    })
}

/// The service that a process belongs to: it, or an ancestor, carries the mark of an instance of this environment.
fn owner(pid: i32, state: &Path) -> Option<String> {
    let mut pid = pid;
    for _ in 0..DEEPEST {
        if let Some(service) = marked(pid, state) {
            return Some(service);
        }
        pid = proc::stat(pid)?.parent;
        if pid <= 1 {
            return None;
        }
    }
    None
}

fn marked(pid: i32, state: &Path) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let folder = environment.split(|byte| *byte == 0).find_map(|entry| {
        let text = std::str::from_utf8(entry).ok()?;
        text.strip_prefix(MARKER)?.strip_prefix('=').map(Path::new)
    })?;
    let below = folder.strip_prefix(state).ok()?;
    below.components().next().and_then(|first| first.as_os_str().to_str()).map(str::to_owned)
}

fn describe(pid: i32) -> String {
    let name = proc::stat(pid).map_or_else(|| "a process".to_owned(), |stat| stat.name);
    format!("{} (pid {pid})", crate::domain::clean_text(&name, 40))
}

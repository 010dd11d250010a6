//! What the kernel counts of a container's control group, in both versions; only where the engine is on this machine.

use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// Counts of one container's group. What cannot be read is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Processes killed for want of memory in this run.
    pub oom_kills: Option<u64>,
    /// Most memory used at once, in bytes.
    pub memory_peak: Option<u64>,
}

/// Reads them for the container whose main process this is. None where the process is not the container's: the engine
/// is elsewhere, or we are in another namespace of process ids and the number means somebody else.
pub(super) async fn counts(pid: i32, container: &str) -> Option<Counts> {
    let container = container.to_owned();
    tokio::task::spawn_blocking(move || read(Path::new("/proc"), Path::new(ROOT), pid, &container)).await.ok().flatten()
}

/// Whether `/proc/<pid>` is that container's main process.
pub(super) fn belongs(proc: &Path, pid: i32, container: &str) -> bool {
    group_lines(proc, pid).iter().any(|line| line.contains(container))
}

fn group_lines(proc: &Path, pid: i32) -> Vec<String> {
    let text = std::fs::read_to_string(proc.join(pid.to_string()).join("cgroup")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn read(proc: &Path, root: &Path, pid: i32, container: &str) -> Option<Counts> {
    if !belongs(proc, pid, container) {
        return None;
    }
    let lines = group_lines(proc, pid);
    let fields: Vec<(&str, &str, &str)> = lines
        .iter()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            Some((parts.next()?, parts.next()?, parts.next()?))
        })
        .collect();
    let join = |base: PathBuf, path: &str| base.join(path.trim_start_matches('/'));
    if let Some((_, _, path)) = fields.iter().find(|(_, controllers, _)| controllers.split(',').any(|c| c == "memory"))
    {
        let folder = join(root.join("memory"), path);
        return Some(Counts {
            oom_kills: field(&folder.join("memory.oom_control"), "oom_kill"),
            memory_peak: number(&folder.join("memory.max_usage_in_bytes")),
        });
    }
    let (_, _, path) = fields.iter().find(|(id, controllers, _)| *id == "0" && controllers.is_empty())?;
    let folder = join(root.to_owned(), path);
    Some(Counts {
        oom_kills: field(&folder.join("memory.events"), "oom_kill"),
        memory_peak: number(&folder.join("memory.peak")),
    })
}

fn field(file: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(group: &str, folder: &str, file: &str, text: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let base = tempfile::tempdir().unwrap();
        let (proc, root) = (base.path().join("proc"), base.path().join("cgroup"));
        fs::create_dir_all(proc.join("7")).unwrap();
        fs::write(proc.join("7/cgroup"), group).unwrap();
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(root.join(folder).join(file), text).unwrap();
        (base, proc, root)
    }

    #[test]
    fn both_versions_are_read() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let (_base, proc, root) =
            tree("5:memory:/docker/abc\n1:name=systemd:/docker/abc\n", "memory/docker/abc", "memory.oom_control", text);
        assert_eq!(read(&proc, &root, 7, "abc").unwrap().oom_kills, Some(3));
        let text = "low 0\noom 4\noom_kill 2\noom_group_kill 0\n";
        let scope = "system.slice/docker-abc.scope";
        let (_base, proc, root) = tree(&format!("0::/{scope}\n"), scope, "memory.events", text);
        assert_eq!(read(&proc, &root, 7, "abc").unwrap().oom_kills, Some(2));
    }

    #[test]
    fn somebody_elses_process_is_not_read() {
        let (_base, proc, root) = tree("0::/user.slice\n", "user.slice", "memory.events", "oom_kill 9\n");
        assert_eq!(read(&proc, &root, 7, "abc"), None);
    }
}

//! Files inside a container, reached through `/proc` or a volume's folder where the engine is on this machine.
//!
//! Whatever a container did to its files must not lead us out of it: paths are opened beneath its root with no link
//! followed anywhere in them, and folders below are entered only if they are on the same mount.

use super::{DockerEnvironment, inspect::Container, paths::mount_of};
use crate::domain::Timestamp;
use rustix::{
    fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid},
    io::Errno,
};
use std::{
    io::Read as _,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Folders entered below each other; nothing sensible is deeper, and each holds a descriptor.
const DEPTH: usize = 64;

/// Entries looked at in one go; a cache of more is cleared in several.
const ENTRIES: u64 = 2_000_000;

/// A path below a root that is somebody else's. The root is held open: whoever gets the number of the process or the name
/// of the folder meanwhile, it stays the one that was checked.
#[derive(Clone, Debug)]
pub(super) struct Place {
    root: Arc<OwnedFd>,
    below: PathBuf,
}

/// What was done to the files below a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cleared {
    pub entries: u64,
    pub bytes: u64,
    /// Entries that could not be deleted, or were on other mounts.
    pub left: u64,
}

/// A deletion that could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped {
    pub why: Errno,
    /// Deleted before.
    pub entries: u64,
}

/// Use of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Space {
    pub size: u64,
    pub used: u64,
    pub free: u64,
    pub inodes_percent: Option<f64>,
    pub read_only: bool,
}

impl DockerEnvironment {
    /// Where a path of a container is on this machine. None where it cannot be had: the engine is elsewhere, or the
    /// container does not run and the path is in its writable layer.
    pub(super) async fn inside(&self, container: &Container, path: &str) -> Option<Place> {
        if !self.shared.engine.local {
            return None;
        }
        let below = |path: &str| PathBuf::from(path.trim_start_matches('/'));
        if let Some(pid) = container.pid() {
            let id = container.id().to_owned();
            let root = tokio::task::spawn_blocking(move || root_of(Path::new("/proc"), pid, &id)).await.ok()??;
            return Some(Place { root: Arc::new(root), below: below(path) });
        }
        let mount =
            mount_of(container, path).filter(|mount| matches!(mount["Type"].as_str(), Some("volume" | "bind")))?;
        let source = mount["Source"].as_str().filter(|source| source.starts_with('/'))?;
        let rest = path.strip_prefix(mount["Destination"].as_str()?.trim_end_matches('/'))?;
        let (source, below) = (PathBuf::from(source), below(rest));
        let root = tokio::task::spawn_blocking(move || open_folder(&source)).await.ok()?.ok()?;
        Some(Place { root: Arc::new(root), below })
    }
}

/// The root of a container's main process; none where that process is another's by now. All is reached through one
/// handle of the process, which leads nowhere once that has ended, whoever gets its number then.
fn root_of(proc: &Path, pid: i32, container: &str) -> Option<OwnedFd> {
    let process = open_folder(&proc.join(pid.to_string())).ok()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(&process, c"root", flags, Mode::empty()).ok()?;
    let groups = rustix::fs::openat(&process, c"cgroup", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::new();
    std::fs::File::from(groups).read_to_string(&mut text).ok()?;
    text.lines().any(|line| line.contains(container)).then_some(root)
}

/// It may be reached through a link: `/proc/<pid>/root` is one, made by the kernel.
fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

impl Place {
    #[cfg(test)]
    fn of(root: &Path, below: &str) -> Self {
        Self { root: Arc::new(open_folder(root).unwrap()), below: below.into() }
    }

    fn open(&self, flags: OFlags) -> Result<OwnedFd, Errno> {
        let below = if self.below.as_os_str().is_empty() { Path::new(".") } else { &self.below };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.root, below, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }
}

/// Use of the file system that a place is on.
pub(super) fn space(place: &Place) -> Result<Space, Errno> {
    let found = rustix::fs::fstatvfs(place.open(OFlags::PATH)?)?;
    let unit = if found.f_frsize > 0 { found.f_frsize } else { found.f_bsize };
    let inodes = (found.f_files > 0)
        .then(|| (found.f_files.saturating_sub(found.f_ffree)) as f64 * 100.0 / found.f_files as f64);
    Ok(Space {
        size: found.f_blocks * unit,
        used: found.f_blocks.saturating_sub(found.f_bfree) * unit,
        free: found.f_bavail * unit,
        inodes_percent: inodes,
        read_only: found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    })
}

/// `user:group` in numbers.
pub(super) fn owner(place: &Place) -> Result<String, Errno> {
    let found = rustix::fs::fstat(place.open(OFlags::PATH)?)?;
    Ok(format!("{}:{}", found.st_uid, found.st_gid))
}

/// Changes the owner of the place itself.
pub(super) fn set_owner(place: &Place, user: u32, group: Option<u32>) -> Result<(), Errno> {
    let file = place.open(OFlags::PATH)?;
    let user = Some(Uid::from_raw(user));
    rustix::fs::chownat(&file, c"", user, group.map(Gid::from_raw), AtFlags::EMPTY_PATH)
}

/// Bytes that what is below takes on its disk.
pub(super) fn size_below(place: &Place) -> Result<u64, Errno> {
    let mut walk = Walk { older_than: None, delete: false, seen: 0, done: Cleared::default() };
    walk.folder(place.open(OFlags::RDONLY | OFlags::DIRECTORY)?, 0)?;
    Ok(walk.done.bytes)
}

/// Deletes what is below, or those files and empty folders that changed last before `older_than`.
pub(super) fn clear_below(place: &Place, older_than: Option<Timestamp>) -> Result<Cleared, Stopped> {
    let mut walk = Walk { older_than, delete: true, seen: 0, done: Cleared::default() };
    let walked = place.open(OFlags::RDONLY | OFlags::DIRECTORY).and_then(|folder| walk.folder(folder, 0));
    walked.map_err(|why| Stopped { why, entries: walk.done.entries })?;
    Ok(walk.done)
}

struct Walk {
    older_than: Option<Timestamp>,
    delete: bool,
    seen: u64,
    done: Cleared,
}

impl Walk {
    fn folder(&mut self, folder: OwnedFd, depth: usize) -> Result<(), Errno> {
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.seen += 1;
            if self.seen > ENTRIES {
                return Err(Errno::OVERFLOW);
            }
            // What vanishes meanwhile was cleared by its owner.
            let Ok(found) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let is_folder = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
            if is_folder && !self.enter(folder.as_fd(), name, depth) {
                self.done.left += 1;
                continue;
            }
            let old = self.older_than.is_none_or(|limit| found.st_mtime < limit.timestamp());
            let bytes = if found.st_nlink <= 1 || is_folder { found.st_blocks.unsigned_abs() * 512 } else { 0 };
            if !self.delete {
                self.done.entries += 1;
                self.done.bytes += bytes;
            } else if old {
                self.remove(folder.as_fd(), name, is_folder, bytes);
            }
        }
        Ok(())
    }

    /// Enters a folder on the same mount; false if it is on another, or too deep, or a link by now.
    fn enter(&mut self, parent: BorrowedFd<'_>, name: &std::ffi::CStr, depth: usize) -> bool {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve) {
            Ok(inner) if depth < DEPTH => self.folder(inner, depth + 1).is_ok(),
            Ok(_) | Err(_) => false,
        }
    }

    fn remove(&mut self, parent: BorrowedFd<'_>, name: &std::ffi::CStr, is_folder: bool, bytes: u64) {
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match rustix::fs::unlinkat(parent, name, flags) {
            Ok(()) => {
                self.done.entries += 1;
                self.done.bytes += bytes;
            }
            Err(Errno::NOENT) => {}
            Err(_) => self.done.left += 1, // a mount point, a folder that is not empty
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn clearing_follows_no_link() {
        let base = tempfile::tempdir().unwrap();
        let (root, outside) = (base.path().join("root"), base.path().join("outside"));
        fs::create_dir_all(root.join("cache/deep")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        fs::write(root.join("cache/deep/file"), vec![0; 8192]).unwrap();
        symlink(&outside, root.join("cache/link")).unwrap();
        symlink(&outside, root.join("trap")).unwrap();

        let place = Place::of(&root, "cache");
        assert!(size_below(&place).unwrap() >= 8192);
        let done = clear_below(&place, None).unwrap();
        assert_eq!((done.entries, done.left), (3, 0));
        assert!(outside.join("precious").exists());
        assert_eq!(fs::read_dir(root.join("cache")).unwrap().count(), 0);
        for below in ["trap", "trap/x", "../outside"] {
            assert!(clear_below(&Place::of(&root, below), None).is_err(), "{below}");
        }
        assert!(outside.join("precious").exists());
    }

    #[test]
    fn a_root_that_was_checked_stays_the_one_that_is_used() {
        let base = tempfile::tempdir().unwrap();
        let (proc, ours, theirs) = (base.path().join("proc"), base.path().join("ours"), base.path().join("theirs"));
        for folder in [&proc.join("7"), &ours, &theirs] {
            fs::create_dir_all(folder).unwrap();
        }
        for root in [&ours, &theirs] {
            fs::write(root.join("file"), "x").unwrap();
        }
        symlink(&ours, proc.join("7/root")).unwrap();
        fs::write(proc.join("7/cgroup"), "0::/docker/abc\n").unwrap();
        assert!(root_of(&proc, 7, "another").is_none(), "the number is somebody else's");
        let place = Place { root: Arc::new(root_of(&proc, 7, "abc").unwrap()), below: PathBuf::new() };
        // The process ends, and another one, with another root, gets its number.
        fs::remove_dir_all(proc.join("7")).unwrap();
        fs::create_dir(proc.join("7")).unwrap();
        symlink(&theirs, proc.join("7/root")).unwrap();
        fs::write(proc.join("7/cgroup"), "0::/user.slice\n").unwrap();
        assert_eq!(clear_below(&place, None).unwrap().entries, 1);
        assert!(theirs.join("file").exists() && !ours.join("file").exists());
    }

    #[test]
    fn what_is_young_stays() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("new"), "x").unwrap();
        let hour_ago = chrono::Utc::now() - chrono::Duration::hours(1);
        assert_eq!(clear_below(&Place::of(base.path(), ""), Some(hour_ago)).unwrap(), Cleared::default());
        assert!(space(&Place::of(base.path(), "")).unwrap().size > 0);
    }
}

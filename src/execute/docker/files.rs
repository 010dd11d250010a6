//! Files inside a container, reached through `/proc` or a volume's folder where the engine is on this machine.
//!
//! Whatever a container did to its files must not lead us out of it: paths are opened beneath its root with no link
//! followed anywhere in them, and folders below are entered only if they are on the same mount.

use super::{DockerEnvironment, cgroup, inspect::Container, paths::mount_of};
use crate::domain::Timestamp;
use rustix::{
    fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid},
    io::Errno,
};
use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// Folders entered below each other; nothing sensible is deeper, and each holds a descriptor.
const DEPTH: usize = 64;

/// Entries looked at in one go; a cache of more is cleared in several.
const ENTRIES: u64 = 2_000_000;

/// A path below a root that is somebody else's.
#[derive(Clone, Debug)]
pub(super) struct Place {
    root: PathBuf,
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
            let root = PathBuf::from(format!("/proc/{pid}/root"));
            let id = container.id().to_owned();
            let ours = tokio::task::spawn_blocking(move || cgroup::belongs(Path::new("/proc"), pid, &id)).await;
            return ours.unwrap_or(false).then(|| Place { root, below: below(path) });
        }
        let mount =
            mount_of(container, path).filter(|mount| matches!(mount["Type"].as_str(), Some("volume" | "bind")))?;
        let source = mount["Source"].as_str().filter(|source| source.starts_with('/'))?;
        let rest = path.strip_prefix(mount["Destination"].as_str()?.trim_end_matches('/'))?;
        let place = Place { root: source.into(), below: below(rest) };
        Path::new(source).is_dir().then_some(place)
    }
}

impl Place {
    #[cfg(test)]
    fn of(root: &Path, below: &str) -> Self {
        Self { root: root.into(), below: below.into() }
    }

    fn open(&self, flags: OFlags) -> Result<OwnedFd, Errno> {
        // The root itself may be reached through a link: `/proc/<pid>/root` is one, made by the kernel.
        let root = rustix::fs::open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let below = if self.below.as_os_str().is_empty() { Path::new(".") } else { &self.below };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&root, below, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
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
pub(super) fn clear_below(place: &Place, older_than: Option<Timestamp>) -> Result<Cleared, Errno> {
    let mut walk = Walk { older_than, delete: true, seen: 0, done: Cleared::default() };
    walk.folder(place.open(OFlags::RDONLY | OFlags::DIRECTORY)?, 0)?;
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
    fn what_is_young_stays() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("new"), "x").unwrap();
        let hour_ago = chrono::Utc::now() - chrono::Duration::hours(1);
        assert_eq!(clear_below(&Place::of(base.path(), ""), Some(hour_ago)).unwrap(), Cleared::default());
        assert!(space(&Place::of(base.path(), "")).unwrap().size > 0);
    }
}

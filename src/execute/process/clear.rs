//! Deleting what is below a declared path, and nothing else: every step of the way is opened by name from its parent
//! folder without following links, and a folder on another file system is not entered.

use super::{
    act::acted,
    service::{Managed, blocking},
};
use crate::{
    domain::{ByteSize, TimeSpan, Values},
    execute::ExecuteError,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat, unlinkat},
};
use std::{
    ffi::CString,
    io,
    path::{Component, Path},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Entries that one call looks at. More than this takes minutes; the next call goes on.
const MOST_ENTRIES: u64 = 1_000_000;

/// Folders within folders that are entered; each holds a descriptor open.
const DEEPEST: usize = 100;

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cleared {
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) bytes: u64,
    /// Left alone: younger, on another file system, too deep, or not to be deleted.
    pub(super) left: u64,
    seen: u64,
}

pub(super) async fn clear_path(
    call: &str,
    managed: &Arc<Managed>,
    path: &str,
    older_than: Option<TimeSpan>,
) -> Result<Values, ExecuteError> {
    if !managed.declared.clearable.iter().any(|declared| declared == path) {
        let problem = format!("{path} is not declared as clearable for {}", managed.name);
        return Err(ExecuteError::permanent(call, problem));
    }
    let wanted = path.to_owned();
    let (cleared, end) = blocking(call, managed, move |managed| {
        let path = absolute(managed, &wanted)?;
        let mut cleared = Cleared::default();
        let end = open_without_links(&path).and_then(|folder| clear(&folder, older_than, &mut cleared));
        Ok((cleared, end))
    })
    .await?;
    // Whatever was deleted before an error stays deleted, so the outcome is told, not lost.
    let some_done = cleared.files + cleared.folders > 0;
    end.map_err(|error| ExecuteError::permanent(call, format!("{path}: {error}")).after_others(some_done))?;
    let detail = format!(
        "{} files and {} folders deleted, {} freed, {} entries left",
        cleared.files,
        cleared.folders,
        ByteSize(cleared.bytes),
        cleared.left
    );
    Ok(acted(cleared.files + cleared.folders > 0, detail))
}

/// A declared path; a relative one lies in the service's working folder.
pub(super) fn absolute(managed: &Managed, path: &str) -> io::Result<std::path::PathBuf> {
    let path = Path::new(path);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let folder = managed.launch()?.working_dir.unwrap_or_default();
    Ok(std::path::absolute(folder)?.join(path))
}

/// Opens a folder whose path has no link in it, from the root down.
pub(super) fn open_without_links(path: &Path) -> io::Result<OwnedFd> {
    let mut folder = openat(CWD, "/", FOLDER, Mode::empty())?;
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                folder = openat(&folder, name, FOLDER, Mode::empty()).map_err(|error| match error {
                    rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => {
                        io::Error::other(format!("'{}' is a link or no folder; neither is followed", name.display()))
                    }
                    error => error.into(),
                })?;
            }
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::other("a declared path must not have '..' in it"));
            }
        }
    }
    Ok(folder)
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

fn clear(folder: &OwnedFd, older_than: Option<TimeSpan>, so_far: &mut Cleared) -> io::Result<()> {
    let device = fstat(folder)?.st_dev;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = older_than.map(|age| now.saturating_sub(age.as_std()).as_secs());
    clear_folder(folder, device, before, 0, so_far)?;
    Ok(())
}

/// Empties a folder; says whether it is empty now.
fn clear_folder(
    folder: &OwnedFd,
    device: u64,
    before: Option<u64>,
    depth: usize,
    so_far: &mut Cleared,
) -> io::Result<bool> {
    let mut empty = true;
    for name in names(folder)? {
        so_far.seen += 1;
        let gone = so_far.seen <= MOST_ENTRIES && clear_entry(folder, &name, device, before, depth, so_far)?;
        if !gone {
            so_far.left += 1;
            empty = false;
        }
    }
    Ok(empty)
}

fn clear_entry(
    folder: &OwnedFd,
    name: &CString,
    device: u64,
    before: Option<u64>,
    depth: usize,
    so_far: &mut Cleared,
) -> io::Result<bool> {
    let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(true) }; // gone already
    let old_enough = before.is_none_or(|before| u64::try_from(stat.st_mtime).unwrap_or(0) <= before);
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        if !old_enough || stat.st_dev != device || unlinkat(folder, name, AtFlags::empty()).is_err() {
            return Ok(false);
        }
        so_far.files += 1;
        so_far.bytes += freed(&stat);
        return Ok(true);
    }
    if depth >= DEEPEST {
        return Ok(false);
    }
    // Opened, then looked at: between a look and an opening, a folder could become something else.
    let Ok(inner) = openat(folder, name, FOLDER, Mode::empty()) else { return Ok(false) };
    if fstat(&inner)?.st_dev != device {
        return Ok(false);
    }
    let empty = clear_folder(&inner, device, before, depth + 1, so_far)?;
    let gone = empty && old_enough && unlinkat(folder, name, AtFlags::REMOVEDIR).is_ok();
    so_far.folders += u64::from(gone);
    Ok(gone)
}

/// Bytes that deleting this name gives back: none while another name leads to the file.
fn freed(stat: &Stat) -> u64 {
    if stat.st_nlink > 1 { 0 } else { u64::try_from(stat.st_blocks).unwrap_or(0) * 512 }
}

/// What is in a folder, except itself and its parent.
pub(super) fn names(folder: impl AsFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    fn cleared(folder: &OwnedFd, older_than: Option<TimeSpan>) -> Cleared {
        let mut cleared = Cleared::default();
        clear(folder, older_than, &mut cleared).unwrap();
        cleared
    }

    #[test]
    fn links_are_deleted_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (inside, outside) = (root.path().join("cache"), root.path().join("precious"));
        fs::create_dir_all(inside.join("deep/er")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "keep").unwrap();
        fs::write(inside.join("deep/er/file"), "x".repeat(10_000)).unwrap();
        symlink(&outside, inside.join("folder-link")).unwrap();
        symlink(outside.join("file"), inside.join("deep/file-link")).unwrap();
        let cleared = cleared(&open_without_links(&inside).unwrap(), None);
        assert_eq!((cleared.files, cleared.folders, cleared.left), (3, 2, 0));
        assert!(cleared.bytes >= 10_000);
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "keep");
    }

    #[test]
    fn a_path_through_a_link_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("real/cache")).unwrap();
        symlink(root.path().join("real"), root.path().join("link")).unwrap();
        symlink(root.path().join("real/cache"), root.path().join("real/last")).unwrap();
        for path in ["link/cache", "real/last", "real/../real/cache"] {
            assert!(open_without_links(&root.path().join(path)).is_err(), "{path}");
        }
        assert!(open_without_links(&root.path().join("real/cache")).is_ok());
    }

    #[test]
    fn what_is_young_stays() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        fs::write(root.path().join("folder/young"), "x").unwrap();
        let old = fs::File::create(root.path().join("folder/old")).unwrap();
        old.set_modified(SystemTime::now() - std::time::Duration::from_secs(7200)).unwrap();
        let folder = open_without_links(root.path()).unwrap();
        let cleared = cleared(&folder, Some(TimeSpan::from_secs(3600)));
        assert_eq!((cleared.files, cleared.folders), (1, 0));
        assert!(root.path().join("folder/young").exists());
    }
}

//! Changing the owner of a declared path, without following links and without leaving its file system.

use super::{
    act::acted,
    clear::{absolute, names, open_without_links},
    resources::users,
    service::{Managed, blocking},
};
use crate::{domain::Values, execute::ExecuteError};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, fchown, fstat, openat, statat},
};
use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

/// Entries whose owner one call changes.
const MOST_ENTRIES: u64 = 200_000;

/// Folders within folders that are entered.
const DEEPEST: usize = 100;

/// The owner that is wanted; what is not given stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    user: Option<u32>,
    group: Option<u32>,
}

pub(super) async fn set_ownership(
    call: &str,
    managed: &Arc<Managed>,
    path: &str,
    owner: &str,
) -> Result<Values, ExecuteError> {
    if !managed.declared.ownable.iter().any(|declared| declared == path) {
        let problem = format!("{path} is not declared as ownable for {}", managed.name);
        return Err(ExecuteError::permanent(call, problem));
    }
    let (wanted, owner_text) = (path.to_owned(), owner.to_owned());
    let changed = blocking(call, managed, move |managed| {
        let path = absolute(managed, &wanted)?;
        let work = || {
            let owner = parse(&owner_text, &users(), &groups())?;
            change(&path, owner)
        };
        Ok(work())
    })
    .await?
    .map_err(|error: io::Error| ExecuteError::permanent(call, format!("{path}: {error}")))?;
    Ok(acted(changed > 0, format!("owner {owner} set on {changed} entries")))
}

fn parse(text: &str, users: &BTreeMap<u32, String>, groups: &BTreeMap<u32, String>) -> io::Result<Owner> {
    let number = |name: &str, known: &BTreeMap<u32, String>, what: &str| {
        let by_name = || known.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
        let found = name.parse::<u32>().ok().or_else(by_name);
        found.map(Some).ok_or_else(|| io::Error::other(format!("there is no {what} '{name}' on this host")))
    };
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let owner = Owner {
        user: if user.is_empty() { None } else { number(user, users, "user")? },
        group: if group.is_empty() { None } else { number(group, groups, "group")? },
    };
    if owner.user.is_none() && owner.group.is_none() {
        return Err(io::Error::other("no owner is given; write user, user:group or :group"));
    }
    Ok(owner)
}

fn groups() -> BTreeMap<u32, String> {
    let text = fs::read_to_string("/etc/group").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
        })
        .collect()
}

/// Changes a folder and all that is in it, or one file. Counts what was changed.
fn change(path: &Path, owner: Owner) -> io::Result<u64> {
    let user = owner.user.map(Uid::from_raw);
    let group = owner.group.map(Gid::from_raw);
    match open_without_links(path) {
        Ok(folder) => {
            let device = fstat(&folder)?.st_dev;
            fchown(&folder, user, group)?;
            let mut changed = 1;
            change_inside(&folder, device, owner, 0, &mut changed)?;
            Ok(changed)
        }
        Err(error) => {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(error) };
            let parent = open_without_links(parent)?;
            let stat = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(error);
            }
            chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(1)
        }
    }
}

fn change_inside(folder: &OwnedFd, device: u64, owner: Owner, depth: usize, changed: &mut u64) -> io::Result<()> {
    for name in names(folder)? {
        if *changed >= MOST_ENTRIES {
            return Err(io::Error::other(format!(
                "there are more than {MOST_ENTRIES} entries; change the owner by hand"
            )));
        }
        let Ok(stat) = statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue }; // gone meanwhile
        if stat.st_dev != device {
            continue;
        }
        // A file with more names may be known by one outside as well.
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !is_folder && stat.st_nlink > 1 {
            continue;
        }
        if is_folder && depth < DEEPEST {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inner = openat(folder, &name, flags, Mode::empty())?;
            if fstat(&inner)?.st_dev != device {
                continue;
            }
            change_inside(&inner, device, owner, depth + 1, changed)?;
        }
        let (user, group) = (owner.user.map(Uid::from_raw), owner.group.map(Gid::from_raw));
        chownat(folder, &name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
        *changed += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn owners_are_read_as_chown_does() {
        let users = BTreeMap::from([(1000, "app".to_owned())]);
        let groups = BTreeMap::from([(50, "staff".to_owned())]);
        let owner = |text: &str| parse(text, &users, &groups).ok().map(|owner| (owner.user, owner.group));
        assert_eq!(owner("app"), Some((Some(1000), None)));
        assert_eq!(owner("app:staff"), Some((Some(1000), Some(50))));
        assert_eq!(owner(":7"), Some((None, Some(7))));
        assert_eq!(owner("nobody-here"), None);
        assert_eq!(owner(""), None);
    }

    #[test]
    fn the_owner_of_a_tree_is_changed_but_no_link_is_followed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("data/deep")).unwrap();
        fs::write(root.path().join("data/deep/file"), "x").unwrap();
        symlink("/etc/passwd", root.path().join("data/link")).unwrap();
        // To the owner that it has: anybody may do that.
        let me = fs::metadata(root.path()).unwrap();
        let owner = Owner { user: Some(me.uid()), group: Some(me.gid()) };
        assert_eq!(change(&root.path().join("data"), owner).unwrap(), 4);
        assert_eq!(change(&root.path().join("data/deep/file"), owner).unwrap(), 1);
        assert!(change(&root.path().join("data/link"), owner).is_err());
    }
}

//! The owner of a declared path itself, without following links.

use super::{
    act::acted,
    clear::{absolute, open_without_links},
    events::values,
    service::{Managed, blocking},
};
use crate::{domain::Values, execute::ExecuteError};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, FileType, Gid, Uid, chownat, fchown, fstat, statat},
};
use serde_json::json;
use std::{collections::BTreeMap, ffi::OsStr, fs, io, path::Path, sync::Arc};

/// The owner that is wanted; what is not given stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    user: Option<u32>,
    group: Option<u32>,
}

impl Owner {
    /// Whether `user:group` in numbers is this one.
    fn is(self, now: &str) -> bool {
        let (user, group) = now.split_once(':').unwrap_or((now, ""));
        let same = |wanted: Option<u32>, found: &str| wanted.is_none_or(|wanted| wanted.to_string() == found);
        same(self.user, user) && same(self.group, group)
    }
}

pub(super) async fn set_ownership(
    call: &str,
    managed: &Arc<Managed>,
    path: &str,
    owner: &str,
) -> Result<Values, ExecuteError> {
    let owner_text = owner.to_owned();
    let changed = at_declared(call, managed, path, move |path| {
        let owner = parse(&owner_text, &users(), &names("/etc/group"))?;
        Ok((owner, change(path, owner)?))
    });
    let (owner, (before, now)) = changed.await?;
    Ok(acted(owner.is(&now), format!("{path} belongs to {now} (before: {before})")))
}

/// The result of `process.owner`.
pub(super) async fn owner(call: &str, managed: &Arc<Managed>, path: &str) -> Result<Values, ExecuteError> {
    let owner = at_declared(call, managed, path, owner_of).await?;
    Ok(values(json!({"path": path, "owner": owner})))
}

/// Does something with a path, if it is declared as ownable.
async fn at_declared<T: Send + 'static>(
    call: &str,
    managed: &Arc<Managed>,
    path: &str,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, ExecuteError> {
    if !managed.declared.ownable.iter().any(|declared| declared == path) {
        let problem = format!("{path} is not declared as ownable for {}", managed.name);
        return Err(ExecuteError::permanent(call, problem));
    }
    let wanted = path.to_owned();
    let done = blocking(call, managed, move |managed| Ok(work(&absolute(managed, &wanted)?))).await?;
    done.map_err(|error: io::Error| ExecuteError::permanent(call, format!("{path}: {error}")))
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

/// Names of users by number, as far as `/etc/passwd` knows them.
pub(super) fn users() -> BTreeMap<u32, String> {
    names("/etc/passwd")
}

/// The names in a file of users or groups: the first field, by the third.
fn names(path: &str) -> BTreeMap<u32, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
        })
        .collect()
}

/// Changes a folder or a file itself, not what is in it. Gives the owner before and after.
fn change(path: &Path, owner: Owner) -> io::Result<(String, String)> {
    let (user, group) = (owner.user.map(Uid::from_raw), owner.group.map(Gid::from_raw));
    let before = owner_of(path)?;
    match open_without_links(path) {
        Ok(folder) => fchown(&folder, user, group)?,
        Err(error) => {
            let (parent, name) = file(path).ok_or(error)??;
            chownat(&parent, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok((before, owner_of(path)?))
}

/// `user:group` in numbers.
fn owner_of(path: &Path) -> io::Result<String> {
    let stat = match open_without_links(path) {
        Ok(folder) => fstat(&folder)?,
        Err(error) => {
            let (parent, name) = file(path).ok_or(error)??;
            statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?
        }
    };
    Ok(format!("{}:{}", stat.st_uid, stat.st_gid))
}

/// A plain file, by its folder and its name; none where the path has neither.
fn file(path: &Path) -> Option<io::Result<(OwnedFd, &OsStr)>> {
    let (parent, name) = (path.parent()?, path.file_name()?);
    let opened = open_without_links(parent).and_then(|parent| {
        let stat = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((parent, name)),
            _ => Err(io::Error::other("it is neither a folder nor a plain file; links are not followed")),
        }
    });
    Some(opened)
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
    fn the_owner_of_a_path_is_changed_and_no_link_is_followed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("data/deep")).unwrap();
        fs::write(root.path().join("data/deep/file"), "x").unwrap();
        symlink("/etc/passwd", root.path().join("data/link")).unwrap();
        // To the owner that it has: anybody may do that.
        let me = fs::metadata(root.path()).unwrap();
        let (owner, text) =
            (Owner { user: Some(me.uid()), group: Some(me.gid()) }, format!("{}:{}", me.uid(), me.gid()));
        for path in ["data", "data/deep/file"] {
            assert_eq!(change(&root.path().join(path), owner).unwrap(), (text.clone(), text.clone()), "{path}");
        }
        assert!(change(&root.path().join("data/link"), owner).is_err());
        assert!(owner_of(&root.path().join("data/link")).is_err());
    }
}

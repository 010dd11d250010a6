//! One daemon per journal: an advisory lock that the kernel drops with the process, however that ends.

use crate::journal::JournalError;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the journal at `path`, or says who has it.
    pub fn take(journal: &Path) -> Result<Self, JournalError> {
        let path = lock_path(journal);
        let unavailable = |error: std::io::Error| {
            JournalError::Unavailable(format!("{}: {error}; oncalld needs to write there", path.display()))
        };
        // Nobody else needs to look into a new folder. The lock comes before anything that touches the journal itself.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), |folder| DirBuilder::new().recursive(true).mode(0o700).create(folder));
        made.map_err(unavailable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false) // it says who has the lock
            .mode(0o600)
            .open(&path)
            .map_err(unavailable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(held(journal, &mut file)),
            Err(error) => return Err(unavailable(error.into())),
        }
        // Not needed for the lock to hold, so a full disk does not keep the daemon from starting.
        let _ = file.set_len(0).and_then(|()| write!(file, "process {}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn held(journal: &Path, file: &mut File) -> JournalError {
    let mut holder = String::new();
    let known = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(100).read_to_string(&mut holder)).is_ok();
    let holder = if known && !holder.is_empty() { holder.as_str() } else { "another process" };
    JournalError::Locked(format!(
        "the journal {} is in use by {holder}; stop that daemon, or give this one another journal",
        journal.display()
    ))
}

fn lock_path(journal: &Path) -> PathBuf {
    let mut name: OsString = journal.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_it_and_the_third_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        let first = Lock::take(&journal).unwrap();
        let error = Lock::take(&journal).unwrap_err();
        let expected = format!(
            "the journal {} is in use by process {}; stop that daemon, or give this one another journal",
            journal.display(),
            std::process::id()
        );
        assert_eq!(error, JournalError::Locked(expected));
        drop(first);
        Lock::take(&journal).unwrap();
    }
}

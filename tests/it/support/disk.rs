//! Disks that make trouble: a small one that a test can fill, and one that takes no change.

use super::command::run;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(10);

/// A file system in memory. Dropping it unmounts it.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of so many MiB; none where this user may not.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("oncalld-disk").tempdir().ok()?;
        let size = format!("size={mebibytes}m");
        let said = run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()), LIMIT);
        said.ok.then_some(Self { folder })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Uses up what is left, to the last byte.
    pub fn fill(&self) {
        let mut ballast = File::create(self.path().join("ballast")).expect("a file");
        for size in [64 << 10, 4 << 10, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.path().join("ballast")).expect("the ballast");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what a failed test left open must not keep it mounted.
        let said = run(Command::new("umount").arg("--lazy").arg(self.path()), LIMIT);
        assert!(said.ok || std::thread::panicking(), "umount: {}", said.err);
    }
}

/// A folder that nobody can change, not even root. Dropping it gives it back.
pub struct ReadOnly(PathBuf);

impl ReadOnly {
    /// Mounts a folder over itself. A test that does so needs what [`SmallDisk`] needs.
    pub fn mount(folder: &Path) -> Self {
        let said = run(Command::new("mount").args(["--bind", "-o", "ro"]).arg(folder).arg(folder), LIMIT);
        assert!(said.ok, "{}", said.err);
        Self(folder.to_owned())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let said = run(Command::new("umount").arg(&self.0), LIMIT);
        assert!(said.ok || std::thread::panicking(), "umount: {}", said.err);
    }
}

//! Where the files are, and how they are read and written so that a crash leaves the old content or the new.
//!
//! ```text
//! <state>/<service>/            0700
//!   launch.json                 the effective configuration
//!   <n>/                        one per instance, from 1
//!     order.json  state.json  events.jsonl  log  log.1  stdout.fifo  stderr.fifo  lock
//! ```

use super::{Launch, Order, State};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The largest file that is read whole. A configuration of this size has an environment no kernel would take.
const LARGEST: u64 = 4 << 20;

/// The folder of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFolder(PathBuf);

/// The folder of one instance of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceFolder(PathBuf);

impl ServiceFolder {
    /// The folder of `service` among others.
    pub fn new(all: &Path, service: &str) -> Self {
        Self(all.join(service))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of instance `n`, counted from 1.
    pub fn instance(&self, n: u32) -> InstanceFolder {
        InstanceFolder(self.0.join(n.to_string()))
    }

    /// The effective configuration, if there is one.
    ///
    /// # Errors
    /// The file cannot be read or is not what it should be.
    pub fn launch(&self) -> io::Result<Option<Launch>> {
        read_json(&self.0.join("launch.json"))
    }

    /// Replaces the effective configuration.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn set_launch(&self, launch: &Launch) -> io::Result<()> {
        make_private(&self.0)?;
        write_json(&self.0.join("launch.json"), launch, true)
    }
}

impl InstanceFolder {
    /// An instance's folder at this very path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The service's folder.
    pub fn service(&self) -> ServiceFolder {
        ServiceFolder(self.0.parent().unwrap_or(&self.0).to_owned())
    }

    /// Makes it, for the owner only.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn create(&self) -> io::Result<()> {
        make_private(&self.0)
    }

    /// The last order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn order(&self) -> io::Result<Option<Order>> {
        read_json(&self.0.join("order.json"))
    }

    /// Gives an order.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn set_order(&self, order: &Order) -> io::Result<()> {
        self.create()?;
        write_json(&self.0.join("order.json"), order, true)
    }

    /// The state, if a shim ever wrote one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn state(&self) -> io::Result<Option<State>> {
        read_json(&self.0.join("state.json"))
    }

    /// Writes the state down. Not fsynced: after a crash of the machine, nothing that it describes exists any more.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn set_state(&self, state: &State) -> io::Result<()> {
        write_json(&self.0.join("state.json"), state, false)
    }

    /// Life-cycle events.
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }

    /// The log, where no other place is configured.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// What the shim itself has to complain about.
    pub fn shim_log(&self) -> PathBuf {
        self.0.join("shim.log")
    }

    /// The pipe that a stream of the program goes into.
    pub fn pipe(&self, stream: &str) -> PathBuf {
        self.0.join(format!("{stream}.fifo"))
    }

    /// Takes the lock that makes sure that there is one shim only; it lasts as long as the file is open.
    ///
    /// # Errors
    /// Someone else has it ([`io::ErrorKind::WouldBlock`]), or the disk refuses.
    pub fn lock(&self) -> io::Result<File> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(file)
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| in_file(path, &error))
}

/// Reads a file of JSON; none if there is none. A broken one (a machine that lost its power) counts as an error.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(in_file(path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| in_file(path, &error))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| in_file(path, &error.into()))
}

/// Writes a file of JSON, mode 0600, replacing it whole. Of several at once, one stays.
pub fn write_json(path: &Path, value: &impl Serialize, durable: bool) -> io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("tmp-{}-{write}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&temporary); // the first error is the one to report
        in_file(path, &error)
    })
}

fn in_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_private_and_come_back() {
        let all = tempfile::tempdir().unwrap();
        let service = ServiceFolder::new(all.path(), "api");
        assert_eq!(service.launch().unwrap(), None);
        let launch = Launch { argv: vec!["true".into()], ..Launch::default() };
        service.set_launch(&launch).unwrap();
        assert_eq!(service.launch().unwrap(), Some(launch));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(service.path()), mode(&service.path().join("launch.json"))), (0o700, 0o600));
        assert_eq!(service.instance(1).service(), service);
    }

    #[test]
    fn of_several_writers_at_once_one_wins_and_none_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        let write = || (0..200).for_each(|n| write_json(&path, &vec![n; 1_000], false).unwrap());
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(write))));
        assert_eq!(read_json::<Vec<i32>>(&path).unwrap(), Some(vec![199; 1_000]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn there_is_one_lock() {
        let all = tempfile::tempdir().unwrap();
        let instance = ServiceFolder::new(all.path(), "api").instance(1);
        instance.create().unwrap();
        let first = instance.lock().unwrap();
        assert_eq!(instance.lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        instance.lock().unwrap();
    }
}

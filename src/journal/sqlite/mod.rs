//! The journal in SQLite: one file for events, one for captured bytes, one daemon at a time.
//!
//! ```text
//! append ─► encode ─► [queue] ─► writer task ─► BEGIN, check, INSERT …, COMMIT (one fsync) ─► answers
//! events, incidents, knows, verify ─► read pool ─┐
//!                                                ├─► <journal>            WAL, synchronous=FULL
//! put_blob, blob ─► one connection ──────────────┴─► <journal>.blobs      the same, in a file of its own
//!                                                    <journal>.lock       held while the daemon lives
//! ```

mod archive;
mod batch;
mod blobs;
mod database;
mod lock;
mod read;
mod writer;

#[cfg(test)]
mod tests;

pub use archive::Archive;
pub use read::verify;

use super::{Append, IncidentFilter, IncidentRow, Journal, JournalError, JournalGauges, Verification};
use crate::domain::{DeliveryId, Digest, Event, IncidentId, Timestamp};
use batch::Group;
use blobs::Blobs;
use futures_util::future::{BoxFuture, FutureExt};
use lock::Lock;
use read::Reader;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot, watch,
};
use writer::{Command, Writer};

/// Groups of appends that may wait for the writer. Two full batches: more would only wait longer than webhook senders
/// do, so whoever comes then is told at once that the journal is busy.
const QUEUE: usize = 1_024;

/// Connections that read: lists, the live feed's catching up, and one long verification never starve one another.
const READERS: u32 = 4;

/// A journal in SQLite. Clones share it.
#[derive(Clone, Debug)]
pub struct SqliteJournal {
    queue: mpsc::Sender<Command>,
    trouble: watch::Receiver<Option<String>>,
    reader: Reader,
    blobs: Blobs,
    gauges: Arc<JournalGauges>,
}

/// The file that a journal URL names: `sqlite:///var/lib/oncalld/journal.db`, `sqlite://journal.db`.
///
/// # Errors
/// Another kind of database, or none that survives the process.
pub fn path_of(url: &str) -> Result<PathBuf, JournalError> {
    let path = url.strip_prefix("sqlite://").unwrap_or_default();
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        let problem = format!("'{url}' names no journal; write sqlite:// and the path of a file");
        return Err(JournalError::Unavailable(problem));
    }
    Ok(PathBuf::from(path))
}

impl SqliteJournal {
    /// Opens the journal at `path`, making it if need be. The task must be spawned; it ends when the journal is
    /// closed, or when every handle is gone.
    ///
    /// # Errors
    /// `Locked` if another daemon has it; `Unavailable` if it cannot be opened, read or written.
    pub async fn build(path: &Path) -> Result<(Self, impl Future<Output = ()> + Send + 'static), JournalError> {
        let (journal, writer) = Self::open(path).await?;
        Ok((journal, writer.run()))
    }

    async fn open(path: &Path) -> Result<(Self, Writer), JournalError> {
        let lock = take_lock(path).await?;
        let gauges = Arc::new(JournalGauges::default());
        let (mut connection, blobs) = tokio::try_join!(
            database::open(path, include_str!("schema.sql")),
            Blobs::open(database::with_suffix(path, ".blobs"), gauges.clone()),
        )?;
        let head = writer::read_head(&mut connection).await;
        let head = head.map_err(|error| JournalError::Unavailable(database::describe(path, &error)))?;
        let (queue, commands) = mpsc::channel(QUEUE);
        let (report, trouble) = watch::channel(None);
        let reader = Reader { pool: database::read_pool(path, READERS), path: path.to_owned() };
        let writer = Writer {
            connection,
            queue: commands,
            head: Some(head),
            trouble: report,
            gauges: gauges.clone(),
            path: path.to_owned(),
            lock,
        };
        Ok((Self { queue, trouble, reader, blobs, gauges }, writer))
    }

    /// What the journal counts of itself.
    pub fn gauges(&self) -> Arc<JournalGauges> {
        self.gauges.clone()
    }

    /// Deletes captured bytes that were last stored before a time, but for those that are needed, which count as stored
    /// anew; answers with their number. The chain still verifies.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn sweep_blobs(&self, before: Timestamp, needed: &[Digest]) -> Result<u64, JournalError> {
        self.blobs.renew(needed, before).await?;
        self.blobs.sweep(before).await
    }

    /// Forgets deliveries from before a time; answers with their number.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn sweep_deliveries(&self, before: Timestamp) -> Result<u64, JournalError> {
        self.ask(|answer| Command::Forget(before, answer)).await?
    }

    /// Makes durable what is waiting, then closes the files and gives the lock up. Later appends are refused.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.queue.send(Command::Close(answer)).await.is_ok() {
            let _ = closed.await; // an error means that the writer is gone already
        }
        self.reader.pool.close().await;
        self.blobs.close().await;
    }

    async fn append_group(&self, appends: Vec<Append>) -> writer::Appended {
        let group = Group::encode(appends)?;
        self.ask(|answer| Command::Append(group, answer)).await?
    }

    /// Puts a command in the queue without waiting for room, and waits for its answer.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, JournalError> {
        let (answer, answered) = oneshot::channel();
        let command = command(answer);
        let append = matches!(command, Command::Append(..));
        if append {
            self.gauges.queued.fetch_add(1, Relaxed); // before the writer can take it away again
        }
        if let Err(error) = self.queue.try_send(command) {
            if append {
                self.gauges.queued.fetch_sub(1, Relaxed);
            }
            return Err(refused(&error));
        }
        answered.await.map_err(|_| closed())
    }
}

async fn take_lock(path: &Path) -> Result<Lock, JournalError> {
    let path = path.to_owned();
    let lock = tokio::task::spawn_blocking(move || Lock::take(&path)).await;
    lock.map_err(|error| JournalError::Unavailable(error.to_string()))?
}

fn refused(error: &TrySendError<Command>) -> JournalError {
    match error {
        TrySendError::Full(_) => full(),
        TrySendError::Closed(_) => closed(),
    }
}

fn full() -> JournalError {
    JournalError::Unavailable(format!("{QUEUE} appends are waiting for the disk already; try again"))
}

fn closed() -> JournalError {
    JournalError::Unavailable("the journal is closed: the daemon is shutting down".into())
}

impl Journal for SqliteJournal {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Event>, JournalError>> {
        async move { Ok(self.append_group(vec![append]).await?.pop().unwrap_or_default()) }.boxed()
    }

    fn append_all(&self, appends: Vec<Append>) -> BoxFuture<'_, Result<Vec<Vec<Event>>, JournalError>> {
        self.append_group(appends).boxed()
    }

    fn events(
        &self,
        incident: Option<IncidentId>,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Event>, JournalError>> {
        self.reader.events(incident, after, limit).boxed()
    }

    fn daemon_events(
        &self,
        kinds: &'static [&'static str],
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Event>, JournalError>> {
        async move { self.reader.daemon_events(kinds, limit).await }.boxed()
    }

    fn incidents(&self, filter: IncidentFilter) -> BoxFuture<'_, Result<Vec<IncidentRow>, JournalError>> {
        async move { self.reader.incidents(&filter).await }.boxed()
    }

    fn knows(&self, delivery: DeliveryId) -> BoxFuture<'_, Result<bool, JournalError>> {
        async move { self.reader.knows(&delivery).await }.boxed()
    }

    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest, JournalError>> {
        self.blobs.put(bytes).boxed()
    }

    fn blob(&self, digest: Digest) -> BoxFuture<'_, Result<Option<Vec<u8>>, JournalError>> {
        async move { self.blobs.get(&digest).await }.boxed()
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verification, JournalError>> {
        self.reader.verify().boxed()
    }

    fn ready(&self) -> Result<(), JournalError> {
        match self.trouble.borrow().as_ref() {
            Some(problem) => Err(JournalError::Unavailable(problem.clone())),
            None if self.queue.is_closed() => Err(closed()),
            None if self.queue.capacity() == 0 => Err(full()),
            None => self.blobs.trouble().map_or(Ok(()), |problem| Err(JournalError::Unavailable(problem))),
        }
    }
}

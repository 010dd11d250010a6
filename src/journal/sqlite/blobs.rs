//! Captured bytes, content-addressed, in a database file of their own.

use super::database::{describe, open_pool, read_pool};
use crate::{
    domain::{Digest, Timestamp},
    journal::{JournalError, JournalGauges, chain::time_text},
};
use sqlx::SqlitePool;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// The largest blob: far above what executors capture, so more is a mistake of theirs.
const LARGEST: usize = 16 << 20;

/// Blobs deleted per transaction, so that a sweep holds nobody up for long.
const SWEPT_AT_ONCE: i64 = 100;

/// Pages given back to the file system per sweep: 64 MiB.
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(16384)";

/// How long a failure counts, unless storing succeeds before. Whoever failed tries again within a second.
const FAILING: Duration = Duration::from_secs(3);

/// The store of captured bytes.
#[derive(Clone, Debug)]
pub(super) struct Blobs {
    pool: SqlitePool,
    path: PathBuf,
    gauges: Arc<JournalGauges>,
    /// The last failure, and when it was, until something is stored.
    failed: Arc<Mutex<Option<(Instant, String)>>>,
}

impl Blobs {
    /// Opens the file, and makes it if need be.
    pub async fn open(path: PathBuf, gauges: Arc<JournalGauges>) -> Result<Self, JournalError> {
        // One connection: SQLite has one writer anyway, and reads of blobs are few.
        let pool = open_pool(&path, include_str!("blobs.sql")).await?;
        Ok(Self { pool, path, gauges, failed: Arc::default() })
    }

    /// A file that is there, and only read.
    pub fn only_read(path: PathBuf) -> Self {
        Self { pool: read_pool(&path, 1), path, gauges: Arc::default(), failed: Arc::default() }
    }

    /// Stores bytes durably under their digest. Storing them again renews their age.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<Digest, JournalError> {
        const PUT: &str = "INSERT INTO blobs (digest, at, bytes) VALUES ($1, $2, $3) \
                           ON CONFLICT (digest) DO UPDATE SET at = excluded.at";
        if bytes.len() > LARGEST {
            let problem = format!("a blob of {} bytes is more than the {LARGEST} that are kept", bytes.len());
            return Err(JournalError::Unavailable(problem));
        }
        let digest = Digest::of(&bytes);
        let query = sqlx::query(PUT).bind(digest.as_str()).bind(time_text(chrono::Utc::now())).bind(bytes);
        let stored = query.execute(&self.pool).await.map_err(|error| describe(&self.path, &error));
        *self.failed() = stored.as_ref().err().map(|problem| (Instant::now(), problem.clone()));
        stored.map_err(JournalError::Unavailable)?;
        self.gauges.blobs.fetch_add(1, Relaxed);
        Ok(digest)
    }

    /// Why nothing can be stored now, as far as was seen.
    pub fn trouble(&self) -> Option<String> {
        let failed = self.failed();
        failed.as_ref().filter(|(at, _)| at.elapsed() < FAILING).map(|(_, problem)| problem.clone())
    }

    /// A poisoned lock holds a whole value all the same.
    fn failed(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stored bytes.
    pub async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, JournalError> {
        let query = sqlx::query_scalar("SELECT bytes FROM blobs WHERE digest = $1").bind(digest.as_str());
        let found: Option<Vec<u8>> =
            query.fetch_optional(&self.pool).await.map_err(|error| self.unavailable(&error))?;
        match found {
            Some(bytes) if Digest::of(&bytes) != *digest => Err(JournalError::Unavailable(format!(
                "{}: blob {} is not what was stored; restore the file from a backup",
                self.path.display(),
                digest.short()
            ))),
            found => Ok(found),
        }
    }

    /// Deletes blobs that were last stored before a time; answers with their number.
    pub async fn sweep(&self, before: Timestamp) -> Result<u64, JournalError> {
        const DELETE: &str = "DELETE FROM blobs WHERE digest IN \
                              (SELECT digest FROM blobs WHERE at < $1 ORDER BY at LIMIT $2)";
        let mut deleted = 0;
        loop {
            let query = sqlx::query(DELETE).bind(time_text(before)).bind(SWEPT_AT_ONCE);
            let done = query.execute(&self.pool).await.map_err(|error| self.unavailable(&error))?.rows_affected();
            deleted += done;
            if done < SWEPT_AT_ONCE as u64 {
                break;
            }
        }
        if deleted > 0 {
            sqlx::query(GIVE_BACK).execute(&self.pool).await.map_err(|error| self.unavailable(&error))?;
        }
        Ok(deleted)
    }

    /// Renews the age of those among these blobs that a sweep of what is older than a time would delete.
    pub async fn renew(&self, digests: &[Digest], before: Timestamp) -> Result<(), JournalError> {
        const RENEW: &str = "UPDATE blobs SET at = $1 WHERE digest = $2 AND at < $3";
        let (now, before) = (time_text(chrono::Utc::now()), time_text(before));
        for some in digests.chunks(SWEPT_AT_ONCE as usize) {
            let mut transaction = self.pool.begin().await.map_err(|error| self.unavailable(&error))?;
            for digest in some {
                let query = sqlx::query(RENEW).bind(&now).bind(digest.as_str()).bind(&before);
                query.execute(&mut *transaction).await.map_err(|error| self.unavailable(&error))?;
            }
            transaction.commit().await.map_err(|error| self.unavailable(&error))?;
        }
        Ok(())
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn unavailable(&self, error: &sqlx::Error) -> JournalError {
        JournalError::Unavailable(describe(&self.path, error))
    }
}

//! Reading a journal that a daemon may be writing meanwhile, or none: nothing in it is changed.

use super::{blobs::Blobs, database, read::Reader};
use crate::domain::{Digest, Event, IncidentId};
use crate::journal::JournalError;
use std::path::Path;

/// Events read per page: what the journal gives at most.
const PAGE: u32 = 1_000;

/// Identifiers that are told where several begin alike.
const ALIKE: u32 = 20;

/// A journal that is only read.
#[derive(Debug)]
pub struct Archive {
    reader: Reader,
    blobs: Option<Blobs>,
}

impl Archive {
    /// Opens the journal at `path`.
    ///
    /// # Errors
    /// There is none.
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        let is_there = async |path: &Path| tokio::fs::try_exists(path).await.unwrap_or(false);
        if !is_there(path).await {
            return Err(JournalError::Unavailable(format!("{}: there is no such file", path.display())));
        }
        let captured = database::with_suffix(path, ".blobs");
        let blobs = is_there(&captured).await.then(|| Blobs::only_read(captured));
        Ok(Self { reader: Reader { pool: database::read_pool(path, 1), path: path.to_owned() }, blobs })
    }

    /// Incidents whose identifiers begin so, the last ones first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn beginning(&self, with: &str) -> Result<Vec<IncidentId>, JournalError> {
        self.reader.beginning(with, ALIKE).await
    }

    /// All events of an incident.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub async fn events(&self, incident: &IncidentId) -> Result<Vec<Event>, JournalError> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.seq);
            let page = self.reader.events(Some(incident.clone()), after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            events.extend(page);
            if is_last {
                return Ok(events);
            }
        }
    }

    /// Captured bytes; none if retention deleted them.
    ///
    /// # Errors
    /// The file cannot be read, or they are not what was stored.
    pub async fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, JournalError> {
        match &self.blobs {
            Some(blobs) => blobs.get(digest).await,
            None => Ok(None),
        }
    }

    /// Closes the files.
    pub async fn close(self) {
        self.reader.pool.close().await;
        if let Some(blobs) = self.blobs {
            blobs.close().await;
        }
    }
}

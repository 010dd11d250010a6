//! What the journal counts of itself, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of a journal; read at any time, from any thread.
#[derive(Debug, Default)]
pub struct JournalGauges {
    pub(super) commits: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) queued: AtomicU64,
    pub(super) blobs: AtomicU64,
}

impl JournalGauges {
    /// Transactions made durable: one fsync each.
    pub fn commits(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    /// Events made durable.
    pub fn events(&self) -> u64 {
        self.events.load(Relaxed)
    }

    /// Transactions that failed: disk full, input or output error.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Appends that wait for a commit now.
    pub fn queued(&self) -> u64 {
        self.queued.load(Relaxed)
    }

    /// Blobs stored, each with an fsync of its own.
    pub fn blobs(&self) -> u64 {
        self.blobs.load(Relaxed)
    }
}

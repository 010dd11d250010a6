//! The journal: append-only, hash-chained, durable before anything is acknowledged or acted on.
//!
//! ```text
//! append ─► [queue] ─► one writer task ─► one transaction, one multi-row INSERT, one fsync ─► answers
//! ```

mod chain;
mod gauges;
pub mod sqlite;

pub use gauges::JournalGauges;

use crate::domain::{DeliveryId, Digest, Event, EventBody, IncidentId, Timestamp};
use futures_util::future::BoxFuture;

/// Why the journal could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Others appended to this incident since the events were decided on; decide again.
    #[error("incident {incident} has moved on to event {at}; the decision was made at {after}")]
    Conflict {
        /// The incident.
        incident: IncidentId,
        /// Its last event.
        at: u64,
        /// The last event that the decision knew.
        after: u64,
    },
    /// An open incident already has this group key.
    #[error("incident {existing} is open for {group_key}")]
    GroupOpen {
        /// The key.
        group_key: String,
        /// The incident that has it.
        existing: IncidentId,
    },
    /// The queue is full, the disk is full, or the database is away. Nothing was stored.
    #[error("the journal cannot be written: {0}")]
    Unavailable(String),
    /// The database is not what was written.
    #[error("the journal is damaged at event {seq}: {problem}")]
    Damaged {
        /// Where.
        seq: u64,
        /// How.
        problem: String,
    },
    /// Another daemon has it.
    #[error("{0}")]
    Locked(String),
}

/// Events of one incident that become durable together, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// The incident; none for what concerns the daemon.
    pub incident: Option<IncidentId>,
    /// The last event of the incident that the decision knew; none for facts, which are always accepted.
    pub after: Option<u64>,
    /// When it happened.
    pub at: Timestamp,
    /// In order.
    pub events: Vec<EventBody>,
    /// What the row of the incident becomes.
    pub row: Option<IncidentRow>,
    /// A delivery that this makes durable, so that its repeat is known.
    pub delivery: Option<DeliveryId>,
}

/// The cached fold of an incident, for lists.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRow {
    /// The incident.
    pub id: IncidentId,
    /// Unique among open incidents.
    pub group_key: String,
    /// Environment.
    pub environment: String,
    /// Target, or empty.
    pub service: String,
    /// Whether it is open.
    pub open: bool,
    /// State, as in the API.
    pub state: String,
    /// Verdict, or empty.
    pub verdict: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The incident as the API shows it in lists.
    pub summary: serde_json::Value,
}

/// Which incidents to list, those that were opened last first.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// Only open ones, or only closed ones.
    pub open: Option<bool>,
    /// Only this state.
    pub state: Option<String>,
    /// Only this environment.
    pub environment: Option<String>,
    /// Only this service.
    pub service: Option<String>,
    /// Only this verdict.
    pub verdict: Option<String>,
    /// Those that something happened to last first, instead.
    pub by_activity: bool,
    /// Only those that come after this one in the list.
    pub after: Option<IncidentId>,
    /// At most this many.
    pub limit: u32,
}

/// What `oncalld journal verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    /// Events whose hash is right.
    pub events: u64,
    /// Hash of the last one: note it elsewhere, and a rewritten journal will show.
    pub head: Option<Digest>,
}

/// The truth about every incident.
pub trait Journal: Send + Sync {
    /// Makes events durable; answers with them as stored.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Event>, JournalError>>;

    /// Makes several appends durable in one transaction: all or none.
    fn append_all(&self, appends: Vec<Append>) -> BoxFuture<'_, Result<Vec<Vec<Event>>, JournalError>>;

    /// Events after `after`, of one incident or of all, oldest first, at most `limit`.
    fn events(
        &self,
        incident: Option<IncidentId>,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Event>, JournalError>>;

    /// Events of these kinds that concern no incident but the daemon itself, newest first, at most `limit`.
    fn daemon_events(
        &self,
        kinds: &'static [&'static str],
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Event>, JournalError>>;

    /// Rows of incidents.
    fn incidents(&self, filter: IncidentFilter) -> BoxFuture<'_, Result<Vec<IncidentRow>, JournalError>>;

    /// Whether a delivery is durable already.
    fn knows(&self, delivery: DeliveryId) -> BoxFuture<'_, Result<bool, JournalError>>;

    /// Stores bytes under their digest, durably, before the event that names them.
    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest, JournalError>>;

    /// Stored bytes; none if retention deleted them.
    fn blob(&self, digest: Digest) -> BoxFuture<'_, Result<Option<Vec<u8>>, JournalError>>;

    /// Checks the whole hash chain.
    fn verify(&self) -> BoxFuture<'_, Result<Verification, JournalError>>;

    /// Whether an append would be durable now; the reason if not.
    fn ready(&self) -> Result<(), JournalError>;
}

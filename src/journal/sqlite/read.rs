//! Reading: pages of events, lists of incidents, and the walk along the hash chain.

use super::database::describe;
use crate::{
    domain::{DeliveryId, Digest, Event, EventBody, IncidentId, Timestamp},
    journal::{IncidentFilter, IncidentRow, JournalError, Verification, chain::Head},
};
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool, sqlite::SqliteRow};
use std::path::{Path, PathBuf};

/// Events of one page, whatever the caller asks for: at 64 KiB of facts each, some 64 MiB at the very most.
const LARGEST_PAGE: u32 = 1_000;

/// A pool of reading connections to one file.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub pool: SqlitePool,
    pub path: PathBuf,
}

impl Reader {
    /// Events after a position, oldest first.
    pub async fn events(
        &self,
        incident: Option<IncidentId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Event>, JournalError> {
        const ALL: &str = "SELECT seq, at, incident, body, hash FROM events WHERE seq > $1 ORDER BY seq LIMIT $2";
        const OF_ONE: &str = "SELECT seq, at, incident, body, hash FROM events \
                              WHERE incident = $3 AND seq > $1 ORDER BY seq LIMIT $2";
        let query = sqlx::query(if incident.is_some() { OF_ONE } else { ALL });
        let query = query.bind(i64::try_from(after).unwrap_or(i64::MAX)).bind(limit.min(LARGEST_PAGE));
        let query = if let Some(incident) = &incident { query.bind(incident.as_str()) } else { query };
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.unavailable(&error))?;
        rows.into_iter().map(|row| self.line(&row)?.event()).collect()
    }

    /// Events of these kinds and of no incident, newest first.
    pub async fn daemon_events(&self, kinds: &[&str], limit: u32) -> Result<Vec<Event>, JournalError> {
        const OF_NONE: &str = "SELECT seq, at, incident, body, hash FROM events \
                               WHERE incident IS NULL \
                               AND json_extract(body, '$.kind') IN (SELECT value FROM json_each($2)) \
                               ORDER BY seq DESC LIMIT $1";
        let kinds = serde_json::json!(kinds).to_string();
        let query = sqlx::query(OF_NONE).bind(limit.min(LARGEST_PAGE)).bind(kinds);
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.unavailable(&error))?;
        rows.into_iter().map(|row| self.line(&row)?.event()).collect()
    }

    /// Incidents, newest first.
    pub async fn incidents(&self, filter: &IncidentFilter) -> Result<Vec<IncidentRow>, JournalError> {
        let rows = incidents_query(filter).build().fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.unavailable(&error))?;
        rows.iter().map(|row| incident_row(row).map_err(|error| self.unavailable(&error))).collect()
    }

    /// Incidents whose identifiers begin so, the last ones first.
    pub async fn beginning(&self, with: &str, limit: u32) -> Result<Vec<IncidentId>, JournalError> {
        const ALIKE: &str = "SELECT id FROM incidents WHERE substr(id, 1, length($1)) = $1 \
                             ORDER BY opened_at DESC, id DESC LIMIT $2";
        let found: Vec<String> = sqlx::query_scalar(ALIKE)
            .bind(with)
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.unavailable(&error))?;
        Ok(found.into_iter().map(IncidentId::new).collect())
    }

    /// Whether a delivery is durable.
    pub async fn knows(&self, delivery: &DeliveryId) -> Result<bool, JournalError> {
        let query = sqlx::query_scalar("SELECT count(*) > 0 FROM deliveries WHERE id = $1").bind(delivery.as_str());
        query.fetch_one(&self.pool).await.map_err(|error| self.unavailable(&error))
    }

    /// Walks the whole chain, a page at a time.
    pub async fn verify(&self) -> Result<Verification, JournalError> {
        const PAGE: &str = "SELECT seq, at, incident, body, hash FROM events WHERE seq > $1 ORDER BY seq LIMIT $2";
        let mut head = Head::default();
        loop {
            let query = sqlx::query(PAGE).bind(head.seq as i64).bind(LARGEST_PAGE);
            let rows = query.fetch_all(&self.pool).await.map_err(|error| self.unavailable(&error))?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                head = self.line(row)?.follows(&head)?;
            }
        }
        self.check_tail(&head).await?;
        Ok(Verification { events: head.seq, head: (head.seq > 0).then_some(head.hash) })
    }

    /// A cut-off tail leaves a chain that is sound in itself, but the incidents know how long it was.
    async fn check_tail(&self, head: &Head) -> Result<(), JournalError> {
        // Read after the events were: what was appended in between must not look like a gap.
        const LAST: &str = "SELECT coalesce((SELECT max(last_seq) FROM incidents), 0), \
                            coalesce((SELECT max(seq) FROM events), 0)";
        let (noted, last): (i64, i64) =
            sqlx::query_as(LAST).fetch_one(&self.pool).await.map_err(|error| self.unavailable(&error))?;
        if noted > last {
            let problem = format!("events up to {noted} were written, but the last one is {last}");
            return Err(JournalError::Damaged { seq: head.seq + 1, problem });
        }
        Ok(())
    }

    fn line(&self, row: &SqliteRow) -> Result<StoredLine, JournalError> {
        let read = || {
            Ok(StoredLine {
                seq: row.try_get::<i64, _>(0)? as u64,
                at: row.try_get(1)?,
                incident: row.try_get(2)?,
                body: row.try_get(3)?,
                hash: row.try_get(4)?,
            })
        };
        read().map_err(|error: sqlx::Error| self.unavailable(&error))
    }

    fn unavailable(&self, error: &sqlx::Error) -> JournalError {
        JournalError::Unavailable(describe(&self.path, error))
    }
}

/// Checks the chain of a journal file that a daemon may be writing meanwhile.
///
/// # Errors
/// The file cannot be read, or it is damaged; then the error says at which event.
pub async fn verify(path: &Path) -> Result<Verification, JournalError> {
    if !tokio::fs::try_exists(path).await.unwrap_or(false) {
        return Err(JournalError::Unavailable(format!("{}: there is no such file", path.display())));
    }
    let reader = Reader { pool: super::database::read_pool(path, 1), path: path.to_owned() };
    let result = reader.verify().await;
    reader.pool.close().await;
    result
}

/// A row of `events` as it lies there.
struct StoredLine {
    seq: u64,
    at: String,
    incident: Option<String>,
    body: String,
    hash: String,
}

impl StoredLine {
    fn event(self) -> Result<Event, JournalError> {
        let damaged = |problem: String| JournalError::Damaged { seq: self.seq, problem };
        let at = parse_time(&self.at).map_err(|error| damaged(format!("its time {}: {error}", self.at)))?;
        let body: EventBody = serde_json::from_str(&self.body).map_err(|error| damaged(error.to_string()))?;
        let incident = self.incident.map(IncidentId::new);
        Ok(Event { seq: self.seq, at, incident, body, hash: Digest::new(self.hash) })
    }

    /// The head of the chain with this line, if it is the next one.
    fn follows(&self, head: &Head) -> Result<Head, JournalError> {
        let expected = head.next(&self.at, self.incident.as_deref(), &self.body);
        if self.seq != expected.seq {
            let problem = format!("it is missing; the next one is {}", self.seq);
            return Err(JournalError::Damaged { seq: expected.seq, problem });
        }
        if self.hash != expected.hash.as_str() {
            let problem = "its hash does not match its content and what came before".to_owned();
            return Err(JournalError::Damaged { seq: self.seq, problem });
        }
        Ok(expected)
    }
}

fn incidents_query(filter: &IncidentFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(
        "SELECT id, group_key, environment, service, open, state, verdict, opened_at, summary FROM incidents WHERE 1",
    );
    // Constants rather than parameters, so that the partial index of open incidents serves.
    match filter.open {
        Some(true) => drop(query.push(" AND open = 1")),
        Some(false) => drop(query.push(" AND open = 0")),
        None => {}
    }
    let texts = [
        (" AND state = ", &filter.state),
        (" AND environment = ", &filter.environment),
        (" AND service = ", &filter.service),
        (" AND verdict = ", &filter.verdict),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            query.push(condition).push_bind(text.as_str());
        }
    }
    let (place, order) = if filter.by_activity {
        ("last_seq, id", " ORDER BY last_seq DESC, id DESC LIMIT ")
    } else {
        ("opened_at, id", " ORDER BY opened_at DESC, id DESC LIMIT ")
    };
    if let Some(after) = &filter.after {
        query.push(format!(" AND ({place}) < (SELECT {place} FROM incidents WHERE id = "));
        query.push_bind(after.as_str()).push(")");
    }
    query.push(order).push_bind(filter.limit.min(LARGEST_PAGE));
    query
}

fn incident_row(row: &SqliteRow) -> Result<IncidentRow, sqlx::Error> {
    let decode = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    Ok(IncidentRow {
        id: IncidentId::new(row.try_get::<String, _>("id")?),
        group_key: row.try_get("group_key")?,
        environment: row.try_get("environment")?,
        service: row.try_get("service")?,
        open: row.try_get("open")?,
        state: row.try_get("state")?,
        verdict: row.try_get("verdict")?,
        opened_at: parse_time(row.try_get("opened_at")?).map_err(|error| decode(error.into()))?,
        summary: serde_json::from_str(row.try_get("summary")?).map_err(|error| decode(error.into()))?,
    })
}

fn parse_time(text: &str) -> Result<Timestamp, chrono::ParseError> {
    chrono::DateTime::parse_from_rfc3339(text).map(|time| time.to_utc())
}

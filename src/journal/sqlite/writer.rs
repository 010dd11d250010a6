//! The one task that writes: it takes all appends that wait, makes them durable in one transaction with one fsync, and
//! then answers them (group commit).

use super::{
    batch::{Batch, Group, Line},
    database::describe,
    lock::Lock,
};
use crate::{
    domain::{Digest, Event, IncidentId, Timestamp},
    journal::{
        IncidentRow, JournalError, JournalGauges,
        chain::{Head, time_text},
    },
};
use sqlx::{Connection, QueryBuilder, Row, Sqlite, SqliteConnection};
use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

/// Appends that share one commit. At some 20 µs each this keeps a commit, and so the wait of the first one in it,
/// in the order of ten milliseconds.
const LARGEST_BATCH: usize = 512;

/// Rows of one statement: SQLite takes 32,766 parameters and a row of `incidents` has ten.
const ROWS_PER_STATEMENT: usize = 3_000;

/// How often a disk that was full is tried again. `/ready` follows within this time.
const TRY_SPACE_EVERY: Duration = Duration::from_secs(1);

/// Deliveries forgotten per transaction, so that appends need not wait for a long deletion.
const FORGET_AT_ONCE: i64 = 2_000;

/// What a group of appends is answered with.
pub(super) type Appended = Result<Vec<Vec<Event>>, JournalError>;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Make durable, then answer.
    Append(Group, oneshot::Sender<Appended>),
    /// Forget deliveries from before this time; answers with their number.
    Forget(Timestamp, oneshot::Sender<Result<u64, JournalError>>),
    /// Finish what came before this, then stop.
    Close(oneshot::Sender<()>),
}

/// The writer's state.
#[derive(Debug)]
pub(super) struct Writer {
    pub connection: SqliteConnection,
    pub queue: mpsc::Receiver<Command>,
    /// End of the chain; none where it must be read again, because a commit failed and may or may not have happened.
    pub head: Option<Head>,
    /// Why nothing can be written, while nothing can.
    pub trouble: watch::Sender<Option<String>>,
    pub gauges: Arc<JournalGauges>,
    pub path: PathBuf,
    /// Dropped last, after the connection.
    pub lock: Lock,
}

/// What a transaction makes so, once it is committed.
struct Written {
    answers: Vec<Appended>,
    head: Head,
    /// Whether there is anything in it: SQLite does not fsync nothing.
    changes: bool,
    events: u64,
}

impl Writer {
    /// Writes until the journal is closed or every handle is gone.
    pub async fn run(mut self) {
        let mut commands = Vec::with_capacity(LARGEST_BATCH);
        let mut closed = None;
        while closed.is_none() {
            let received = self.queue.recv_many(&mut commands, LARGEST_BATCH);
            let received = if self.trouble.borrow().is_none() {
                received.await
            } else if let Ok(received) = timeout(TRY_SPACE_EVERY, received).await {
                received
            } else {
                self.try_space().await;
                continue;
            };
            if received == 0 {
                break;
            }
            closed = self.obey(&mut commands).await;
        }
        // Checkpoints, so that the next start finds a small log. What is committed is durable even if this fails.
        if let Err(error) = self.connection.close().await {
            tracing::warn!(journal = %self.path.display(), %error, "the journal was not closed cleanly");
        }
        drop(self.lock);
        if let Some(answer) = closed {
            let _ = answer.send(()); // whoever asked may have stopped waiting
        }
    }

    /// Carries commands out; answers who asked to stop, if someone did.
    async fn obey(&mut self, commands: &mut Vec<Command>) -> Option<oneshot::Sender<()>> {
        let mut groups = Vec::with_capacity(commands.len());
        let mut answers = Vec::with_capacity(commands.len());
        let (mut forgets, mut closed) = (Vec::new(), None);
        for command in commands.drain(..) {
            match command {
                Command::Append(group, answer) => {
                    groups.push(group);
                    answers.push(answer);
                }
                Command::Forget(before, answer) => forgets.push((before, answer)),
                Command::Close(answer) => closed = Some(answer),
            }
        }
        let results = self.append(groups).await;
        self.gauges.queued.fetch_sub(results.len() as u64, Relaxed);
        for (answer, result) in answers.into_iter().zip(results) {
            let _ = answer.send(result); // the events are durable whether or not someone still waits
        }
        for (before, answer) in forgets {
            let result = self.forget(before).await;
            let _ = answer.send(result.map_err(|error| self.failed(&error)));
        }
        closed
    }

    /// Makes groups durable in one transaction. A group that conflicts does not hold up the others.
    pub async fn append(&mut self, groups: Vec<Group>) -> Vec<Appended> {
        if groups.is_empty() {
            return Vec::new();
        }
        let count = groups.len();
        match self.transaction(groups).await {
            Ok(results) => {
                self.trouble.send_if_modified(|trouble| trouble.take().is_some());
                results
            }
            Err(error) => {
                let error = self.failed(&error);
                vec![Err(error); count]
            }
        }
    }

    /// BEGIN and its end are plain statements: a full disk makes SQLite roll back by itself, of which sqlx's own
    /// transactions do not learn.
    async fn transaction(&mut self, groups: Vec<Group>) -> Result<Vec<Appended>, sqlx::Error> {
        let head = match self.head.take() {
            Some(head) => head,
            None => read_head(&mut self.connection).await?,
        };
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut self.connection).await?;
        let committed = match self.write(head, groups).await {
            Ok(written) => match sqlx::raw_sql("COMMIT").execute(&mut self.connection).await {
                Ok(_) => Ok(written),
                Err(_) if self.is_there(&written).await => Ok(written),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match committed {
            Ok(written) => {
                self.head = Some(written.head);
                self.gauges.commits.fetch_add(u64::from(written.changes), Relaxed);
                self.gauges.events.fetch_add(written.events, Relaxed);
                Ok(written.answers)
            }
            Err(error) => {
                // It fails where SQLite has rolled back already.
                let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
                Err(error)
            }
        }
    }

    /// Whether a commit that reported an error has happened all the same: then its end is the end of the chain.
    async fn is_there(&mut self, written: &Written) -> bool {
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await; // fails where nothing is open any more
        let head = read_head(&mut self.connection).await;
        written.events > 0 && head.is_ok_and(|head| head == written.head)
    }

    /// Everything between BEGIN and COMMIT.
    async fn write(&mut self, head: Head, groups: Vec<Group>) -> Result<Written, sqlx::Error> {
        let connection = &mut self.connection;
        let mut batch = Batch {
            last: last_events(connection, &groups).await?,
            open: open_groups(connection, &groups).await?,
            head,
            ..Batch::default()
        };
        let answers = groups.into_iter().map(|group| batch.add(group)).collect();
        let (changes, events) = (!batch.is_empty(), batch.lines.len() as u64);
        insert_events(connection, std::mem::take(&mut batch.lines)).await?;
        insert_incidents(connection, batch.take_rows()).await?;
        insert_deliveries(connection, &batch).await?;
        Ok(Written { answers, head: batch.head, changes, events })
    }

    async fn forget(&mut self, before: Timestamp) -> Result<u64, sqlx::Error> {
        const FORGET: &str =
            "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE at < $1 ORDER BY at LIMIT $2)";
        let mut forgotten = 0;
        loop {
            let statement = sqlx::query(FORGET).bind(time_text(before)).bind(FORGET_AT_ONCE);
            let deleted = statement.execute(&mut self.connection).await?.rows_affected();
            forgotten += deleted;
            if deleted < FORGET_AT_ONCE as u64 {
                return Ok(forgotten);
            }
        }
    }

    /// Writes something of the size of a usual batch, to learn whether the next append would succeed.
    async fn try_space(&mut self) {
        const FILL: &str = "INSERT OR REPLACE INTO space (id, filler) VALUES (1, randomblob(131072))";
        match sqlx::query(FILL).execute(&mut self.connection).await {
            Ok(_) => {
                tracing::info!(journal = %self.path.display(), "the journal can be written again");
                self.trouble.send_replace(None);
            }
            Err(error) => {
                self.failed(&error);
            }
        }
    }

    /// Notes the trouble for `ready`, and makes it the answer.
    fn failed(&mut self, error: &sqlx::Error) -> JournalError {
        let problem = describe(&self.path, error);
        self.head = None;
        self.gauges.failures.fetch_add(1, Relaxed);
        if self.trouble.send_replace(Some(problem.clone())).as_ref() != Some(&problem) {
            tracing::error!(%problem, "the journal cannot be written");
        }
        JournalError::Unavailable(problem)
    }
}

/// Reads the end of the chain.
pub(super) async fn read_head(connection: &mut SqliteConnection) -> Result<Head, sqlx::Error> {
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetch_optional(connection).await?;
    Ok(last.map_or_else(Head::default, |(seq, hash)| Head { seq: seq as u64, hash: Digest::new(hash) }))
}

async fn last_events(
    connection: &mut SqliteConnection,
    groups: &[Group],
) -> Result<HashMap<IncidentId, u64>, sqlx::Error> {
    const LAST: &str = "SELECT incident, max(seq) FROM events \
                        WHERE incident IN (SELECT value FROM json_each($1)) GROUP BY incident";
    let incidents: BTreeSet<&IncidentId> = groups.iter().flat_map(Group::incidents).collect();
    let list = serde_json::json!(incidents).to_string();
    let rows = sqlx::query(LAST).bind(list).fetch_all(&mut *connection).await?;
    rows.iter()
        .map(|row| Ok((IncidentId::new(row.try_get::<String, _>(0)?), row.try_get::<i64, _>(1)? as u64)))
        .collect()
}

async fn open_groups(
    connection: &mut SqliteConnection,
    groups: &[Group],
) -> Result<HashMap<String, IncidentId>, sqlx::Error> {
    const OPEN: &str = "SELECT group_key, id FROM incidents \
                        WHERE open = 1 AND group_key IN (SELECT value FROM json_each($1))";
    let keys: BTreeSet<&str> = groups.iter().flat_map(Group::group_keys).collect();
    let list = serde_json::json!(keys).to_string();
    let rows = sqlx::query(OPEN).bind(list).fetch_all(&mut *connection).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, IncidentId::new(row.try_get::<String, _>(1)?)))).collect()
}

async fn insert_events(connection: &mut SqliteConnection, lines: Vec<Line>) -> Result<(), sqlx::Error> {
    let mut lines = lines.into_iter().peekable();
    while lines.peek().is_some() {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO events (seq, at, incident, body, hash) ");
        insert.push_values(lines.by_ref().take(ROWS_PER_STATEMENT), |mut row, line| {
            row.push_bind(line.seq as i64);
            row.push_bind(line.at).push_bind(line.incident).push_bind(line.body).push_bind(line.hash);
        });
        insert.build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert_incidents(connection: &mut SqliteConnection, rows: Vec<(IncidentRow, u64)>) -> Result<(), sqlx::Error> {
    const UPSERT: &str = " ON CONFLICT (id) DO UPDATE SET group_key = excluded.group_key, \
        environment = excluded.environment, service = excluded.service, open = excluded.open, \
        state = excluded.state, verdict = excluded.verdict, opened_at = excluded.opened_at, \
        summary = excluded.summary, last_seq = excluded.last_seq";
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO incidents (id, group_key, environment, service, open, state, verdict, opened_at, summary, last_seq) ",
        );
        insert.push_values(rows, |mut values, (row, seq)| {
            values.push_bind(row.id.as_str()).push_bind(row.group_key.as_str());
            values.push_bind(row.environment.as_str()).push_bind(row.service.as_str()).push_bind(row.open);
            values.push_bind(row.state.as_str()).push_bind(row.verdict.as_str());
            values.push_bind(time_text(row.opened_at)).push_bind(row.summary.to_string()).push_bind(*seq as i64);
        });
        insert.push(UPSERT).build().persistent(false).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert_deliveries(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    if batch.deliveries.is_empty() {
        return Ok(());
    }
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO deliveries (id, at) ");
    insert.push_values(&batch.deliveries, |mut row, (delivery, at)| {
        row.push_bind(delivery.as_str()).push_bind(at.as_str());
    });
    insert.push(" ON CONFLICT (id) DO UPDATE SET at = excluded.at");
    insert.build().persistent(false).execute(&mut *connection).await?;
    Ok(())
}

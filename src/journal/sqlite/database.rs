//! Opening SQLite files: durability settings, modes, versions of the schema; and errors in words.

use crate::journal::JournalError;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

/// The version of both schemas that this program writes, kept in `user_version`.
const VERSION: i64 = 1;

/// How long a query waits for a connection or for another writer before the journal counts as unavailable. Below the
/// ten seconds after which Alertmanager gives a webhook up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The write-ahead log shrinks to this after a burst; it stays near four MiB otherwise.
const LOG_LIMIT: &str = "67108864";

/// How the files are opened for writing.
pub(super) fn writable(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", LOG_LIMIT)
        .busy_timeout(PATIENCE)
        .disable_statement_logging()
}

/// A small pool of connections that only read. In WAL mode they wait for no writer, and no writer waits for them.
pub(super) fn read_pool(path: &Path, connections: u32) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(PATIENCE);
    pool(options.disable_statement_logging(), connections)
}

/// A pool that gives up after a while rather than let callers pile up.
pub(super) fn pool(options: SqliteConnectOptions, connections: u32) -> SqlitePool {
    SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE).connect_lazy_with(options)
}

/// Opens a file for writing, which its lock must allow (closing a file drops this process's POSIX locks on it), makes it if need be, and brings its schema up to date.
pub(super) async fn open(path: &Path, schema: &'static str) -> Result<SqliteConnection, JournalError> {
    create_private(path).await?;
    let unavailable = |error: sqlx::Error| JournalError::Unavailable(describe(path, &error));
    let mut connection = writable(path).connect().await.map_err(unavailable)?;
    migrate(&mut connection, path, schema).await?;
    Ok(connection)
}

async fn migrate(connection: &mut SqliteConnection, path: &Path, schema: &'static str) -> Result<(), JournalError> {
    let unavailable = |error: sqlx::Error| JournalError::Unavailable(describe(path, &error));
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(unavailable)?;
    match version {
        0 => {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
            sqlx::raw_sql(schema).execute(&mut *transaction).await.map_err(unavailable)?;
            sqlx::raw_sql("PRAGMA user_version = 1").execute(&mut *transaction).await.map_err(unavailable)?;
            transaction.commit().await.map_err(unavailable)
        }
        VERSION => Ok(()),
        newer => Err(JournalError::Unavailable(format!(
            "{} has format {newer} and this oncalld knows {VERSION}; run the version that wrote it, or a newer one",
            path.display()
        ))),
    }
}

/// What was found out about incidents is for its owner only: mode 0600, which SQLite gives to the companion files too.
async fn create_private(path: &Path) -> Result<(), JournalError> {
    let owned = path.to_owned();
    let create = move || OpenOptions::new().append(true).create(true).mode(0o600).open(&owned);
    match tokio::task::spawn_blocking(create).await.map_err(std::io::Error::other) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) | Err(error) => {
            Err(JournalError::Unavailable(format!("{}: {error}; oncalld needs to write there", path.display())))
        }
    }
}

/// What went wrong, where, and what to do about it.
pub(super) fn describe(path: &Path, error: &sqlx::Error) -> String {
    let path = path.display();
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<u32>().ok());
    // The low byte is the error, the rest its detail: https://www.sqlite.org/rescode.html
    match code.map(|code| code & 0xff) {
        Some(13) => format!("{path}: the disk is full; free some space"),
        Some(10) => format!("{path}: the disk fails or is full ({error}); check the disk"),
        Some(8) => format!("{path}: it is read-only; give oncalld the right to write it"),
        Some(11 | 26) => format!("{path}: not a sound SQLite file ({error}); restore it from a backup"),
        _ => format!("{path}: {error}"),
    }
}

//! Opening SQLite files: durability settings, modes, versions of the schema; and errors in words.

use crate::journal::JournalError;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// The version of both schemas that this program writes, kept in `user_version`.
const VERSION: i64 = 1;

/// How long a query waits for a connection or for another writer before the journal counts as unavailable. Below the
/// ten seconds after which Alertmanager gives a webhook up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The write-ahead log shrinks to this after a burst; it stays near four MiB otherwise.
const LOG_LIMIT: &str = "67108864";

/// Companion files that hold what the file itself does not have yet, or has to get back.
const LOGS: [&str; 2] = ["-wal", "-journal"];

/// Links that are followed to a file, as the kernel does: https://man7.org/linux/man-pages/man7/path_resolution.7.html
const LINKS: usize = 40;

/// How the files are opened for writing.
pub(super) fn writable(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
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

/// Opens a file for writing, makes it if need be, and brings its schema up to date. Its lock must be held: closing a file
/// drops this process's POSIX locks on it.
pub(super) async fn open(path: &Path, schema: &'static str) -> Result<SqliteConnection, JournalError> {
    make(path, schema).await?;
    let mut connection = writable(path).connect().await.map_err(|error| unavailable(path, &error))?;
    migrate(&mut connection, path, schema).await?;
    Ok(connection)
}

/// As `open`, as a pool of one connection.
pub(super) async fn open_pool(path: &Path, schema: &'static str) -> Result<SqlitePool, JournalError> {
    make(path, schema).await?;
    let pool = pool(writable(path), 1);
    let mut connection = pool.acquire().await.map_err(|error| unavailable(path, &error))?;
    migrate(&mut connection, path, schema).await?;
    Ok(pool)
}

/// Makes a file that is not there yet: beside its place, then moved there. A crash leaves the whole of it or nothing, and
/// the disk is waited for twice instead of the ten times that SQLite takes to make one in place.
async fn make(path: &Path, schema: &'static str) -> Result<(), JournalError> {
    let file = path.to_owned();
    let Some(place) = on_disk(path, move || place_for(&file)).await? else { return Ok(()) };
    let new = with_suffix(&place, ".new");
    let begun = new.clone();
    on_disk(path, move || begin(&begun)).await?;
    // Not yet in its place, so nothing needs to be durable before its end.
    let options = SqliteConnectOptions::new()
        .filename(new.clone())
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off);
    let mut connection =
        options.disable_statement_logging().connect().await.map_err(|error| unavailable(path, &error))?;
    // Both stay with the file, and the first must come before any table:
    // https://www.sqlite.org/pragma.html#pragma_auto_vacuum https://www.sqlite.org/wal.html#persistence_of_wal_mode
    set(&mut connection, path, "PRAGMA auto_vacuum = INCREMENTAL").await?;
    migrate(&mut connection, path, schema).await?;
    set(&mut connection, path, "PRAGMA journal_mode = WAL").await?;
    connection.close().await.map_err(|error| unavailable(path, &error))?;
    on_disk(path, move || put_in_place(&new, &place)).await
}

async fn set(connection: &mut SqliteConnection, path: &Path, pragma: &'static str) -> Result<(), JournalError> {
    let done = sqlx::raw_sql(pragma).execute(connection).await;
    done.map(drop).map_err(|error| unavailable(path, &error))
}

/// Where the file is to be made, behind all links; none if there is something in it, which must then be writable.
fn place_for(path: &Path) -> io::Result<Option<PathBuf>> {
    match OpenOptions::new().append(true).open(path).and_then(|file| file.metadata()) {
        Ok(file) if file.len() > 0 => return Ok(None),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut place = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = fs::read_link(&place) else { break };
        place.pop();
        place.push(target); // which replaces all before if it is absolute
    }
    // SQLite would write what such a log holds into whatever file it finds beside it.
    for log in LOGS.map(|suffix| with_suffix(&place, suffix)) {
        if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            let problem = format!(
                "it is empty or gone, but {} holds a part of it: put the file back, or move both away",
                log.display()
            );
            return Err(io::Error::other(problem));
        }
    }
    Ok(Some(place))
}

/// An empty file for its owner only, who alone is to see what was found out about incidents; SQLite gives the companion
/// files the same mode. What a crash left there goes.
fn begin(new: &Path) -> io::Result<()> {
    for suffix in ["", "-shm"].into_iter().chain(LOGS) {
        match fs::remove_file(with_suffix(new, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(new).map(drop)
}

fn put_in_place(new: &Path, path: &Path) -> io::Result<()> {
    File::open(new)?.sync_all()?;
    fs::rename(new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Does what may wait for the disk where that holds nobody up.
async fn on_disk<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, JournalError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
    done.and_then(|done| done).map_err(|error| {
        JournalError::Unavailable(format!("{}: {error}; oncalld needs to write there", path.display()))
    })
}

async fn migrate(connection: &mut SqliteConnection, path: &Path, schema: &'static str) -> Result<(), JournalError> {
    let unavailable = |error: sqlx::Error| unavailable(path, &error);
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

/// The path with more at its end: SQLite's own way to name companion files.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn unavailable(path: &Path, error: &sqlx::Error) -> JournalError {
    JournalError::Unavailable(describe(path, error))
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

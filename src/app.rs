//! From configuration to a running daemon and back: everything is built here, spawned here, and joined here.
//!
//! ```text
//! Config ─► build ─► App {engine, address, tasks} ─► run ─► signal ─► stop accepting ─► drain engine ─► close journal
//!                                                      └─ SIGHUP ─► reload
//! ```

mod housekeeping;
mod keeping;
mod places;
mod preview;
mod reload;
mod replay;

pub use crate::flow::{
    Preview, PreviewStep,
    replay::{Difference, Replay, What},
};
pub use crate::llm::{Trial, trials};
pub use preview::{Previewed, preview, verify_journal};
pub use reload::Changes;
pub use replay::{Archived, Recorded, Replayed};

use crate::config::{Config, Sources};
use crate::domain::Digest;
use crate::engine::{self, Engine, Parts};
use crate::execute::restore::RestoreStore;
use crate::http;
use crate::journal::{
    JournalError,
    sqlite::{self, SqliteJournal},
};
use crate::telemetry::Log;
use futures_util::future::BoxFuture;
use housekeeping::Housekeeping;
use keeping::Keepers;
use places::Sites;
use reload::Reloading;
use std::{net::SocketAddr, path::Path, path::PathBuf, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How long a native call that was sent may take to end at shutdown. Container engines' own stop time-outs are 10 s.
const DRAIN: Duration = Duration::from_secs(20);

/// How long running requests may take to end at shutdown.
const REQUESTS: Duration = Duration::from_secs(5);

/// How long the tasks that keep environments may take to end at shutdown, after what they serve has ended.
const KEEPERS: Duration = Duration::from_secs(15);

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A folder cannot be used.
    #[error("{}: {source}; oncalld needs to write there (data_dir in platform.yml)", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another oncalld running? (listen in platform.yml)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An environment cannot be set up.
    #[error("environment {environment}: {problem}")]
    Environment {
        /// Which.
        environment: String,
        /// Why.
        problem: String,
    },
    /// A model cannot be asked.
    #[error("{0}")]
    Model(String),
    /// A channel cannot be set up.
    #[error("channel: {0}")]
    Channel(String),
}

/// A task by name, for the log if it ends too early.
type Task = (&'static str, BoxFuture<'static, ()>);

/// A daemon that is built and listens, but does nothing yet.
pub struct App {
    engine: Engine,
    address: SocketAddr,
    /// Ends first: nothing new comes in.
    server: Task,
    /// Ends next: what was begun is finished.
    loops: Vec<Task>,
    /// Ends after that: environments serve the loop to its end.
    reloading: Reloading,
    /// Ends last.
    writer: Task,
    journal: SqliteJournal,
    accepting: CancellationToken,
    working: CancellationToken,
}

impl App {
    /// Builds everything. `load` reads configurations that incidents of an earlier run are pinned to.
    ///
    /// # Errors
    /// Something that the daemon cannot do without cannot be had.
    pub async fn build(config: Arc<Config>, load: engine::Load) -> Result<Self, AppError> {
        let platform = &config.platform;
        private_folder(&platform.data_dir)?;
        // Bound first: a second daemon stops here, before it touches anything.
        let listener = listen(platform.listen).await?;
        let address = listener.local_addr().unwrap_or(platform.listen);
        let (journal, writer) = SqliteJournal::build(&sqlite::path_of(&platform.journal)?).await?;
        let restore = platform.data_dir.join("restore");
        let store =
            RestoreStore::open(&restore).await.map_err(|source| AppError::Folder { path: restore.clone(), source })?;
        let mut sites = Sites::new(store.clone(), salt(&store).await);
        let (equipment, fresh, commit) = sites.prepare(&config).await?.apart();
        commit(&mut sites);
        for one in &fresh {
            one.begin().await;
        }
        let (accepting, working) = (CancellationToken::new(), CancellationToken::new());
        let places = watch::Sender::new(Arc::new(equipment.places.clone()));
        let parts = Parts {
            config: config.clone(),
            load,
            gauges: journal.gauges(),
            journal: Arc::new(journal.clone()),
            equipment,
            drain: DRAIN,
        };
        let (engine, work) = engine::build(parts, working.clone()).await?;
        let router = http::router(engine.clone(), accepting.clone());
        let serving = http::serve(listener, router, accepting.clone());
        let housekeeping = Housekeeping {
            engine: engine.clone(),
            journal: journal.clone(),
            store,
            places: places.subscribe(),
            stop: working.clone(),
        };
        let reloading =
            Reloading { engine: engine.clone(), sites, fresh, places, keepers: Keepers::default(), log: None };
        let server: Task = ("http", Box::pin(serving));
        Ok(Self {
            engine,
            address,
            server,
            loops: vec![("engine", Box::pin(work)), ("housekeeping", Box::pin(housekeeping.run()))],
            reloading,
            writer: ("journal", Box::pin(writer)),
            journal,
            accepting,
            working,
        })
    }

    /// The engine.
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// The address that it listens on; the port is the real one where 0 was configured.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` resolves, then drains: no new requests, native calls that were sent come to their end, and
    /// everything is durable. Configurations that come from `changes` are put in force, or refused; the level of `log` is
    /// one of the things that they change.
    pub async fn run(self, stop: impl Future<Output = ()>, changes: Changes, log: Option<Log>) {
        let Self { server, loops, mut reloading, writer, journal, accepting, working, engine, .. } = self;
        drop(engine);
        reloading.log = log;
        let drained = CancellationToken::new();
        let reloading: Task = ("reload", Box::pin(reloading.run(changes, drained.clone())));
        let mut serving = spawn([server]);
        let mut loops = spawn(loops);
        let mut background = spawn([reloading, writer]);
        tokio::select! {
            () = stop => tracing::info!("stopping"),
            Some(ended) = loops.join_next() => tracing::error!(?ended, "a part of the daemon ended by itself; stopping"),
            Some(ended) = serving.join_next() => tracing::error!(?ended, "the listener ended by itself; stopping"),
        }
        accepting.cancel();
        finish(&mut serving, REQUESTS).await;
        working.cancel();
        finish(&mut loops, DRAIN + Duration::from_secs(5)).await;
        journal.close().await;
        drained.cancel();
        finish(&mut background, KEEPERS).await;
        tracing::info!("stopped");
    }
}

fn spawn(tasks: impl IntoIterator<Item = Task>) -> JoinSet<&'static str> {
    let mut set = JoinSet::new();
    for (name, task) in tasks {
        set.spawn(async move {
            task.await;
            name
        });
    }
    set
}

/// Waits for tasks to end, and ends them at the deadline.
async fn finish(tasks: &mut JoinSet<&'static str>, deadline: Duration) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(deadline, all).await.is_err() {
        tracing::warn!(seconds = deadline.as_secs(), "not everything ended in time");
    }
    tasks.shutdown().await;
}

async fn listen(address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|source| AppError::Listen { address, source })
}

/// A folder that nobody else may look into: the journal and what undo needs are in it.
fn private_folder(path: &Path) -> Result<(), AppError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| AppError::Folder { path: path.to_owned(), source })
}

/// Salt of the placeholders of secrets: stable over restarts, so that evidence can be compared, and known to nobody else.
async fn salt(store: &RestoreStore) -> String {
    const NAME: &str = "salt";
    if let Ok(Some(serde_json::Value::String(salt))) = store.read_document(NAME).await {
        return salt;
    }
    let mut seed = [0u8; 32];
    if rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty()).is_err() {
        tracing::warn!("the system has no random numbers; placeholders of secrets can be guessed at");
    }
    let salt = Digest::of(&seed).to_string();
    if let Err(error) = store.write_document(NAME, &serde_json::json!(salt)).await {
        tracing::warn!(%error, "the salt of secrets' placeholders cannot be kept; they will differ after a restart");
    }
    salt
}

/// A loader of pinned configurations that layers them with these variables.
pub fn loader(variables: std::collections::BTreeMap<String, String>) -> engine::Load {
    Box::new(move |sources: Sources| Config::load(sources, &variables).ok())
}

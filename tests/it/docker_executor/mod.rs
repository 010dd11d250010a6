//! The Docker executor against a real engine: every call, and every trap that a state can set.

mod acts;
mod connections;
pub mod data_store;
mod halfway;
mod logs;
mod prune;
mod recreation;
mod remote;
mod status;
mod storage;
mod typed;

use crate::support::clear::cleared;
use crate::support::engine::PrivateEngine;
use crate::support::waiting::eventually;
use oncalld::domain::{ActCall, CallSpec, Inventory, ReadCall, Redactor, Service, TimeSpan, Values, spec_of};
use oncalld::execute::docker::{Connection, DeclaredService, DockerConfig, DockerEnvironment, build};
use oncalld::execute::{Environment, ExecuteError, Executor, restore::RestoreStore};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// An executor with its watching task, and a store of its own.
pub struct Rig {
    pub environment: DockerEnvironment,
    folder: std::sync::Arc<tempfile::TempDir>,
    stop: CancellationToken,
}

impl Rig {
    /// Declares these services.
    pub async fn with(services: Vec<(String, DeclaredService)>) -> Self {
        let folder = std::sync::Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::over(folder, services).await
    }

    /// Declares nothing.
    pub async fn new() -> Self {
        Self::with(Vec::new()).await
    }

    /// On an engine of the test's own.
    pub async fn on(engine: &PrivateEngine) -> Self {
        let connection = Connection { host: Some(engine.host()), certificates: None };
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::at(connection, std::sync::Arc::new(folder), Vec::new()).await
    }

    /// Another one over the same store, as after a restart of the daemon.
    pub async fn again(&self, services: Vec<(String, DeclaredService)>) -> Self {
        self.stop.cancel();
        Self::over(self.folder.clone(), services).await
    }

    async fn over(folder: std::sync::Arc<tempfile::TempDir>, services: Vec<(String, DeclaredService)>) -> Self {
        Self::at(Connection::default(), folder, services).await
    }

    /// At this engine.
    pub async fn at(
        connection: Connection,
        folder: std::sync::Arc<tempfile::TempDir>,
        services: Vec<(String, DeclaredService)>,
    ) -> Self {
        let config = DockerConfig {
            name: "test".into(),
            connection,
            services: services.into_iter().collect(),
            read_only_commands: vec![vec!["cat".into(), "*".into()], vec!["sleep".into(), "300".into()]],
            store: RestoreStore::open(folder.path()).await.expect("a store"),
            redactor: Redactor::new(Vec::new(), "salt"),
            protected: Vec::new(),
            refresh_every: TimeSpan::from_secs(1),
        };
        let (environment, watcher) = build(config).await.expect("an environment");
        let stop = CancellationToken::new();
        tokio::spawn(watcher.run(stop.clone()));
        Self { environment, folder, stop }
    }

    /// Reads, and holds the result against its declared shape.
    pub async fn read(&self, name: &str, with: Value) -> Value {
        self.try_read(name, with).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn try_read(&self, name: &str, with: Value) -> Result<Value, ExecuteError> {
        let call = ReadCall::decode(name, fields(with)).expect("a call");
        Ok(checked(name, self.environment.read(&call).await?))
    }

    /// Acts, with a clearance of the real gate.
    pub async fn act(&self, name: &str, with: Value) -> Value {
        self.try_act(name, with).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn try_act(&self, name: &str, with: Value) -> Result<Value, ExecuteError> {
        let call = ActCall::decode(name, fields(with)).expect("a call");
        Ok(checked(name, self.environment.act(cleared(call)).await?))
    }

    pub async fn probe(&self, name: &str, with: Value) -> Option<oncalld::execute::Probed> {
        let call = ActCall::decode(name, fields(with)).expect("a call");
        self.environment.probe(&call).await.expect("a probe")
    }

    pub async fn status(&self, container: &str) -> Value {
        self.read("container.status", json!({"containers": [container]})).await
    }

    pub async fn inventory(&self) -> Inventory {
        self.environment.inventory().await.expect("an inventory")
    }

    pub async fn service(&self, name: &str) -> Service {
        let inventory = self.inventory().await;
        inventory
            .services
            .get(name)
            .cloned()
            .unwrap_or_else(|| panic!("no service {name}: {:?}", inventory.services.keys()))
    }

    /// Waits until the state of a container is as wanted.
    pub async fn until(&self, container: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(container, || async {
            let status = self.status(container).await;
            if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
        })
        .await
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn fields(with: Value) -> Values {
    with.as_object().cloned().expect("fields")
}

fn checked(name: &str, result: Values) -> Value {
    let CallSpec { returns, .. } = spec_of(name).expect("a call");
    let result = Value::Object(result);
    returns.coerce(result.clone()).unwrap_or_else(|error| panic!("{name}: {error}: {result}"))
}

/// Nothing but defaults, to be filled in.
pub fn declared() -> DeclaredService {
    DeclaredService::default()
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_transient() {
    let mut config = DockerConfig {
        name: "gone".into(),
        connection: Connection { host: Some("unix:///nonexistent/engine.sock".into()), certificates: None },
        services: Default::default(),
        read_only_commands: Vec::new(),
        store: RestoreStore::open(tempfile::tempdir().expect("a folder").keep()).await.expect("a store"),
        redactor: Redactor::default(),
        protected: Vec::new(),
        refresh_every: TimeSpan::from_secs(1),
    };
    for host in ["unix:///nonexistent/engine.sock", "tcp://127.0.0.1:1"] {
        config.connection.host = Some(host.into());
        let (environment, _) = build(config.clone()).await.expect("an environment");
        assert!(!environment.answers().await);
        let error = environment.inventory().await.expect_err("no engine");
        assert!(matches!(error, ExecuteError::Transient { .. }), "{error}");
        let call = ActCall::decode("container.start", fields(json!({"container": "a"}))).expect("a call");
        let error = environment.act(cleared(call)).await.expect_err("no engine");
        assert!(matches!(error, ExecuteError::Transient { .. }), "{error}");
    }
}

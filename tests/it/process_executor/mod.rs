//! The process environment with real programs under the real shim.

mod adoption;
mod daemon;
mod endings;
mod lifecycle;
mod reading;
mod recreation;
mod storage;
mod stores;
mod typed;

use crate::support::clear::cleared;
use crate::support::daemon::ONCALLD;
use crate::support::waiting::eventually;
use oncalld::config::{RestartPolicy, Secret, ServiceConfig};
use oncalld::domain::{ActCall, ByteSize, Inventory, ReadCall, TimeSpan, Values, spec_of};
use oncalld::execute::process::{ProcessConfig, ProcessEnvironment};
use oncalld::execute::restore::RestoreStore;
use oncalld::execute::{Captured, Environment, ExecuteError, Executor, NativeCall, Probed};
use oncalld::shim::control::end_all;
use oncalld::shim::{InstanceFolder, ServiceFolder, State, proc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A loaded machine takes its time; nothing here waits that long where all is well.
const LIMIT: Duration = Duration::from_secs(30);

/// An environment of the test's own. Dropping it ends its services and checks that nothing is left of them.
pub struct Rig {
    folder: TempDir,
    pub config: ProcessConfig,
    pub environment: ProcessEnvironment,
}

/// A service that runs this in a shell.
pub fn shell(script: &str) -> ServiceConfig {
    service(&["sh", "-c", script])
}

pub fn service(argv: &[&str]) -> ServiceConfig {
    ServiceConfig {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        environment: BTreeMap::new(),
        working_dir: None,
        restart: RestartPolicy::No,
        memory: None,
        replicas: 1,
        log_file: None,
        depends_on: Vec::new(),
        health: None,
        address: None,
        job: false,
        protected: false,
        aliases: Vec::new(),
        clearable: Vec::new(),
        ownable: Vec::new(),
        data_store: None,
        image: None,
        ready_after: TimeSpan::from_secs(10),
    }
}

/// The same with these variables.
pub fn with_variables(mut service: ServiceConfig, variables: &[(&str, &str)]) -> ServiceConfig {
    service.environment = variables.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    service
}

/// The same with this much memory.
pub fn with_memory(service: ServiceConfig, bytes: u64) -> ServiceConfig {
    ServiceConfig { memory: Some(ByteSize(bytes)), ..service }
}

/// One of the demo's services: really serves a port.
pub fn cache(port: u16) -> ServiceConfig {
    let service = with_variables(service(&[ONCALLD, "sample", "cache"]), &[("PORT", &port.to_string())]);
    ServiceConfig { address: Some(format!("127.0.0.1:{port}")), ..service }
}

impl Rig {
    pub async fn new<const N: usize>(services: [(&str, ServiceConfig); N]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // another test may have
        let folder = tempfile::Builder::new().prefix("oncalld-process").tempdir().expect("a temporary folder");
        let config = ProcessConfig {
            name: "test".into(),
            state: folder.path().join("state"),
            shim: PathBuf::from(ONCALLD),
            services: services.into_iter().map(|(name, service)| (name.to_owned(), service)).collect(),
            read_only_commands: vec![vec!["echo".into(), "*".into()], vec!["sleep".into(), "60".into()]],
            store: RestoreStore::open(folder.path().join("restore")).await.expect("a restore store"),
        };
        let (environment, _) = ProcessEnvironment::build(config.clone()).await.expect("an environment");
        Self { folder, config, environment }
    }

    /// Another daemon on the same state.
    pub async fn again(&mut self) {
        (self.environment, _) = ProcessEnvironment::build(self.config.clone()).await.expect("an environment");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().expect("a folder").join(name)
    }

    pub fn instance(&self, service: &str, n: u32) -> InstanceFolder {
        ServiceFolder::new(&self.path("state"), service).instance(n)
    }

    pub fn state(&self, service: &str) -> State {
        self.instance(service, 1).state().expect("a state").unwrap_or_default()
    }

    pub fn pid(&self, service: &str) -> i32 {
        self.state(service).program.expect("a program").pid
    }

    /// Reads; the result must have the shape that the call declares.
    pub async fn read(&self, name: &str, with: Value) -> Value {
        self.try_read(name, with).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn try_read(&self, name: &str, with: Value) -> Result<Value, ExecuteError> {
        let call = ReadCall::decode(name, fields(with)).expect("a call");
        let result = Value::Object(self.environment.read(&call).await?);
        let shape = spec_of(name).expect("a call").returns;
        Ok(shape.coerce(result.clone()).unwrap_or_else(|error| panic!("{name}: {error}: {result}")))
    }

    pub async fn act(&self, name: &str, with: Value) -> Value {
        self.try_act(name, with).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub async fn try_act(&self, name: &str, with: Value) -> Result<Value, ExecuteError> {
        let call = ActCall::decode(name, fields(with)).expect("a call");
        let result = Value::Object(self.environment.act(cleared(call)).await?);
        let shape = spec_of(name).expect("a call").returns;
        Ok(shape.coerce(result.clone()).unwrap_or_else(|error| panic!("{name}: {error}: {result}")))
    }

    pub async fn probe(&self, name: &str, with: Value) -> Option<Probed> {
        let call = ActCall::decode(name, fields(with)).expect("a call");
        self.environment.probe(&call).await.expect("an answer")
    }

    /// What a person would type for it.
    pub async fn typed(&self, name: &str, with: Value) -> String {
        let (read, act) = (ReadCall::decode(name, fields(with.clone())), ActCall::decode(name, fields(with)));
        let command = match (&read, &act) {
            (Ok(call), _) => self.environment.command(NativeCall::Read(call)).await,
            (_, Ok(call)) => self.environment.command(NativeCall::Act(call)).await,
            (Err(error), _) => panic!("{error}"),
        };
        command.expect("a command")
    }

    pub async fn status(&self, service: &str) -> Value {
        self.read("process.status", serde_json::json!({"service": service})).await
    }

    pub async fn events(&self, service: &str) -> Value {
        self.read("process.events", serde_json::json!({"service": service})).await
    }

    pub async fn log_texts(&self, service: &str) -> Vec<String> {
        let logs = self.read("process.logs", serde_json::json!({"service": service})).await;
        logs["lines"].as_array().expect("lines").iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn inventory(&self) -> Inventory {
        self.environment.inventory().await.expect("an inventory")
    }

    pub async fn capture(&self, service: &str) -> Captured {
        let inventory = self.inventory().await;
        self.environment.capture(&inventory.services[service]).await.expect("a state")
    }

    /// Waits until the status is as wanted.
    pub async fn until(&self, service: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(service, || async {
            let status = self.status(service).await;
            if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
        })
        .await
    }

    /// Waits until the log has a line that contains this.
    pub async fn until_logged(&self, service: &str, text: &str) {
        self.until_log(service, |lines| lines.iter().any(|line| line.contains(text))).await;
    }

    /// Waits until the lines of the log are as wanted.
    pub async fn until_log(&self, service: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        eventually(&format!("the log of {service}"), || async {
            let lines = self.log_texts(service).await;
            if wanted(&lines) { Ok(lines) } else { Err(format!("{lines:?}")) }
        })
        .await
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let state = self.path("state");
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let ended = runtime.block_on(end_all(&state, LIMIT));
            let start = Instant::now();
            while !left_of(&state).is_empty() && start.elapsed() < LIMIT {
                std::thread::sleep(Duration::from_millis(50));
            }
            (ended, left_of(&state))
        });
        let (ended, left) = ended.join().expect("an answer");
        if !std::thread::panicking() {
            assert!(ended, "the shims do not end");
            assert!(left.is_empty(), "processes are left: {left:?}");
        }
    }
}

/// Processes that carry the mark of an instance below this folder.
fn left_of(state: &std::path::Path) -> Vec<i32> {
    let marked = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&*state.to_string_lossy())
    };
    proc::pids().into_iter().filter(marked).collect()
}

fn fields(with: Value) -> Values {
    serde_json::from_value(with).expect("an object")
}

pub fn permanent(result: Result<Value, ExecuteError>) -> String {
    match result {
        Err(ExecuteError::Permanent { problem, .. }) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

pub fn kill(pid: i32, signal: rustix::process::Signal) {
    assert!(proc::send(pid, signal), "no process {pid}");
}

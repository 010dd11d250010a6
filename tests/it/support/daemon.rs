//! The real binary, started with a configuration of the test's own, and driven over HTTP.

use super::command::{eventually, wait};
use super::http::{Answer, Http, free_port};
use oncalld::shim::proc::{send, tree};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The binary under test.
pub const ONCALLD: &str = env!("CARGO_BIN_EXE_oncalld");

/// A debug build starts in well under a second; a loaded machine may take many.
const START: Duration = Duration::from_secs(90);

/// Configuration of one daemon. Files that are not given keep their compiled-in defaults.
pub struct Settings {
    /// `platform.yml`, but for the listen address, and the data folder where it is not said.
    pub platform: Value,
    /// `environments.yml`; null for none.
    pub environments: Value,
    /// `policies.yml`, if not the default.
    pub policies: Option<Value>,
    /// Further files by their path below the configuration's parent: `runbooks/extra.yml`.
    pub files: Vec<(String, String)>,
    /// Where it listens, if others must know beforehand.
    pub port: Option<u16>,
    /// Variables of its own, by name.
    pub variables: Vec<(&'static str, String)>,
    /// The token that the test asks with, where the platform wants one.
    pub token: Option<String>,
}

impl Settings {
    /// These environments, and defaults for the rest.
    pub fn of(environments: Value) -> Self {
        let (files, variables) = (Vec::new(), Vec::new());
        Self { platform: json!({}), environments, policies: None, files, port: None, variables, token: None }
    }
}

/// A daemon that runs until it is dropped.
pub struct Daemon {
    child: Child,
    binary: PathBuf,
    variables: Vec<(&'static str, String)>,
    folder: TempDir,
    port: u16,
    /// Its API.
    pub http: Http,
    /// Time from its start until `/ready` answered 200.
    pub ready_after: Duration,
}

impl Daemon {
    /// Writes the configuration, starts `oncalld serve`, and waits until it is ready.
    pub fn start(settings: &Settings) -> Self {
        Self::start_binary(Path::new(ONCALLD), settings)
    }

    /// As `start`, of another build of the binary.
    pub fn start_binary(binary: &Path, settings: &Settings) -> Self {
        let folder = tempfile::Builder::new().prefix("oncalld-test").tempdir().expect("a temporary folder");
        let port = settings.port.unwrap_or_else(free_port);
        write_settings(folder.path(), port, settings);
        let http = Http::to(port, settings.token.as_deref());
        let start = Instant::now();
        let variables = settings.variables.clone();
        let child = spawn(binary, folder.path(), &variables);
        let (binary, ready_after) = (binary.to_owned(), Duration::default());
        let mut daemon = Self { child, binary, variables, folder, port, http, ready_after };
        daemon.await_ready();
        daemon.ready_after = start.elapsed();
        daemon.await_inventory();
        daemon
    }

    /// Writes another configuration and tells it to take that.
    pub fn reload(&self, settings: &Settings) {
        write_settings(self.folder.path(), settings.port.unwrap_or(self.port), settings);
        assert!(send(self.child.id() as i32, Signal::HUP), "a signal");
    }

    fn await_ready(&mut self) {
        let log = self.log();
        let child = &mut self.child;
        let http = &self.http;
        eventually("oncalld is ready", START, || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("oncalld ended with {status}:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            match http.get("/ready") {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.text),
                Err(error) => Err(error),
            }
        });
    }

    /// Waits until the inventory has services: a daemon is ready for alerts before it has looked around.
    pub fn sees_services(&self) {
        eventually("the services are seen", START, || {
            let seen = self.http.get("/api/v1/services")?.ok();
            if seen.as_array().is_some_and(|all| !all.is_empty()) { Ok(()) } else { Err(seen.to_string()) }
        });
    }

    /// Alerts find their target in the inventory, which is first read just after the start.
    fn await_inventory(&self) {
        eventually("the first inventory", START, || {
            let answer = self.http.get("/api/v1/environments")?;
            let environments = answer.json();
            let read = |all: &Vec<Value>| all.iter().all(|one| one["read_at"].is_string() || one["stale"].is_string());
            // Where a token is needed, the test has to see for itself.
            if answer.status == 401 || environments.as_array().is_some_and(read) { Ok(()) } else { Err(answer.text) }
        });
    }

    /// The folder that holds `config/` and everything that the daemon writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Variables of its own.
    pub fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("oncalld.log")
    }

    /// What it logged.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Ends it as a power cut would, and starts it again on the same data.
    pub fn crash_and_restart(&mut self) {
        self.crash();
        self.restart();
    }

    /// Ends it as a power cut would.
    pub fn crash(&mut self) {
        self.child.kill().expect("a running daemon");
        let _ = self.child.wait();
    }

    /// Starts it again after `crash`, on the same data.
    pub fn restart(&mut self) {
        self.child = spawn(&self.binary, self.folder.path(), &self.variables);
        self.await_ready();
        self.await_inventory();
    }

    /// Asks it to end, and returns its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        terminate(&self.child);
        wait(&mut self.child, Duration::from_secs(20))
    }

    /// Runs another subcommand of the binary against this daemon.
    pub fn cli(&self, arguments: &[&str]) -> super::command::Said {
        let mut command = Command::new(ONCALLD);
        command.args(arguments).env("ONCALLD_URL", self.http.base());
        super::command::run(&mut command, Duration::from_secs(60))
    }

    /// Posts one firing alert as Alertmanager does, and returns the incident that it belongs to.
    pub fn alert(&self, labels: &Value) -> String {
        // As Alertmanager does: who is told that it cannot be stored yet comes again with the same.
        let body = eventually("the alert is taken", START, || {
            let answer = self.deliver("firing", labels);
            assert!([200, 503].contains(&answer.status), "{}", answer.text);
            if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text) }
        });
        body["incidents"][0].as_str().unwrap_or_else(|| panic!("no incident: {body}")).to_owned()
    }

    /// Posts that the alert with these labels resolved.
    pub fn resolve(&self, labels: &Value) -> Answer {
        self.deliver("resolved", labels)
    }

    fn deliver(&self, status: &str, labels: &Value) -> Answer {
        self.http.post("/api/v1/alerts/alertmanager", &delivery(status, labels)).expect("an answer to the webhook")
    }

    /// The incident now.
    pub fn incident(&self, id: &str) -> Value {
        let answer = self.http.get(&format!("/api/v1/incidents/{id}"));
        answer.unwrap_or_else(|error| panic!("{error}; the daemon's log:\n{}", self.logged())).ok()
    }

    /// Its events.
    pub fn journal(&self, id: &str) -> Vec<Value> {
        let answer = self.http.get(&format!("/api/v1/incidents/{id}/journal?limit=1000")).expect("an answer").ok();
        let list = answer.as_array().or_else(|| answer["items"].as_array()).or_else(|| answer["events"].as_array());
        list.cloned().unwrap_or_else(|| panic!("no list of events: {answer}"))
    }

    /// Waits until the incident is as wanted; prints its journal if that takes too long.
    pub fn wait_for(&self, id: &str, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = std::time::Instant::now();
        loop {
            let incident = self.incident(id);
            if wanted(&incident) {
                return incident;
            }
            if start.elapsed() > limit {
                panic!("{id}: not {what} within {limit:?}\n{}", self.story(id));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Everything that is known of an incident, for a failed test's message.
    pub fn story(&self, id: &str) -> String {
        let events: Vec<String> = self.journal(id).iter().map(|event| clipped(&event.to_string(), 1500)).collect();
        let incident = self.incident(id);
        let log = self.logged();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        format!(
            "state {} cause {} verdict {} ({})\n{}\nlog:\n{}",
            incident["state"],
            incident["cause"],
            incident["verdict"],
            incident["verdict_reason"],
            events.join("\n"),
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }

    /// Runs one reading operation by hand and returns its result; what looks at all services has none as its target.
    pub fn read(&self, environment: &str, operation: &str, service: &str) -> Value {
        let target = (!service.is_empty()).then_some(service);
        let body = json!({"environment": environment, "target": target, "arguments": {}});
        let answer = self.http.post(&format!("/api/v1/operations/{operation}"), &body).expect("an answer").ok();
        let id = answer["incident"].as_str().expect("an incident").to_owned();
        let end = self.wait_for(&id, "closed", Duration::from_secs(60), |incident| incident["state"] == "closed");
        let steps = end["steps"].as_array().map_or(&[][..], Vec::as_slice);
        let step = steps.iter().find(|record| record["step"]["operation"] == operation);
        step.map(|record| record["evidence"]["facts"].clone())
            .unwrap_or_else(|| panic!("no such step\n{}", self.story(&id)))
    }

    /// Approves a pending request as its approver would, echoing the digest.
    pub fn approve(&self, approval: &Value) {
        let id = approval["id"].as_str().expect("an id");
        let body = json!({"digest": approval["digest"], "comment": "approved by the test"});
        self.http.post(&format!("/api/v1/approvals/{id}/approve"), &body).expect("an answer").ok();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (log, ended) = (self.logged(), self.child.try_wait());
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the daemon ({ended:?}) logged:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        // One that has ended gave its process id back.
        if matches!(self.child.try_wait(), Ok(None)) {
            terminate(&self.child);
        }
        if wait(&mut self.child, Duration::from_secs(10)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        end_services(self.folder.path());
    }
}

/// Services of process environments outlive their daemon on purpose. Those of this daemon end here: their shims are
/// known by their argument, their programs by a variable, and both name this test's own folder.
fn end_services(folder: &Path) {
    let folder = folder.to_string_lossy();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let (arguments, variables) = (read("cmdline"), read("environ"));
        let is_shim = arguments.split(|byte| *byte == 0).nth(1) == Some(b"shim");
        let names_it = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(&format!("{folder}/"));
        let is_program = variables
            .split(|byte| *byte == 0)
            .any(|variable| variable.starts_with(b"ONCALLD_INSTANCE_FOLDER=") && names_it(variable));
        // A program may have written over its variables, as Redis does: then it is known by its shim.
        if (is_shim && names_it(&arguments)) || is_program {
            for process in tree(pid) {
                send(process.pid, Signal::KILL);
            }
        }
    }
}

fn clipped(text: &str, limit: usize) -> String {
    let short: String = text.chars().take(limit).collect();
    if short.len() < text.len() { format!("{short} …") } else { short }
}

fn terminate(child: &Child) {
    send(child.id() as i32, Signal::TERM);
}

fn write_settings(folder: &Path, port: u16, settings: &Settings) {
    let config = folder.join("config");
    fs::create_dir_all(&config).expect("a folder");
    let mut platform = settings.platform.clone();
    platform["listen"] = json!(format!("127.0.0.1:{port}"));
    if platform["data_dir"].is_null() {
        platform["data_dir"] = json!(folder.join("data"));
    }
    // JSON is YAML.
    let write = |name: &str, value: &Value| fs::write(config.join(name), value.to_string()).expect("a file");
    write("platform.yml", &platform);
    if !settings.environments.is_null() {
        write("environments.yml", &settings.environments);
    }
    match &settings.policies {
        Some(policies) => write("policies.yml", policies),
        // A reload may be about that it is gone.
        None => drop(fs::remove_file(config.join("policies.yml"))),
    }
    for (path, text) in &settings.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

fn spawn(binary: &Path, folder: &Path, variables: &[(&'static str, String)]) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("oncalld.log")).expect("a log file");
    Command::new(binary)
        .args(["serve", "--config"])
        .arg(folder.join("config"))
        .current_dir(folder)
        // What whoever runs the tests has set for a daemon of their own must not reach this one.
        .env_remove("ONCALLD_CONFIG")
        .env_remove("ONCALLD_LISTEN")
        .env_remove("ONCALLD_DATA_DIR")
        .envs(variables.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log file"))
        .stderr(log)
        .spawn()
        .expect("the binary")
}

/// A webhook body of Alertmanager with one alert. Its start is the label set's own, so that a repeat is a duplicate.
pub fn delivery(status: &str, labels: &Value) -> Value {
    let name = &labels["alertname"];
    let ends_at = if status == "firing" { "0001-01-01T00:00:00Z".to_owned() } else { chrono::Utc::now().to_rfc3339() };
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname={name}}}"),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "oncalld",
        "groupLabels": {"alertname": name},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "notification_reason": "first notification",
        "routeLabels": {},
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": {"summary": "posted by a test"},
            "startsAt": "2026-01-02T03:04:05.000Z",
            "endsAt": ends_at,
            "generatorURL": "http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
            "fingerprint": "b3a1f0c2d4e5f607",
        }],
    })
}

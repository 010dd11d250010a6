//! One runbook, every kind of environment: the same fault on Docker and on plain processes must be found for the same
//! reason, with the same remedy, and end in the same verdict.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{Expected, await_killed, to_verdict};
use crate::support::http::free_port;
use crate::support::need::{Need, have};
use crate::support::stage::{Stage, docker_ok};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A kind of environment with two services in it: `api`, which needs `store`.
struct Place {
    kind: &'static str,
    stage: Option<Stage>,
    folder: TempDir,
    ports: [u16; 2],
}

const SERVICES: [&str; 2] = ["api", "store"];

impl Place {
    fn docker() -> Option<Self> {
        let stage = Stage::open()?;
        Some(Self { kind: "docker", stage: Some(stage), folder: folder(), ports: [free_port(), free_port()] })
    }

    fn process() -> Option<Self> {
        have(&[Need::Busybox]).then(|| Self {
            kind: "process",
            stage: None,
            folder: folder(),
            ports: [free_port(), free_port()],
        })
    }

    /// The name of a service here: on a shared engine it must be nobody else's.
    fn name(&self, service: &str) -> String {
        self.stage.as_ref().map_or_else(|| service.to_owned(), |stage| stage.unique(service))
    }

    fn port(&self, service: &str) -> u16 {
        self.ports[usize::from(service == "store")]
    }

    fn pid_file(&self, service: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{service}.pid"))
    }

    /// Starts the services and the daemon, and waits until the services answer.
    fn open(&self) -> Daemon {
        self.open_with(|_| {})
    }

    fn open_with(&self, change: impl FnOnce(&mut Settings)) -> Daemon {
        if let Some(stage) = &self.stage {
            for service in SERVICES {
                let publish = format!("127.0.0.1:{}:8080", self.port(service));
                let script = "mkdir -p /srv/www; echo ok >/srv/www/index.html; exec httpd -f -p 8080 -h /srv/www";
                let said = stage.run(service, &["--publish", &publish], &["sh", "-c", script]);
                assert!(said.ok, "{}", said.err);
            }
        }
        let mut services = json!({});
        for service in SERVICES {
            services[self.name(service)] = self.declared(service);
        }
        services[self.name("api")]["depends_on"] = json!([self.name("store")]);
        let environment =
            json!({"kind": self.kind, "autonomy": "approve", "inventory_every": "1s", "services": services});
        let mut settings = Settings::of(json!({"here": environment}));
        change(&mut settings);
        let daemon = Daemon::start(&settings);
        daemon.sees_services();
        for service in SERVICES {
            eventually(&format!("{service} answers"), Duration::from_secs(30), || answers(self.port(service)));
        }
        daemon
    }

    fn declared(&self, service: &str) -> Value {
        let health = format!("http://127.0.0.1:{}/", self.port(service));
        if self.stage.is_some() {
            return json!({"health": health});
        }
        let served = self.folder.path();
        std::fs::write(served.join("index.html"), "ok\n").expect("a file");
        let script = format!(
            "echo $$ >{}; exec busybox httpd -f -p 127.0.0.1:{} -h .",
            self.pid_file(service).display(),
            self.port(service)
        );
        json!({"health": health, "argv": ["sh", "-c", script], "working_dir": served, "restart": "no"})
    }

    /// Sends a signal to the service's main process, behind the daemon's back.
    fn signal(&self, service: &str, signal: &str) {
        match &self.stage {
            Some(_) => drop(docker_ok(&["kill", "--signal", signal, &self.name(service)])),
            None => {
                let pid = read(&self.pid_file(service));
                assert!(
                    Command::new("kill").args([&format!("-{signal}"), pid.trim()]).status().is_ok_and(|s| s.success())
                );
            }
        }
    }

    fn freeze(&self, service: &str) {
        match &self.stage {
            Some(_) => drop(docker_ok(&["pause", &self.name(service)])),
            None => self.signal(service, "STOP"),
        }
    }

    /// Kills a service, and waits until it is known what ended it: an alert takes longer to come.
    fn kill(&self, daemon: &Daemon, service: &str) {
        self.signal(service, "KILL");
        await_killed(daemon, "here", &self.name(service));
    }

    fn alert(&self, daemon: &Daemon, name: &str) -> String {
        daemon.alert(&json!({"alertname": name, "severity": "critical", "service": self.name("api")}))
    }

    /// The native calls that these verbs are here.
    fn calls(&self, verbs: &[&str]) -> Vec<String> {
        let family = if self.stage.is_some() { "container" } else { "process" };
        verbs.iter().map(|verb| format!("{family}.{verb}")).collect()
    }

    fn expect(
        &self,
        daemon: &Daemon,
        incident: &str,
        cause: Option<&str>,
        approved: &[&str],
        verbs: &[&str],
        verdict: &str,
    ) {
        let calls = self.calls(verbs);
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        to_verdict(daemon, incident, &Expected { cause, approved, calls: &calls, verdict });
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn answers(port: u16) -> Result<(), String> {
    let answer = crate::support::http::Http::to(port, None).get("/")?;
    if answer.status == 200 { Ok(()) } else { Err(answer.text) }
}

fn killed(place: &Place) {
    let daemon = place.open();
    place.kill(&daemon, "api");
    let incident = place.alert(&daemon, "ServiceDown");
    place.expect(&daemon, &incident, Some("killed_externally"), &["start_service"], &["start"], "resolved");
    assert!(answers(place.port("api")).is_ok());
}

fn frozen(place: &Place) {
    let daemon = place.open();
    place.freeze("api");
    let incident = place.alert(&daemon, "TargetDown");
    place.expect(&daemon, &incident, Some("container_paused"), &["unpause_service"], &["unpause"], "resolved");
    assert!(answers(place.port("api")).is_ok());
}

fn dependency(place: &Place) {
    let daemon = place.open();
    place.kill(&daemon, "store");
    let incident = place.alert(&daemon, "HighErrorRate");
    place.expect(&daemon, &incident, Some("dependency_down"), &["start_service"], &["start"], "resolved");
    assert!(answers(place.port("store")).is_ok());
}

fn healthy(place: &Place) {
    let daemon = place.open();
    let incident = place.alert(&daemon, "TargetDown");
    place.expect(&daemon, &incident, None, &[], &[], "no_fault");
}

/// The same operations, asked for by hand, have the same effect.
fn by_hand(place: &Place) {
    let daemon = place.open_with(|settings| {
        let hasty = include_str!("../../config/operations.yml").replace("soak: 60s", "soak: 2s");
        settings.files.push(("config/operations.yml".into(), hasty));
        let many = json!({"per_target": 100, "per_environment": 100});
        settings.policies = Some(json!({"budgets": many, "flap": {"times": 100}}));
    });
    let api = place.name("api");
    let status = || daemon.read("here", "get_status", &api);
    let run = |operation: &str, arguments: Value| {
        let body = json!({"environment": "here", "target": api, "arguments": arguments});
        let begun = daemon.http.post(&format!("/api/v1/operations/{operation}"), &body).expect("an answer").ok();
        let id = begun["incident"].as_str().expect("an incident").to_owned();
        let end = daemon.wait_for(&id, "done", Duration::from_secs(120), |incident| {
            crate::support::drive::pending(incident).into_iter().for_each(|request| daemon.approve(request));
            incident["state"] == "closed" || incident["state"] == "escalated"
        });
        assert_eq!(end["steps"][0]["status"], "succeeded", "{operation}\n{}", daemon.story(&id));
        crate::support::drive::calls(&daemon.journal(&id))
    };
    let before = status();
    assert_eq!(run("restart_service", json!({"timeout": "1s"})), place.calls(&["restart"]));
    let after = status();
    assert!(after["ready"] == true && after["started_at"] != before["started_at"], "{after}");
    assert_eq!(run("update_resources", json!({"memory": "96MiB"})), place.calls(&["update"]));
    assert_eq!(status()["memory_limit"], 96 << 20);
    assert_eq!(run("update_config", json!({"set": {"COLOUR": "blue"}})), place.calls(&["recreate"]));
    let config = daemon.read("here", "get_config", &api);
    assert!(config["environment"]["COLOUR"].is_string(), "{config}");
    assert_eq!(status()["memory_limit"], 96 << 20, "what was changed before stays");
    assert_eq!(run("stop_service", json!({"timeout": "1s"})), place.calls(&["stop"]));
    assert_eq!(status()["running"], false);
    assert!(answers(place.port("api")).is_err());
}

/// Fields of an object, of the objects in its lists too, by path.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Value::Object(object) = value {
        for (name, inner) in object {
            let path = format!("{path}.{name}");
            fields(inner, &path, found);
            found.insert(path);
        }
    }
}

/// Every operation that only reads a service, and what it returned.
fn readings(place: &Place) -> Vec<(String, BTreeSet<String>)> {
    let daemon = place.open();
    let operations = daemon.http.get("/api/v1/operations").expect("an answer").ok();
    let reading = [
        "get_status",
        "get_logs",
        "get_events",
        "check_resources",
        "check_health",
        "check_processes",
        "check_disk",
        "get_config",
        "get_dependencies",
        "get_history",
        "get_image",
    ];
    for name in reading {
        assert!(operations.as_array().is_some_and(|all| all.iter().any(|one| one["name"] == name)), "no {name}");
    }
    let read = |name: &str| {
        let facts = daemon.read("here", name, &place.name("api"));
        let mut found = BTreeSet::new();
        fields(&facts, "", &mut found);
        found.retain(|path| !path.starts_with(".environment.")); // names of variables
        (name.to_owned(), found)
    };
    reading.into_iter().map(read).collect()
}

/// One test a fault and kind, so that a failure names both.
macro_rules! on_every_kind {
    ($($fault:ident: $docker:ident, $process:ident;)*) => {$(
        #[test]
        fn $docker() {
            if let Some(place) = Place::docker() { $fault(&place) }
        }

        #[test]
        fn $process() {
            if let Some(place) = Place::process() { $fault(&place) }
        }
    )*};
}

on_every_kind! {
    killed: killed_on_docker, killed_on_process;
    frozen: frozen_on_docker, frozen_on_process;
    dependency: dependency_on_docker, dependency_on_process;
    healthy: healthy_on_docker, healthy_on_process;
    by_hand: by_hand_on_docker, by_hand_on_process;
}

#[test]
fn results_have_the_same_fields_everywhere() {
    let Some(docker) = Place::docker() else { return };
    let Some(process) = Place::process() else { return };
    for (left, right) in readings(&docker).iter().zip(&readings(&process)) {
        assert_eq!(left, right);
    }
}

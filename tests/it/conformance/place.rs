//! The places that are compared: the same two services, as containers and as plain processes.

use crate::support::command::{eventually, run};
use crate::support::daemon::{Daemon, Settings};
use crate::support::disk::SmallDisk;
use crate::support::drive::{Expected, await_killed, to_verdict};
use crate::support::http::{Http, free_port};
use crate::support::need::{Need, have};
use crate::support::stage::{Stage, docker_ok};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A kind of environment with two services in it: `api`, which needs `store`.
pub struct Place {
    kind: &'static str,
    stage: Option<Stage>,
    folder: TempDir,
    ports: [u16; 2],
}

const SERVICES: [&str; 2] = ["api", "store"];

/// Where a container has its small disk.
const DATA: &str = "/data";

/// Long enough for a script on a machine that does other things as well.
const LIMIT: Duration = Duration::from_secs(60);

/// A small disk that `api` has files on.
pub struct Disk {
    path: String,
    /// Unmounted at the end; a container's own goes with the container.
    _mounted: Option<SmallDisk>,
}

impl Disk {
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Place {
    /// Containers; none if there is no engine.
    pub fn docker() -> Option<Self> {
        let stage = Stage::open()?;
        Some(Self { kind: "docker", stage: Some(stage), folder: folder(), ports: [free_port(), free_port()] })
    }

    /// Processes; none if there is nothing to run.
    pub fn process() -> Option<Self> {
        have(&[Need::Busybox]).then(|| Self {
            kind: "process",
            stage: None,
            folder: folder(),
            ports: [free_port(), free_port()],
        })
    }

    /// The name of a service here: on a shared engine it must be nobody else's.
    pub fn name(&self, service: &str) -> String {
        self.stage.as_ref().map_or_else(|| service.to_owned(), |stage| stage.unique(service))
    }

    /// Where the service answers.
    pub fn port(&self, service: &str) -> u16 {
        self.ports[usize::from(service == "store")]
    }

    fn pid_file(&self, service: &str) -> PathBuf {
        self.folder.path().join(format!("{service}.pid"))
    }

    /// Starts the services and the daemon, and waits until the services answer.
    pub fn open(&self) -> Daemon {
        self.open_with(|_| {})
    }

    /// The same, with other settings.
    pub fn open_with(&self, change: impl FnOnce(&mut Settings)) -> Daemon {
        if let Some(stage) = &self.stage {
            for service in SERVICES {
                let publish = format!("127.0.0.1:{}:8080", self.port(service));
                let script = "mkdir -p /srv/www; echo ok >/srv/www/index.html; exec httpd -f -p 8080 -h /srv/www";
                let options = ["--publish", &publish, "--tmpfs", &format!("{DATA}:size=1m")];
                let said = stage.run(service, &options, &["sh", "-c", script]);
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
            None => drop(self.shell(&format!("kill -{signal} $(cat {})", self.pid_file(service).display()))),
        }
    }

    /// Kills a service, and waits until it is known what ended it: an alert takes longer to come.
    pub fn kill(&self, daemon: &Daemon, service: &str) {
        self.signal(service, "KILL");
        await_killed(daemon, "here", &self.name(service));
    }

    /// Stops all that the service does, behind the daemon's back.
    pub fn freeze(&self, service: &str) {
        match &self.stage {
            Some(_) => drop(docker_ok(&["pause", &self.name(service)])),
            None => self.signal(service, "STOP"),
        }
    }

    /// Runs this where the files of `api` are, behind the daemon's back, and returns what it prints.
    pub fn shell(&self, script: &str) -> String {
        if self.stage.is_some() {
            return docker_ok(&["exec", &self.name("api"), "sh", "-c", script]);
        }
        let said = run(Command::new("sh").args(["-c", script]), LIMIT);
        assert!(said.ok, "{script}: {}", said.err);
        said.out.trim().to_owned()
    }

    /// Has `api` print on its standard output what this prints.
    pub fn print(&self, script: &str) {
        let pid = if self.stage.is_some() { "1".to_owned() } else { read(&self.pid_file("api")) };
        self.shell(&format!("{{ {script}; }} >/proc/{}/fd/1", pid.trim()));
    }

    /// A small disk for `api`; none where none may be mounted.
    pub fn disk(&self) -> Option<Disk> {
        if self.stage.is_some() {
            return Some(Disk { path: DATA.to_owned(), _mounted: None });
        }
        have(&[Need::Mount]).then(|| {
            let mounted = SmallDisk::mount(1).expect("a small disk");
            let path = mounted.path().canonicalize().expect("its path").to_string_lossy().into_owned();
            Disk { path, _mounted: Some(mounted) }
        })
    }

    /// Reports that something is wrong with `api`, and returns the incident.
    pub fn alert(&self, daemon: &Daemon, name: &str) -> String {
        daemon.alert(&json!({"alertname": name, "severity": "critical", "service": self.name("api")}))
    }

    /// The native calls that these verbs are here.
    pub fn calls(&self, verbs: &[&str]) -> Vec<String> {
        let family = if self.stage.is_some() { "container" } else { "process" };
        verbs.iter().map(|verb| format!("{family}.{verb}")).collect()
    }

    /// Follows an incident to its end.
    pub fn expect(
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

/// Whether the service on this port answers.
pub fn answers(port: u16) -> Result<(), String> {
    let answer = Http::to(port, None).get("/")?;
    if answer.status == 200 { Ok(()) } else { Err(answer.text) }
}

//! The shipped Dockerfile and docker-compose.yml, built and brought up as a user would: oncalld with a real Prometheus, a
//! real Alertmanager and a sample service, which is then broken.

use crate::support::command::{Said, eventually, run};
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::pending;
use crate::support::http::{Http, free_port};
use crate::support::need::{Need, compose, have};
use crate::support::source::root;
use crate::support::stage::{docker, docker_ok};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A release build of everything on two processors, inside a container.
const BUILD: Duration = Duration::from_secs(3_600);

/// The stand-ins before it: packages of Debian, three times.
const STAND_INS: Duration = Duration::from_secs(1_800);

/// What one call of Compose may take beside the build: a container has ten seconds to stop, and the engine is busy.
const CALL: Duration = Duration::from_secs(180);

/// What the names of its projects begin with.
const PROJECT: &str = "oncalldtest";

/// A copy of what Compose reads, under a project name of its own, so that nothing of the user's is touched.
struct Stack {
    folder: TempDir,
    project: String,
    settings: Vec<(String, String)>,
    http: Http,
    token: String,
    /// The image that had the name of the one that is built.
    before: Option<String>,
}

/// The name that `docker-compose.yml` gives to what it builds.
const IMAGE: &str = "oncalld:local";

impl Stack {
    fn up() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let copy = [
            "Dockerfile",
            ".dockerignore",
            "docker-compose.yml",
            "deploy",
            "Cargo.toml",
            "Cargo.lock",
            "src",
            "config",
            "translations",
            "runbooks",
        ];
        for name in copy {
            let said =
                run(Command::new("cp").arg("-r").arg(root().join(name)).arg(folder.path()), Duration::from_secs(60));
            assert!(said.ok, "{}", said.err);
        }
        label_build_stage(&folder.path().join("Dockerfile"));
        let prepared = run(&mut Command::new(folder.path().join("deploy/prepare")), Duration::from_secs(20));
        assert!(prepared.ok, "{}", prepared.err);
        let dotenv = std::fs::read_to_string(folder.path().join(".env")).expect("deploy/prepare wrote .env");
        let token = dotenv.lines().find_map(|line| line.strip_prefix("ONCALLD_TOKEN=")).expect("a token").to_owned();
        let port = free_port();
        let mut settings = vec![("ONCALLD_PORT".to_owned(), port.to_string())];
        for name in ["PROMETHEUS_PORT", "ALERTMANAGER_PORT"] {
            settings.push((name.to_owned(), free_port().to_string()));
        }
        clear();
        let project = format!("{PROJECT}{port}");
        let before = docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE]);
        let before = before.ok.then(|| before.out.trim().to_owned());
        let stack = Self { folder, project, settings, http: Http::to(port, Some(&token)), token, before };
        let said = stack.compose(&["up", "--build", "--detach"], BUILD);
        assert!(said.ok, "{}\n{}", tail(&said.out, 30), tail(&said.err, 30));
        stack
    }

    fn compose(&self, arguments: &[&str], limit: Duration) -> Said {
        let words = compose().expect("Docker Compose");
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["--project-name", &self.project]).args(arguments);
        // Its own patience with the engine ends after a minute otherwise.
        command.env("COMPOSE_HTTP_TIMEOUT", CALL.as_secs().to_string());
        command.current_dir(self.folder.path()).envs(self.settings.iter().cloned());
        run(&mut command, limit)
    }

    fn container(&self, service: &str) -> String {
        let said = self.compose(&["ps", "--quiet", service], CALL);
        let id = said.out.trim().to_owned();
        assert!(!id.is_empty(), "no container of {service}: {}", said.err);
        id
    }

    fn incident(&self, id: &str) -> Value {
        self.http.get(&format!("/api/v1/incidents/{id}")).expect("an answer").ok()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", tail(&self.compose(&["logs", "--no-color"], CALL).out, 500));
        }
        let said = self.compose(&["down", "--volumes", "--remove-orphans"], CALL);
        docker(&["rmi", IMAGE]);
        if let Some(before) = &self.before {
            docker(&["tag", before, IMAGE]);
        }
        remove_build_stages();
        assert!(said.ok || std::thread::panicking(), "{}", said.err);
    }
}

/// Stand-ins of the base images that were made for this test; they must not be taken for the real ones later.
struct StandIns(PathBuf, #[expect(dead_code, reason = "it holds the list")] TempDir);

impl StandIns {
    fn make() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = folder.path().join("made");
        let script = root().join("tests/it/packaging/stand_ins.sh");
        let said = run(Command::new(script).arg(&made), STAND_INS);
        assert!(said.ok, "stand-ins of the base images: {}", tail(&said.err, 30));
        Self(made, folder)
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        for image in std::fs::read_to_string(&self.0).unwrap_or_default().lines() {
            docker(&["rmi", image]);
        }
    }
}

/// Removes what a run left that was killed: services of several projects would need longer names.
fn clear() {
    let listed = docker_ok(&["ps", "--all", "--format", "{{.ID}} {{.Label \"com.docker.compose.project\"}}"]);
    let left =
        listed.lines().filter_map(|line| line.split_once(' ')).filter(|(_, project)| project.starts_with(PROJECT));
    for (id, _) in left {
        docker_ok(&["rm", "--force", "--volumes", id]);
    }
    remove_build_stages();
}

/// Marks what is built of the first stage, which Docker's older builder leaves behind without a name. The mark comes first,
/// so that nobody else's layers are below what has it but those of the base image.
fn label_build_stage(dockerfile: &Path) {
    let shipped = std::fs::read_to_string(dockerfile).expect("the Dockerfile");
    let marked = shipped.replacen(" AS build\n", &format!(" AS build\nLABEL {PROJECT}=build\n"), 1);
    assert_ne!(marked, shipped, "the Dockerfile has a stage that builds");
    std::fs::write(dockerfile, marked).expect("the copy");
}

/// Removes what the older builder left of stages that this test marked.
fn remove_build_stages() {
    let label = format!("label={PROJECT}=build");
    let left = docker(&["images", "--quiet", "--no-trunc", "--filter", "dangling=true", "--filter", &label]);
    for image in left.out.lines() {
        docker(&["rmi", image]);
    }
}

/// The last lines.
fn tail(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().rev().take(most).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_stack_finds_and_fixes_what_is_broken() {
    if !have(&[Need::Engine, Need::Compose, Need::Prometheus, Need::Debootstrap]) {
        return;
    }
    let _stand_ins = StandIns::make();
    let stack = Stack::up();
    let oncalld = stack.container("oncalld");
    eventually("the container's own health check", Duration::from_secs(90), || {
        let health = docker_ok(&["inspect", "--format", "{{.State.Health.Status}}", &oncalld]);
        if health == "healthy" { Ok(()) } else { Err(health) }
    });
    runs_as_nobody(&oncalld);
    starts_fast_and_stays_small(&oncalld);
    refuses_strangers(&stack);
    fixes(&stack, &Broken { how: "pause", cause: "container_paused", remedy: "unpause_service", approve: by_http });
    fixes(
        &stack,
        &Broken { how: "kill", cause: "killed_externally", remedy: "start_service", approve: in_the_container },
    );
}

/// Not root, without capabilities, and no larger than it must be.
fn runs_as_nobody(container: &str) {
    assert_eq!(docker_ok(&["exec", container, "id", "-u"]), "10001");
    let size: u64 = docker_ok(&["image", "inspect", "--format", "{{.Size}}", IMAGE]).parse().expect("a size");
    assert!(size < 200 << 20, "the image has {} MiB", size >> 20);
    let status = docker_ok(&["exec", container, "cat", "/proc/1/status"]);
    let effective = status.lines().find(|line| line.starts_with("CapEff:")).unwrap_or_default();
    assert!(effective.ends_with("0000000000000000"), "{effective}");
}

/// How long an idle daemon may take from its start to ready, and how much memory it may have.
const READY: Duration = Duration::from_millis(200);
const RESIDENT: u64 = 40 << 20;

/// The release build, taken out of the image, on this machine. Of many starts the best counts: what disturbs a start from
/// outside, such as the stack beside it, only makes it longer.
fn starts_fast_and_stays_small(container: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let binary = folder.path().join("oncalld");
    docker_ok(&["cp", &format!("{container}:/usr/local/bin/oncalld"), &binary.to_string_lossy()]);
    let settings = Settings::of(json!({"here": {"kind": "process"}}));
    let mut starts: Vec<(Duration, u64)> = Vec::new();
    while starts.len() < 5 || (starts.len() < 25 && !starts.iter().any(|(ready, _)| *ready < READY)) {
        let daemon = Daemon::start_binary(&binary, &settings);
        std::thread::sleep(Duration::from_secs(2));
        starts.push((daemon.ready_after, resident(daemon.pid())));
    }
    println!("from start to ready, and resident bytes two seconds later: {starts:?}");
    assert!(starts.iter().any(|(ready, _)| *ready < READY), "{starts:?}");
    assert!(starts.iter().all(|(_, resident)| *resident < RESIDENT), "{starts:?}");
}

/// Resident memory of a process in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

fn refuses_strangers(stack: &Stack) {
    let port = stack.settings[0].1.parse().expect("a port");
    let stranger = Http::to(port, None);
    assert_eq!(stranger.get("/api/v1/incidents").expect("an answer").status, 401);
    let alert = crate::support::daemon::delivery("firing", &json!({"alertname": "TargetDown", "service": "sample"}));
    assert_eq!(stranger.post("/api/v1/alerts/alertmanager", &alert).expect("an answer").status, 401);
}

/// What README says to try, and what comes of it.
struct Broken<'a> {
    /// Compose's word for it.
    how: &'a str,
    cause: &'a str,
    remedy: &'a str,
    approve: fn(&Stack, &Value),
}

fn by_http(stack: &Stack, request: &Value) {
    let path = format!("/api/v1/approvals/{}/approve", request["id"].as_str().expect("an id"));
    stack.http.post(&path, &json!({"digest": request["digest"]})).expect("an answer").ok();
}

/// On the command line that is in the image.
fn in_the_container(stack: &Stack, request: &Value) {
    let incident = request["incident"].as_str().expect("an incident");
    let token = format!("ONCALLD_CLIENT_TOKEN={}", stack.token);
    let command = ["exec", "-T", "-e", &token, "oncalld", "oncalld", "approve", incident, "--yes"];
    let said = stack.compose(&command, CALL);
    assert!(said.ok && said.out.contains("is approved"), "{said:?}");
}

/// Breaks the sample, sees the alert come through Prometheus and Alertmanager, approves what is asked for, and sees it
/// resolved.
fn fixes(stack: &Stack, broken: &Broken<'_>) {
    // Prometheus must have seen it well before, and no alert of its start may be about.
    let prometheus = Http::to(stack.settings[1].1.parse().expect("a port"), None);
    eventually("Prometheus sees it well", CALL, || {
        let up = prometheus.get("/api/v1/query?query=min_over_time(up%7Bjob%3D%22sample%22%7D%5B15s%5D)")?.ok();
        if up["data"]["result"][0]["value"][1] == "1" { Ok(()) } else { Err(up.to_string()) }
    });
    let incidents = || stack.http.get("/api/v1/incidents").expect("an answer").ok()["items"].clone();
    let before: Vec<Value> = incidents().as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
    let said = stack.compose(&[broken.how, "sample"], CALL);
    assert!(said.ok, "{said:?}");
    let id = eventually("Alertmanager posts", Duration::from_secs(120), || {
        let list = incidents();
        let is_new = |one: &&Value| one["service"] == "sample" && !before.contains(&one["id"]);
        let sample = list.as_array().and_then(|all| all.iter().find(is_new));
        sample.and_then(|one| one["id"].as_str()).map(str::to_owned).ok_or_else(|| list.to_string())
    });
    let end = eventually("it is fixed", Duration::from_secs(300), || {
        let incident = stack.incident(&id);
        for request in pending(&incident) {
            assert_eq!(request["operation"], broken.remedy, "{request}");
            (broken.approve)(stack, request);
        }
        if incident["state"] == "closed" { Ok(incident) } else { Err(incident.to_string()) }
    });
    assert_eq!((&end["cause"]["code"], &end["verdict"]), (&json!(broken.cause), &json!("resolved")), "{end}");
    let state = docker_ok(&["inspect", "--format", "{{.State.Status}}", &stack.container("sample")]);
    assert_eq!(state, "running");
}

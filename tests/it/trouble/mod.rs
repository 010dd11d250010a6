//! Trouble, for real: people who decide at once, repeats, a full disk, a flood, a killed daemon, an engine that is away.

mod budgets;
mod crash;
mod decisions;
mod engine_away;
mod first_look;
mod flood;
mod full_disk;
mod kill_switch;
mod logs;
mod repeats;
pub mod storm;
mod taken_back;

use crate::support::daemon::{Daemon, Settings};
use crate::support::link::Link;
use crate::support::stage::{Stage, docker_ok};
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough on a machine that does other things as well.
const WAIT: Duration = Duration::from_secs(180);

/// A process environment with one idle service of this name.
fn idle(name: &str) -> Value {
    json!({"local": {"kind": "process", "inventory_every": "1s", "services": {
        name: {"argv": ["/bin/sleep", "1000"]},
    }}})
}

/// A daemon with one idle service named `api`, which it has seen.
fn daemon() -> Daemon {
    let daemon = Daemon::start(&Settings::of(idle("api")));
    daemon.sees_services();
    daemon
}

/// Asks for an operation on a service by hand, and waits for the request for a decision on it.
fn asked(daemon: &Daemon, operation: &str, service: &str) -> (String, Value) {
    asked_with(daemon, operation, service, &json!({}))
}

/// As `asked`, with arguments.
fn asked_with(daemon: &Daemon, operation: &str, service: &str, arguments: &Value) -> (String, Value) {
    let body = json!({"target": service, "arguments": arguments});
    let begun = daemon.http.post(&format!("/api/v1/operations/{operation}"), &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident").to_owned();
    let incident = daemon.wait_for(&id, "waiting for a decision", WAIT, |incident| pending(incident).is_some());
    let approval = pending(&incident).expect("a pending request").clone();
    (id, approval)
}

/// The request that waits for a decision.
fn pending(incident: &Value) -> Option<&Value> {
    incident["approvals"].as_array()?.iter().find(|approval| approval["state"] == "pending")
}

/// Events of one kind.
fn of_kind(journal: &[Value], kind: &str) -> Vec<Value> {
    journal.iter().filter(|event| event["kind"] == kind).cloned().collect()
}

/// Waits until the journal has so many events of a kind, and returns them.
fn until(daemon: &Daemon, id: &str, kind: &str, count: usize, limit: Duration) -> Vec<Value> {
    let what = format!("{count} {kind}");
    daemon.wait_for(id, &what, limit, |_| of_kind(&daemon.journal(id), kind).len() >= count);
    of_kind(&daemon.journal(id), kind)
}

/// Waits until a call of whose outcome nobody was told has one: a probe found it out, and nothing was sent again.
fn probed(daemon: &Daemon, id: &str, outcome: &str) {
    let finished = until(daemon, id, "call_finished", 1, WAIT);
    let said = (&finished[0]["outcome"]["is"], &finished[0]["probed"]);
    assert_eq!(said, (&json!(outcome), &json!(true)), "{}", daemon.story(id));
    assert_eq!(of_kind(&daemon.journal(id), "call_intended").len(), 1, "{}", daemon.story(id));
}

/// A container that ends as soon as it is asked to, on a stage of its own.
struct Engine {
    stage: Stage,
    link: Link,
    began: String,
}

impl Engine {
    fn open() -> Option<Self> {
        Self::with("trap 'exit 0' TERM; while :; do sleep 0.1; done")
    }

    /// The same, running this.
    fn with(script: &str) -> Option<Self> {
        let stage = Stage::open()?;
        let said = stage.run("api", &[], &["sh", "-c", script]);
        assert!(said.ok, "{}", said.err);
        let began = now();
        Some(Self { stage, link: Link::open(), began })
    }

    fn api(&self) -> String {
        self.stage.unique("api")
    }

    /// A daemon that reaches the engine over the link alone.
    fn daemon(&self) -> Daemon {
        let daemon = self.daemon_in_the_dark();
        daemon.sees_services();
        daemon
    }

    /// The same, without waiting until it has seen anything.
    fn daemon_in_the_dark(&self) -> Daemon {
        let environments = json!({"docker": {
            "kind": "docker", "inventory_every": "1s", "docker": {"host": self.link.host()},
        }});
        Daemon::start(&Settings::of(environments))
    }

    /// How often the engine did this to the container, by its own account.
    fn did(&self, action: &str) -> usize {
        let (container, event) = (format!("container={}", self.api()), format!("event={action}"));
        let until = now();
        let seen = docker_ok(&[
            "events",
            "--since",
            &self.began,
            "--until",
            &until,
            "--filter",
            &container,
            "--filter",
            &event,
            "--format",
            "{{.Action}}",
        ]);
        seen.lines().filter(|line| *line == action).count()
    }
}

/// The time as `docker events` takes it.
fn now() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
}

//! Trouble, for real: people who decide at once, repeats, a full disk, a flood, a killed daemon, an engine that is away.

mod decisions;
mod repeats;

use crate::support::daemon::{Daemon, Settings};
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough on a machine that does other things as well.
const WAIT: Duration = Duration::from_secs(60);

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
    let body = json!({"target": service, "arguments": {}});
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

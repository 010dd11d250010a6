//! What an environment's owner allows, and when: autonomy levels and freeze windows, in a daemon that runs.

mod autonomy;
mod freeze;

use crate::support::cache::{daemon, killed, settings};
use crate::support::daemon::Daemon;
use crate::support::drive::{program, reload};
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough on a machine that does other things as well.
const WAIT: Duration = Duration::from_secs(180);

/// Waits until people are called.
fn given_up(daemon: &Daemon, id: &str) -> Value {
    let end = daemon.wait_for(id, "given up", WAIT, |incident| incident["state"] == "escalated");
    assert_eq!((&end["verdict"], &end["cause"]["code"]), (&json!("unresolved"), &json!("killed_externally")));
    end
}

/// Waits until it is closed because the service runs again, and that was proved.
fn resolved(daemon: &Daemon, id: &str) -> Value {
    let end = daemon.wait_for(id, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(end["verdict"], "resolved", "{}", daemon.story(id));
    program(daemon, "local", "cache");
    end
}

/// The ruling that the gate made last.
fn last_ruling(daemon: &Daemon, id: &str) -> Value {
    let journal = daemon.journal(id);
    let last = journal.iter().rev().find(|event| event["kind"] == "gate_decided");
    last.cloned().unwrap_or_else(|| panic!("the gate was not asked\n{}", daemon.story(id)))
}

fn report(daemon: &Daemon, id: &str) -> String {
    let report = daemon.http.get(&format!("/api/v1/incidents/{id}/report")).expect("an answer");
    assert_eq!(report.status, 200, "{}", report.text);
    report.text
}

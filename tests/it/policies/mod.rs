//! What an environment's owner allows, and when: autonomy levels and freeze windows, in a daemon that runs.

mod autonomy;
mod freeze;

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, ONCALLD, Settings};
use crate::support::drive::{kill, program};
use crate::support::http::free_port;
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough on a machine that does other things as well.
const WAIT: Duration = Duration::from_secs(180);

/// One service, `cache`, which stays down once it is killed, and answers who asks for its health.
fn settings(autonomy: &str) -> Settings {
    let port = free_port().to_string();
    let address = format!("127.0.0.1:{port}");
    let mut settings = Settings::of(json!({"local": {
        "kind": "process", "autonomy": autonomy, "inventory_every": "1s", "services": {"cache": {
            "argv": [ONCALLD, "sample", "cache"], "environment": {"PORT": port}, "restart": "no",
            "address": address, "health": format!("tcp://{address}"),
        }},
    }}));
    settings.files = vec![("config/operations.yml".to_owned(), oncalld::demo::stage::quick_operations())];
    settings
}

/// A daemon whose service runs.
fn daemon(settings: &Settings) -> Daemon {
    let daemon = Daemon::start(settings);
    daemon.sees_services();
    program(&daemon, "local", "cache");
    daemon
}

/// Kills the service, and reports that it is gone.
fn killed(daemon: &Daemon) -> String {
    kill(daemon, "local", "cache");
    daemon.alert(&json!({"alertname": "ServiceAbsent", "service": "cache", "severity": "critical"}))
}

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

/// Tells the daemon to take another configuration, and waits until it did; `count` with this one.
fn reload(daemon: &Daemon, settings: &Settings, count: usize) {
    daemon.reload(settings);
    let line = format!("oncalld_config_reloads_total{{outcome=\"applied\"}} {count}");
    eventually("it is in force", WAIT, || {
        let metrics = daemon.http.get("/metrics")?.text;
        if metrics.lines().any(|found| found == line) { Ok(()) } else { Err(daemon.logged()) }
    });
}

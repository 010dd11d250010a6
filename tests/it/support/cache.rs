//! The smallest whole incident: a process environment whose one service is killed.

use super::daemon::{Daemon, ONCALLD, Settings};
use super::drive::{kill, program};
use super::http::free_port;
use serde_json::json;

/// One service, `cache`, which stays down once it is killed, and answers who asks for its health.
pub fn settings(autonomy: &str) -> Settings {
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
pub fn daemon(settings: &Settings) -> Daemon {
    let daemon = Daemon::start(settings);
    daemon.sees_services();
    program(&daemon, "local", "cache");
    daemon
}

/// Kills the service, and reports that it is gone.
pub fn killed(daemon: &Daemon) -> String {
    killed_again(daemon, 1)
}

/// As `killed`; faults of different rounds have alerts of their own.
pub fn killed_again(daemon: &Daemon, round: usize) -> String {
    kill(daemon, "local", "cache");
    let round = round.to_string();
    daemon.alert(&json!({"alertname": "ServiceAbsent", "service": "cache", "severity": "critical", "round": round}))
}

//! The daemon itself is killed, and its services are still there.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::http::free_port;
use oncalld::shim::{ServiceFolder, proc};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_daemon_that_is_killed_orphans_and_doubles_nothing() {
    let port = free_port();
    let settings = Settings::of(json!({"here": {"kind": "process", "inventory_every": "1s", "services": {
        "cache": {
            "argv": [crate::support::daemon::ONCALLD, "sample", "cache"], "environment": {"PORT": port.to_string()},
            "address": format!("127.0.0.1:{port}"), "restart": "always",
        },
    }}}));
    let mut daemon = Daemon::start(&settings);
    let instance = ServiceFolder::new(&daemon.folder().join("data/processes/here"), "cache").instance(1);
    let program = || {
        eventually("the cache runs", Duration::from_secs(20), || {
            let state = instance.state().map_err(|error| error.to_string())?.unwrap_or_default();
            state.program.filter(|program| program.alive().is_some()).ok_or_else(|| "it does not run".to_owned())
        })
    };
    let before = program();
    daemon.crash_and_restart();
    assert_eq!(program(), before);
    let marked = proc::with_variable(oncalld::shim::MARKER, &instance.path().to_string_lossy());
    assert_eq!(marked, [before.pid], "one of it");
    // The new daemon is told when it ends, and its shim starts it again.
    assert!(before.signal(rustix::process::Signal::KILL));
    eventually("it is started again", Duration::from_secs(20), || {
        if program() == before { Err("it is the same".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn an_engine_that_cannot_be_addressed_is_no_reason_not_to_start() {
    for docker in
        [json!({"host": "tcp://127.0.0.1:1", "certificates": "/nonexistent"}), json!({"host": "tcp://127.0.0.1:1"})]
    {
        let environment =
            json!({"kind": "auto", "docker": docker, "services": {"idle": {"argv": ["/bin/sleep", "600"]}}});
        let daemon = Daemon::start(&Settings::of(json!({"here": environment})));
        daemon.sees_services();
        let status = daemon.read("here", "get_status", "idle");
        assert_eq!(status["networks"], json!(["host"]), "a process: {status}");
    }
}

#[test]
fn an_argument_that_names_a_service_must_name_one() {
    let idle = || json!({"argv": ["/bin/sleep", "600"], "aliases": ["kv"]});
    let services = json!({"api": {"argv": ["/bin/sleep", "600"]}, "cache": idle()});
    let daemon = Daemon::start(&Settings::of(json!({"here": {"kind": "process", "services": services}})));
    daemon.sees_services();
    let ask = |to: &str| {
        let body = json!({"target": "api", "arguments": {"to": to}});
        daemon.http.post("/api/v1/operations/check_connectivity", &body).expect("an answer")
    };
    let refused = ask("cachee");
    assert_eq!((refused.status, &refused.json()["near"]), (404, &json!(["cache"])), "{}", refused.text);
    let begun = ask("kv").ok();
    let incident = daemon.wait_for(
        begun["incident"].as_str().expect("an incident"),
        "its end",
        Duration::from_secs(30),
        |incident| incident["state"] == "closed",
    );
    assert_eq!(incident["trigger"]["arguments"]["to"], "cache", "by its own name: {incident}");
}

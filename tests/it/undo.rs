//! What did not help is taken back, in a real engine.

use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{calls, pending};
use crate::support::stage::{Stage, docker_ok};
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than a check may wait for its first good look.
const WAIT: Duration = Duration::from_secs(240);

/// Asks for another memory limit by hand, and approves it.
fn limited(daemon: &Daemon, service: &str, memory: &str) -> String {
    let body = json!({"environment": "docker", "target": service, "arguments": {"memory": memory}});
    let begun = daemon.http.post("/api/v1/operations/update_resources", &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident").to_owned();
    let asked = daemon.wait_for(&id, "asking", WAIT, |incident| !pending(incident).is_empty());
    daemon.approve(pending(&asked)[0]);
    daemon.wait_for(&id, "done, and being checked", WAIT, |incident| incident["state"] == "validating");
    id
}

fn action(incident: &Value) -> &Value {
    let steps = incident["steps"].as_array().expect("steps");
    &steps.iter().find(|step| !step["action"].is_null()).expect("an action")["action"]
}

#[test]
fn a_limit_under_which_the_service_ends_is_taken_back() {
    let Some(stage) = Stage::open() else { return };
    let api = stage.unique("api");
    assert!(stage.run("api", &["--memory", "64m", "--memory-swap", "64m"], &["sleep", "1000"]).ok);
    let daemon = Daemon::start(&Settings::of(json!({"docker": {"kind": "docker", "inventory_every": "1s"}})));
    daemon.sees_services();
    let id = limited(&daemon, &api, "96MiB");
    assert_eq!(stage.inspect("api", "{{.HostConfig.Memory}}"), (96 << 20).to_string());
    // It ends while it is being watched, so the check does not hold, and it is worse than before.
    docker_ok(&["kill", &api]);
    let closed = daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(action(&closed)["undone"], true, "{}", daemon.story(&id));
    assert_eq!(action(&closed)["verify"]["held"], false, "{}", daemon.story(&id));
    assert_eq!(stage.inspect("api", "{{.HostConfig.Memory}}"), (64 << 20).to_string());
    assert_eq!(calls(&daemon.journal(&id)), ["container.update", "container.update"]);
    assert_eq!(closed["approvals"].as_array().map(Vec::len), Some(1), "the approval covered it");
}

#[test]
fn a_limit_that_somebody_changed_since_is_not_taken_back_unasked() {
    let Some(stage) = Stage::open() else { return };
    let api = stage.unique("api");
    assert!(stage.run("api", &["--memory", "64m", "--memory-swap", "64m"], &["sleep", "1000"]).ok);
    let daemon = Daemon::start(&Settings::of(json!({"docker": {"kind": "docker", "inventory_every": "1s"}})));
    daemon.sees_services();
    let id = limited(&daemon, &api, "96MiB");
    docker_ok(&["update", "--memory", "128m", "--memory-swap", "128m", &api]);
    let asked = daemon.wait_for(&id, "asking whether to take it back", WAIT, |incident| !pending(incident).is_empty());
    let told = pending(&asked)[0]["diff"].to_string();
    assert!(told.contains("not by this action") && told.contains(&(128 << 20).to_string()), "{told}");
    assert_eq!(stage.inspect("api", "{{.HostConfig.Memory}}"), (128 << 20).to_string());
    daemon.approve(pending(&asked)[0]);
    daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(stage.inspect("api", "{{.HostConfig.Memory}}"), (64 << 20).to_string(), "{}", daemon.story(&id));
}

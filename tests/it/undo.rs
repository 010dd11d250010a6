//! What did not help is taken back, or a person has the last word.

use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{calls, kill, pending, program};
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

/// A remedy that helps nothing, and nothing else.
const RUNBOOK: &str = r#"
id: capacity
description: A service that is slow
match: {alerts: ["ApiSlow"]}
steps:
  - {id: status, phase: triage, operation: get_status, reason: "Does it run?"}
findings:
  - id: slow
    when: "status.running"
    cause: memory_limit_too_small
    confidence: 0.9
    summary: "${{ target.name }} is slow"
    cites: [status]
    remedies: [more]
remedies:
  - id: more
    steps:
      - {operation: update_resources, with: {memory: 64MiB}, reason: "It is slow"}
"#;

/// Little patience, but for the check of a changed limit: what happens in it is what the test is about.
fn operations() -> String {
    let quick = oncalld::demo::stage::quick_operations();
    let (before, after) = quick.split_once("\nupdate_resources:").expect("an operation");
    format!("{before}\nupdate_resources:{}", after.replacen("soak: 2s", "soak: 60s", 1))
}

fn asked(daemon: &Daemon, id: &str) -> Value {
    let incident = daemon.wait_for(id, "asking", WAIT, |incident| !pending(incident).is_empty());
    pending(&incident)[0].clone()
}

#[test]
fn what_could_not_be_taken_back_stays_open_for_a_person_however_well_the_target_is() {
    let api = json!({"argv": ["/bin/sleep", "1000"], "restart": "no", "memory": "32MiB"});
    let local = json!({"kind": "process", "inventory_every": "1s", "services": {"api": api}});
    let mut settings = Settings::of(json!({"local": local}));
    let files = [("config/operations.yml", operations()), ("runbooks/capacity.yml", RUNBOOK.to_owned())];
    settings.files = files.map(|(path, text)| (path.to_owned(), text)).into();
    let mut daemon = Daemon::start(&settings);
    daemon.sees_services();
    program(&daemon, "local", "api");
    let labels = json!({"alertname": "ApiSlow", "service": "api", "severity": "critical"});
    let id = daemon.alert(&labels);
    daemon.approve(&asked(&daemon, &id));
    daemon.wait_for(&id, "done, and being checked", WAIT, |incident| incident["state"] == "validating");
    // It ends while it is being watched, and before that somebody stops every change, also the one that takes back.
    daemon.http.put("/api/v1/kill-switch", &json!({"reason": "something is odd"})).expect("an answer").ok();
    kill(&daemon, "local", "api");
    let given_up = daemon.wait_for(&id, "given up", WAIT, |incident| incident["state"] == "escalated");
    assert_eq!(action(&given_up)["undone"], false, "{}", daemon.story(&id));

    // Somebody puts things right, and the sender says so.
    daemon.http.delete("/api/v1/kill-switch").expect("an answer").ok();
    let body = json!({"target": "api", "arguments": {}});
    let begun = daemon.http.post("/api/v1/operations/start_service", &body).expect("an answer").ok();
    let start = begun["incident"].as_str().expect("an incident").to_owned();
    daemon.approve(&asked(&daemon, &start));
    daemon.wait_for(&start, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(daemon.resolve(&labels).status, 200);
    daemon.wait_for(&id, "seen to be well", WAIT, |incident| incident["recheck"]["healthy"] == true);
    daemon.crash_and_restart();
    let still = daemon.incident(&id);
    assert_eq!((&still["state"], &still["verdict"]), (&json!("escalated"), &json!("unresolved")));
    let why = still["verdict_reason"].as_str().unwrap_or_default();
    assert!(why.contains("update_resources was not taken back"), "{why}");
    let path = format!("/api/v1/incidents/{id}/close");
    daemon.http.post(&path, &json!({"comment": "the limit may stay"})).expect("an answer").ok();
    assert_eq!(daemon.incident(&id)["state"], "closed");
    assert_eq!(calls(&daemon.journal(&id)), ["process.update"], "{}", daemon.story(&id));
}

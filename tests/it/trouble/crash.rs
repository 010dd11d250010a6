//! The daemon is killed between an intent and its result. The next one finds out what happened, and never sends again.

use super::{Engine, WAIT, asked, asked_with, of_kind, pending, until};
use crate::support::daemon::{Daemon, Settings};
use crate::support::link::Trap;
use serde_json::{Value, json};
use std::time::Duration;

fn quick() -> Value {
    json!({"timeout": "2s"})
}

#[test]
fn a_container_that_was_restarted_while_the_daemon_died_is_restarted_once() {
    let Some(engine) = Engine::open() else { return };
    let mut daemon = engine.daemon();
    let (id, approval) = asked_with(&daemon, "restart_service", &engine.api(), &quick());
    engine.link.trap("/restart", Trap::SwallowAnswer);
    daemon.approve(&approval);
    daemon.wait_for(&id, "restarted", WAIT, |_| engine.did("restart") == 1);
    assert!(of_kind(&daemon.journal(&id), "call_finished").is_empty(), "{}", daemon.story(&id));
    daemon.crash_and_restart();
    let finished = until(&daemon, &id, "call_finished", 1, WAIT);
    assert_eq!(
        (&finished[0]["outcome"]["is"], &finished[0]["probed"]),
        (&json!("done"), &json!(true)),
        "{}",
        daemon.story(&id)
    );
    assert_eq!((engine.did("restart"), engine.link.sent("/restart")), (1, 1), "{}", daemon.story(&id));
    assert_eq!(of_kind(&daemon.journal(&id), "call_intended").len(), 1, "{}", daemon.story(&id));
}

#[test]
fn a_container_that_was_not_restarted_is_so_only_after_people_are_asked_again() {
    let Some(engine) = Engine::open() else { return };
    let mut daemon = engine.daemon();
    let (id, approval) = asked_with(&daemon, "restart_service", &engine.api(), &quick());
    engine.link.trap("/restart", Trap::SwallowRequest);
    daemon.approve(&approval);
    until(&daemon, &id, "call_intended", 1, WAIT);
    std::thread::sleep(Duration::from_millis(500));
    daemon.crash_and_restart();
    let finished = until(&daemon, &id, "call_finished", 1, WAIT);
    assert_eq!(
        (&finished[0]["outcome"]["is"], &finished[0]["probed"]),
        (&json!("not_done"), &json!(true)),
        "{}",
        daemon.story(&id)
    );
    let incident = daemon.wait_for(&id, "asking again", WAIT, |incident| pending(incident).is_some());
    let again = pending(&incident).expect("a request");
    assert_ne!(again["id"], approval["id"]);
    assert_eq!(again["digest"], approval["digest"], "the same thing");
    assert_eq!((engine.did("restart"), engine.link.sent("/restart")), (0, 0), "{}", daemon.story(&id));
    daemon.approve(again);
    until(&daemon, &id, "call_finished", 2, WAIT);
    assert_eq!((engine.did("restart"), engine.link.sent("/restart")), (1, 1), "{}", daemon.story(&id));
}

#[test]
fn a_process_that_was_restarted_while_the_daemon_died_is_restarted_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let starts = folder.path().join("starts");
    let script = format!("echo $$ >>{}; trap 'sleep 2; exit 0' TERM; while :; do sleep 0.1; done", starts.display());
    let environments = json!({"local": {"kind": "process", "inventory_every": "1s", "services": {
        "api": {"argv": ["/bin/sh", "-c", script]},
    }}});
    let mut daemon = Daemon::start(&Settings::of(environments));
    daemon.sees_services();
    let started = || std::fs::read_to_string(&starts).unwrap_or_default().lines().count();
    let (id, approval) = asked_with(&daemon, "restart_service", "api", &json!({"timeout": "20s"}));
    assert_eq!(started(), 1);
    daemon.approve(&approval);
    until(&daemon, &id, "call_intended", 1, WAIT);
    std::thread::sleep(Duration::from_millis(500));
    assert!(of_kind(&daemon.journal(&id), "call_finished").is_empty(), "{}", daemon.story(&id));
    daemon.crash_and_restart();
    let finished = until(&daemon, &id, "call_finished", 1, WAIT);
    assert_eq!(
        (&finished[0]["outcome"]["is"], &finished[0]["probed"]),
        (&json!("done"), &json!(true)),
        "{}",
        daemon.story(&id)
    );
    daemon.wait_for(&id, "validating", WAIT, |incident| incident["state"] == "validating");
    assert_eq!(started(), 2, "{}", daemon.story(&id));
    assert_eq!(of_kind(&daemon.journal(&id), "call_intended").len(), 1, "{}", daemon.story(&id));
}

#[test]
fn a_request_for_a_decision_survives_with_its_expiry() {
    let mut daemon = super::daemon();
    let (id, before) = asked(&daemon, "restart_service", "api");
    for _ in 0..2 {
        daemon.crash_and_restart();
        let listed = daemon.http.get("/api/v1/approvals").expect("an answer").ok();
        assert_eq!(listed, json!([before]));
    }
    daemon.approve(&before);
    until(&daemon, &id, "call_intended", 1, WAIT);
    assert_eq!(of_kind(&daemon.journal(&id), "approval_requested").len(), 1);
}

#[test]
fn a_request_expires_at_its_time_though_the_daemon_was_away_then() {
    let mut settings = Settings::of(super::idle("api"));
    settings.policies = Some(json!({"defaults": {"expires": "3s"}}));
    let mut daemon = Daemon::start(&settings);
    daemon.sees_services();
    let (id, before) = asked(&daemon, "restart_service", "api");
    daemon.crash();
    std::thread::sleep(Duration::from_secs(4));
    daemon.restart();
    until(&daemon, &id, "approval_expired", 1, WAIT);
    let path = format!("/api/v1/approvals/{}/approve", before["id"].as_str().expect("an id"));
    let answer = daemon.http.post(&path, &json!({"digest": before["digest"]})).expect("an answer");
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert!(answer.text.contains("has expired"), "{}", answer.text);
    assert!(of_kind(&daemon.journal(&id), "call_intended").is_empty());
}

//! The daemon is killed between an intent and its result. The next one finds out what happened, and never sends again.

use super::{Engine, WAIT, asked, asked_with, of_kind, pending, probed, until};
use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::link::Trap;
use serde_json::{Value, json};

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
    probed(&daemon, &id, "done");
    assert_eq!((engine.did("restart"), engine.link.sent("/restart")), (1, 1), "{}", daemon.story(&id));
}

#[test]
fn a_container_that_was_not_restarted_is_so_only_after_people_are_asked_again() {
    let Some(engine) = Engine::open() else { return };
    let mut daemon = engine.daemon();
    let (id, approval) = asked_with(&daemon, "restart_service", &engine.api(), &quick());
    engine.link.trap("/restart", Trap::SwallowRequest);
    daemon.approve(&approval);
    daemon.wait_for(&id, "asked for", WAIT, |_| engine.link.sprung());
    daemon.crash_and_restart();
    probed(&daemon, &id, "not_done");
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
    let [starts, ending, end] = ["starts", "ending", "end"].map(|name| folder.path().join(name));
    let script = format!(
        "echo $$ >>{}; trap 'touch {}; until [ -e {} ]; do sleep 0.1; done; exit 0' TERM; while :; do sleep 0.1; done",
        starts.display(),
        ending.display(),
        end.display()
    );
    let environments = json!({"local": {"kind": "process", "inventory_every": "1s", "services": {
        "api": {"argv": ["/bin/sh", "-c", script]},
    }}});
    let mut daemon = Daemon::start(&Settings::of(environments));
    daemon.sees_services();
    let started = |count: usize| {
        eventually("the program begins", WAIT, || {
            let begun = std::fs::read_to_string(&starts).unwrap_or_default();
            if begun.lines().count() == count { Ok(()) } else { Err(begun) }
        });
    };
    let (id, approval) = asked_with(&daemon, "restart_service", "api", &json!({"timeout": "120s"}));
    started(1);
    daemon.approve(&approval);
    daemon.wait_for(&id, "being restarted", WAIT, |_| ending.exists());
    assert!(of_kind(&daemon.journal(&id), "call_finished").is_empty(), "{}", daemon.story(&id));
    daemon.crash();
    std::fs::write(&end, "").expect("a file");
    daemon.restart();
    probed(&daemon, &id, "done");
    daemon.wait_for(&id, "validating", WAIT, |incident| incident["state"] == "validating");
    started(2);
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
    settings.policies = Some(json!({"defaults": {"expires": "15s"}}));
    let mut daemon = Daemon::start(&settings);
    daemon.sees_services();
    let (id, before) = asked(&daemon, "restart_service", "api");
    daemon.crash();
    eventually("its time comes", WAIT, || {
        let at = before["expires_at"].as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>();
        if chrono::Utc::now() > at.expect("a time") { Ok(()) } else { Err("not yet".to_owned()) }
    });
    daemon.restart();
    until(&daemon, &id, "approval_expired", 1, WAIT);
    let path = format!("/api/v1/approvals/{}/approve", before["id"].as_str().expect("an id"));
    let answer = daemon.http.post(&path, &json!({"digest": before["digest"]})).expect("an answer");
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert!(answer.text.contains("has expired"), "{}", answer.text);
    assert!(of_kind(&daemon.journal(&id), "call_intended").is_empty());
}

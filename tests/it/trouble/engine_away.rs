//! The engine goes away in the middle of an incident, and comes back. Between the daemon and the real engine is a link
//! that the test cuts; what the engine did is counted by the engine's own events.

use super::{Engine, WAIT, asked_with, of_kind, pending, probed, until};
use crate::support::link::Trap;
use crate::support::stage::docker_ok;
use serde_json::{Value, json};
use std::time::Duration;

/// All attempts with their pauses, and the look that follows.
const TIRED: Duration = Duration::from_secs(120);

fn quick() -> Value {
    json!({"timeout": "2s"})
}

#[test]
fn an_incident_says_that_its_engine_is_away_and_goes_on_when_it_is_back() {
    let Some(engine) = Engine::open() else { return };
    let daemon = engine.daemon();
    docker_ok(&["kill", &engine.api()]);
    engine.link.cut();
    let id = daemon.alert(&json!({"alertname": "ContainerKilled", "name": engine.api(), "severity": "critical"}));
    let lost = until(&daemon, &id, "environment_lost", 1, TIRED);
    let said = lost[0]["problem"].as_str().unwrap_or_default();
    assert!(said.contains("docker does not answer") && said.contains("socket"), "{said}");

    // Before that it was tried again and again, less and less often.
    let journal = daemon.journal(&id);
    let started = of_kind(&journal, "step_started");
    let tired = started.iter().find(|event| event["attempt"] == 5).expect("a step that was tried to the end");
    let tries: Vec<&Value> = started.iter().filter(|event| event["step"] == tired["step"]).collect();
    assert_eq!(
        tries.iter().map(|event| event["attempt"].as_u64()).collect::<Vec<_>>(),
        (1..=5).map(Some).collect::<Vec<_>>()
    );
    let at = |event: &Value| {
        event["at"].as_str().and_then(|at| at.parse::<chrono::DateTime<chrono::Utc>>().ok()).expect("a time")
    };
    let pauses: Vec<i64> = tries.windows(2).map(|pair| (at(pair[1]) - at(pair[0])).num_seconds()).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]) && pauses[0] >= 2, "{pauses:?}");
    let transient = |event: &Value| event["outcome"]["is"] != "failed" || event["outcome"]["transient"] == true;
    assert!(of_kind(&journal, "step_finished").iter().all(transient), "{}", daemon.story(&id));

    let incident = daemon.incident(&id);
    assert_eq!(
        (&incident["state"], &incident["verdict"]),
        (&json!("escalated"), &Value::Null),
        "{}",
        daemon.story(&id)
    );
    let report = daemon.http.get(&format!("/api/v1/incidents/{id}/report")).expect("an answer").text;
    assert!(report.contains("docker does not answer"), "{report}");
    let ready = daemon.http.get("/ready").expect("an answer");
    assert_eq!(
        (ready.status, &ready.json()["degraded"][0]["dependency"]),
        (200, &json!("environment docker")),
        "{}",
        ready.text
    );

    engine.link.mend();
    until(&daemon, &id, "environment_returned", 1, WAIT);
    let incident = daemon.wait_for(&id, "diagnosed", WAIT, |incident| pending(incident).is_some());
    assert_eq!(incident["cause"]["code"], "killed_externally", "{}", daemon.story(&id));
    assert_eq!(incident["state"], "awaiting_approval", "{}", daemon.story(&id));

    // Away again, just when a person has decided: nothing is sent, nothing is lost, and it is done once.
    engine.link.cut();
    daemon.approve(pending(&incident).expect("a request"));
    until(&daemon, &id, "environment_lost", 2, TIRED);
    assert_eq!(of_kind(&daemon.journal(&id), "call_intended").len(), 0, "{}", daemon.story(&id));
    engine.link.mend();
    let finished = until(&daemon, &id, "call_finished", 1, WAIT);
    assert_eq!(finished[0]["outcome"]["is"], "done", "{}", daemon.story(&id));
    assert_eq!((engine.did("start"), engine.link.sent("/start")), (1, 1), "{}", daemon.story(&id));
}

#[test]
fn an_answer_that_is_lost_is_probed_for_and_never_asked_for_again() {
    let Some(engine) = Engine::open() else { return };
    let daemon = engine.daemon();
    let (id, approval) = asked_with(&daemon, "restart_service", &engine.api(), &quick());
    engine.link.trap("/restart", Trap::CutAfter);
    daemon.approve(&approval);
    until(&daemon, &id, "call_intended", 1, WAIT);
    daemon.wait_for(&id, "restarted", WAIT, |_| engine.did("restart") == 1);
    assert!(of_kind(&daemon.journal(&id), "call_finished").is_empty(), "nobody can know yet: {}", daemon.story(&id));
    engine.link.mend();
    probed(&daemon, &id, "done");
    daemon.wait_for(&id, "validating", WAIT, |incident| incident["state"] == "validating");
    assert_eq!((engine.did("restart"), engine.link.sent("/restart")), (1, 1), "{}", daemon.story(&id));
}

#[test]
fn what_could_not_be_sent_is_tried_again_under_the_approval_that_it_had() {
    let Some(engine) = Engine::open() else { return };
    let daemon = engine.daemon();
    let (id, approval) = asked_with(&daemon, "restart_service", &engine.api(), &quick());
    // What is connected goes on, so the target can be read; the request itself needs a connection of its own.
    engine.link.close_door();
    daemon.approve(&approval);
    let finished = until(&daemon, &id, "call_finished", 1, WAIT);
    assert_eq!(
        (&finished[0]["outcome"]["is"], &finished[0]["outcome"]["transient"], &finished[0]["probed"]),
        (&json!("not_done"), &json!(true), &json!(false)),
        "{}",
        daemon.story(&id)
    );
    assert_eq!((engine.did("restart"), engine.link.sent("/restart")), (0, 0));
    engine.link.mend();
    let done = |event: &Value| event["outcome"]["is"] == "done";
    daemon.wait_for(&id, "done", WAIT, |_| of_kind(&daemon.journal(&id), "call_finished").iter().any(done));
    let journal = daemon.journal(&id);
    assert_eq!(of_kind(&journal, "approval_requested").len(), 1, "nobody was asked twice: {}", daemon.story(&id));
    let intended = of_kind(&journal, "call_intended");
    assert!(intended.len() >= 2, "{}", daemon.story(&id));
    assert!(intended.iter().all(|event| event["approval"] == approval["id"]), "{}", daemon.story(&id));
    assert_eq!(of_kind(&journal, "step_prepared").len(), intended.len(), "prepared anew: {}", daemon.story(&id));
    assert_eq!((engine.did("restart"), engine.link.sent("/restart")), (1, 1), "{}", daemon.story(&id));
    assert_eq!(daemon.incident(&id)["approvals"][0]["state"], "consumed");
}

#[test]
fn a_second_call_that_could_not_be_sent_is_tried_again_and_the_first_is_not_repeated() {
    let Some(engine) = Engine::open() else { return };
    let service = engine.stage.unique("web");
    let labels = [("project", engine.stage.unique("shop")), ("service", service.clone())]
        .map(|(name, value)| format!("com.docker.compose.{name}={value}"));
    for name in ["web-1", "web-2"] {
        let options = ["--label", labels[0].as_str(), "--label", labels[1].as_str()];
        let said = engine.stage.run(name, &options, &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]);
        assert!(said.ok, "{}", said.err);
    }
    let daemon = engine.daemon();
    let (id, approval) = asked_with(&daemon, "restart_service", &service, &quick());
    engine.link.trap("/restart", Trap::CloseDoorAfter);
    daemon.approve(&approval);
    // Where nothing is connected any more by which the target could be read, it is not even tried.
    daemon.wait_for(&id, "a second call that is not sent", WAIT, |_| {
        let journal = daemon.journal(&id);
        of_kind(&journal, "call_finished").len() >= 2 || !of_kind(&journal, "environment_lost").is_empty()
    });
    let finished = of_kind(&daemon.journal(&id), "call_finished");
    let outcome = |event: &Value| (event["index"].clone(), event["outcome"]["is"].clone());
    assert_eq!(outcome(&finished[0]), (json!(0), json!("done")), "{}", daemon.story(&id));
    let unsent = |event: &Value| outcome(event) == (json!(1), json!("not_done"));
    assert!(finished[1..].iter().all(unsent), "{}", daemon.story(&id));
    engine.link.mend();
    let second = |event: &Value| outcome(event) == (json!(1), json!("done"));
    daemon.wait_for(&id, "done", WAIT, |_| of_kind(&daemon.journal(&id), "call_finished").iter().any(second));
    assert_eq!(engine.link.sent("/restart"), 2, "each once: {}", daemon.story(&id));
    assert_eq!(of_kind(&daemon.journal(&id), "undo_requested").len(), 0, "{}", daemon.story(&id));
    assert_eq!(daemon.incident(&id)["approvals"].as_array().map(Vec::len), Some(1), "nobody is asked twice");
}

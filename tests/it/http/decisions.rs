//! Decisions over HTTP: two of one request, a wrong digest, one after the other.

use super::daemon;
use crate::support::daemon::Daemon;
use serde_json::{Value, json};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);

/// Asks for a restart by hand, which waits for a decision, since autonomy is `approve`.
fn pending(daemon: &Daemon) -> (String, Value) {
    let body = json!({"target": "api", "arguments": {}});
    let begun = daemon.http.post("/api/v1/operations/restart_service", &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident").to_owned();
    let is_pending = |approval: &Value| approval["state"] == "pending";
    let incident = daemon.wait_for(&id, "waiting for a decision", WAIT, |incident| {
        incident["approvals"].as_array().is_some_and(|all| all.iter().any(is_pending))
    });
    let all = incident["approvals"].as_array().expect("a list");
    let approval = all.iter().find(|approval| is_pending(approval)).expect("a pending one").clone();
    (id, approval)
}

fn path(approval: &Value, what: &str) -> String {
    format!("/api/v1/approvals/{}/{what}", approval["id"].as_str().expect("an id"))
}

#[test]
fn of_two_decisions_on_one_request_one_wins_and_the_other_is_told() {
    let daemon = daemon();
    let (id, approval) = pending(&daemon);
    let listed = daemon.http.get("/api/v1/approvals").expect("an answer").ok();
    assert_eq!(listed[0]["id"], approval["id"]);
    for field in ["command", "digest", "risk", "operation", "target", "expires_at"] {
        assert!(approval[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {approval}");
    }
    let body = json!({"digest": approval["digest"], "comment": "go"});
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let (daemon, approval, body) = (&daemon, &approval, &body);
        let deciding = ["approve", "deny", "approve", "deny"]
            .map(|what| scope.spawn(move || daemon.http.post(&path(approval, what), body).expect("an answer").status));
        deciding.map(|thread| thread.join().expect("a status")).into()
    });
    let won = statuses.iter().filter(|status| **status == 200).count();
    let told = statuses.iter().filter(|status| **status == 409).count();
    assert_eq!((won, told), (1, 3), "{statuses:?}");
    let decided: Vec<Value> =
        daemon.journal(&id).into_iter().filter(|event| event["kind"] == "approval_decided").collect();
    assert_eq!(decided.len(), 1, "{decided:?}");
    assert_eq!(decided[0]["by"], "local");
}

#[test]
fn another_digest_decides_nothing() {
    let daemon = daemon();
    let (id, approval) = pending(&daemon);
    let answer = daemon.http.post(&path(&approval, "approve"), &json!({"digest": "0".repeat(64)})).expect("an answer");
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert_eq!(answer.content_type, "application/problem+json");
    let answer = daemon.http.post(&path(&approval, "deny"), &json!({"digest": approval["digest"]})).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let denied = daemon.wait_for(&id, "told of the denial", WAIT, |incident| {
        incident["approvals"].as_array().is_some_and(|all| all.iter().any(|approval| approval["state"] == "denied"))
    });
    let sent = denied["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .any(|step| step["action"]["calls"].as_array().is_some_and(|calls| !calls.is_empty()));
    assert!(!sent, "nothing may be sent: {denied}");
}

#[test]
fn an_approved_restart_is_run_verified_and_reported() {
    let daemon = daemon();
    let (id, approval) = pending(&daemon);
    daemon.approve(&approval);
    let closed = daemon.wait_for(&id, "closed", Duration::from_secs(120), |incident| incident["state"] == "closed");
    let step =
        closed["steps"].as_array().expect("steps").iter().find(|step| !step["action"].is_null()).expect("an action");
    assert_eq!(step["action"]["calls"][0]["outcome"]["is"], "done", "{step}");
    let report = daemon.http.get(&format!("/api/v1/incidents/{id}/report")).expect("an answer");
    assert!(report.content_type.starts_with("text/markdown"), "{}", report.content_type);
    assert!(report.text.contains(approval["command"].as_str().expect("a command")), "{}", report.text);
    let again =
        daemon.http.post(&path(&approval, "approve"), &json!({"digest": approval["digest"]})).expect("an answer");
    assert!([404, 409].contains(&again.status), "a closed incident asks for nothing: {}", again.text);
    let metrics = daemon.http.get("/metrics").expect("an answer").text;
    for told in [
        "oncalld_incidents_closed_total{verdict=",
        "oncalld_steps_total{operation=\"restart_service\",outcome=\"succeeded\"} 1",
        "oncalld_gate_decisions_total{decision=\"run\",rule=\"approval\"} 1",
        "oncalld_approval_wait_seconds_count{outcome=\"decided\"} 1",
        "oncalld_time_to_diagnosis_seconds_count{cause=",
        "oncalld_time_to_resolution_seconds_count 1",
        "oncalld_queue_depth 0",
        "oncalld_journal_fsyncs_total ",
    ] {
        assert!(metrics.contains(told), "{told}\n{metrics}");
    }
}

#[test]
fn an_alert_and_an_operation_by_hand_of_one_service_do_not_swallow_each_other() {
    let daemon = daemon();
    let (by_hand, _) = pending(&daemon);
    let alerted = daemon.alert(&json!({"alertname": "ApiSlow", "service": "api", "severity": "warning"}));
    assert_ne!(alerted, by_hand, "an alert that arrives meanwhile is diagnosed by itself");
    let diagnosed = daemon.wait_for(&alerted, "diagnosed", WAIT, |incident| !incident["plan"].is_null());
    assert_eq!(diagnosed["service"], "api");
    // And the other way round: with an alert's incident open, an operation really runs.
    let body = json!({"target": "api", "arguments": {}});
    let begun = daemon.http.post("/api/v1/operations/get_status", &body).expect("an answer").ok();
    let status = begun["incident"].as_str().expect("an incident");
    assert!(status != alerted && status != by_hand);
    let end = daemon.wait_for(status, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(end["steps"][0]["evidence"]["facts"]["running"], true, "{end}");
    let twice = daemon.http.post("/api/v1/operations/restart_service", &body).expect("an answer");
    assert_eq!(twice.status, 409, "the same operation waits already: {}", twice.text);
    assert!(twice.text.contains(&by_hand) && twice.text.contains("oncalld approve"), "{}", twice.text);
}

#[test]
fn many_may_read_the_same_at_once_beside_an_open_incident() {
    let daemon = daemon();
    let (open, _) = pending(&daemon);
    let body = json!({"target": "api", "arguments": {}});
    let ids: Vec<String> = std::thread::scope(|scope| {
        let read = || daemon.http.post("/api/v1/operations/get_history", &body).expect("an answer").ok();
        let reading: Vec<_> = (0..12).map(|_| scope.spawn(read)).collect();
        let begun = reading.into_iter().map(|thread| thread.join().expect("a body")["incident"].clone());
        begun.map(|id| id.as_str().expect("an incident").to_owned()).collect()
    });
    for id in &ids {
        let end = daemon.wait_for(id, "closed", WAIT, |incident| incident["state"] == "closed");
        assert!(end["steps"][0]["evidence"]["facts"]["changes"].is_array(), "each has its own answer: {end}");
    }
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 12);
    let still = daemon.http.get(&format!("/api/v1/incidents/{open}")).expect("an answer").ok();
    assert_eq!(still["state"], "awaiting_approval", "nobody disturbed it");
}

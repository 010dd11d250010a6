//! The kill switch, thrown while somebody is about to say yes, and kept by the journal.

use super::{WAIT, asked, daemon, of_kind, until};
use serde_json::json;

#[test]
fn what_is_approved_while_it_is_thrown_is_not_done_and_a_restart_does_not_reset_it() {
    let mut daemon = daemon();
    let (id, approval) = asked(&daemon, "restart_service", "api");
    let thrown = daemon.http.put("/api/v1/kill-switch", &json!({"reason": "something is odd"})).expect("an answer");
    assert_eq!(thrown.ok()["on"], true);
    daemon.crash_and_restart();
    let switch = daemon.http.get("/api/v1/kill-switch").expect("an answer").ok();
    assert_eq!((&switch["on"], &switch["reason"]), (&json!(true), &json!("something is odd")));
    let path = format!("/api/v1/approvals/{}/approve", approval["id"].as_str().expect("an id"));
    daemon.http.post(&path, &json!({"digest": approval["digest"]})).expect("an answer");
    daemon.wait_for(&id, "over", WAIT, |incident| incident["state"] == "closed");
    let journal = daemon.journal(&id);
    let ruling = of_kind(&journal, "gate_decided").pop().expect("a decision");
    assert_eq!((&ruling["decision"], &ruling["rule"]), (&json!("refuse"), &json!("kill_switch")));
    assert!(of_kind(&journal, "call_intended").is_empty(), "{}", daemon.story(&id));
    assert_eq!(daemon.http.delete("/api/v1/kill-switch").expect("an answer").ok()["on"], false);
    let (again, approval) = asked(&daemon, "restart_service", "api");
    daemon.approve(&approval);
    until(&daemon, &again, "call_finished", 1, WAIT);
}

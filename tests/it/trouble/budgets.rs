//! How often things may be changed is counted from the journal, so no restart begins the count anew.

use super::{WAIT, asked, idle, until};
use crate::support::daemon::{Daemon, Settings};
use serde_json::{Value, json};

/// Why the gate refused an operation that was asked for by hand.
fn refusal(daemon: &Daemon, operation: &str) -> String {
    let body = json!({"target": "api", "arguments": {}});
    let begun = daemon.http.post(&format!("/api/v1/operations/{operation}"), &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident").to_owned();
    let decided = until(daemon, &id, "gate_decided", 1, WAIT);
    daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
    let last: &Value = decided.last().expect("a decision");
    assert_eq!((&last["decision"], &last["rule"]), (&json!("refuse"), &json!("budget")), "{}", daemon.story(&id));
    last["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn budgets_are_counted_across_restarts() {
    let mut settings = Settings::of(idle("api"));
    settings.policies = Some(json!({"budgets": {"per_target": 1, "per_environment": 9, "window": "1h"}}));
    let mut daemon = Daemon::start(&settings);
    daemon.sees_services();
    let (id, approval) = asked(&daemon, "pause_service", "api");
    daemon.approve(&approval);
    daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
    assert!(refusal(&daemon, "unpause_service").contains("was changed 1 times"));
    daemon.crash_and_restart();
    assert!(refusal(&daemon, "unpause_service").contains("was changed 1 times"));
}

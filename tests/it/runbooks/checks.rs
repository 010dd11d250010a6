//! The criteria of the shipped operations: whether an act may be done, was done, and helped.

use super::healthy_status;
use crate::support::shipped;
use oncalld::{domain::Values, expr::Truth, judge};
use serde_json::{Value, json};

fn status(changes: Value) -> Values {
    let mut status = healthy_status();
    status.extend(values(changes));
    status
}

fn values(value: Value) -> Values {
    serde_json::from_value(value).expect("an object")
}

fn helped(operation: &str, evidence: &Values, before: &Values, arguments: Value) -> Truth {
    did(operation, json!({"changed": true, "detail": "", "id": "", "exit_code": null}), evidence, before, arguments)
}

fn did(operation: &str, result: Value, evidence: &Values, before: &Values, arguments: Value) -> Truth {
    let catalog = shipped();
    let (result, arguments) = (values(result), values(arguments));
    judge::expectation(catalog, &catalog.operations[operation], evidence, &result, Some(before), &arguments)
}

#[test]
fn what_a_call_says_that_it_did_counts() {
    let well = status(json!({}));
    let said = |changed: bool, code: Value| json!({"changed": changed, "detail": "", "id": "", "exit_code": code});
    for (operation, result, expected) in [
        ("execute_command", said(true, json!(0)), Truth::True),
        ("execute_command", said(true, json!(2)), Truth::False),
        ("set_parameter", said(false, json!(null)), Truth::False),
        ("set_parameter", said(true, json!(null)), Truth::True),
        ("set_ownership", said(false, json!(null)), Truth::False),
        ("set_ownership", said(true, json!(null)), Truth::True),
    ] {
        let arguments = match operation {
            "execute_command" => json!({"argv": ["true"], "timeout": "30s"}),
            "set_parameter" => json!({"name": "maxmemory", "value": "1"}),
            _ => json!({"path": "/data", "owner": "1000"}),
        };
        assert_eq!(did(operation, result, &well, &well, arguments), expected, "{operation}");
    }
    let services = values(json!({"services": [], "count": 0, "not_running": []}));
    for (changed, expected) in [(true, Truth::True), (false, Truth::False)] {
        let removed = did("prune_storage", said(changed, json!(null)), &services, &Values::new(), json!({}));
        assert_eq!(removed, expected);
    }
}

#[test]
fn a_start_helped_if_it_runs_and_is_ready() {
    let before = status(json!({"state": "exited", "running": false, "ready": false}));
    assert_eq!(helped("start_service", &status(json!({})), &before, json!({})), Truth::True);
    assert_eq!(helped("start_service", &before, &before, json!({})), Truth::False);
    let killed_again = status(json!({"oom_events": 1}));
    assert_eq!(helped("start_service", &killed_again, &before, json!({})), Truth::False);
}

#[test]
fn a_limit_helped_if_it_holds_and_what_ran_still_runs() {
    let raised =
        |changes| helped("update_resources", &status(changes), &status(json!({})), json!({"memory": 33_554_432}));
    assert_eq!(raised(json!({"memory_limit": 33_554_432})), Truth::True);
    assert_eq!(raised(json!({})), Truth::False);
    assert_eq!(raised(json!({"memory_limit": 33_554_432, "running": false})), Truth::False);
    let stopped = status(json!({"state": "exited", "running": false, "ready": false}));
    let after = status(json!({"state": "exited", "running": false, "ready": false, "memory_limit": 33_554_432}));
    assert_eq!(helped("update_resources", &after, &stopped, json!({"memory": 33_554_432})), Truth::True);
}

#[test]
fn what_cannot_be_seen_helped_nobody() {
    assert!(matches!(helped("start_service", &Values::new(), &status(json!({})), json!({})), Truth::Unknown(_)));
    let told = did("execute_command", json!({}), &status(json!({})), &status(json!({})), json!({}));
    assert!(matches!(told, Truth::Unknown(_)), "only a probe found out that it was run: {told:?}");
}

#[test]
fn a_silence_is_looked_for_by_its_own_matchers() {
    let catalog = shipped();
    let arguments = values(json!({"matchers": ["service=\"api\""], "duration": "1h", "comment": ""}));
    let looked = judge::verify_arguments(&catalog.operations["silence_alert"], None, &arguments);
    assert_eq!(looked.map(Value::Object), Ok(json!({"matchers": ["service=\"api\""]})));
}

#[test]
fn a_probe_tells_whether_an_act_happened() {
    let probe = |name: &str, now: Value| {
        judge::probe(&shipped().operations[name], &status(json!({})), &status(now), &Values::new())
    };
    assert_eq!(probe("restart_service", json!({})), Truth::False);
    assert_eq!(probe("restart_service", json!({"started_at": "2026-11-21T13:00:00Z"})), Truth::True);
    assert_eq!(probe("stop_service", json!({"running": false})), Truth::True);
    assert!(matches!(probe("rotate_logs", json!({})), Truth::Unknown(_)), "nobody can tell");
}

#[test]
fn a_precondition_is_asked_of_the_status_just_read() {
    assert_eq!(judge::precondition("!status.running", &status(json!({}))), Truth::False);
    assert!(matches!(judge::precondition("status.nothing", &status(json!({}))), Truth::Unknown(_)));
    assert!(matches!(judge::precondition("status.running", &Values::new()), Truth::Unknown(_)));
}

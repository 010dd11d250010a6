//! An alert whose labels name nothing that is known: an incident all the same, a look at the environment, and an honest end.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::calls;
use serde_json::json;
use std::time::Duration;

#[test]
fn an_alert_about_nothing_known_gets_a_diagnosis_of_the_environment() {
    let services = json!({
        "api": {"argv": ["/bin/sleep", "1000"]},
        "worker": {"argv": ["/bin/sh", "-c", "echo cannot open the queue; exit 3"], "restart": "no"},
    });
    let daemon = Daemon::start(&Settings::of(json!({"here": {"kind": "process", "services": services}})));
    daemon.sees_services();
    eventually("worker has ended", Duration::from_secs(30), || {
        let seen = daemon.read("here", "get_status", "worker");
        if seen["state"] == "exited" { Ok(()) } else { Err(seen.to_string()) }
    });
    let id = daemon.alert(&json!({"alertname": "QueueGrows", "service": "no-such-thing", "severity": "warning"}));
    let end = daemon.wait_for(&id, "given up", Duration::from_secs(90), |one| one["state"] == "escalated");
    assert_eq!((&end["verdict"], &end["cause"], &end["service"]), (&json!("inconclusive"), &json!(null), &json!(null)));
    assert!(end["read_only"].is_string(), "{end}");
    let reason = end["verdict_reason"].as_str().expect("a reason");
    for part in ["name no service that is known here", "worker is exited: exit code 3", "could not be seen: around"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(!reason.contains("status, health"), "there is no service whose status could be seen: {reason}");
    let said = |step: &&serde_json::Value| step["step"]["name"] == "down_logs";
    let logs = end["steps"].as_array().expect("steps").iter().find(said).expect("its logs were read");
    assert!(logs["evidence"]["facts"].to_string().contains("cannot open the queue"), "{logs}");
    assert_eq!(calls(&daemon.journal(&id)), Vec::<String>::new(), "nothing is sent");
}

//! The machine boots, and the daemon is up before the engine: alerts must not be spoilt by that.

use super::{Engine, WAIT};
use crate::support::command::eventually;
use crate::support::daemon::delivery;
use serde_json::{Value, json};

#[test]
fn alerts_that_come_before_the_first_look_are_asked_for_again_and_find_their_target() {
    let Some(engine) = Engine::open() else { return };
    engine.link.cut();
    let daemon = engine.daemon_in_the_dark();
    let labels = json!({"alertname": "ContainerKilled", "name": engine.api(), "severity": "critical"});
    let post = || daemon.http.post("/api/v1/alerts/alertmanager", &delivery("firing", &labels)).expect("an answer");
    let refused = post();
    assert_eq!((refused.status, refused.retry_after.as_deref()), (503, Some("5")), "{}", refused.text);
    assert!(refused.text.contains("was not looked at since the start"), "{}", refused.text);
    let none = daemon.http.get("/api/v1/incidents").expect("an answer").ok();
    assert_eq!(none["items"], json!([]), "nothing is remembered of it: {none}");

    engine.link.mend();
    let accepted = eventually("the alert is taken", WAIT, || {
        let answer = post();
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text) }
    });
    assert_ne!(accepted["duplicate"], true, "{accepted}");
    let incident = daemon.incident(accepted["incidents"][0].as_str().expect("an incident"));
    assert_eq!((&incident["service"], &incident["read_only"]), (&json!(engine.api()), &Value::Null));
}

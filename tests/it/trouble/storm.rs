//! Most services of an environment alert at once: nothing is changed until they have calmed down.

use super::{WAIT, asked, until};
use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings, delivery};
use serde_json::{Value, json};

/// Services; all but the last of them alert.
const SERVICES: [&str; 6] = ["auth", "cart", "mail", "pay", "search", "web"];

/// Five alerts in one delivery, as Alertmanager groups them.
fn five(status: &str) -> Value {
    let alerts = SERVICES[..5].iter().map(|service| {
        let labels = json!({"alertname": "ErrorRate", "service": service, "severity": "critical"});
        delivery(status, &labels)["alerts"][0].clone()
    });
    let mut grouped = delivery(status, &json!({"alertname": "ErrorRate"}));
    grouped["alerts"] = alerts.collect();
    grouped
}

fn post(daemon: &Daemon, status: &str) {
    eventually("the alerts are taken", WAIT, || {
        let answer = daemon.http.post("/api/v1/alerts/alertmanager", &five(status))?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text) }
    });
}

/// Asks for a change of the service that does not alert, and expects the gate to refuse it because of the storm.
fn refused(daemon: &Daemon) {
    let body = json!({"target": "web", "arguments": {}});
    let begun = daemon.http.post("/api/v1/operations/pause_service", &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident").to_owned();
    let decided = until(daemon, &id, "gate_decided", 1, WAIT);
    assert_eq!(
        (&decided[0]["decision"], &decided[0]["rule"]),
        (&json!("refuse"), &json!("storm")),
        "{}",
        daemon.story(&id)
    );
    daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
}

#[test]
fn nothing_is_changed_in_a_storm_until_its_alerts_are_over() {
    let services: serde_json::Map<String, Value> =
        SERVICES.iter().map(|name| ((*name).to_owned(), json!({"argv": ["/bin/sleep", "1000"]}))).collect();
    let environments = json!({"local": {"kind": "process", "inventory_every": "1s", "services": services}});
    let mut daemon = Daemon::start(&Settings::of(environments));
    daemon.sees_services();
    post(&daemon, "firing");
    let items = eventually("an incident of each service, and one of the storm", WAIT, || {
        let items = daemon.http.get("/api/v1/incidents")?.ok()["items"].clone();
        if items.as_array().is_some_and(|all| all.len() == 6) { Ok(items) } else { Err(items.to_string()) }
    });
    let items = items.as_array().expect("a list");
    let id = |item: &Value| item["id"].as_str().expect("an id").to_owned();
    let (storms, of_services): (Vec<&Value>, Vec<&Value>) =
        items.iter().partition(|item| item["title"] == "5 of 6 services of local alert at once");
    let [storm] = storms.as_slice() else { panic!("one storm: {items:?}") };
    let storm = id(storm);

    let told = daemon.wait_for(&storm, "given up", WAIT, |incident| incident["state"] == "escalated");
    assert_eq!(told["verdict"], "inconclusive", "{}", daemon.story(&storm));
    // Each of them is well by itself, which would end its incident at any other time.
    for item in &of_services {
        daemon.wait_for(&id(item), "diagnosed", WAIT, |incident| incident["verdict"] == "no_fault");
    }
    refused(&daemon);
    daemon.crash_and_restart();
    daemon.sees_services();
    refused(&daemon);
    for item in items {
        let incident = daemon.incident(&id(item));
        assert_ne!(incident["state"], "closed", "{}", daemon.story(&id(item)));
    }

    post(&daemon, "resolved");
    for item in items {
        daemon.wait_for(&id(item), "closed", WAIT, |incident| incident["state"] == "closed");
    }
    assert_eq!(daemon.incident(&storm)["verdict"], "mitigated", "{}", daemon.story(&storm));
    // Now a person is asked, as ever.
    asked(&daemon, "pause_service", "web");
}

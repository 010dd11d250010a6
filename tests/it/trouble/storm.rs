//! Most services of an environment alert at once: nothing is changed until they have calmed down.

use super::{WAIT, asked, until};
use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings, delivery};
use serde_json::{Value, json};

/// Services; all but the last of them alert.
pub const SERVICES: [&str; 6] = ["auth", "cart", "mail", "pay", "search", "web"];

/// Alerts of several services in one delivery, as Alertmanager groups them.
pub fn post(daemon: &Daemon, services: &[&str], status: &str) {
    let alerts = services.iter().map(|service| {
        let labels = json!({"alertname": "ErrorRate", "service": service, "severity": "critical"});
        delivery(status, &labels)["alerts"][0].clone()
    });
    let mut grouped = delivery(status, &json!({"alertname": "ErrorRate"}));
    grouped["alerts"] = alerts.collect();
    eventually("the alerts are taken", WAIT, || {
        let answer = daemon.http.post("/api/v1/alerts/alertmanager", &grouped)?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text) }
    });
}

/// Services that all run.
pub fn settings() -> Settings {
    let services: serde_json::Map<String, Value> =
        SERVICES.iter().map(|name| ((*name).to_owned(), json!({"argv": ["/bin/sleep", "1000"]}))).collect();
    let environments = json!({"local": {"kind": "process", "inventory_every": "1s", "services": services}});
    // A slow machine may take its time over five of them.
    let policies = Some(json!({"storm": {"window": "1h"}}));
    Settings { policies, ..Settings::of(environments) }
}

/// A daemon that sees them.
fn begin() -> Daemon {
    let daemon = Daemon::start(&settings());
    daemon.sees_services();
    daemon
}

/// All incidents, once there are so many.
pub fn incidents(daemon: &Daemon, count: usize) -> Vec<Value> {
    eventually(&format!("there are {count} incidents"), WAIT, || {
        let items = daemon.http.get("/api/v1/incidents")?.ok()["items"].clone();
        match items.as_array() {
            Some(all) if all.len() == count => Ok(all.clone()),
            _ => Err(items.to_string()),
        }
    })
}

/// Of an incident.
pub fn id(item: &Value) -> String {
    item["id"].as_str().expect("an id").to_owned()
}

fn closes(daemon: &Daemon, id: &str) {
    daemon.wait_for(id, "closed", WAIT, |incident| incident["state"] == "closed");
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
    closes(daemon, &id);
}

#[test]
fn nothing_is_changed_in_a_storm_until_its_alerts_are_over() {
    let mut daemon = begin();
    post(&daemon, &SERVICES[..5], "firing");
    let items = incidents(&daemon, 6);
    let (storms, of_services): (Vec<&Value>, Vec<&Value>) =
        items.iter().partition(|item| item["title"] == "5 of 6 services of local alert at once");
    let [storm] = storms.as_slice() else { panic!("one storm: {items:?}") };
    let storm = id(storm);

    let told = daemon.wait_for(&storm, "given up", WAIT, |incident| incident["state"] == "escalated");
    assert_eq!(told["verdict"], "inconclusive", "{}", daemon.story(&storm));
    // Each of them is well by itself, which would end its incident at any other time.
    for item in &of_services {
        let end = daemon.wait_for(&id(item), "diagnosed", WAIT, |incident| incident["verdict"] == "no_fault");
        assert_eq!(end["state"], "watching", "{}", daemon.story(&id(item)));
    }
    refused(&daemon);
    daemon.crash_and_restart();
    daemon.sees_services();
    refused(&daemon);
    for item in &items {
        let incident = daemon.incident(&id(item));
        assert_ne!(incident["state"], "closed", "{}", daemon.story(&id(item)));
    }

    // One that goes, and comes again, begins no storm anew.
    post(&daemon, &SERVICES[..2], "resolved");
    for item in of_services.iter().filter(|item| SERVICES[..2].contains(&item["service"].as_str().unwrap_or_default()))
    {
        closes(&daemon, &id(item));
    }
    refused(&daemon);
    assert_eq!(daemon.incident(&storm)["state"], "escalated", "{}", daemon.story(&storm));

    post(&daemon, &SERVICES[2..5], "resolved");
    for item in &items {
        closes(&daemon, &id(item));
    }
    assert_eq!(daemon.incident(&storm)["verdict"], "mitigated", "{}", daemon.story(&storm));
    // Now a person is asked, as ever.
    asked(&daemon, "pause_service", "web");
}

#[test]
fn alerts_that_trickle_in_are_a_storm_though_each_service_looks_well() {
    let daemon = begin();
    let mut first = String::new();
    for (count, service) in SERVICES[..5].iter().enumerate() {
        post(&daemon, &[service], "firing");
        let items = eventually("the alert has its incident", WAIT, || {
            let items = daemon.http.get("/api/v1/incidents")?.ok()["items"].clone();
            let found = items.as_array().and_then(|all| all.iter().find(|item| item["service"] == **service)).cloned();
            found.ok_or_else(|| items.to_string())
        });
        let concluded = |incident: &Value| incident["state"] == "watching" && incident["verdict"] == "no_fault";
        daemon.wait_for(&id(&items), "concluded", WAIT, concluded);
        if count == 0 {
            first = id(&items);
        }
    }
    let items = incidents(&daemon, 6);
    let opened = items.iter().find(|item| item["title"] == "5 of 6 services of local alert at once");
    assert!(opened.is_some(), "a storm: {items:#?}");

    // A person who asks about one of them gets an answer of now.
    let begun = daemon.http.post("/api/v1/diagnose/auth", &json!({"note": "is it slow?"})).expect("an answer").ok();
    assert_eq!(begun["incident"], *first, "it has an incident");
    until(&daemon, &first, "verdict_reached", 2, WAIT);
    assert_eq!(daemon.incident(&first)["verdict"], "no_fault", "{}", daemon.story(&first));
    let asked = until(&daemon, &first, "diagnosis_requested", 1, WAIT);
    assert_eq!(asked[0]["note"], "is it slow?");
}

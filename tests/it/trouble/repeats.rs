//! What is delivered again changes nothing, and is answered with the incidents that it is about.

use super::{WAIT, daemon, of_kind};
use crate::support::daemon::{Daemon, delivery};
use serde_json::{Value, json};

const WEBHOOK: &str = "/api/v1/alerts/alertmanager";

fn down(service: &str) -> Value {
    json!({"alertname": "Down", "service": service, "severity": "critical"})
}

fn post(daemon: &Daemon, body: &Value) -> Value {
    daemon.http.post(WEBHOOK, body).expect("an answer").ok()
}

fn close(daemon: &Daemon, id: &str) {
    let answer = daemon.http.post(&format!("/api/v1/incidents/{id}/close"), &json!({})).expect("an answer");
    // That of a healthy service closes by itself soon.
    assert!([204, 409].contains(&answer.status), "{}", answer.text);
    daemon.wait_for(id, "closed", WAIT, |incident| incident["state"] == "closed");
}

#[test]
fn a_repeat_names_the_incidents_that_it_is_about() {
    let mut daemon = daemon();
    let mut body = delivery("firing", &down("api"));
    let mut other = body["alerts"][0].clone();
    other["labels"] = json!({"alertname": "Down", "service": "nobody-knows", "severity": "warning"});
    body["alerts"] = json!([body["alerts"][0], other]);
    let first = post(&daemon, &body);
    assert_eq!((&first["duplicate"], &first["accepted"]), (&json!(false), &json!(2)), "{first}");
    let incidents = first["incidents"].as_array().expect("a list").clone();
    assert_eq!(incidents.len(), 2, "{first}");
    let sorted = |answer: &Value| {
        let mut ids: Vec<String> = serde_json::from_value(answer["incidents"].clone()).expect("ids");
        ids.sort();
        ids
    };
    let again = post(&daemon, &body);
    assert_eq!(again["duplicate"], true, "{again}");
    assert_eq!(sorted(&again), sorted(&first), "{again}");

    // Known from what is durable alone: after a crash, and after they are closed.
    daemon.crash_and_restart();
    assert_eq!(sorted(&post(&daemon, &body)), sorted(&first));
    for id in &incidents {
        close(&daemon, id.as_str().expect("an id"));
    }
    assert_eq!(sorted(&post(&daemon, &body)), sorted(&first));
    daemon.crash_and_restart();
    assert_eq!(sorted(&post(&daemon, &body)), sorted(&first));
    for id in incidents {
        let id = id.as_str().expect("an id");
        assert_eq!(of_kind(&daemon.journal(id), "alerts_received").len(), 1, "{}", daemon.story(id));
    }
    let all = daemon.http.get("/api/v1/incidents").expect("an answer").ok();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2), "{all}");
}

#[test]
fn an_episode_that_had_its_incident_gets_no_other_after_a_restart() {
    let mut daemon = daemon();
    let episode = |start: &str| {
        let mut body = delivery("firing", &down("api"));
        body["alerts"][0]["startsAt"] = json!(start);
        body
    };
    let mut ids = Vec::new();
    for start in ["2026-01-02T03:04:05Z", "2026-01-02T04:04:05Z"] {
        let answer = post(&daemon, &episode(start));
        let id = answer["incidents"][0].as_str().expect("an incident").to_owned();
        close(&daemon, &id);
        ids.push(id);
    }
    assert_eq!(daemon.incident(&ids[1])["follows"], ids[0].as_str());
    daemon.crash_and_restart();
    // Not the same delivery, since it brings something else that is over, but the same episode: the second one's.
    let mut body = episode("2026-01-02T04:04:05Z");
    let mut over = body["alerts"][0].clone();
    over["labels"] = json!({"alertname": "Slow", "service": "api"});
    over["status"] = json!("resolved");
    body["alerts"] = json!([body["alerts"][0], over]);
    let again = post(&daemon, &body);
    assert_eq!((&again["duplicate"], &again["incidents"]), (&json!(false), &json!([ids[1]])), "{again}");
    // Something new is a follow-up of the last one, not of the first.
    let next = post(&daemon, &episode("2026-01-02T05:04:05Z"));
    let next = next["incidents"][0].as_str().expect("an incident");
    assert_eq!(daemon.incident(next)["follows"], ids[1].as_str());
}

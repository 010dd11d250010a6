//! What senders send twice, wrongly, or not at all.

use super::idle;
use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings, delivery};
use crate::support::http::free_port;
use crate::support::receiver::Receiver;
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/api/v1/alerts/alertmanager";

fn labels(alert: &str, service: &str) -> Value {
    json!({"alertname": alert, "service": service, "severity": "critical"})
}

/// The value of a metric with these labels; 0 where it is not there yet.
fn metric(daemon: &Daemon, name: &str) -> f64 {
    let text = daemon.http.get("/metrics").expect("an answer").text;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}

#[test]
fn the_two_halves_of_a_pair_are_one_sender() {
    let mut settings = Settings::of(idle("api"));
    let half = |name: &str| json!({"name": name, "kind": "alertmanager", "group": "am", "auth": {"bearer": format!("token-of-{name}")}});
    settings.platform = json!({"senders": [half("am-1"), half("am-2")]});
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    let mut body = delivery("firing", &labels("Down", "api"));
    let second = delivery("firing", &labels("Slow", "api"))["alerts"][0].clone();
    let mut ours = second.clone();
    ours["labels"]["oncalld"] = json!("true");
    body["alerts"].as_array_mut().expect("a list").extend([second, ours, json!({"status": "odd"})]);
    let raw = super::Raw::to(&daemon);
    let post = |half: &str, body: &Value| {
        let token = format!("Bearer token-of-{half}");
        let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
        let reply = raw.send("POST", PATH, &headers, body.to_string());
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body
    };
    let first = post("am-1", &body);
    assert_eq!((&first["duplicate"], &first["accepted"]), (&json!(false), &json!(2)), "{first}");
    body["alerts"].as_array_mut().expect("a list").reverse();
    body["externalURL"] = json!("http://am-2.example:9093");
    let again = post("am-2", &body);
    assert_eq!((&again["duplicate"], &again["incidents"]), (&json!(true), &first["incidents"]), "{again}");
    let id = first["incidents"][0].as_str().expect("an incident");
    let received = daemon.journal(id).iter().filter(|event| event["kind"] == "alerts_received").count();
    assert_eq!((received, daemon.incident(id)["alerts"].as_array().map(Vec::len)), (1, Some(2)));
    for (name, value) in [
        (r#"oncalld_deliveries_duplicate_total{sender="am"}"#, 1.0),
        (r#"oncalld_alerts_rejected_total{sender="am"}"#, 2.0),
        (r#"oncalld_alerts_ignored_total{sender="am"}"#, 2.0),
        (r#"oncalld_alerts_total{sender="am",status="firing"}"#, 2.0),
    ] {
        assert_eq!(metric(&daemon, name), value, "{name}");
    }
}

/// An alert as Alertmanager 0.31 lists it.
fn held(labels: &Value) -> Value {
    json!({
        "annotations": {"summary": "held by a test"}, "labels": labels, "fingerprint": "b3a1f0c2d4e5f607",
        "startsAt": "2026-01-02T03:04:05.000Z", "endsAt": "2036-01-02T03:04:05.000Z",
        "updatedAt": "2026-01-02T03:04:05.000Z", "generatorURL": "", "receivers": [{"name": "oncalld"}],
        "status": {"state": "active", "inhibitedBy": [], "silencedBy": []},
    })
}

/// A service that runs and does not answer: its incident stays open, where a healthy one's closes within a second.
fn unwell() -> Value {
    json!({"argv": ["/bin/sleep", "1000"], "health": format!("http://127.0.0.1:{}/", free_port())})
}

fn alertmanager(port: u16, alerts: &[Value]) -> Receiver {
    let list = json!(alerts.iter().map(held).collect::<Vec<_>>());
    Receiver::on(port, move |_, _| (200, list.clone()))
}

fn joined(daemon: &Daemon, id: &str, wanted: usize) {
    eventually("what was left out", Duration::from_secs(60), || {
        let alerts = daemon.incident(id)["alerts"].clone();
        if alerts.as_array().map(Vec::len) == Some(wanted) { Ok(()) } else { Err(alerts.to_string()) }
    });
}

#[test]
fn what_was_left_out_is_fetched_even_after_a_crash_and_from_wherever_it_is() {
    let ports = [free_port(), free_port()];
    let place = |port: u16, services: Value| {
        let address = format!("http://127.0.0.1:{port}");
        json!({"kind": "process", "alertmanager": {"url": address}, "services": services})
    };
    let api = json!({"api": unwell()});
    let environments = json!({"one": place(ports[0], api), "two": place(ports[1], json!({}))});
    let mut daemon = Daemon::start(&Settings::of(environments));
    daemon.sees_services();
    let mut body = delivery("firing", &labels("Down", "api"));
    body["groupKey"] = json!(r#"{}:{service="api"}"#);
    body["truncatedAlerts"] = json!(2);
    let post = |daemon: &Daemon, body: &Value| daemon.http.post(PATH, body).expect("an answer").ok();
    let first = post(&daemon, &body);
    let id = first["incidents"][0].as_str().expect("an incident").to_owned();
    // Nobody answers yet; the power fails; then both answer, each with a part.
    daemon.crash();
    let _one = alertmanager(ports[0], &[labels("Down", "api"), labels("Slow", "api")]);
    let two = alertmanager(ports[1], &[labels("Down", "api"), labels("Full", "api")]);
    daemon.restart();
    joined(&daemon, &id, 3);
    let asked = two.received().remove(0).uri;
    assert!(asked.starts_with("/api/v2/alerts?filter=service%3D"), "{asked}");
    eventually("the count", Duration::from_secs(10), || {
        let count = metric(&daemon, r#"oncalld_alerts_left_out_fetched_total{outcome="fetched"}"#);
        if count >= 1.0 { Ok(()) } else { Err(count.to_string()) }
    });
}

#[test]
fn the_same_head_with_another_rest_is_no_duplicate() {
    let (port, elsewhere) = (free_port(), free_port());
    let all = std::sync::Arc::new(std::sync::Mutex::new(vec![labels("Down", "api"), labels("Slow", "api")]));
    let list = all.clone();
    let own = Receiver::on(port, move |_, request| {
        // As behind a proxy that lets nobody in without a password.
        let known = request.headers.get("authorization").is_some_and(|value| value == "Basic b25jYWxsZDpzZXNhbWUtNDI=");
        if !known {
            return (401, json!("who are you?"));
        }
        (200, json!(list.lock().unwrap().iter().map(held).collect::<Vec<_>>()))
    });
    let other = alertmanager(elsewhere, &[labels("Foreign", "api")]);
    let mut settings = Settings::of(json!({"local": {
        "kind": "process", "services": {"api": unwell()},
        "alertmanager": {"url": format!("http://127.0.0.1:{elsewhere}")},
    }}));
    let sender = json!({
        "name": "am", "kind": "alertmanager", "external_url": format!("http://127.0.0.1:{port}"),
        "external_auth": {"basic": {"user": "oncalld", "password": "sesame-42"}},
    });
    settings.platform = json!({"senders": [sender]});
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    let mut body = delivery("firing", &labels("Down", "api"));
    body["groupKey"] = json!(r#"{}:{service="api"}"#);
    body["truncatedAlerts"] = json!(1);
    let post = || daemon.http.post(PATH, &body).expect("an answer").ok();
    let first = post();
    let id = first["incidents"][0].as_str().expect("an incident");
    joined(&daemon, id, 2);
    // One of those that were left out ended and another began: the body is the same to the last byte.
    all.lock().unwrap()[1] = labels("Full", "api");
    assert_eq!(post()["duplicate"], false);
    joined(&daemon, id, 3);
    assert!(own.received().len() >= 2);
    assert_eq!(
        other.received().iter().filter(|one| one.uri.contains("filter")).count(),
        0,
        "the sender's own is asked"
    );

    // Where all that is shown is ours, the rest is not.
    let mut ours = body.clone();
    ours["alerts"][0]["labels"]["oncalld"] = json!("true");
    all.lock().unwrap().push(labels("Late", "api"));
    daemon.http.post(PATH, &ours).expect("an answer").ok();
    joined(&daemon, id, 4);
}

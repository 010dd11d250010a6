//! The journal's disk is really full.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings, delivery};
use crate::support::disk::SmallDisk;
use crate::support::http::Answer;
use crate::support::need::{Need, have};
use serde_json::{Value, json};
use std::time::Duration;

/// One incident, about no target; each number is an alert of its own.
fn deliver(daemon: &Daemon, number: usize) -> Answer {
    let labels = json!({"alertname": format!("Down{number}"), "padding": "x".repeat(500)});
    let mut body = delivery("firing", &labels);
    body["groupKey"] = json!("{}:{}");
    daemon.http.post("/api/v1/alerts/alertmanager", &body).expect("an answer")
}

fn ready(daemon: &Daemon) -> (u16, Value) {
    let answer = daemon.http.get("/ready").expect("an answer");
    (answer.status, answer.json())
}

#[test]
fn a_full_disk_refuses_alerts_loses_none_and_passes() {
    if !have(&[Need::Mount]) {
        return;
    }
    let disk = SmallDisk::mount(8).expect("a small disk");
    let mut settings = Settings::of(json!({"local": {"kind": "process"}}));
    settings.platform = json!({"data_dir": disk.path().join("data")});
    let mut daemon = Daemon::start(&settings);
    let mut acknowledged = Vec::new();
    for number in 0..20 {
        assert_eq!(deliver(&daemon, number).status, 200);
        acknowledged.push(number);
    }
    assert_eq!(ready(&daemon).0, 200);

    disk.fill();
    let mut refused = Vec::new();
    for number in 20..200 {
        let answer = deliver(&daemon, number);
        match answer.status {
            200 => acknowledged.push(number), // the log had some room
            503 => {
                assert!(answer.retry_after.is_some() && answer.text.contains("disk"), "{}", answer.text);
                refused.push(number);
            }
            other => panic!("{other}: {}", answer.text),
        }
        if refused.len() == 20 {
            break;
        }
    }
    assert_eq!(refused.len(), 20, "{} were acknowledged", acknowledged.len());
    let (status, body) = ready(&daemon);
    assert_eq!((status, &body["ready"]), (503, &json!(false)), "{body}");
    assert!(body["reason"].as_str().is_some_and(|why| why.contains("disk is full")), "{body}");
    for path in ["/health", "/api/v1/incidents", "/api/v1/approvals", "/metrics"] {
        assert_eq!(daemon.http.get(path).expect("an answer").status, 200, "{path}");
    }

    disk.free();
    eventually("ready again", Duration::from_secs(60), || match ready(&daemon) {
        (200, _) => Ok(()),
        (_, body) => Err(body.to_string()),
    });
    for number in refused.drain(..) {
        let answer = deliver(&daemon, number);
        assert_eq!((answer.status, &answer.json()["duplicate"]), (200, &json!(false)), "{}", answer.text);
        acknowledged.push(number);
    }
    everything_is_there(&daemon, &acknowledged);
    daemon.crash_and_restart();
    everything_is_there(&daemon, &acknowledged);
}

fn everything_is_there(daemon: &Daemon, acknowledged: &[usize]) {
    let listed = daemon.http.get("/api/v1/incidents").expect("an answer").ok();
    let items = listed["items"].as_array().expect("a list");
    assert_eq!(items.len(), 1, "{listed}");
    let incident = daemon.incident(items[0]["id"].as_str().expect("an id"));
    let mut names: Vec<&str> = incident["alerts"]
        .as_array()
        .expect("alerts")
        .iter()
        .filter_map(|alert| alert["labels"]["alertname"].as_str())
        .collect();
    names.sort_unstable();
    let mut expected: Vec<String> = acknowledged.iter().map(|number| format!("Down{number}")).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    let config = daemon.folder().join("config");
    let said = daemon.cli(&["journal", "verify", "--config", &config.to_string_lossy()]);
    assert!(said.ok, "{} {}", said.out, said.err);
}

//! Paging, end to end: a request for a decision arrives, signed and in the form that the channel wants, whatever it takes;
//! when nobody decides, people are called; and when it is over they hear that too.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::await_killed;
use crate::support::http::{Http, free_port};
use crate::support::monitoring::{Monitoring, Watched};
use crate::support::need::{Need, have};
use crate::support::receiver::{Received, Receiver};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::process::Command;
use std::time::Duration;

const SECRET: &str = "a-key-that-both-know";

const TEMPLATE: &str = r#"{"text": "${{ title }}", "about": "${{ subject }}", "url": "${{ link }}",
    "run": "${{ approval == null ? '' : approval.command }}", "said": "${{ body }}"}"#;

/// A daemon with these channels, and a service that somebody kills.
fn daemon(channels: &Value, folder: &std::path::Path) -> Daemon {
    let script = "echo $$ >api.pid; exec sleep 1000";
    let services = json!({"api": {"argv": ["sh", "-c", script], "working_dir": folder, "restart": "no"}});
    let environment = json!({"kind": "process", "autonomy": "approve", "inventory_every": "1s", "services": services});
    let mut settings = Settings::of(json!({"here": environment}));
    settings.platform = json!({"channels": channels, "public_url": "http://oncalld.example/"});
    settings.policies = Some(json!({"defaults": {"expires": "25s"}}));
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    let pid = eventually("the service runs", Duration::from_secs(30), || {
        let pid = std::fs::read_to_string(folder.join("api.pid")).map_err(|error| error.to_string())?;
        if pid.ends_with('\n') { Ok(pid) } else { Err("its number is being written".to_owned()) }
    });
    assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().is_ok_and(|status| status.success()));
    await_killed(&daemon, "here", "api");
    daemon
}

fn about(receiver: &Receiver, what: &str) -> Vec<Received> {
    let all = receiver.received().into_iter();
    all.filter(|one| one.json()["about"].as_str().is_some_and(|about| about.starts_with(what))).collect()
}

fn arrived(receiver: &Receiver, what: &str, number: usize, limit: u64) -> Vec<Received> {
    eventually(what, Duration::from_secs(limit), || {
        let found = about(receiver, what);
        if found.len() >= number { Ok(found) } else { Err(format!("{:?}", receiver.received())) }
    })
}

fn is_signed(page: &Received) {
    let header = |name: &str| page.headers[name].to_str().expect("a text");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key does");
    mac.update(format!("{}:{}", header("x-oncalld-timestamp"), page.body).as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(header("x-oncalld-signature"), format!("sha256={expected}"));
}

#[test]
fn a_request_arrives_once_though_the_channel_is_away_and_its_expiry_calls_people() {
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
    let receiver = Receiver::on(port, |number, _| (if number < 2 { 503 } else { 204 }, json!("")));
    let url = format!("http://127.0.0.1:{port}/hook");
    let channel = json!({"name": "ops", "kind": "webhook", "url": url, "secret": SECRET, "template": TEMPLATE});
    let daemon = daemon(&json!([channel]), folder.path());
    let id = daemon.alert(&json!({"alertname": "ServiceDown", "severity": "critical", "service": "api"}));

    let pages = arrived(&receiver, "approval:", 3, 60);
    let approval = daemon.incident(&id)["approvals"][0].clone();
    for page in &pages {
        is_signed(page);
        assert_eq!(page.headers["idempotency-key"], pages[0].headers["idempotency-key"], "a receiver knows it again");
        let body = page.json();
        assert_eq!(body["text"], "Approve start_service on api in here?");
        assert_eq!(body["run"], approval["command"]);
        assert_eq!(body["url"], format!("http://oncalld.example/#/incidents/{id}"));
    }
    // Nobody decides.
    let call = arrived(&receiver, "escalation:1", 1, 60)[0].json();
    let (said, asked) = (call["said"].as_str().expect("a text"), approval["command"].as_str().expect("a command"));
    assert!(said.contains("What a person can do:") && said.contains(asked), "{said}");
    assert_eq!(about(&receiver, "approval:").len(), 3, "two refused, one taken, and no more");
    let end = daemon.incident(&id);
    assert_eq!((&end["state"], &end["approvals"][0]["state"]), (&json!("escalated"), &json!("expired")));
    let told: Vec<bool> = daemon
        .journal(&id)
        .iter()
        .filter(|event| event["kind"] == "notification_finished" && event["subject"] != "escalation:1")
        .map(|event| event["error"].is_null())
        .collect();
    assert_eq!(told, [false, false, true], "every attempt is in the journal");
    let path = format!("/api/v1/incidents/{id}/close");
    assert_eq!(daemon.http.post(&path, &json!({"comment": "done by hand"})).expect("an answer").status, 204);
    is_signed(&arrived(&receiver, "closed", 1, 20)[0]);
}

#[test]
fn whoever_alertmanager_pages_is_paged_by_it_for_us() {
    if !have(&[Need::Prometheus]) {
        return;
    }
    let (address, folder) = (format!("127.0.0.1:{}", free_port()), tempfile::tempdir().expect("a folder"));
    let watched =
        Watched { address: &address, labels: json!({"name": "x"}), alert: "Never", expression: "vector(0) > 1" };
    let monitoring = Monitoring::start(&watched, free_port());
    let daemon =
        daemon(&json!([{"name": "am", "kind": "alertmanager", "url": monitoring.alertmanager()}]), folder.path());
    let id = daemon.alert(&json!({"alertname": "ServiceDown", "severity": "critical", "service": "api"}));
    let port = monitoring.alertmanager().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let alertmanager = Http::to(port, None);
    let held = |name: &str| -> Vec<Value> {
        let all = alertmanager.get("/api/v2/alerts").expect("an answer").ok();
        let ours = |alert: &&Value| alert["labels"]["alertname"] == name && alert["labels"]["incident"] == id;
        all.as_array().expect("a list").iter().filter(ours).cloned().collect()
    };
    let one = |name: &str| {
        eventually(name, Duration::from_secs(60), || {
            let mut found = held(name);
            if found.len() == 1 { Ok(found.remove(0)) } else { Err(format!("{found:?}")) }
        })
    };
    let pending = one("OncalldApprovalPending");
    let approval = daemon.incident(&id)["approvals"][0].clone();
    assert_eq!(pending["annotations"]["command"], approval["command"]);
    assert_eq!((&pending["labels"]["service"], &pending["labels"]["oncalld"]), (&json!("api"), &json!("true")));
    let call = one("OncalldEscalation");
    let (said, asked) = (call["annotations"]["description"].as_str(), approval["command"].as_str());
    assert!(said.expect("a text").contains(asked.expect("a command")), "{said:?}");
    let path = format!("/api/v1/incidents/{id}/close");
    assert_eq!(daemon.http.post(&path, &json!({"comment": "done by hand"})).expect("an answer").status, 204);
    eventually("the end of the page", Duration::from_secs(30), || {
        let found = held("OncalldEscalation");
        if found.is_empty() { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

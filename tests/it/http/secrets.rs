//! Secrets stay where they were given: neither what is kept on disk nor what is served has them.

use super::Raw;
use crate::support::daemon::{Daemon, Settings};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Files below a folder that hold these bytes.
fn holding(folder: &Path, wanted: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, wanted));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// The evidence of a step that read something, and the incident's own digests.
fn diagnosed(daemon: &Daemon) -> Value {
    let id = daemon.alert(&json!({"alertname": "Down", "service": "api", "severity": "critical"}));
    daemon.wait_for(&id, "diagnosed", Duration::from_secs(60), |incident| {
        incident["steps"].as_array().is_some_and(|all| all.iter().any(|step| step["evidence"]["digest"].is_string()))
    })
}

#[test]
fn a_viewer_gets_evidence_and_nothing_else_that_is_kept() {
    let services = json!({"api": {"argv": ["/bin/sleep", "1000"]}, "db": {"argv": ["/bin/sleep", "1000"]}});
    let mut settings = Settings::of(json!({"local": {
        "kind": "process", "services": services,
        "alertmanager": {"url": "http://127.0.0.1:9", "bearer": "inline-bearer-of-a-test"},
    }}));
    settings.platform = json!({"channels": [
        {"name": "ops", "kind": "webhook", "url": "http://127.0.0.1:9/inline-path-of-a-test", "secret": "inline-key-of-a-test"},
    ]});
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    let incident = diagnosed(&daemon);
    let raw = Raw::to(&daemon);
    let id = incident["id"].as_str().expect("an id");
    let path = |digest: &str| format!("/api/v1/incidents/{id}/evidence/{digest}");
    let steps = incident["steps"].as_array().expect("steps");
    let digest = steps.iter().find_map(|step| step["evidence"]["digest"].as_str()).expect("evidence");
    let evidence = raw.send("GET", &path(digest), &[], "");
    assert_eq!((evidence.status, evidence.body.is_object()), (200, true), "{}", evidence.text);
    let config = incident["config"].as_str().expect("a digest");
    raw.send("GET", &path(config), &[], "").is_problem(404, &path(config));

    // Another incident's evidence is not this one's.
    let other = daemon.http.post("/api/v1/diagnose/db", &json!({})).expect("an answer").ok();
    let other = format!("/api/v1/incidents/{}/evidence/{digest}", other["incident"].as_str().expect("an id"));
    raw.send("GET", &other, &[], "").is_problem(404, &other);
    let nowhere = format!("/api/v1/incidents/inc_none/evidence/{digest}");
    raw.send("GET", &nowhere, &[], "").is_problem(404, &nowhere);

    let data = daemon.folder().join("data");
    assert!(!holding(&data, "sleep").is_empty(), "the configuration is kept");
    for secret in ["inline-bearer-of-a-test", "inline-path-of-a-test", "inline-key-of-a-test"] {
        assert_eq!(holding(&data, secret), Vec::<String>::new(), "{secret}");
    }
}

#[test]
fn an_operation_takes_no_secret_among_its_arguments() {
    let daemon = super::daemon();
    for (operation, arguments) in [
        ("update_config", json!({"set": {"DB_PASSWORD": "opensesame-of-a-test"}})),
        ("update_config", json!({"set": {"URL": "postgres://app:opensesame-of-a-test@db/app"}})),
        ("execute_command", json!({"argv": ["mysql", "-popensesame-of-a-test"]})),
        ("execute_command", json!({"argv": ["psql", "--password", "opensesame-of-a-test"]})),
    ] {
        let body = json!({"target": "api", "arguments": arguments});
        let answer = daemon.http.post(&format!("/api/v1/operations/{operation}"), &body).expect("an answer");
        assert_eq!(answer.status, 422, "{}", answer.text);
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.contains("looks like a secret") && detail.contains("from: declared"), "{detail}");
        assert!(!answer.text.contains("opensesame-of-a-test"), "{}", answer.text);
    }
    assert_eq!(holding(daemon.folder(), "opensesame-of-a-test"), Vec::<String>::new());
}

//! Whole incidents of services in Podman.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{Expected, await_killed, calls, pending, to_verdict};
use crate::support::podman::Podman;
use serde_json::{Value, json};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(240);

fn daemon(podman: &Podman, services: &Value) -> Daemon {
    let docker =
        json!({"kind": "docker", "docker": {"host": podman.host()}, "services": services, "inventory_every": "1s"});
    let daemon = Daemon::start(&Settings::of(json!({"podman": docker})));
    daemon.sees_services();
    daemon
}

fn labels(alert: &str, name: &str) -> Value {
    json!({"alertname": alert, "severity": "critical", "name": name, "instance": "host1:8080", "job": "cadvisor"})
}

#[test]
fn a_killed_service_is_diagnosed_and_started_again() {
    let Some(podman) = Podman::start() else { return };
    let serve = "mkdir -p /srv/www; echo ok >/srv/www/index.html; exec httpd -f -p 8080 -h /srv/www";
    podman.run("api", &["--network", "host"], &["sh", "-c", serve]);
    let port = podman.reach("127.0.0.1:8080");
    let daemon = daemon(&podman, &json!({"api": {"health": format!("http://127.0.0.1:{port}/")}}));
    podman.ok(&["kill", "api"]);
    await_killed(&daemon, "podman", "api");
    let incident = daemon.alert(&labels("ContainerKilled", "api"));
    let expected = Expected {
        cause: Some("killed_externally"),
        approved: &["start_service"],
        calls: &["container.start"],
        verdict: "resolved",
    };
    to_verdict(&daemon, &incident, &expected);
    assert_eq!(podman.inspect("api", "{{.State.Running}}"), "true");
}

#[test]
fn where_no_kind_is_named_podman_is_found_by_its_socket() {
    let Some(podman) = Podman::start() else { return };
    podman.run("api", &[], &["sleep", "1000"]);
    // The machine's own sockets are out of sight there.
    let script = format!(
        "#!/bin/sh\nexec unshare --mount sh -c 'mount -t tmpfs tmpfs /run; mkdir /run/podman; ln -s {} /run/podman/podman.sock; \
         unset DOCKER_HOST; exec {} \"$@\"' sh \"$@\"\n",
        podman.host().trim_start_matches("unix://"),
        crate::support::daemon::ONCALLD,
    );
    let wrapper = podman.folder().join("oncalld");
    std::fs::write(&wrapper, script).expect("a script");
    std::fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    let daemon = Daemon::start_binary(&wrapper, &Settings::of(json!({"local": {"kind": "auto"}})));
    daemon.sees_services();
    let environments = daemon.http.get("/api/v1/environments").expect("an answer").ok();
    assert_eq!(environments[0]["kind"], "docker", "{environments}");
    let services = daemon.http.get("/api/v1/services").expect("an answer").ok();
    assert_eq!((services.as_array().map(Vec::len), &services[0]["name"]), (Some(1), &json!("api")), "{services}");
}

#[test]
fn what_podman_cannot_do_is_left_to_people_before_anybody_is_asked() {
    let Some(podman) = Podman::start() else { return };
    let starved: &[&str] = &["--memory", "16m", "--memory-swap", "16m"];
    podman.run("api", starved, &["sh", "-c", "tail /dev/zero; sleep 1000"]);
    let daemon = daemon(&podman, &json!({}));
    eventually("its child was killed", Duration::from_secs(120), || {
        let status = daemon.read("podman", "get_status", "api");
        if status["exit_reason"] == "oom_child" { Ok(()) } else { Err(status.to_string()) }
    });
    let incident = daemon.alert(&labels("HighMemory", "api"));
    let end = daemon.wait_for(&incident, "escalated", WAIT, |incident| incident["state"] == "escalated");
    assert_eq!(end["cause"]["code"], "memory_limit_too_small", "{}", daemon.story(&incident));
    assert_eq!((&end["verdict"], &end["approvals"]), (&json!("unresolved"), &json!([])), "{}", daemon.story(&incident));
    assert!(calls(&daemon.journal(&incident)).is_empty());
    let manual = end["manual"].as_array().expect("what people can do");
    assert_eq!(manual.len(), 1, "{manual:?}");
    assert_eq!(manual[0]["instructions"], "update_resources on api (memory=33554432)");
    let why = manual[0]["reason"].as_str().unwrap_or_default();
    assert!(
        why.starts_with("update_resources: Podman 4.3.1 cannot change the limits of a container that exists"),
        "{why}"
    );
    let report = daemon.http.get(&format!("/api/v1/incidents/{incident}/report")).expect("an answer");
    assert!(report.text.contains(why), "{}", report.text);

    // Nor is anybody asked who wants it by hand.
    let body = json!({"environment": "podman", "target": "api", "arguments": {"policy": "always"}});
    let answer = daemon.http.post("/api/v1/operations/set_restart_policy", &body).expect("an answer").ok();
    let id = answer["incident"].as_str().expect("an incident").to_owned();
    let closed = daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
    assert!(pending(&closed).is_empty() && calls(&daemon.journal(&id)).is_empty(), "{closed}");
    assert!(closed["steps"][0]["error"].as_str().is_some_and(|why| why.contains("restart policy")), "{closed}");
}

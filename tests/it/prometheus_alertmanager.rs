//! The whole way with nothing played: Prometheus scrapes, its rule fires, Alertmanager posts, oncalld diagnoses, a person
//! approves, the limit is raised, Prometheus sees it and the alert resolves.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{Expected, to_verdict};
use crate::support::http::free_port;
use crate::support::monitoring::{Monitoring, Watched};
use crate::support::need::{Need, have};
use crate::support::stage::{Stage, docker_ok};
use serde_json::json;
use std::time::Duration;

/// Serves a metric, and takes more memory than its limit once it is asked to; a second start asks at once.
const SCRIPT: &str = "mkdir -p /srv/www; echo 'service_ready 1' >/srv/www/metrics.txt; httpd -p 8080 -h /srv/www; \
    echo serving; while [ ! -e /load ]; do sleep 0.2; done; echo loading; \
    x=$(head -c 8000000 /dev/zero | tr '\\0' x); unset x; echo loaded; exec sleep 100000";

#[test]
fn a_container_killed_at_its_limit_is_given_more() {
    let Some(stage) = have(&[Need::Prometheus]).then(Stage::open).flatten() else { return };
    let (service, port) = (stage.unique("api"), free_port());
    let address = format!("127.0.0.1:{port}");
    let publish = format!("{address}:8080");
    let options = ["--publish", &publish, "--memory", "12m", "--memory-swap", "12m"];
    let said = stage.run("api", &options, &["sh", "-c", SCRIPT]);
    assert!(said.ok, "{}", said.err);

    // Prometheus needs the daemon's address and the daemon Prometheus': the daemon comes first, on a port chosen here.
    let daemon_port = free_port();
    let watched = Watched {
        address: &address,
        labels: json!({"name": service}),
        alert: "ContainerDown",
        expression: "up{job=\"services\"} == 0",
    };
    let monitoring = Monitoring::start(&watched, daemon_port);
    let mut settings = Settings::of(json!({"docker": {
        "kind": "docker",
        "autonomy": "approve",
        "inventory_every": "1s",
        "prometheus": {"url": monitoring.prometheus()},
        "alertmanager": {"url": monitoring.alertmanager()},
    }}));
    settings.port = Some(daemon_port);
    let daemon = Daemon::start(&settings);

    docker_ok(&["exec", &service, "touch", "/load"]);
    let incident = eventually("Alertmanager posts", Duration::from_secs(90), || {
        let list = daemon.http.get("/api/v1/incidents").expect("an answer").ok();
        list["items"][0]["id"].as_str().map(str::to_owned).ok_or_else(|| list.to_string())
    });
    let expected = Expected {
        cause: Some("memory_limit_too_small"),
        approved: &["update_resources", "start_service"],
        calls: &["container.update", "container.start"],
        verdict: "resolved",
    };
    to_verdict(&daemon, &incident, &expected);
    eventually("the alert resolves", Duration::from_secs(30), || {
        let firing = monitoring.firing();
        if firing.is_empty() { Ok(()) } else { Err(format!("{firing:?}")) }
    });
    let closed =
        daemon.wait_for(&incident, "closed", Duration::from_secs(60), |incident| incident["state"] == "closed");
    assert_eq!(closed["alerts"].as_array().map(Vec::len), Some(1), "{closed}");
    let logs = docker_ok(&["logs", &service]);
    assert!(logs.ends_with("loaded"), "{logs}");
}

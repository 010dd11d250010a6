//! What is kept for a while is deleted after it, and not before.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::stage::{Stage, docker, docker_ok};
use serde_json::json;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn an_old_container_goes_once_no_open_incident_needs_it() {
    let Some(stage) = Stage::open() else { return };
    stage.run("api", &["--volume", "/data"], &["sleep", "600"]);
    let api = stage.unique("api");
    docker_ok(&["exec", &api, "touch", "/data/file"]);
    let mut settings = Settings::of(json!({"engine": {"kind": "docker", "inventory_every": "1s"}}));
    settings.platform = json!({"retention": {"restore": "2s", "blobs": "2s"}});
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    let begun = json!({"environment": "engine", "target": api, "arguments": {}});
    let begun = daemon.http.post("/api/v1/operations/recreate_service", &begun).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident");
    let asked = daemon.wait_for(id, "asking", WAIT, |incident| incident["approvals"][0]["state"] == "pending");
    daemon.approve(&asked["approvals"][0]);
    daemon.wait_for(id, "validating", WAIT, |incident| incident["state"] == "validating");

    // Its check takes a minute: until then the way back is needed, however old it is.
    let aside = || {
        let names = docker_ok(&["ps", "--all", "--format", "{{.Names}}"]);
        names.lines().find(|name| name.starts_with(&format!("{api}-"))).map(str::to_owned)
    };
    let old = aside().expect("the old container");
    std::thread::sleep(Duration::from_secs(7));
    assert!(docker(&["inspect", &old]).ok, "an open incident needs it");

    assert!(!daemon.logged().contains("retention deleted what an undo had needed"));

    daemon.wait_for(id, "closed", 3 * WAIT, |incident| incident["state"] == "closed");
    eventually("it is removed", WAIT, || aside().map_or(Ok(()), Err));
    eventually("it is told", WAIT, || {
        let log = daemon.logged();
        if log.contains("retention deleted what an undo had needed") { Ok(()) } else { Err(log) }
    });
    docker_ok(&["exec", &api, "ls", "/data/file"]); // no volume goes with it
}

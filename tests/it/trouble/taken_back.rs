//! What did not help is taken back by itself, also where the act made the target anew.

use super::{Engine, WAIT, asked_with, of_kind, until};
use crate::support::daemon::{Daemon, Settings};
use crate::support::stage::docker_ok;
use serde_json::json;
use std::time::Duration;

/// The shipped catalogue, less patient.
fn hasty() -> String {
    oncalld::demo::stage::quick_operations().replace("within: 3m", "within: 8s")
}

#[test]
fn a_recreation_that_does_not_help_is_taken_back_without_asking() {
    let Some(engine) = Engine::with("[ -z \"$BREAK\" ] || exit 1; trap 'exit 0' TERM; while :; do sleep 0.1; done")
    else {
        return;
    };
    // The inventory in memory is older than all that happens here.
    let environments = json!({"docker": {
        "kind": "docker", "inventory_every": "10m", "docker": {"host": engine.link.host()},
    }});
    let settings =
        Settings { files: vec![("config/operations.yml".to_owned(), hasty())], ..Settings::of(environments) };
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    let id = || docker_ok(&["inspect", "--format", "{{.Id}} {{.State.Running}}", &engine.api()]);
    let before = id();
    let (incident, approval) = asked_with(&daemon, "update_config", &engine.api(), &json!({"set": {"BREAK": "1"}}));
    daemon.approve(&approval);
    let wanted = until(&daemon, &incident, "undo_requested", 1, WAIT + Duration::from_secs(30));
    assert_eq!(wanted[0]["clean"], true, "{}", daemon.story(&incident));
    let finished = until(&daemon, &incident, "undo_finished", 1, WAIT);
    assert_eq!(finished[0]["undone"], true, "{}", daemon.story(&incident));
    assert_eq!(of_kind(&daemon.journal(&incident), "approval_requested").len(), 1, "nobody is asked twice");
    assert_eq!(id(), before, "{}", daemon.story(&incident));
}

#[test]
fn an_act_that_stops_and_cannot_start_is_told_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("busybox");
    let Some(engine) = Engine::open() else { return };
    let found = crate::support::command::run(
        std::process::Command::new("sh").args(["-c", "command -v busybox"]),
        Duration::from_secs(10),
    );
    std::fs::copy(found.out.trim(), &program).expect("a copy of busybox");
    let mount = format!("{}:/own", folder.path().display());
    assert!(engine.stage.run("own", &["--volume", &mount], &["/own/busybox", "sleep", "600"]).ok);
    let own = engine.stage.unique("own");
    let daemon = engine.daemon();
    let (incident, approval) = asked_with(&daemon, "restart_service", &own, &json!({"timeout": "1s"}));
    std::fs::remove_file(&program).expect("the program goes");
    daemon.approve(&approval);
    let finished = until(&daemon, &incident, "call_finished", 1, WAIT);
    assert_eq!(finished[0]["outcome"]["is"], "unknown", "{}", daemon.story(&incident));
    let error = finished[0]["outcome"]["error"].as_str().unwrap_or_default();
    assert!(error.contains("no such file") && error.contains("exited now"), "{error}");
    until(&daemon, &incident, "incident_escalated", 1, WAIT);
    assert_eq!(of_kind(&daemon.journal(&incident), "call_intended").len(), 1, "never blindly again");
}

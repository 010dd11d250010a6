//! Podman instead of Docker, for real: what it answers in its own way, and what it cannot do.

mod incidents;
mod recreation;

use crate::docker_executor::Rig;
use crate::support::podman::Podman;
use crate::support::waiting::eventually;
use oncalld::execute::docker::Connection;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The executor at a Podman of the test's own; none where there cannot be one.
async fn stage() -> Option<(Podman, Rig)> {
    let podman = Podman::start()?;
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let rig = Rig::at(Connection { host: Some(podman.host()), certificates: None }, folder, Vec::new()).await;
    Some((podman, rig))
}

fn ended(status: &Value) -> (&str, &Value, &str) {
    (status["state"].as_str().unwrap(), &status["exit_code"], status["exit_reason"].as_str().unwrap())
}

#[tokio::test]
async fn what_runs_and_how_it_ended_is_told_and_what_podman_does_not_know_is_said() {
    let Some((podman, rig)) = stage().await else { return };
    for name in ["runs", "frozen", "killed", "stopped", "again"] {
        podman.run(name, &[], &["sleep", "1000"]);
    }
    podman.run(
        "failed",
        &["--label", "com.docker.compose.service=shop", "--label", "com.docker.compose.project=p"],
        &["sh", "-c", "exit 3"],
    );
    podman.run("done", &[], &["true"]);
    assert!(!podman.podman(&["run", "--detach", "--name", "absent", crate::support::podman::IMAGE, "/nowhere"]).ok);
    podman.ok(&["pause", "frozen"]);
    podman.ok(&["kill", "killed"]);
    podman.ok(&["stop", "stopped"]);

    let runs = rig.until("runs", |status| status["state"] == "running").await;
    assert_eq!((&runs["ready"], &runs["health"], &runs["exit_reason"]), (&json!(true), &json!("none"), &json!("none")));
    assert_eq!(runs["command"], json!(["sleep", "1000"]));
    assert!(runs["memory_usage"].as_u64().is_some_and(|bytes| bytes > 0), "{runs}");
    assert_eq!(rig.status("frozen").await["paused"], true);
    let failed = rig.until("failed", |status| status["state"] == "exited").await;
    assert_eq!(ended(&failed), ("exited", &json!(3), "error"));
    let done = rig.until("done", |status| status["state"] == "exited").await;
    assert_eq!(ended(&done), ("exited", &json!(0), "completed"));
    let killed = rig.until("killed", |status| status["exit_reason"] == "killed").await;
    assert_eq!(ended(&killed), ("exited", &json!(137), "killed"));
    let stopped = rig.status("stopped").await;
    // Podman does not always say that it was a stop; then it may have been anything.
    assert_eq!((&stopped["state"], &stopped["exit_code"]), (&json!("exited"), &json!(137)));
    let told = stopped["error"].as_str().is_some_and(|told| told.contains("4.3.1 does not tell why"));
    assert_eq!(stopped["exit_reason"], if told { "error" } else { "stop_timeout" }, "{stopped}");
    let absent = rig.status("absent").await;
    assert_eq!(absent["state"], "created");
    assert!(absent["error"].as_str().is_some_and(|told| told.contains("`podman start absent` tells")), "{absent}");

    // A restart by hand ends the run by a stop, and another one begins.
    podman.ok(&["restart", "--time", "1", "again"]);
    let events = eventually("the restart", || async {
        let events = rig.read("container.events", json!({"containers": ["again"]})).await;
        if events["starts"] == 2 { Ok(events) } else { Err(events.to_string()) }
    })
    .await;
    assert_eq!((&events["deaths"], &events["external_kills"]), (&json!(1), &json!(0)), "{events}");
    let of_killed = rig.read("container.events", json!({"containers": ["killed"]})).await;
    assert_eq!((&of_killed["deaths"], &of_killed["external_kills"]), (&json!(1), &json!(1)), "{of_killed}");

    let inventory = rig.inventory().await;
    let names: Vec<&str> = inventory.services.keys().map(String::as_str).collect();
    assert_eq!(names, ["absent", "again", "done", "frozen", "killed", "runs", "shop", "stopped"]);
    assert_eq!(inventory.services["shop"].instances[0].name, "failed");
}

#[tokio::test]
async fn a_crash_loop_is_one_and_a_shortage_of_memory_is_counted_while_it_runs() {
    let Some((podman, rig)) = stage().await else { return };
    podman.run("loops", &["--restart", "always"], &["sh", "-c", "sleep 0.3; exit 4"]);
    let starved: &[&str] = &["--memory", "16m", "--memory-swap", "16m"];
    podman.run("starved", starved, &["sh", "-c", "tail /dev/zero; sleep 1000"]);
    let loops = rig.until("loops", |status| status["restart_count"].as_i64() > Some(1)).await;
    assert_eq!(loops["restart_policy"], "always");
    let looping = |status: &Value| status["crash_looping"] == true && status["exit_reason"] == "error";
    rig.until("loops", looping).await;
    let starved = rig.until("starved", |status| status["oom_events"] == 1).await;
    assert_eq!((&starved["exit_reason"], &starved["running"]), (&json!("oom_child"), &json!(true)));
    assert_eq!(starved["memory_limit"], 16 << 20);
    let used = rig.read("container.resources", json!({"containers": ["starved"]})).await;
    assert!(used["memory_percent"].as_f64().is_some() && used["pids"].as_i64() > Some(0), "{used}");
}

#[tokio::test]
async fn services_are_acted_on_and_looked_into() {
    let Some((podman, rig)) = stage().await else { return };
    let script = "trap 'echo bye; exit 0' TERM; echo out; echo oops >&2; mkdir /data; echo x >/data/f; while :; do sleep 0.1; done";
    let id = podman.run("api", &[], &["sh", "-c", script]);
    let before = rig.until("api", |status| status["running"] == true).await;
    let log = eventually("its log", || async {
        let log = rig.read("container.logs", json!({"containers": [id]})).await;
        if log["matched"] == 2 { Ok(log) } else { Err(log.to_string()) }
    })
    .await;
    let mut lines: Vec<_> =
        log["lines"].as_array().unwrap().iter().map(|line| [&line["stream"], &line["text"]]).collect();
    lines.sort_by_key(|line| line[0].to_string());
    assert_eq!(lines, [[&json!("stderr"), &json!("oops")], [&json!("stdout"), &json!("out")]]);

    let processes = rig.read("container.processes", json!({"containers": [id]})).await;
    let main = &processes["processes"][0];
    assert!(main["command"].as_str().is_some_and(|command| command.starts_with("sh -c")), "{processes}");
    assert!(main["memory"].as_u64() > Some(0) && main["user"] == "root" && main["state"] != "", "{processes}");
    let said =
        rig.read("container.query", json!({"container": id, "argv": ["cat", "/data/f"], "timeout": "10s"})).await;
    assert_eq!((&said["exit_code"], &said["stdout"]), (&json!(0), &json!("x\n")));
    let image = rig.read("container.image", json!({"containers": [id], "service": "api"})).await;
    assert_eq!((&image["present"], &image["reference"]), (&json!(true), &json!(crate::support::podman::IMAGE)));
    rig.read("container.disk", json!({"containers": [id], "service": "api"})).await;
    rig.read("container.health", json!({"containers": [id], "timeout": "1s"})).await;

    assert_eq!(rig.act("container.rotate_logs", json!({"container": id})).await["changed"], true);
    let empty = rig.read("container.logs", json!({"containers": [id]})).await;
    assert_eq!(empty["matched"], 0);

    let container = json!({"container": id});
    let stop = json!({"container": id, "stop_timeout": "10s"});
    assert_eq!(rig.act("container.pause", container.clone()).await["changed"], true);
    assert_eq!(rig.status(&id).await["paused"], true);
    assert_eq!(rig.act("container.unpause", container.clone()).await["changed"], true);
    assert_eq!(rig.act("container.stop", stop.clone()).await["changed"], true);
    let stopped = rig.until(&id, |status| status["state"] == "exited").await;
    assert_eq!(stopped["exit_code"], 0);
    let last = rig.read("container.logs", json!({"containers": [id]})).await;
    assert_eq!((&last["matched"], &last["lines"][0]["text"]), (&json!(1), &json!("bye")));
    assert_eq!(rig.act("container.stop", stop.clone()).await["changed"], false);
    let none = rig.read("container.processes", json!({"containers": [id]})).await;
    assert_eq!(none["count"], 0);
    assert_eq!(rig.act("container.start", container.clone()).await["changed"], true);
    assert_eq!(rig.act("container.start", container.clone()).await["changed"], false);
    assert_eq!(rig.act("container.restart", stop.clone()).await["changed"], true);
    let after = rig.until(&id, |status| status["running"] == true).await;
    assert_ne!(before["started_at"], after["started_at"]);
    assert!(rig.try_act("container.kill", json!({"container": id, "signal": "bad signal"})).await.is_err());
    assert_eq!(rig.act("container.kill", json!({"container": id, "signal": "KILL"})).await["changed"], true);
    rig.until(&id, |status| status["exit_reason"] == "killed").await;
}

#[tokio::test]
async fn networks_are_told_joined_and_left() {
    let Some((podman, rig)) = stage().await else { return };
    podman.ok(&["network", "create", "front"]);
    podman.ok(&["network", "create", "back"]);
    podman.run("web", &["--network", "front", "--publish", "18080:80"], &["httpd", "-f", "-p", "80"]);
    let db = podman.run("db", &["--network", "back"], &["httpd", "-f", "-p", "5432"]);
    let web = rig.until("web", |status| status["running"] == true).await;
    assert_eq!((&web["networks"], &web["ports"]), (&json!(["front"]), &json!(["0.0.0.0:18080->80/tcp"])));
    let join = json!({"container": db, "network": "front", "aliases": ["store"]});
    assert_eq!(rig.act("container.connect_network", join.clone()).await["changed"], true);
    assert_eq!(rig.act("container.connect_network", join).await["changed"], false);
    assert_eq!(rig.status("db").await["networks"], json!(["back", "front"]));
    let leave = json!({"container": db, "network": "back"});
    assert_eq!(rig.act("container.disconnect_network", leave).await["changed"], true);
    assert_eq!(rig.status("db").await["networks"], json!(["front"]));
    assert_eq!(rig.status("db").await["running"], true);
}

#[test]
fn nothing_is_left_of_an_engine_whose_test_is_gone() {
    let Some(mut podman) = Podman::start() else { return };
    podman.run("orphan", &["--restart", "always"], &["sleep", "1000"]);
    podman.ok(&["exec", "orphan", "true"]);
    let folder = podman.folder().to_owned();
    let name = folder.to_string_lossy().into_owned();
    assert!(!holders(&name).is_empty());
    // A process that is killed lets go of everything that it held.
    podman.let_go();
    crate::support::command::eventually("everything is gone", Duration::from_secs(120), || {
        let left = holders(&name);
        if left.is_empty() && !folder.exists() { Ok(()) } else { Err(format!("{left:?} {}", podman.log())) }
    });
}

/// Processes that name this folder, or have something mounted in it.
fn holders(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.chars().all(|digit| digit.is_ascii_digit()) || name == std::process::id().to_string() {
            continue;
        }
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let names = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).contains(folder);
        if names(read("cmdline")) || names(read("mountinfo")) {
            found.push(String::from_utf8_lossy(&read("cmdline")).replace('\0', " "));
        }
    }
    found
}

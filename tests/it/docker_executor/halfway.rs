//! Acts that the engine gives up in the middle: what was done of them must never be told as not done.

use super::Rig;
use crate::support::http::free_port;
use crate::support::stage::{IMAGE, Stage, docker_ok};
use oncalld::execute::ExecuteError;
use serde_json::json;

fn unknown(result: Result<serde_json::Value, ExecuteError>) -> String {
    match result {
        Err(ExecuteError::Unknown { problem, .. }) => problem,
        other => panic!("it was done in part: {other:?}"),
    }
}

fn busybox() -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("busybox")).find(|file| file.is_file());
    found.expect("a busybox, which the engine's images are made of")
}

#[tokio::test]
async fn a_restart_that_stops_and_cannot_start_is_not_told_as_not_done() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("busybox");
    std::fs::copy(busybox(), &program).expect("a copy of busybox");
    let mount = format!("{}:/own", folder.path().display());
    assert!(stage.run("api", &["--volume", &mount], &["/own/busybox", "sleep", "600"]).ok);
    std::fs::remove_file(&program).expect("the program goes");
    let api = stage.unique("api");
    let problem = unknown(rig.try_act("container.restart", json!({"container": api, "stop_timeout": "0s"})).await);
    assert!(problem.contains("no such file"), "{problem}");
    assert_eq!(rig.status(&api).await["running"], false, "it was stopped, after all");
    // A start that fails leaves all as it was, and is told so.
    let refused = rig.try_act("container.start", json!({"container": api})).await;
    assert!(matches!(refused, Err(ExecuteError::Permanent { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_start_whose_port_is_taken_was_not_done() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let port = format!("127.0.0.1:{}:80", free_port());
    stage.run("api", &["--publish", &port], &["sleep", "600"]);
    let api = stage.unique("api");
    docker_ok(&["stop", "--time", "0", &api]);
    stage.run("thief", &["--publish", &port], &["sleep", "600"]);
    let refused = rig.try_act("container.start", json!({"container": api})).await;
    assert!(matches!(refused, Err(ExecuteError::Permanent { .. })), "{refused:?}");
}

#[tokio::test]
async fn scaling_down_that_is_refused_after_its_first_container_was_begun() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run("api", &[], &["sleep", "600"]);
    let api = stage.unique("api");
    let scale = |replicas: i64, key: &str| json!({"service": api, "replicas": replicas, "key": key});
    rig.act("container.scale", scale(3, "up")).await;
    // The second container that goes finds its new name taken.
    let second = format!("{api}-up-2");
    docker_ok(&["create", "--label", &stage.label(), "--name", &format!("{second}-down"), IMAGE, "true"]);
    unknown(rig.try_act("container.scale", scale(1, "down")).await);
    assert_eq!(rig.service(&api).await.instances.len(), 2, "one went, the other is as it was");
    // Where the first one is refused already, nothing was done.
    let refused = rig.try_act("container.scale", scale(1, "down")).await;
    assert!(matches!(refused, Err(ExecuteError::Permanent { .. })), "{refused:?}");
    assert_eq!(rig.service(&api).await.instances.len(), 2);
    assert_eq!(rig.status(&second).await["running"], true);
}

#[tokio::test]
async fn a_restoration_that_removes_the_new_and_cannot_start_the_old_was_begun() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let port = format!("127.0.0.1:{}:80", free_port());
    stage.run("api", &["--publish", &port], &["sleep", "600"]);
    let api = stage.unique("api");
    let id = stage.inspect("api", "{{.Id}}");
    let same = json!({"container": id, "key": "k1", "restore": [], "set": {}, "remove": []});
    rig.act("container.recreate", same).await;
    docker_ok(&["stop", "--time", "0", &api]);
    stage.run("thief", &["--publish", &port], &["sleep", "600"]);
    let problem = unknown(rig.try_act("container.restore", json!({"container": id, "key": "k1"})).await);
    assert!(problem.contains("some of the change was done"), "{problem}");
    assert_eq!(stage.inspect("api", "{{.Id}}"), id, "the old one has its name again");
}

//! Starting, stopping, freezing, limiting and scaling.

use super::{LIMIT, Rig, kill, permanent, shell, with_memory};
use crate::support::waiting::eventually;
use rustix::process::Signal;
use serde_json::json;
use std::time::Instant;

#[tokio::test]
async fn a_service_is_stopped_started_and_restarted() {
    let rig = Rig::new([("api", shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"))]).await;
    let one = json!({"service": "api"});
    let first = rig.status("api").await;
    assert_eq!((&first["state"], &first["ready"], &first["health"]), (&json!("running"), &json!(true), &json!("none")));
    assert_eq!(first["exit_reason"], "none");
    assert_eq!(rig.act("process.start", one.clone()).await["changed"], false);
    rig.act("process.restart", json!({"service": "api", "stop_timeout": "5s", "force": false})).await;
    rig.until_log("api", |lines| lines.len() >= 2).await;
    let second = rig.status("api").await;
    assert_ne!(first["started_at"], second["started_at"]);
    assert_eq!((&second["restart_count"], &second["crash_looping"]), (&json!(0), &json!(false)));
    assert_eq!(rig.act("process.stop", json!({"service": "api", "stop_timeout": "5s"})).await["changed"], true);
    let stopped = rig.status("api").await;
    assert_eq!((&stopped["state"], &stopped["exit_reason"]), (&json!("exited"), &json!("stopped")));
    assert_eq!((&stopped["exit_code"], &stopped["running_instances"]), (&json!(0), &json!(0)));
    assert_eq!(rig.act("process.stop", json!({"service": "api", "stop_timeout": "5s"})).await["changed"], false);
    eventually("nothing runs for a stopped service", || async {
        rig.state("api").shim.map_or(Ok(()), |shim| Err(format!("{shim:?}")))
    })
    .await;
    assert_eq!(rig.act("process.start", one).await["changed"], true);
    assert_eq!(rig.status("api").await["state"], "running");
    let events = rig.events("api").await;
    let actions: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert_eq!(actions, ["start", "kill", "die", "restart", "start", "kill", "die", "stop", "start"]);
    assert_eq!((&events["starts"], &events["deaths"], &events["external_kills"]), (&json!(3), &json!(2), &json!(0)));
}

#[tokio::test]
async fn who_does_not_end_in_time_is_killed() {
    let rig = Rig::new([("deaf", shell("trap '' TERM; echo deaf; while :; do sleep 0.05; done"))]).await;
    rig.until_logged("deaf", "deaf").await;
    rig.act("process.stop", json!({"service": "deaf", "stop_timeout": "300ms"})).await;
    let status = rig.status("deaf").await;
    assert_eq!((&status["exit_reason"], &status["exit_code"]), (&json!("stop_timeout"), &json!(137)));
    rig.act("process.start", json!({"service": "deaf"})).await;
    let start = Instant::now();
    rig.act("process.restart", json!({"service": "deaf", "stop_timeout": "60s", "force": true})).await;
    assert!(start.elapsed() < LIMIT, "by force means at once");
    let events = rig.events("deaf").await;
    assert_eq!(events["external_kills"], 0);
}

#[tokio::test]
async fn a_frozen_service_goes_on_whoever_froze_it() {
    let rig = Rig::new([("api", shell("while :; do sleep 0.05; done"))]).await;
    let one = json!({"service": "api"});
    permanent(rig.try_act("process.unpause", one.clone()).await);
    assert_eq!(rig.act("process.pause", one.clone()).await["changed"], true);
    // A signal takes effect when the program has its turn.
    let status = rig.until("api", |status| status["paused"] == true).await;
    assert_eq!((&status["state"], &status["running"]), (&json!("paused"), &json!(false)));
    assert_eq!(rig.act("process.pause", one.clone()).await["changed"], false);
    permanent(rig.try_act("process.start", one.clone()).await);
    assert_eq!(rig.act("process.unpause", one.clone()).await["changed"], true);
    assert_eq!(rig.status("api").await["state"], "running");
    kill(rig.pid("api"), Signal::STOP);
    rig.until("api", |status| status["paused"] == true).await;
    rig.act("process.unpause", one).await;
    assert_eq!(rig.status("api").await["state"], "running");
    // A frozen service can be stopped.
    rig.act("process.pause", json!({"service": "api"})).await;
    rig.act("process.stop", json!({"service": "api", "stop_timeout": "5s"})).await;
    assert_eq!(rig.status("api").await["exit_reason"], "stopped");
}

#[tokio::test]
async fn limits_and_policies_change_in_place() {
    let rig = Rig::new([("api", with_memory(shell("while :; do sleep 0.05; done"), 64 << 20))]).await;
    let pid = rig.pid("api");
    let digest = rig.status("api").await["config_digest"].clone();
    rig.act("process.update", json!({"service": "api", "memory": "128MiB"})).await;
    let status = rig.status("api").await;
    assert_eq!(status["memory_limit"], 128 << 20);
    assert_ne!(status["config_digest"], digest);
    rig.act("process.set_restart_policy", json!({"service": "api", "policy": "on-failure", "retries": 3})).await;
    let status = rig.status("api").await;
    assert_eq!((&status["restart_policy"], &status["restart_retries"]), (&json!("on-failure"), &json!(3)));
    assert_eq!(rig.pid("api"), pid, "the program goes on");
    permanent(rig.try_act("process.update", json!({"service": "api", "cpus": 0.5})).await);
    permanent(
        rig.try_act("process.set_restart_policy", json!({"service": "api", "policy": "maybe", "retries": 0})).await,
    );
    // 0 lifts the limit; a limit below what is used holds at once.
    rig.act("process.update", json!({"service": "api", "memory": 0})).await;
    assert_eq!(rig.status("api").await["memory_limit"], json!(null));
    rig.act("process.set_restart_policy", json!({"service": "api", "policy": "no", "retries": 0})).await;
    rig.act("process.update", json!({"service": "api", "memory": "4KiB"})).await;
    let status = rig.until("api", |status| status["state"] == "exited").await;
    assert_eq!((&status["exit_reason"], &status["oom_events"]), (&json!("oom"), &json!(1)));
}

#[tokio::test]
async fn a_service_is_scaled_up_and_down() {
    let rig = Rig::new([("worker", shell("echo instance $ONCALLD_INSTANCE; while :; do sleep 0.05; done"))]).await;
    rig.act("process.scale", json!({"service": "worker", "replicas": 3})).await;
    let status = rig.status("worker").await;
    assert_eq!((&status["desired_instances"], &status["running_instances"]), (&json!(3), &json!(3)));
    let names: Vec<_> = status["instances"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
    assert_eq!(names, ["worker", "worker-2", "worker-3"]);
    for n in 1..=3 {
        rig.until_logged("worker", &format!("instance {n}")).await;
    }
    rig.act("process.scale", json!({"service": "worker", "replicas": 1})).await;
    assert_eq!(rig.status("worker").await["running_instances"], 1);
    assert_eq!(rig.inventory().await.services["worker"].instances.len(), 1);
    permanent(rig.try_act("process.scale", json!({"service": "worker", "replicas": 51})).await);
    permanent(rig.try_act("process.scale", json!({"service": "worker", "replicas": -1})).await);
}

#[tokio::test]
async fn a_name_that_is_not_declared_is_refused() {
    let rig = Rig::new([("api", shell("sleep 60"))]).await;
    for name in ["aip", "../api", ""] {
        let problem = permanent(rig.try_act("process.start", json!({"service": name})).await);
        assert!(problem.contains("no service"), "{problem}");
        permanent(rig.try_read("process.status", json!({"service": name})).await);
    }
}

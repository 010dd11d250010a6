//! Calls that act on one container.

use super::Rig;
use crate::support::stage::{Stage, docker_ok};
use oncalld::execute::ExecuteError;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn containers_start_stop_pause_and_die() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run("web", &[], &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]);
    let web = stage.unique("web");
    let id = stage.inspect("web", "{{.Id}}");
    let one = json!({"container": id});
    let first = rig.status(&web).await["started_at"].clone();
    assert_eq!(rig.act("container.start", one.clone()).await["changed"], false);
    assert_eq!(rig.act("container.restart", json!({"container": id, "stop_timeout": "1s"})).await["changed"], true);
    assert_ne!(rig.status(&web).await["started_at"], first);
    assert_eq!(rig.act("container.pause", one.clone()).await["changed"], true);
    assert_eq!(rig.act("container.pause", one.clone()).await["changed"], false);
    assert_eq!(rig.status(&web).await["state"], "paused");
    rig.act("container.unpause", one.clone()).await;
    rig.act("container.stop", json!({"container": id, "stop_timeout": "5s"})).await;
    assert_eq!(rig.status(&web).await["exit_reason"], "stopped");
    assert_eq!(rig.act("container.stop", json!({"container": id, "stop_timeout": "5s"})).await["changed"], false);
    rig.act("container.start", one.clone()).await;
    rig.act("container.kill", json!({"container": id, "signal": "KILL"})).await;
    let status = rig.until(&web, |status| status["state"] == "exited").await;
    assert_eq!(status["exit_reason"], "killed");
    for (call, with) in [
        ("container.start", json!({"container": "no-such-container"})),
        ("container.kill", json!({"container": id, "signal": "KILL"})),
        ("container.kill", json!({"container": id, "signal": "9&x=y"})),
        ("container.start", json!({"container": "../../images/json"})),
    ] {
        let error = rig.try_act(call, with).await.expect_err(call);
        assert!(matches!(error, ExecuteError::Permanent { .. }), "{error}");
    }
    assert_eq!(rig.probe("container.start", one).await, None);
}

#[tokio::test]
async fn limits_and_restart_policies_change_in_place() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run("web", &["--memory", "16m", "--memory-swap", "16m"], &["sleep", "600"]);
    let web = stage.unique("web");
    rig.act("container.update", json!({"container": web, "memory": "64MiB", "cpus": 0.5, "pids": 40})).await;
    let status = rig.status(&web).await;
    assert_eq!(
        (&status["memory_limit"], &status["memory_swap_limit"]),
        (&json!(64 << 20), &json!(64 << 20)),
        "{status}"
    );
    assert_eq!((&status["cpu_limit"], &status["pids_limit"]), (&json!(0.5), &json!(40)));
    // Back to what it was, as an undo does; and lifted altogether.
    rig.act("container.update", json!({"container": web, "memory": 16 << 20, "memory_swap": 16 << 20})).await;
    assert_eq!(rig.status(&web).await["memory_limit"], 16 << 20);
    rig.act("container.update", json!({"container": web, "memory": 0, "memory_swap": -1, "pids": 0})).await;
    let status = rig.status(&web).await;
    assert!(status["memory_limit"].as_u64() > Some(1 << 30) && status["pids_limit"].is_null(), "{status}");
    docker_ok(&["exec", &web, "true"]);

    stage.run("quota", &["--cpu-period", "50000", "--cpu-quota", "10000"], &["sleep", "600"]);
    let quota = stage.unique("quota");
    rig.act("container.update", json!({"container": quota, "cpus": 0.4})).await;
    assert_eq!(rig.status(&quota).await["cpu_limit"], 0.4);

    rig.act("container.set_restart_policy", json!({"container": web, "policy": "on-failure", "retries": 4})).await;
    let status = rig.status(&web).await;
    assert_eq!((&status["restart_policy"], &status["restart_retries"]), (&json!("on-failure"), &json!(4)));
    rig.act("container.set_restart_policy", json!({"container": web, "policy": "no", "retries": 4})).await;
    assert_eq!(rig.status(&web).await["restart_policy"], "no");
    let wrong = json!({"container": web, "policy": "sometimes", "retries": 0});
    assert!(rig.try_act("container.set_restart_policy", wrong).await.is_err());
}

#[tokio::test]
async fn programs_run_within_bounds() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run("web", &[], &["sleep", "600"]);
    let web = stage.unique("web");
    let query = |argv: &[&str], timeout: &str| json!({"container": web, "argv": argv, "timeout": timeout});
    let output = rig.read("container.query", query(&["cat", "/etc/group"], "5s")).await;
    assert_eq!((&output["exit_code"], &output["stdout"]), (&json!(0), &json!("root:x:0:\n")));
    let output = rig.read("container.query", query(&["cat", "/dev/zero"], "20s")).await;
    assert_eq!(output["truncated"], true);
    let started = Instant::now();
    let output = rig.read("container.query", query(&["sleep", "300"], "5s")).await;
    assert_eq!(output["timed_out"], true);
    assert!(started.elapsed() < Duration::from_secs(60));
    super::eventually("what was given up on is ended", || async {
        let top = docker_ok(&["top", &web]);
        if top.contains("sleep 300") { Err(top) } else { Ok(()) }
    })
    .await;
    for refused in [&["sh", "-c", "id"][..], &["rm", "/etc/group"], &["cat", "-A", "/etc/group"]] {
        let error = rig.try_read("container.query", query(refused, "5s")).await.expect_err("not on the list");
        assert!(matches!(error, ExecuteError::Permanent { .. }), "{error}");
    }
    let done = rig.act("container.exec", query(&["sh", "-c", "echo hi; exit 4"], "5s")).await;
    assert_eq!(done["detail"], "ended with 4: hi");
    let error = rig.try_act("container.exec", query(&["sleep", "60"], "500ms")).await.expect_err("too long");
    assert!(matches!(error, ExecuteError::Unknown { .. }), "{error}");

    let processes = rig.read("container.processes", json!({"containers": [web]})).await;
    assert_eq!(processes["processes"][0]["command"], "sleep 600", "{processes}");
    docker_ok(&["kill", &web]);
    assert_eq!(rig.read("container.processes", json!({"containers": [web]})).await["count"], 0);
}

#[tokio::test]
async fn use_is_measured_against_limits() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run(
        "busy",
        &["--cpus", "0.1", "--memory", "32m", "--pids-limit", "20"],
        &["sh", "-c", "while :; do :; done"],
    );
    // Where others need the processors more, it may not come to use its share up.
    let used = super::eventually("it is held back", || async {
        let used = rig.read("container.resources", json!({"containers": [stage.unique("busy")]})).await;
        let held = used["throttled_percent"].as_f64() > Some(30.0) && used["cpu_percent"].as_f64() > Some(50.0);
        if held { Ok(used) } else { Err(used.to_string()) }
    })
    .await;
    assert!(used["memory_usage"].as_u64() > Some(0) && used["memory_limit"] == 32 << 20 && used["pids"] == 1, "{used}");
    assert!(used["host_memory"].as_u64() > used["host_memory_free"].as_u64());
    assert!(used["memory_peak"].as_u64() > Some(0), "{used}");
    rig.until(&stage.unique("busy"), |status| status["throttled"].as_f64() > Some(30.0)).await;
}

//! Either side may be killed, and nothing is orphaned or doubled.

use super::{Rig, kill, shell};
use crate::support::waiting::eventually;
use oncalld::config::{RestartPolicy, ServiceConfig};
use oncalld::shim::proc;
use rustix::process::Signal;
use serde_json::json;

const LIVES: &str = "echo begins; trap 'echo ends; exit 0' TERM; while :; do sleep 0.05; done";

#[tokio::test]
async fn the_next_daemon_adopts_what_runs() {
    let mut rig = Rig::new([("api", shell(LIVES)), ("off", shell(LIVES))]).await;
    rig.act("process.stop", json!({"service": "off", "stop_timeout": "5s"})).await;
    let (pid, started) = (rig.pid("api"), rig.status("api").await["started_at"].clone());
    rig.again().await;
    assert_eq!(rig.pid("api"), pid);
    let status = rig.status("api").await;
    assert_eq!((&status["started_at"], &status["restart_count"]), (&started, &json!(0)));
    assert_eq!(rig.status("off").await["state"], "exited", "what was stopped stays so");
    rig.act("process.stop", json!({"service": "api", "stop_timeout": "5s"})).await;
    assert_eq!(rig.status("api").await["exit_reason"], "stopped");
    assert_eq!(rig.log_texts("api").await, ["begins", "ends"]);
}

#[tokio::test]
async fn a_shim_that_is_killed_gets_a_successor_and_its_program_notices_nothing() {
    let script = "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.05; done";
    let mut rig = Rig::new([("api", shell(script))]).await;
    rig.until_logged("api", "line 2").await;
    let (pid, shim) = (rig.pid("api"), rig.state("api").shim.unwrap());
    kill(shim.pid, Signal::KILL);
    gone(shim.pid).await;
    assert_eq!(rig.status("api").await["state"], "running");
    rig.again().await;
    eventually("a successor", || async {
        let now = rig.state("api").shim;
        if now.as_ref().is_some_and(|now| *now != shim) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    assert_eq!(rig.pid("api"), pid);
    // It wrote on while nobody read, and not a line of that is lost; what the shim had in its hands is.
    rig.until_logged("api", "line 60").await;
    let lines = rig.log_texts("api").await;
    let lost = (1..=60).filter(|n| !lines.contains(&format!("line {n}"))).count();
    assert!(lost <= 1, "{lines:?}");
    assert_eq!(rig.events("api").await["starts"], 1);
    // The successor cannot see how it ends, but that it does.
    kill(pid, Signal::KILL);
    let told = |status: &serde_json::Value| status["state"] == "exited" && status["error"] != "";
    assert_eq!(rig.until("api", told).await["exit_code"], json!(null));
}

#[tokio::test]
async fn an_order_needs_no_shim_that_lives() {
    let rig = Rig::new([("api", shell(LIVES))]).await;
    let (pid, shim) = (rig.pid("api"), rig.state("api").shim.unwrap());
    kill(shim.pid, Signal::KILL);
    gone(shim.pid).await;
    rig.act("process.restart", json!({"service": "api", "stop_timeout": "5s", "force": false})).await;
    assert!(proc::stat(pid).is_none_or(|stat| stat.state == 'Z'), "the old one is gone");
    assert_ne!(rig.pid("api"), pid);
    assert_eq!(rig.events("api").await["starts"], 2);
}

#[tokio::test]
async fn what_died_with_its_shim_is_started_again_as_its_policy_says() {
    let always = ServiceConfig { restart: RestartPolicy::Always, ..shell(LIVES) };
    let mut rig = Rig::new([("always", always), ("once", shell(LIVES))]).await;
    for name in ["always", "once"] {
        let (shim, pid) = (rig.state(name).shim.unwrap().pid, rig.pid(name));
        kill(shim, Signal::KILL);
        kill(pid, Signal::KILL);
        gone(shim).await;
        gone(pid).await;
    }
    rig.again().await;
    assert_eq!(rig.status("always").await["state"], "running");
    let once = rig.status("once").await;
    assert_eq!((&once["state"], &once["exit_reason"]), (&json!("exited"), &json!("killed")));
}

#[tokio::test]
async fn two_daemons_at_once_start_one_program() {
    let mut rig = Rig::new([]).await;
    rig.config.services.insert("api".into(), shell(LIVES));
    let other = rig.config.clone();
    let (first, second) = tokio::join!(
        oncalld::execute::process::ProcessEnvironment::build(rig.config.clone()),
        oncalld::execute::process::ProcessEnvironment::build(other),
    );
    (rig.environment, _) = first.unwrap();
    drop(second.unwrap());
    let marked = proc::with_variable(oncalld::shim::MARKER, &rig.instance("api", 1).path().to_string_lossy());
    let mains = marked.into_iter().filter(|pid| proc::stat(*pid).is_some_and(|stat| stat.group == *pid)).count();
    assert_eq!(mains, 1);
}

#[tokio::test]
async fn a_child_that_outlives_its_parent_is_not_forgotten() {
    let rig = Rig::new([("api", shell("(trap '' HUP TERM; sleep 600) & exec sleep 601"))]).await;
    eventually("a child", || async {
        let processes = rig.read("process.processes", json!({"service": "api"})).await;
        if processes["count"].as_i64() >= Some(2) { Ok(()) } else { Err(processes.to_string()) }
    })
    .await;
    rig.act("process.stop", json!({"service": "api", "stop_timeout": "5s"})).await;
    // The rig checks when it ends that nothing is left.
    assert_eq!(rig.status("api").await["exit_reason"], "stopped");
}

async fn gone(pid: i32) {
    eventually("its end", || async {
        let alive = proc::stat(pid).is_some_and(|stat| stat.state != 'Z');
        if alive { Err(format!("{pid} is alive")) } else { Ok(()) }
    })
    .await;
}

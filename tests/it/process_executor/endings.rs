//! Why a program ended, told apart.

use super::{Rig, cache, kill, service, shell, with_memory};
use crate::support::http::free_port;
use oncalld::config::{RestartPolicy, ServiceConfig};
use rustix::process::Signal;
use serde_json::json;

/// Grows to some 16 MiB and stays there.
const GROWS: &str = "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do x=$x$x; done; \
                     echo grown; while :; do sleep 0.05; done";

#[tokio::test]
async fn too_much_memory_is_an_oom_and_more_memory_cures_it() {
    let rig = Rig::new([("leaky", with_memory(shell(GROWS), 8 << 20))]).await;
    let status = rig.until("leaky", |status| status["state"] == "exited").await;
    assert_eq!((&status["exit_reason"], &status["exit_code"]), (&json!("oom"), &json!(137)));
    assert_eq!((&status["oom_events"], &status["memory_limit"]), (&json!(1), &json!(8 << 20)));
    let events = rig.events("leaky").await;
    assert_eq!((&events["ooms"], &events["external_kills"]), (&json!(1), &json!(0)));
    rig.act("process.update", json!({"service": "leaky", "memory": "256MiB"})).await;
    rig.act("process.start", json!({"service": "leaky"})).await;
    rig.until_logged("leaky", "grown").await;
    let resources = rig.read("process.resources", json!({"service": "leaky"})).await;
    assert!(resources["memory_usage"].as_i64() > Some(16 << 20), "{resources}");
    assert!(resources["memory_percent"].as_f64() < Some(100.0), "{resources}");
}

#[tokio::test]
async fn memory_of_children_counts() {
    let script = format!("sh -c '{}' & wait", GROWS.replace('\'', ""));
    let rig = Rig::new([("parent", with_memory(shell(&script), 8 << 20))]).await;
    let status = rig.until("parent", |status| status["state"] == "exited").await;
    assert_eq!(status["exit_reason"], "oom");
}

#[tokio::test]
async fn an_outside_kill_is_none_of_ours() {
    let rig = Rig::new([("api", shell("while :; do sleep 0.05; done"))]).await;
    kill(rig.pid("api"), Signal::KILL);
    let status = rig.until("api", |status| status["state"] == "exited").await;
    assert_eq!((&status["exit_reason"], &status["exit_code"]), (&json!("killed"), &json!(137)));
    assert_eq!(rig.events("api").await["external_kills"], 1);
    rig.act("process.start", json!({"service": "api"})).await;
    // The last ending is still told of while the next run goes on.
    let status = rig.status("api").await;
    assert_eq!((&status["state"], &status["exit_reason"]), (&json!("running"), &json!("killed")));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let rig = Rig::new([
        ("absent", service(&["no-such-program-anywhere"])),
        ("plain", service(&["/etc/passwd"])),
        ("shell", shell("no-such-command")),
        ("homeless", ServiceConfig { working_dir: Some("/no/such/folder".into()), ..shell("sleep 60") }),
    ])
    .await;
    for (name, state, kind, code) in [
        ("absent", "created", "command_not_found", 127),
        ("plain", "created", "not_executable", 126),
        ("shell", "exited", "command_not_found", 127),
        ("homeless", "created", "other", 128),
    ] {
        let status = rig.until(name, |status| status["exit_code"] != json!(null)).await;
        assert_eq!((&status["state"], &status["error_kind"]), (&json!(state), &json!(kind)), "{name}");
        assert_eq!((&status["exit_reason"], &status["exit_code"]), (&json!("start_failed"), &json!(code)), "{name}");
        assert_ne!(status["error"], "", "{name}");
    }
    let error = rig.try_act("process.start", json!({"service": "absent"})).await.unwrap_err().to_string();
    assert!(error.contains("not found"), "{error}");
}

#[tokio::test]
async fn a_job_completes() {
    let rig = Rig::new([("job", ServiceConfig { job: true, ..shell("echo done") })]).await;
    let status = rig.until("job", |status| status["state"] == "exited").await;
    assert_eq!((&status["exit_reason"], &status["exit_code"]), (&json!("completed"), &json!(0)));
    let health = rig.read("process.health", json!({"service": "job", "timeout": "1s"})).await;
    assert_eq!((&health["healthy"], &health["source"]), (&json!(true), &json!("process")));
    assert_eq!(rig.read("process.list", json!({})).await["not_running"], json!([]));
    assert_eq!(rig.log_texts("job").await, ["done"]);
}

#[tokio::test]
async fn the_restart_policy_is_kept() {
    let failing = ServiceConfig { restart: RestartPolicy::OnFailure(2), ..shell("echo again; exit 3") };
    let fine = ServiceConfig { restart: RestartPolicy::OnFailure(0), ..shell("exit 0") };
    let forever = ServiceConfig { restart: RestartPolicy::Always, ..shell("sleep 0.1; exit 1") };
    let rig = Rig::new([("failing", failing), ("fine", fine), ("forever", forever)]).await;
    let status = rig.until("failing", |status| status["state"] == "exited").await;
    assert_eq!((&status["restart_count"], &status["exit_reason"]), (&json!(2), &json!("error")));
    assert_eq!((&status["exit_code"], &status["crash_looping"]), (&json!(3), &json!(false)));
    assert_eq!(rig.log_texts("failing").await, ["again", "again", "again"]);
    let status = rig.until("fine", |status| status["state"] == "exited").await;
    assert_eq!((&status["restart_count"], &status["exit_reason"]), (&json!(0), &json!("completed")));
    let status = rig.until("forever", |status| status["restart_count"].as_i64() >= Some(3)).await;
    assert_eq!((&status["crash_looping"], &status["exit_code"]), (&json!(true), &json!(1)));
    // Stopping ends that, also between two runs.
    rig.act("process.stop", json!({"service": "forever", "stop_timeout": "1s"})).await;
    assert_eq!(rig.status("forever").await["state"], "exited");
}

#[tokio::test]
async fn a_taken_port_names_who_has_it() {
    let port = free_port();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let rig = Rig::new([("first", cache(port)), ("second", shell("sleep 600"))]).await;
    let status = rig.until("first", |status| status["state"] == "exited").await;
    assert_eq!((&status["error_kind"], &status["exit_reason"]), (&json!("port_conflict"), &json!("error")));
    assert_eq!(
        (&status["port_conflict"]["port"], &status["port_conflict"]["owner_known"]),
        (&json!(port), &json!(false))
    );
    assert!(status["port_conflict"]["owner"].as_str().unwrap().contains(&std::process::id().to_string()));
    drop(listener);
    rig.act("process.start", json!({"service": "first"})).await;
    rig.until_logged("first", "listens").await;
    let status = rig.status("first").await;
    assert_eq!((&status["port_conflict"], &status["running"]), (&json!(null), &json!(true)));
}

#[tokio::test]
async fn a_service_of_ours_is_known_as_the_holder() {
    let port = free_port();
    let mut rig = Rig::new([("intruder", cache(port))]).await;
    rig.until_logged("intruder", "listens").await;
    rig.config.services.insert("rightful".into(), cache(port));
    rig.again().await;
    let status = rig.until("rightful", |status| status["state"] == "exited").await;
    let conflict = json!({"port": port, "owner": "intruder", "owner_known": true});
    assert_eq!((&status["port_conflict"], &status["error_kind"]), (&conflict, &json!("port_conflict")));
    assert_eq!(rig.status("intruder").await["port_conflict"], json!(null));
}

//! Why a container is as it is.

use super::{Rig, declared, eventually};
use crate::support::disk::ReadOnly;
use crate::support::engine::PrivateEngine;
use crate::support::need::{Need, have};
use crate::support::stage::{Stage, docker, docker_ok};
use serde_json::json;

#[tokio::test]
async fn ends_for_want_of_memory_are_told_from_kills() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let limited = ["--memory", "16m", "--memory-swap", "16m"];

    stage.run("main", &limited, &["tail", "/dev/zero"]);
    let main = stage.unique("main");
    // The engine may tell of the end before it tells of the shortage.
    let status = rig.until(&main, |status| status["state"] == "exited" && status["exit_reason"] == "oom").await;
    assert_eq!(status["exit_code"], 137, "{status}");
    assert!(status["oom_events"].as_i64() >= Some(1) && status["memory_limit"] == 16 << 20);
    // As after a restart of the daemon, from what the engine remembers, which is little: it is asked at once.
    assert_eq!(rig.again(Vec::new()).await.status(&main).await["exit_reason"], "oom");

    // A shell whose child is killed goes on, and ignores the signal of a stop, as a first process does.
    stage.run("child", &limited, &["sh", "-c", "while :; do tail /dev/zero; sleep 1; done"]);
    let child = stage.unique("child");
    let status = rig.until(&child, |status| status["oom_events"].as_i64() >= Some(1)).await;
    assert_eq!((&status["state"], &status["exit_reason"]), (&json!("running"), &json!("oom_child")), "{status}");

    stage.run("killed", &[], &["sleep", "600"]);
    let killed = stage.unique("killed");
    docker_ok(&["kill", &killed]);
    let status = rig.until(&killed, |status| status["state"] == "exited").await;
    assert_eq!((&status["exit_reason"], &status["exit_code"]), (&json!("killed"), &json!(137)), "{status}");
    assert_eq!(rig.again(Vec::new()).await.status(&killed).await["exit_reason"], "killed");
    let events = rig.read("container.events", json!({"containers": [killed]})).await;
    assert_eq!((&events["external_kills"], &events["deaths"]), (&json!(1), &json!(1)), "{events}");
}

#[tokio::test]
async fn a_shortage_of_a_child_does_not_explain_a_later_stop() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run("a", &["--memory", "16m", "--memory-swap", "16m"], &["sh", "-c", "tail /dev/zero; sleep 600"]);
    let name = stage.unique("a");
    rig.until(&name, |status| status["oom_events"].as_i64() >= Some(1)).await;
    docker_ok(&["stop", "--time", "1", &name]);
    let status = rig.status(&name).await;
    assert_eq!((&status["exit_code"], &status["exit_reason"]), (&json!(137), &json!("stop_timeout")), "{status}");
}

#[tokio::test]
async fn stops_are_told_from_ends_of_their_own() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let obeys = ["sh", "-c", "trap 'exit 0' TERM; echo obeys; while :; do sleep 0.1; done"];
    for (name, command, end, reason) in [
        ("stopped", &obeys[..], "stop", "stopped"),
        ("stubborn", &["sleep", "600"], "stop", "stop_timeout"),
        ("done", &["true"], "wait", "completed"),
        ("failed", &["sh", "-c", "exit 3"], "wait", "error"),
    ] {
        stage.run(name, &[], command);
        let name = stage.unique(name);
        if command == obeys {
            eventually("it obeys", || async {
                let logs = docker_ok(&["logs", &name]);
                if logs == "obeys" { Ok(()) } else { Err(logs) }
            })
            .await;
        }
        docker_ok(&[end, &name]);
        let status = rig.until(&name, |status| status["state"] == "exited").await;
        assert_eq!(status["exit_reason"], reason, "{name}: {status}");
        assert!(status["finished_at"].is_string() && status["uptime"].is_null());
    }
    // By a hand that the engine knows nothing of.
    stage.run("outside", &[], &["sleep", "600"]);
    let pid = stage.inspect("outside", "{{.State.Pid}}");
    let said = crate::support::command::run(
        std::process::Command::new("kill").args(["-9", &pid]),
        std::time::Duration::from_secs(5),
    );
    assert!(said.ok, "{}", said.err);
    let status = rig.until(&stage.unique("outside"), |status| status["state"] == "exited").await;
    assert_eq!(status["exit_reason"], "killed", "{status}");
}

#[tokio::test]
async fn what_never_started_says_why() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run("typo", &[], &["nosuchcmd"]);
    stage.run("data", &[], &["/etc/passwd"]);
    for (name, code, kind) in [("typo", 127, "command_not_found"), ("data", 126, "not_executable")] {
        let status = rig.status(&stage.unique(name)).await;
        assert_eq!(status["state"], "created", "{status}");
        assert_eq!((&status["exit_code"], &status["error_kind"]), (&json!(code), &json!(kind)), "{status}");
        assert_eq!(status["exit_reason"], "start_failed");
    }
    let port = crate::support::http::free_port();
    let published = format!("127.0.0.1:{port}:80");
    assert!(stage.run("intruder", &["--publish", &published], &["sleep", "600"]).ok);
    assert!(!stage.run("late", &["--publish", &published], &["sleep", "600"]).ok);
    let status = rig.status(&stage.unique("late")).await;
    assert_eq!(
        (&status["exit_reason"], &status["error_kind"]),
        (&json!("start_failed"), &json!("port_conflict")),
        "{status}"
    );
    let owner = json!({"port": port, "owner": stage.unique("intruder"), "owner_known": true});
    assert_eq!(status["port_conflict"], owner);
}

#[tokio::test]
async fn a_crash_loop_and_a_pause_show() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run("loop", &["--restart", "on-failure:20"], &["sh", "-c", "sleep 0.2; exit 7"]);
    let status = rig.until(&stage.unique("loop"), |status| status["restart_count"].as_i64() >= Some(2)).await;
    assert_eq!((&status["exit_code"], &status["exit_reason"]), (&json!(7), &json!("error")), "{status}");
    assert_eq!((&status["restart_policy"], &status["restart_retries"]), (&json!("on-failure"), &json!(20)));

    stage.run("web", &["--cpus", "0.5", "--pids-limit", "50", "--memory", "64m"], &["sleep", "600"]);
    let web = stage.unique("web");
    docker_ok(&["pause", &web]);
    let status = rig.status(&web).await;
    assert_eq!(
        (&status["state"], &status["paused"], &status["ready"]),
        (&json!("paused"), &json!(true), &json!(false))
    );
    assert_eq!(
        (&status["cpu_limit"], &status["pids_limit"], &status["memory_limit"]),
        (&json!(0.5), &json!(50), &json!(64 << 20))
    );
    assert!(status["memory_usage"].as_u64() > Some(0), "{status}");
    let before = status["config_digest"].clone();
    docker_ok(&["unpause", &web]);
    docker_ok(&["restart", "--time", "0", &web]);
    assert_eq!(rig.status(&web).await["config_digest"], before, "a restart is no change of configuration");
    docker_ok(&["update", "--pids-limit", "60", &web]);
    assert_ne!(rig.status(&web).await["config_digest"], before);
}

#[tokio::test]
async fn what_is_missing_is_known_by_declaration() {
    let Some(stage) = Stage::open() else { return };
    let name = stage.unique("app");
    let facts = oncalld::execute::docker::DeclaredService { image: Some(format!("{name}:v9")), ..declared() };
    let rig = Rig::with(vec![(name.clone(), facts)]).await;
    let service = rig.service(&name).await;
    assert_eq!(service.instances[0].state, "missing");
    let status = rig.status(&service.instances[0].id).await;
    assert_eq!((&status["state"], &status["error_kind"]), (&json!("missing"), &json!("image_missing")), "{status}");
    let image = rig.read("container.image", json!({"containers": [name], "service": name})).await;
    assert_eq!((&image["present"], &image["reference"]), (&json!(false), &json!(format!("{name}:v9"))));
    let nobody = rig.status("no-such-container").await;
    assert_eq!((&nobody["state"], &nobody["error_kind"]), (&json!("missing"), &json!("none")));
}

#[tokio::test]
async fn replicas_and_projects_are_services() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let (api, db) = (stage.unique("api"), stage.unique("db"));
    let project = format!("com.docker.compose.project={}", stage.unique("shop"));
    for (name, service, needs) in [("api-1", &api, &db[..]), ("api-2", &api, &db[..]), ("db-1", &db, "")] {
        let service = format!("com.docker.compose.service={service}");
        let needs = if needs.is_empty() { String::new() } else { format!("{needs}:service_started:false") };
        let needs = format!("com.docker.compose.depends_on={needs}");
        stage.run(name, &["--label", &project, "--label", &service, "--label", &needs], &["sleep", "600"]);
    }
    let service = rig.service(&api).await;
    assert_eq!((service.instances.len(), service.depends_on.as_slice()), (2, [db.clone()].as_slice()));
    assert!(service.aliases.contains(&stage.unique("api-1")));
    docker(&["kill", &stage.unique("api-2")]);
    let ids: Vec<&str> = service.instances.iter().map(|instance| instance.id.as_str()).collect();
    let status = eventually("one of two", || async {
        let status = rig.read("container.status", json!({"containers": ids})).await;
        if status["running_instances"] == 1 { Ok(status) } else { Err(status.to_string()) }
    })
    .await;
    assert_eq!((&status["running"], &status["desired_instances"]), (&json!(false), &json!(2)));
    let list = rig.read("container.list", json!({})).await;
    assert!(list["not_running"].as_array().is_some_and(|names| names.contains(&json!(api))), "{list}");
    let captured = oncalld::execute::Environment::capture(&rig.environment, &service).await.expect("a state");
    assert_eq!(captured.identity.len(), 2);
}

#[tokio::test]
async fn mounts_and_the_last_looks_at_its_health_are_told() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let volume = stage.volume("data");
    let options = [
        "--volume",
        &format!("{volume}:/data:ro"),
        "--tmpfs",
        "/scratch",
        "--health-cmd",
        "echo looked; [ -e /tmp/well ]",
        "--health-interval",
        "1s",
        "--health-retries",
        "1",
    ];
    stage.run("api", &options, &["sh", "-c", "mkdir -p /tmp; sleep 600"]);
    let api = stage.unique("api");
    let status = rig.until(&api, |status| status["health_log"].as_array().is_some_and(|log| log.len() == 5)).await;
    let mounts = status["mounts"].as_array().expect("mounts");
    let data = json!({"path": "/data", "kind": "volume", "source": volume, "read_only": true});
    assert!(mounts.contains(&data), "{status}");
    let looks = status["health_log"].as_array().expect("looks");
    assert!(looks.iter().all(|look| look["exit_code"] == 1 && look["output"] == "looked"), "{status}");
    assert!(looks.windows(2).all(|two| two[0]["at"].as_str() < two[1]["at"].as_str()), "the newest last: {status}");
    docker_ok(&["exec", &api, "touch", "/tmp/well"]);
    rig.until(&api, |status| status["health_log"][4]["exit_code"] == 0 && status["ready"] == true).await;
}

#[tokio::test]
async fn a_container_that_could_not_be_removed_is_dead() {
    let Some(engine) = have(&[Need::Mount]).then(PrivateEngine::start).flatten() else { return };
    let rig = Rig::on(&engine).await;
    engine.image("app:v1", &["/bin/sleep", "600"]);
    engine.ok(&["run", "--detach", "--network", "none", "--name", "app", "app:v1"]);
    let disk = ReadOnly::mount(&engine.layers());
    assert!(!engine.docker(&["rm", "--force", "app"]).ok, "its files cannot go");
    let status = rig.until("app", |status| status["state"] != "running").await;
    assert_eq!(status["state"], "dead", "{status}");
    for field in ["running", "ready", "paused", "crash_looping"] {
        assert_eq!(status[field], false, "{field}: {status}");
    }
    assert!(status["error"].as_str().is_some_and(|error| error.contains("read-only file system")), "{status}");
    let service = rig.service("app").await;
    assert_eq!(service.instances[0].state, "dead");
    // It is gone for all purposes, and the engine says so.
    let error = rig.try_act("container.start", json!({"container": "app"})).await.expect_err("it is dead");
    assert!(matches!(error, oncalld::execute::ExecuteError::Permanent { .. }), "{error}");
    drop(disk);
    engine.ok(&["rm", "app"]);
    assert_eq!(rig.status("app").await["state"], "missing");
}

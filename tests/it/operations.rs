//! Every operation of the Docker translation through a running daemon against a real engine: asked for over HTTP, decided
//! by a person where the gate asks one, sent, checked, and seen to have had its effect.

use crate::conformance::READINGS;
use crate::docker_executor::data_store::image_of;
use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{calls, pending};
use crate::support::engine::PrivateEngine;
use crate::support::http::{Http, free_port};
use crate::support::monitoring::{Monitoring, Watched};
use crate::support::need::{Need, have};
use crate::support::receiver::Receiver;
use crate::support::stage::{Stage, docker, docker_ok};
use oncalld::domain::ByteSize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Operations that another suite drives the same way, by the faults that they are the remedies of; the conformance suite
/// has the readings.
const ELSEWHERE: &[&str] = &[
    // faults_docker
    "start_service",
    "unpause_service",
    "stop_service",
    "update_resources",
    "rollback_service",
    "recreate_service",
    "update_config",
    "connect_network",
    "clear_path",
];

/// Operations that this suite drives.
const HERE: &[&str] = &[
    "check_connectivity",
    "restart_service",
    "pause_service",
    "scale_service",
    "set_restart_policy",
    "rotate_logs",
    "set_ownership",
    "list_sessions",
    "set_parameter",
    "terminate_session",
    "execute_command",
    "query_metrics",
    "query_alerts",
    "silence_alert",
    "notify",
    "prune_storage",
];

#[test]
fn no_operation_of_the_translation_is_left_out() {
    let translated: BTreeSet<&str> = crate::support::shipped().translations[&oncalld::domain::EnvironmentKind::Docker]
        .keys()
        .map(String::as_str)
        .collect();
    let driven: BTreeSet<&str> = ELSEWHERE.iter().chain(READINGS).chain(HERE).copied().collect();
    assert_eq!(driven, translated);
}

/// One row: what is asked for, and what it sends.
pub struct Row<'a> {
    pub operation: &'a str,
    pub target: Option<&'a str>,
    pub arguments: Value,
    pub calls: &'a [&'a str],
}

/// A daemon with the shipped catalogue, but for the time that effects must hold: a minute each would be an hour here.
pub fn daemon(environment: Value, platform: Value) -> Daemon {
    let mut settings = Settings::of(json!({"here": environment}));
    settings.platform = platform;
    settings.files = vec![("config/operations.yml".into(), oncalld::demo::stage::quick_operations())];
    let many = json!({"per_target": 100, "per_environment": 100});
    settings.policies = Some(json!({"budgets": many, "flap": {"times": 100}}));
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    daemon
}

fn docker_with(services: Value) -> Value {
    let reading = json!([["date"]]);
    json!({"kind": "docker", "inventory_every": "1s", "services": services, "read_only_commands": reading})
}

/// Asks for an operation, approves what is asked about, and returns the step at its end, with what it showed or did.
pub fn drive(daemon: &Daemon, row: &Row<'_>) -> Value {
    let body = json!({"environment": "here", "target": row.target, "arguments": row.arguments});
    let begun = eventually(row.operation, Duration::from_secs(30), || {
        let answer = daemon.http.post(&format!("/api/v1/operations/{}", row.operation), &body)?;
        // A container that was just made is in the next inventory; what went before may be closing.
        if [404, 409].contains(&answer.status) { Err(answer.text) } else { Ok(answer.ok()) }
    });
    let id = begun["incident"].as_str().expect("an incident");
    let end = daemon.wait_for(id, "done", Duration::from_secs(120), |incident| {
        pending(incident).into_iter().for_each(|request| {
            assert!(request["command"].as_str().is_some_and(|command| !command.is_empty()), "{request}");
            daemon.approve(request);
        });
        incident["state"] == "closed" || incident["state"] == "escalated"
    });
    let steps = end["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["step"]["operation"] == row.operation).expect("a step").clone();
    assert_eq!((&end["state"], &step["status"]), (&json!("closed"), &json!("succeeded")), "{}", daemon.story(id));
    assert_eq!(calls(&daemon.journal(id)), row.calls, "{}", daemon.story(id));
    // A message changes nothing in any environment: nobody is asked about it.
    if !row.calls.is_empty() && row.operation != "notify" {
        let asked = end["approvals"].as_array().expect("a list");
        assert!(asked.iter().all(|one| one["state"] == "consumed") && !asked.is_empty(), "{end}");
    }
    step
}

/// What a reading operation returned.
pub fn facts(daemon: &Daemon, operation: &str, target: Option<&str>, arguments: Value) -> Value {
    let step = drive(daemon, &Row { operation, target, arguments, calls: &[] });
    step["evidence"]["facts"].clone()
}

/// Waits until a container whose log comes before its service has written the one and begun the other.
fn listens(container: &str) {
    eventually("the service listens", Duration::from_secs(120), || {
        let sockets = docker(&["exec", container, "netstat", "-ltn"]);
        if sockets.out.contains(":8080 ") { Ok(()) } else { Err(format!("{}{}", sockets.out, sockets.err)) }
    });
}

#[test]
fn a_service_is_restarted_paused_scaled_and_kept_in_order() {
    let Some(stage) = Stage::open() else { return };
    let (app, network) = (stage.unique("app"), stage.network("net"));
    let volume = format!("{}:/data", stage.volume("data"));
    let script = "head -c 20000000 /dev/zero | tr '\\0' x | fold -w 100; exec httpd -f -p 8080";
    let options = ["--network", &network, "--volume", &volume, "--expose", "8080"];
    assert!(stage.run("app", &options, &["sh", "-c", script]).ok);
    let daemon = daemon(docker_with(json!({&app: {"ownable": ["/data"]}})), json!({}));
    let act = |operation: &str, arguments: Value, calls: &[&str]| {
        drive(&daemon, &Row { operation, target: Some(&app), arguments, calls })
    };
    let show = |template: &str| docker_ok(&["inspect", "--format", template, &app]);

    listens(&app);
    let reached = facts(&daemon, "check_connectivity", Some(&app), json!({"to": app, "port": 8080}));
    assert_eq!(reached["reachable"], true, "{reached}");

    let before = show("{{.State.StartedAt}}");
    act("restart_service", json!({"timeout": "1s"}), &["container.restart"]);
    assert_ne!(show("{{.State.StartedAt}}"), before);
    listens(&app);

    act("set_restart_policy", json!({"policy": "on-failure", "retries": 3}), &["container.set_restart_policy"]);
    assert_eq!(
        show("{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}"),
        "on-failure 3"
    );
    act("set_ownership", json!({"path": "/data", "owner": "1000:1000"}), &["container.set_ownership"]);
    assert_eq!(docker_ok(&["exec", &app, "stat", "-c", "%u:%g", "/data"]), "1000:1000");

    let size = || facts(&daemon, "check_disk", Some(&app), json!({}))["log_size"].as_u64().unwrap_or(0);
    assert!(size() > 20_000_000);
    act("rotate_logs", json!({}), &["container.rotate_logs"]);
    assert!(size() < 16 << 20);

    act("execute_command", json!({"argv": ["touch", "/data/made"]}), &["container.exec"]);
    docker_ok(&["exec", &app, "ls", "/data/made"]);
    let date = facts(&daemon, "execute_command", Some(&app), json!({"argv": ["date"]}));
    assert_eq!(date["exit_code"], 0, "a command that only reads needs no decision: {date}");

    act("scale_service", json!({"replicas": 2}), &["container.scale"]);
    assert_eq!(stage.containers().len(), 2);
    act("scale_service", json!({"replicas": 1}), &["container.scale"]);
    let running = docker_ok(&["ps", "--quiet", "--filter", &format!("label={}", stage.label())]);
    assert_eq!(running.lines().count(), 1);

    act("pause_service", json!({}), &["container.pause"]);
    assert_eq!(show("{{.State.Paused}}"), "true");
    docker_ok(&["unpause", &app]);
}

#[test]
fn a_data_store_is_asked_set_and_rid_of_a_session() {
    let Some(stage) = have(&[Need::Redis]).then(Stage::open).flatten() else { return };
    let image = image_of(&stage, "redis", &["/usr/bin/redis-server", "/usr/bin/redis-cli"], &[]);
    let redis = stage.unique("redis");
    let command = ["/usr/bin/redis-server", "--maxmemory", "2mb", "--save", ""];
    assert!(stage.run_image(&image, "redis", &[], &command).ok);
    let ask = |words: &[&str]| docker(&[&["exec", &redis, "redis-cli"], words].concat());
    eventually("redis", Duration::from_secs(30), || {
        let said = ask(&["PING"]);
        if said.out.trim() == "PONG" { Ok(()) } else { Err(format!("{said:?}")) }
    });
    let daemon = daemon(docker_with(json!({&redis: {"data_store": "redis"}})), json!({}));
    let set = json!({"name": "maxmemory", "value": "4mb"});
    let target = Some(redis.as_str());
    drive(&daemon, &Row { operation: "set_parameter", target, arguments: set, calls: &["container.set_parameter"] });
    assert!(ask(&["CONFIG", "GET", "maxmemory"]).out.contains("4194304"));

    docker_ok(&["exec", "--detach", &redis, "redis-cli", "BLPOP", "nothing", "0"]);
    let session = eventually("a session", Duration::from_secs(30), || {
        let listed = facts(&daemon, "list_sessions", target, json!({}));
        listed["sessions"][0]["id"].as_str().map(str::to_owned).ok_or_else(|| listed.to_string())
    });
    let (arguments, calls) = (json!({"session": session}), ["container.terminate_session"]);
    drive(&daemon, &Row { operation: "terminate_session", target, arguments, calls: &calls });
    assert_eq!(facts(&daemon, "list_sessions", target, json!({}))["count"], 0);
}

#[test]
fn monitoring_is_asked_silenced_and_people_are_told() {
    let Some(stage) = have(&[Need::Prometheus]).then(Stage::open).flatten() else { return };
    assert!(stage.run("app", &[], &["sleep", "600"]).ok);
    let (address, port) = (format!("127.0.0.1:{}", free_port()), free_port());
    let watched = Watched { address: &address, labels: json!({"name": "x"}), alert: "Gone", expression: "up == 0" };
    let monitoring = Monitoring::start(&watched, free_port());
    let receiver = Receiver::on(port, |_, _| (204, json!("")));
    let mut environment = docker_with(json!({}));
    environment["prometheus"] = json!({"url": monitoring.prometheus()});
    environment["alertmanager"] = json!({"url": monitoring.alertmanager()});
    let channel = json!({"name": "ops", "kind": "webhook", "url": format!("http://127.0.0.1:{port}/hook"), "on": []});
    let daemon = daemon(environment, json!({"channels": [channel]}));

    assert_eq!(facts(&daemon, "query_metrics", None, json!({"query": "2 * 21"}))["value"], 42.0);
    eventually("the alert is held", Duration::from_secs(60), || {
        let held = facts(&daemon, "query_alerts", None, json!({"matchers": ["alertname=\"Gone\""]}));
        if held["firing"] == 1 { Ok(()) } else { Err(held.to_string()) }
    });
    let matchers = json!({"matchers": ["alertname=\"Gone\""], "duration": "10m"});
    let calls = ["alertmanager.silence"];
    drive(&daemon, &Row { operation: "silence_alert", target: None, arguments: matchers, calls: &calls });
    let am = monitoring.alertmanager().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let silences = Http::to(am, None).get("/api/v2/silences").expect("an answer").ok();
    assert_eq!((&silences[0]["status"]["state"], silences.as_array().map(Vec::len)), (&json!("active"), Some(1)));

    let arguments = json!({"channel": "ops", "title": "Deploy at noon", "body": "from a test"});
    drive(&daemon, &Row { operation: "notify", target: None, arguments, calls: &["notify.send"] });
    let told = receiver.received();
    assert_eq!((told.len(), &told[0].json()["title"]), (1, &json!("Deploy at noon")), "{told:?}");
}

#[test]
fn storage_is_pruned_of_what_nobody_needs() {
    let Some(engine) = PrivateEngine::start() else { return };
    let dangling = engine.image("app:v1", &["/bin/sleep", "1"]);
    let current = engine.image("app:v1", &["/bin/sleep", "600"]);
    engine.build("built:v1", "FROM app:v1 AS build\nCOPY ballast /ballast\nFROM app:v1\n", 2_000_000);
    let (_, cached) = engine.build_cache();
    assert!(cached >= 4_000_000, "the context and a copy of it: {cached}");
    engine.ok(&["run", "--detach", "--network", "none", "--name", "app", "app:v1"]);
    let mut environment = docker_with(json!({}));
    environment["docker"] = json!({"host": engine.host()});
    let daemon = daemon(environment, json!({}));
    let row = Row { operation: "prune_storage", target: None, arguments: json!({}), calls: &["container.prune"] };
    let step = drive(&daemon, &row).to_string();
    assert!(step.contains(&format!("and {} of build cache removed", ByteSize(cached))), "{step}");
    assert_eq!(engine.build_cache().1, 0);
    assert!(!engine.docker(&["image", "inspect", &dangling]).ok, "nobody needs it");
    assert!(engine.docker(&["image", "inspect", &current]).ok, "the service runs it");
    drop(daemon);
}

//! A changed configuration, taken over by a daemon that runs.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::program;
use crate::support::stage::Stage;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);

fn sleeping(seconds: u32) -> Value {
    json!({"argv": ["/bin/sleep", seconds.to_string()]})
}

fn environment(services: Value) -> Value {
    json!({"kind": "process", "inventory_every": "1s", "services": services})
}

fn services(daemon: &Daemon) -> Vec<String> {
    let all = daemon.http.get("/api/v1/services").expect("an answer").ok();
    let name =
        |one: &Value| format!("{}/{}", one["environment"].as_str().unwrap_or("?"), one["name"].as_str().unwrap_or("?"));
    all.as_array().expect("a list").iter().map(name).collect()
}

fn logs(daemon: &Daemon, what: &str) {
    eventually(what, WAIT, || if daemon.logged().contains(what) { Ok(()) } else { Err(daemon.logged()) });
}

fn metric(daemon: &Daemon, line: &str) {
    let text = daemon.http.get("/metrics").expect("an answer").text;
    assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
}

/// Asks for a restart by hand, and waits for the request for a decision.
fn asks(daemon: &Daemon, environment: &str, service: &str) -> (String, Value) {
    let body = json!({"environment": environment, "target": service, "arguments": {}});
    let begun = daemon.http.post("/api/v1/operations/restart_service", &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident").to_owned();
    let incident = daemon.wait_for(&id, "asking", WAIT, |incident| pending(incident).is_some());
    (id, pending(&incident).expect("a request"))
}

fn pending(incident: &Value) -> Option<Value> {
    incident["approvals"].as_array()?.iter().find(|approval| approval["state"] == "pending").cloned()
}

/// A channel's other end: what is posted to it.
fn listener() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                request.extend_from_slice(&buffer[..read]);
                if buffer[..read].ends_with(b"}") {
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if told.send(String::from_utf8_lossy(&request).into_owned()).is_err() {
                return;
            }
        }
    });
    (address, heard)
}

#[test]
fn a_changed_configuration_takes_effect_without_a_restart() {
    let one = environment(json!({"api": sleeping(1000), "left": sleeping(1000), "same": sleeping(1000)}));
    let daemon = Daemon::start(&Settings::of(json!({"one": one})));
    daemon.sees_services();
    let [api, left, same] = ["api", "left", "same"].map(|name| program(&daemon, "one", name));
    let (address, heard) = listener();
    let one = environment(json!({"api": sleeping(2000), "more": sleeping(1000), "same": sleeping(1000)}));
    let two = environment(json!({"web": sleeping(1000)}));
    let mut changed = Settings::of(json!({"one": one, "two": two}));
    changed.platform = json!({"channels": [{"name": "chat", "kind": "webhook", "url": address, "on": ["approval"]}]});
    daemon.reload(&changed);
    logs(&daemon, "the changed configuration is in force");
    assert_eq!(services(&daemon), ["one/api", "one/more", "one/same", "two/web"]);
    program(&daemon, "one", "more");
    program(&daemon, "two", "web");
    metric(&daemon, "oncalld_config_reloads_total{outcome=\"applied\"} 1");
    metric(&daemon, "oncalld_config_last_reload_successful 1");

    // Nothing is ended: what is not declared any more goes on, and people are told how to end it.
    for (name, before) in [("api", &api), ("left", &left), ("same", &same)] {
        assert_eq!(program(&daemon, "one", name), *before, "{name}");
    }
    logs(&daemon, "it runs and is not declared any more");
    logs(&daemon, "its declaration is another");
    assert!(daemon.logged().contains("service=\"left\""), "{}", daemon.logged());

    // The new channel hears, and a restart takes the new declaration.
    let (id, approval) = asks(&daemon, "one", "api");
    let said = heard.recv_timeout(WAIT).expect("the new channel is told");
    assert!(said.contains(&id), "{said}");
    daemon.approve(&approval);
    eventually("the new command", WAIT, || {
        let now = program(&daemon, "one", "api");
        let line = std::fs::read(format!("/proc/{}/cmdline", now.pid)).map_err(|error| error.to_string())?;
        if line.ends_with(b"2000\0") { Ok(()) } else { Err(format!("{line:?}")) }
    });
}

#[test]
fn what_is_wrong_or_cannot_change_is_refused_and_the_old_one_serves() {
    let first = Settings::of(json!({"one": environment(json!({"api": sleeping(1000)}))}));
    let daemon = Daemon::start(&first);
    daemon.sees_services();
    let mut elsewhere = Settings::of(json!({"other": environment(json!({"web": sleeping(1000)}))}));
    elsewhere.port = Some(crate::support::http::free_port());
    daemon.reload(&elsewhere);
    logs(&daemon, "cannot change while oncalld runs");
    let wrong = Settings::of(json!({"other": {"kind": "dokcer"}}));
    daemon.reload(&wrong);
    logs(&daemon, "environments.yml:1:");
    assert_eq!(services(&daemon), ["one/api"]);
    assert!(!daemon.folder().join("data/processes/other").exists(), "nothing of it was begun");
    metric(&daemon, "oncalld_config_reloads_total{outcome=\"refused\"} 2");
    metric(&daemon, "oncalld_config_last_reload_successful 0");
    let ready = daemon.http.get("/ready").expect("an answer");
    assert_eq!((ready.status, &ready.json()["degraded"][0]["dependency"]), (200, &json!("configuration")));
    daemon.reload(&first);
    logs(&daemon, "the changed configuration is in force");
    assert_eq!(daemon.http.get("/ready").expect("an answer").json()["degraded"], json!([]));
}

#[test]
fn an_incident_of_an_environment_that_is_gone_says_so_until_it_is_back() {
    let (one, two) = (environment(json!({"api": sleeping(1000)})), environment(json!({"web": sleeping(1000)})));
    let both = Settings::of(json!({"one": one, "two": two}));
    let daemon = Daemon::start(&both);
    daemon.sees_services();
    let web = program(&daemon, "two", "web");
    let (id, approval) = asks(&daemon, "two", "web");
    daemon.reload(&Settings::of(json!({"one": one})));
    let told = daemon.wait_for(&id, "told", WAIT, |incident| incident["state"] == "escalated");
    let reason = told["escalated"].as_str().unwrap_or_default();
    assert!(reason.contains("'two' is not configured any more"), "{told}");
    assert!(pending(&told).is_none(), "{told}");
    let path = format!("/api/v1/approvals/{}/approve", approval["id"].as_str().expect("an id"));
    let late = daemon.http.post(&path, &json!({"digest": approval["digest"]})).expect("an answer");
    assert_eq!(late.status, 409, "{}", late.text);
    logs(&daemon, "it runs and is not declared any more");
    assert_eq!(program(&daemon, "two", "web"), web, "it goes on");

    daemon.reload(&both);
    let again = daemon.wait_for(&id, "asking again", WAIT, |incident| pending(incident).is_some());
    daemon.approve(&pending(&again).expect("a request"));
    eventually("it was restarted", WAIT, || {
        if program(&daemon, "two", "web") == web { Err("no") } else { Ok(()) }.map_err(str::to_owned)
    });
}

#[test]
fn an_engine_is_watched_from_a_reload_on() {
    let Some(stage) = Stage::open() else { return };
    stage.run("api", &[], &["sleep", "600"]);
    let here = environment(json!({"web": sleeping(1000)}));
    let daemon = Daemon::start(&Settings::of(json!({"here": here})));
    let name = format!("engine/{}", stage.unique("api"));
    let engine = |every: &str| json!({"kind": "docker", "inventory_every": every});
    daemon.reload(&Settings::of(json!({"here": here, "engine": engine("1s")})));
    let seen = || if services(&daemon).contains(&name) { Ok(()) } else { Err(format!("{:?}", services(&daemon))) };
    eventually("its containers", WAIT, seen);
    daemon.reload(&Settings::of(json!({"engine": engine("2s")})));
    eventually("the first one is gone", WAIT, || {
        let all = services(&daemon);
        if all.contains(&name) && !all.contains(&"here/web".to_owned()) { Ok(()) } else { Err(format!("{all:?}")) }
    });
    assert_eq!(daemon.read("engine", "get_status", &stage.unique("api"))["state"], "running");
}

#[test]
fn the_log_says_more_or_less_from_a_reload_on() {
    let services = environment(json!({"api": sleeping(1000)}));
    let daemon = Daemon::start(&Settings::of(json!({"one": services})));
    daemon.sees_services();
    // What is written while an incident comes and goes.
    let written = || {
        let before = daemon.logged().len();
        let begun = daemon.http.post("/api/v1/diagnose/api", &json!({})).expect("an answer").ok();
        let id = begun["incident"].as_str().expect("an incident").to_owned();
        daemon.wait_for(&id, "closed", 2 * WAIT, |incident| incident["state"] == "closed");
        daemon.logged()[before..].to_owned()
    };
    let log = written();
    assert!(log.contains(" INFO ") && !log.contains("DEBUG"), "{log}");
    let at = |level: &str| {
        let mut settings = Settings::of(json!({"one": services}));
        settings.platform = json!({"telemetry": {"level": level}});
        daemon.reload(&settings);
    };
    at("debug");
    logs(&daemon, "the log's level changes from=\"info\" to=\"debug\"");
    eventually("lines of debug", 2 * WAIT, || if written().contains("DEBUG") { Ok(()) } else { Err(daemon.logged()) });
    logs(&daemon, "telemetry.level (info before, debug now)");
    at("oncalld=loud");
    logs(&daemon, "the changed configuration is refused");
    assert!(daemon.logged().contains("'oncalld=loud' is no level"), "{}", daemon.logged());
    at("error");
    eventually("silence", 2 * WAIT, || match written() {
        log if log.contains(" INFO ") || log.contains("DEBUG") => Err(log),
        _ => Ok(()),
    });
}

//! Redis and PostgreSQL as processes: settings and sessions through a running daemon, asked for over HTTP and decided by a
//! person. In containers they are among the operations of Docker.

use crate::operations::{Row, daemon, drive, facts};
use crate::support::command::{Said, eventually, run};
use crate::support::daemon::Daemon;
use crate::support::drive::{calls, pending};
use crate::support::http::free_port;
use crate::support::need::{Need, have};
use crate::support::postgresql::Postgresql;
use crate::support::receiver::Receiver;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// A start, an answer, a check that must fail to its end: on a machine that does other things as well.
const LIMIT: Duration = Duration::from_secs(240);

/// A daemon that runs this one service, `db`, and sees it ready.
fn running(service: Value) -> Daemon {
    let daemon = daemon(json!({"kind": "process", "inventory_every": "1s", "services": {"db": service}}), json!({}));
    eventually("it is ready", LIMIT, || {
        let status = daemon.read("here", "get_status", "db");
        if status["ready"] == true { Ok(()) } else { Err(status.to_string()) }
    });
    daemon
}

fn set(daemon: &Daemon, name: &str, value: &str) {
    let arguments = json!({"name": name, "value": value});
    let calls = ["process.set_parameter"];
    drive(daemon, &Row { operation: "set_parameter", target: Some("db"), arguments, calls: &calls });
}

/// Ends the one session that there is.
fn end_session(daemon: &Daemon) {
    let listed = || facts(daemon, "list_sessions", Some("db"), json!({}));
    let session = eventually("a session", LIMIT, || {
        let listed = listed();
        listed["sessions"][0]["id"].as_str().map(str::to_owned).ok_or_else(|| listed.to_string())
    });
    let (arguments, calls) = (json!({"session": session}), ["process.terminate_session"]);
    drive(daemon, &Row { operation: "terminate_session", target: Some("db"), arguments, calls: &calls });
    assert_eq!(listed()["count"], 0);
}

fn said(answer: &Said) -> &str {
    answer.out.trim()
}

#[test]
fn redis_is_set_and_rid_of_a_session() {
    if !have(&[Need::Redis]) {
        return;
    }
    let port = free_port().to_string();
    let address = format!("127.0.0.1:{port}");
    let argv = ["redis-server", "--port", &port, "--save", "", "--appendonly", "no"];
    let daemon = running(json!({
        "argv": argv, "address": address, "health": format!("tcp://{address}"), "data_store": "redis",
    }));
    set(&daemon, "maxmemory", "4mb");
    let now = run(Command::new("redis-cli").args(["-p", &port, "CONFIG", "GET", "maxmemory"]), LIMIT);
    assert!(now.out.contains("4194304"), "{now:?}");
    let _client = TcpStream::connect(&address).expect("a connection");
    end_session(&daemon);
}

fn declared(database: &Postgresql, health: &str) -> Value {
    json!({"argv": database.argv(), "address": database.address(), "health": health, "data_store": "postgresql"})
}

#[test]
fn postgresql_is_set_and_rid_of_a_session() {
    let Some(database) = Postgresql::make() else { return };
    let daemon = running(declared(&database, &format!("tcp://{}", database.address())));
    set(&daemon, "work_mem", "8MB");
    assert_eq!(said(&database.ask("SHOW work_mem")), "8MB");
    let _session = database.begin("SELECT pg_sleep(600)");
    end_session(&daemon);
}

#[test]
fn a_setting_of_postgresql_that_makes_it_worse_is_taken_back() {
    let Some(database) = Postgresql::make().map(std::sync::Arc::new) else { return };
    // Whoever tells whether it is well cannot work with so little.
    let (port, asked) = (free_port(), database.clone());
    let _judge = Receiver::on(port, move |_, _| match said(&asked.ask("SHOW work_mem")) {
        "64kB" | "" => (503, json!("too little")),
        _ => (200, json!("well")),
    });
    let daemon = running(declared(&database, &format!("http://127.0.0.1:{port}/")));
    let arguments = json!({"name": "work_mem", "value": "64kB"});
    let body = json!({"environment": "here", "target": "db", "arguments": arguments});
    let begun = daemon.http.post("/api/v1/operations/set_parameter", &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident");
    let asked = daemon.wait_for(id, "asking", LIMIT, |incident| !pending(incident).is_empty());
    let request = pending(&asked)[0];
    assert!(request["undo"].as_str().is_some_and(|undo| undo.contains("4MB")), "{request}");
    daemon.approve(request);
    eventually("it is set", LIMIT, || {
        let now = database.ask("SHOW work_mem");
        if said(&now) == "64kB" { Ok(()) } else { Err(format!("{now:?}")) }
    });
    let end = daemon.wait_for(id, "taken back", LIMIT, |incident| {
        incident["state"] == "closed" || incident["state"] == "escalated" || !pending(incident).is_empty()
    });
    let steps = end["steps"].as_array().expect("steps");
    let action = steps.iter().map(|step| &step["action"]).find(|action| !action.is_null()).expect("an action");
    assert_eq!((&action["verify"]["held"], &action["undone"]), (&json!(false), &json!(true)), "{}", daemon.story(id));
    assert_eq!(calls(&daemon.journal(id)), ["process.set_parameter", "process.set_parameter"], "{}", daemon.story(id));
    assert_eq!(end["approvals"].as_array().map(Vec::len), Some(1), "the approval covered it: {}", daemon.story(id));
    assert_eq!(said(&database.ask("SHOW work_mem")), "4MB");
}

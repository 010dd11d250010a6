//! The command line against a running daemon, and without one.

use crate::model::scripted::{Reply, Scripted};
use crate::support::command::{Said, run};
use crate::support::daemon::{Daemon, ONCALLD, Settings, delivery};
use crate::support::drive::pending;
use crate::support::http::free_port;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use std::process::Command;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(60);

fn alone(arguments: &[&str]) -> Said {
    run(Command::new(ONCALLD).args(arguments), WAIT)
}

fn daemon() -> Daemon {
    let services = json!({"api": {"argv": ["/bin/sleep", "1000"]}});
    let daemon = Daemon::start(&Settings::of(json!({"local": {"kind": "process", "services": services}})));
    daemon.sees_services();
    daemon
}

fn json_of(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {} {}", said.out, said.err))
}

#[test]
fn without_a_daemon_it_says_what_to_do() {
    let url = format!("http://127.0.0.1:{}", free_port());
    for command in ["incidents", "watch", "stop", "health"] {
        let said = alone(&[command, "--url", &url]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains(&format!("no daemon answers at {url}: start one with `oncalld serve`")), "{said:?}");
        assert!(said.out.is_empty(), "{said:?}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for wrong in [&["nope"][..], &["show"], &["incidents", "--limit", "0"], &["incidents", "--url", "ftp://x"]] {
        assert_eq!(alone(wrong).code, Some(2), "{wrong:?}");
    }
    assert_eq!(alone(&["--version"]).code, Some(0));
    assert_eq!(alone(&["--help"]).code, Some(0));
}

#[test]
fn an_incident_is_listed_shown_and_reported_by_the_beginning_of_its_id() {
    let daemon = daemon();
    let said = daemon.cli(&["diagnose", "api", "--note", "by the test", "--wait", "--json"]);
    let incident = json_of(&said);
    assert_eq!((incident["verdict"].as_str(), said.code), (Some("no_fault"), Some(0)), "{said:?}");
    let id = incident["id"].as_str().expect("an id");
    let listed = daemon.cli(&["incidents"]);
    assert!(listed.out.contains(id) && listed.out.contains("no_fault"), "{listed:?}");
    assert!(!listed.out.contains('\u{1b}'), "no colours into a pipe: {listed:?}");
    let beginning = &id[..8];
    let shown = daemon.cli(&["show", beginning]);
    assert!(shown.out.contains(id) && shown.out.contains("get_status api … ok"), "{shown:?}");
    let report = daemon.cli(&["report", beginning]);
    assert!(report.ok && report.out.contains(id), "{report:?}");
    let said = daemon.cli(&["show", "inc_zzzz"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let near = daemon.cli(&["diagnose", "apo"]);
    assert!(near.code == Some(1) && near.err.contains("did you mean api?"), "{near:?}");
    let watched = daemon.cli(&["diagnose", "api", "--watch"]);
    assert!(watched.ok && watched.out.contains("verdict"), "{watched:?}");
}

#[test]
fn a_decision_shows_what_it_is_about_and_needs_a_yes() {
    let daemon = daemon();
    let begun = json_of(&daemon.cli(&["run", "restart_service", "api", "--json"]));
    let id = begun["incident"].as_str().expect("an incident").to_owned();
    let waiting = daemon.wait_for(&id, "waiting for a decision", WAIT, |incident| {
        incident["approvals"].as_array().is_some_and(|all| !all.is_empty())
    });
    let approval = waiting["approvals"][0]["id"].as_str().expect("an id").to_owned();
    let said = daemon.cli(&["approve", &approval[..8]]);
    assert_eq!(said.code, Some(2), "without a terminal it needs --yes: {said:?}");
    assert!(said.out.contains("$ ") && said.out.contains("digest"), "{said:?}");
    let said = daemon.cli(&["deny", &approval[..8], "--yes", "--comment", "not now"]);
    assert!(said.ok && said.out.contains("is denied"), "{said:?}");
    let said = daemon.cli(&["approve", &approval, "--yes"]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn the_kill_switch_can_be_thrown_and_reset() {
    let daemon = daemon();
    let state = |arguments: &[&str]| json_of(&daemon.cli(arguments))["on"].clone();
    assert_eq!(state(&["stop", "--status", "--json"]), false);
    assert_eq!(state(&["stop", "--reason", "test", "--json"]), true);
    assert_eq!(state(&["stop", "--status", "--json"]), true);
    assert_eq!(state(&["stop", "--off", "--json"]), false);
}

#[test]
fn a_plan_is_shown_and_nothing_is_touched() {
    let daemon = daemon();
    let file = daemon.folder().join("alert.json");
    let labels = json!({"alertname": "Down", "service": "api", "severity": "critical"});
    std::fs::write(&file, delivery("firing", &labels).to_string()).expect("a file");
    let config = daemon.folder().join("config");
    let arguments = ["plan", file.to_str().expect("text"), "--config", config.to_str().expect("text")];
    let said = daemon.cli(&arguments);
    assert!(said.ok, "{said:?}");
    for part in ["local/api", "triage", "get_status api", "$ "] {
        assert!(said.out.contains(part), "{part}: {said:?}");
    }
    assert_eq!(daemon.http.get("/api/v1/incidents").expect("an answer").ok()["items"], json!([]));
    let said = daemon.cli(&[&arguments[..], &["--json"]].concat());
    assert_eq!(json_of(&said)["incidents"][0]["service"], "api", "{said:?}");
    std::fs::write(&file, "{}").expect("a file");
    let said = daemon.cli(&arguments);
    assert!(said.code == Some(1) && said.err.contains("/version"), "{said:?}");
}

#[test]
fn a_journal_is_verified_and_a_forged_one_is_found_out() {
    let mut daemon = daemon();
    assert!(daemon.cli(&["diagnose", "api", "--wait"]).ok);
    let config = daemon.folder().join("config");
    let verify = ["journal", "verify", "--json", "--config", config.to_str().expect("text")];
    let said = daemon.cli(&verify);
    assert!(said.ok && json_of(&said)["events"].as_u64().is_some_and(|count| count > 5), "{said:?}");
    assert_eq!(daemon.stop(), Some(0));
    assert!(daemon.cli(&verify).ok);
    let forged = forge(&daemon);
    let said = daemon.cli(&verify[..2].iter().chain(&verify[3..]).copied().collect::<Vec<_>>());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains(&forged.to_string()), "event {forged} is named: {said:?}");
}

/// Changes what somebody is on record to have said; the number of that event.
fn forge(daemon: &Daemon) -> i64 {
    let path = daemon.folder().join("data/journal.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut journal = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("a journal");
        let forged = "UPDATE events SET body = replace(body, 'api', 'web') \
                      WHERE seq = (SELECT min(seq) FROM events WHERE body LIKE '%api%') RETURNING seq";
        let seq: i64 = sqlx::query_scalar(forged).fetch_one(&mut journal).await.expect("an event");
        journal.close().await.expect("it is written");
        seq
    })
}

#[test]
fn who_has_the_wheel_holds_everything_until_it_is_given_back() {
    let daemon = daemon();
    let said = daemon.cli(&["run", "restart_service", "api", "--json"]);
    assert!(said.ok, "{said:?}");
    let id = json_of(&said)["incident"].as_str().expect("an incident").to_owned();
    let asks = |incident: &Value| incident["approvals"].as_array().is_some_and(|all| !all.is_empty());
    daemon.wait_for(&id, "asking", WAIT, asks);
    assert!(daemon.cli(&["take-over", &id]).ok);
    assert!(daemon.cli(&["comment", &id, "I am looking at it myself"]).ok);
    daemon.cli(&["approve", &id, "--yes"]);
    let held = daemon.wait_for(&id, "taken over", WAIT, |incident| incident["taken_over_by"] == "local");
    assert_eq!(held["comments"][0]["text"], "I am looking at it myself");
    let sent = || daemon.journal(&id).iter().filter(|event| event["kind"] == "call_intended").count();
    assert_eq!(sent(), 0, "{}", daemon.story(&id));
    assert!(daemon.cli(&["release", &id]).ok);
    let again = daemon.wait_for(&id, "free again", WAIT, |incident| incident["taken_over_by"].is_null());
    if !pending(&again).is_empty() {
        assert!(daemon.cli(&["approve", &id, "--yes"]).ok, "by the incident's own id");
    }
    daemon.wait_for(&id, "closed", 3 * WAIT, |incident| incident["state"] == "closed");
    assert_eq!(sent(), 1, "{}", daemon.story(&id));
    let history = daemon.cli(&["history", "api"]);
    assert!(history.ok, "{history:?}");
}

#[test]
fn every_error_of_a_configuration_is_listed_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config");
    std::fs::create_dir(&config).expect("a folder");
    std::fs::write(config.join("platform.yml"), "listen: nowhere\nlimits:\n  bodyy: 1MiB\n").expect("a file");
    std::fs::write(config.join("environments.yml"), "local:\n  kind: proces\n").expect("a file");
    let said = alone(&["check", "--config", config.to_str().expect("text")]);
    assert_eq!(said.code, Some(2), "{said:?}");
    for place in ["platform.yml:1:", "platform.yml:3:", "environments.yml:2:"] {
        assert!(said.out.contains(place) || said.err.contains(place), "{place}: {said:?}");
    }
    let served = alone(&["serve", "--config", config.to_str().expect("text")]);
    assert_eq!(served.code, Some(2), "{served:?}");
    assert!(alone(&["check"]).ok, "what is compiled in is right");
}

/// A folder of configuration with these files.
fn configured(files: &[(&str, serde_json::Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content.to_string()).expect("a file");
    }
    folder
}

#[test]
fn each_model_is_asked_whether_it_can_be_used() {
    let server = Scripted::with(|_, asked| match asked.body["model"].as_str() {
        Some("good") => Reply::openai(r#"{"answer": "ready"}"#),
        Some("chatty") => Reply::openai("Sure! I am ready."),
        Some("gone") => Reply::json(404, json!({"error": {"message": "no such model"}})),
        _ => Reply::json(401, json!({"error": {"message": "unknown key key-4711-secret"}})),
    });
    let model = |name: &str, address: &str| {
        json!({"provider": "compatible", "base_url": address, "model": name, "key": "key-4711-secret",
            "prices": {"input": 1.0, "output": 1.0}})
    };
    let address = format!("{}/v1", server.address());
    let mut models: serde_json::Map<String, serde_json::Value> = ["good", "chatty", "gone", "keyless"]
        .map(|name| (name.to_owned(), model(name, &address)))
        .into_iter()
        .collect();
    models.insert("away".into(), model("good", "http://127.0.0.1:9/v1"));
    let folder = configured(&[("agents.yml", json!({"models": models}))]);
    let path = folder.path().to_str().expect("text");

    let offline = alone(&["check", "--config", path]);
    assert!(offline.ok && server.asked().is_empty(), "{offline:?}");
    let said = alone(&["check", "--live", "--config", path]);
    assert_eq!((said.code, server.asked().len()), (Some(1), 4), "{said:?}");
    let of = |name: &str| {
        let start = format!("model {name}: ");
        said.out.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{name}: {said:?}"))
    };
    assert!(
        of("good").starts_with("answers in the form") && of("good").contains("1100 tokens, cost 0.0011"),
        "{said:?}"
    );
    for (name, told) in [
        ("chatty", "says 'Sure! I am ready.'; choose a model with structured output"),
        ("gone", "(404): no such model; correct 'model', or 'base_url'"),
        ("keyless", "correct 'key' in agents.yml"),
        ("away", "check 'base_url'"),
    ] {
        assert!(of(name).contains(told), "{name}: {said:?}");
    }
    assert!(!said.out.contains("4711"), "{said:?}");
    assert!(alone(&["check", "--live"]).out.contains("no models are configured"));
}

#[test]
fn a_quorum_that_nobody_can_meet_is_warned_of() {
    let hash = |token: &str| oncalld::domain::Digest::of(token.as_bytes());
    let token = |name: &str, role: &str| json!({"name": name, "role": role, "hash": hash(name)});
    let tokens = |approvers: &[&str]| {
        let mut all = vec![token("vera", "viewer")];
        all.extend(approvers.iter().map(|name| token(name, "approver")));
        json!({"tokens": all})
    };
    let two = json!({"defaults": {"quorum": 2}});
    let warned = |approvers: &[&str]| {
        let folder = configured(&[("platform.yml", tokens(approvers)), ("policies.yml", two.clone())]);
        let said = alone(&["check", "--config", folder.path().to_str().expect("text")]);
        assert!(said.ok, "{said:?}");
        said.out.lines().filter(|line| line.starts_with("warning: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let one = warned(&["ann"]);
    assert!(one[0].contains("'defaults' wants 2 with the role 'approver' to approve, and there can be 1"), "{one:?}");
    assert_eq!(warned(&["ann", "bob"]), Vec::<String>::new());
}

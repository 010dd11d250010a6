//! Operations asked for by hand have the same effect in every kind of environment, and return the same fields.

use super::place::{Place, answers};
use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{calls, pending};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Every operation that only looks at one service, or at all of them, and needs no argument.
pub const READINGS: &[&str] = &[
    "list_services",
    "get_status",
    "get_logs",
    "get_events",
    "check_resources",
    "check_health",
    "check_processes",
    "check_disk",
    "get_config",
    "get_dependencies",
    "get_history",
    "get_image",
];

/// What a service prints until its log counts as full, in bytes.
const CHATTER: u64 = 300_000;

/// Effects need not hold for long, and there may be many.
fn hasty(settings: &mut Settings) {
    settings.files.push(("config/operations.yml".into(), oncalld::demo::stage::quick_operations()));
    let many = json!({"per_target": 100, "per_environment": 100});
    settings.policies = Some(json!({"budgets": many, "flap": {"times": 100}}));
}

/// Asks for an operation on `api`, approves what is asked about, and returns the native calls that were sent.
fn run(place: &Place, daemon: &Daemon, operation: &str, arguments: Value) -> Vec<String> {
    let body = json!({"environment": "here", "target": place.name("api"), "arguments": arguments});
    let begun = daemon.http.post(&format!("/api/v1/operations/{operation}"), &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident").to_owned();
    let end = daemon.wait_for(&id, "done", Duration::from_secs(120), |incident| {
        pending(incident).into_iter().for_each(|request| daemon.approve(request));
        incident["state"] == "closed" || incident["state"] == "escalated"
    });
    assert_eq!(end["steps"][0]["status"], "succeeded", "{operation}\n{}", daemon.story(&id));
    calls(&daemon.journal(&id))
}

/// A service is restarted, limited, configured anew and stopped.
pub fn changes(place: &Place) {
    let daemon = place.open_with(hasty);
    let api = place.name("api");
    let status = || daemon.read("here", "get_status", &api);
    let run = |operation: &str, arguments: Value| run(place, &daemon, operation, arguments);
    let before = status();
    assert_eq!(run("restart_service", json!({"timeout": "1s"})), place.calls(&["restart"]));
    let after = status();
    assert!(after["ready"] == true && after["started_at"] != before["started_at"], "{after}");
    assert_eq!(run("update_resources", json!({"memory": "96MiB"})), place.calls(&["update"]));
    assert_eq!(status()["memory_limit"], 96 << 20);
    assert_eq!(run("update_config", json!({"set": {"COLOUR": "blue"}})), place.calls(&["recreate"]));
    let config = daemon.read("here", "get_config", &api);
    assert!(config["environment"]["COLOUR"].is_string(), "{config}");
    assert_eq!(status()["memory_limit"], 96 << 20, "what was changed before stays");
    assert_eq!(run("stop_service", json!({"timeout": "1s"})), place.calls(&["stop"]));
    assert_eq!(status()["running"], false);
    assert!(answers(place.port("api")).is_err());
}

/// A full disk is cleared below the declared path and nowhere else; a log is cut, its end is kept, and it goes on.
pub fn storage(place: &Place) {
    let Some(disk) = place.disk() else { return };
    let (api, data, cache) = (place.name("api"), disk.path(), format!("{}/cache", disk.path()));
    let daemon = place.open_with(|settings| {
        hasty(settings);
        settings.environments["here"]["services"][&api]["clearable"] = json!([cache]);
    });
    let seen = || daemon.read("here", "check_disk", &api);
    let percent = |seen: &Value| {
        let mounts = seen["mounts"].as_array().expect("a list");
        let found = mounts.iter().find(|mount| mount["path"] == data);
        found.and_then(|mount| mount["percent"].as_f64()).unwrap_or_else(|| panic!("no {data}: {seen}"))
    };
    place.shell(&format!(
        "echo kept >{data}/file; mkdir -p {cache}/deep; ln -s {data} {cache}/out; \
         dd if=/dev/zero of={cache}/deep/blob bs=4k 2>&1 || true"
    ));
    let full = seen();
    let declared = &full["clearable"][0];
    assert_eq!((&declared["path"], &declared["mount"]), (&json!(cache), &json!(data)), "{full}");
    assert!(declared["size"].as_u64() > Some(900 << 10) && percent(&full) > 95.0, "{full}");
    assert_eq!(run(place, &daemon, "clear_path", json!({"path": cache})), place.calls(&["clear_path"]));
    assert!(percent(&seen()) < 10.0, "{}", seen());
    assert_eq!(place.shell(&format!("ls -A {cache} | wc -l; cat {data}/file")), "0\nkept");

    place.print(&format!("head -c {CHATTER} /dev/zero | tr '\\0' x | fold -w 100; echo; echo the end"));
    let size = |seen: &Value| seen["log_size"].as_u64().expect("a size");
    eventually("the log is written", Duration::from_secs(60), || {
        let seen = seen();
        if size(&seen) > CHATTER && logged(&daemon, &api, "the end") { Ok(()) } else { Err(seen.to_string()) }
    });
    assert_eq!(run(place, &daemon, "rotate_logs", json!({})), place.calls(&["rotate_logs"]));
    assert!(size(&seen()) < CHATTER / 10, "{}", seen());
    assert!(!logged(&daemon, &api, "the end"));
    let objects = fs::read_dir(daemon.folder().join("data/restore/objects")).expect("what was kept");
    let kept = |text: String| text.contains("xxxxxxxxxx") && text.contains("the end");
    assert!(objects.flatten().any(|object| fs::read_to_string(object.path()).is_ok_and(kept)));
    place.print("echo and on it goes");
    eventually("the log goes on", Duration::from_secs(60), || {
        if logged(&daemon, &api, "and on it goes") { Ok(()) } else { Err(seen().to_string()) }
    });
}

/// Whether the log of a service has this line.
fn logged(daemon: &Daemon, service: &str, line: &str) -> bool {
    let logs = daemon.read("here", "get_logs", service);
    logs["lines"].as_array().expect("a list").iter().any(|one| one["text"] == line)
}

/// The fields of an object, and of objects in it, by path.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Value::Object(object) = value {
        for (name, inner) in object {
            let path = format!("{path}.{name}");
            fields(inner, &path, found);
            found.insert(path);
        }
    }
}

/// What every operation that only reads returns here.
pub fn readings(place: &Place) -> Vec<(&'static str, BTreeSet<String>)> {
    let daemon = place.open();
    let read = |name: &&'static str| {
        let target = if *name == "list_services" { String::new() } else { place.name("api") };
        let facts = daemon.read("here", name, &target);
        let mut found = BTreeSet::new();
        fields(&facts, "", &mut found);
        assert!(!found.is_empty(), "{name} returned nothing");
        found.retain(|path| !path.starts_with(".environment.")); // names of variables
        (*name, found)
    };
    READINGS.iter().map(read).collect()
}

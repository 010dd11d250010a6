//! Logs that nobody bounds, read by the daemon: what it answers with is capped, and its memory does not grow with them.

use super::{WAIT, idle};
use crate::support::daemon::{Daemon, Settings};
use crate::support::stage::{Stage, docker_ok};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

/// What the daemon may take more than before: a few times the largest result, far below any of these logs.
const GROWTH: u64 = 64 << 20;

/// The most memory that the daemon ever had, in bytes.
fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") << 10
}

/// Reads a service's logs through the daemon, which must stay small.
fn logs(daemon: &Daemon, environment: &str, service: &str) -> Value {
    let before = peak(daemon);
    let logs = daemon.read(environment, "get_logs", service);
    let grown = peak(daemon) - before;
    eprintln!("{service}: the daemon's peak grew by {} MiB from {} MiB", grown >> 20, before >> 20);
    assert!(grown < GROWTH, "the daemon grew by {} MiB", grown >> 20);
    let text = logs.to_string();
    assert!(text.len() < 1 << 20, "{} bytes are shown", text.len());
    logs
}

fn texts(logs: &Value) -> Vec<&str> {
    logs["lines"].as_array().expect("lines").iter().filter_map(|line| line["text"].as_str()).collect()
}

#[test]
fn a_gibibyte_and_a_line_without_end_of_a_process_are_capped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("api.log");
    let mut environments = idle("api");
    environments["local"]["services"]["api"]["log_file"] = json!(log);
    let daemon = Daemon::start(&Settings::of(environments));
    daemon.sees_services();
    // A gibibyte that takes no room: one endless line of noise, and at its end what counts.
    let mut file = File::options().create(true).truncate(false).write(true).open(&log).expect("the log");
    file.seek(SeekFrom::Start(1 << 30)).expect("a place");
    file.write_all(b"\xff\xfe\x00\x1b[31m noise\n").expect("a line");
    file.write_all(b"2026-01-02T03:04:05.000000000Z stderr F ERROR the last\n").expect("a line");
    drop(file);
    let logs = logs(&daemon, "local", "api");
    assert!(texts(&logs).last().is_some_and(|text| text.ends_with("ERROR the last")), "{:?}", texts(&logs).last());
    assert!(logs["read"].as_u64() <= Some(66 << 20), "{}", logs["read"]);
    let clean = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    assert!(texts(&logs).iter().all(clean));
    assert_eq!(daemon.http.get("/health").expect("an answer").status, 200);
}

#[test]
fn a_gibibyte_a_line_of_a_hundred_mebibytes_and_noise_of_containers_are_capped() {
    let Some(stage) = Stage::open() else { return };
    let scripts = [
        ("long", "head -c 104857600 /dev/zero | tr '\\0' x; echo; echo 'ERROR the last'"),
        ("noise", "head -c 4000000 /dev/urandom; echo; echo 'ERROR the last'"),
        (
            "gibibyte",
            "line=$(head -c 16000 /dev/zero | tr '\\0' z); yes \"$line\" | head -n 67200; echo 'ERROR the last'",
        ),
    ];
    for (name, script) in scripts {
        let said = stage.run(name, &[], &["sh", "-c", script]);
        assert!(said.ok, "{}", said.err);
    }
    let daemon = Daemon::start(&Settings::of(json!({"docker": {"kind": "docker", "inventory_every": "1s"}})));
    daemon.sees_services();
    for (name, _) in scripts {
        let name = stage.unique(name);
        crate::support::command::eventually("the log is written", 3 * WAIT, || {
            match docker_ok(&["inspect", "--format", "{{.State.Status}}", &name]).as_str() {
                "exited" => Ok(()),
                other => Err(other.to_owned()),
            }
        });
        let logs = logs(&daemon, "docker", &name);
        assert_eq!(texts(&logs).last(), Some(&"ERROR the last"), "{name}");
        let clean = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
        assert!(texts(&logs).iter().all(clean), "{name}");
    }
}

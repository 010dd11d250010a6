//! Logs that nobody bounds.

use super::Rig;
use crate::support::stage::{Stage, docker_ok};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn texts(logs: &Value) -> Vec<&str> {
    logs["lines"].as_array().expect("lines").iter().map(|line| line["text"].as_str().expect("a text")).collect()
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") << 10
}

#[tokio::test]
async fn streams_levels_and_patterns_choose_lines() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let script = "echo 'INFO ready'; echo 'ERROR lost' >&2; echo '  at one (a.js:1)' >&2; echo '  at two' >&2; echo 'DEBUG x'; \
                  head -c 5000 /dev/zero | tr '\\0' y; echo; printf 'no end'";
    stage.run("app", &[], &["sh", "-c", script]);
    let app = stage.unique("app");
    docker_ok(&["wait", &app]);
    let all = rig.read("container.logs", json!({"containers": [app]})).await;
    assert_eq!((&all["matched"], &all["truncated"]), (&json!(5), &json!(true)), "one line is cut: {all}");
    let errors = rig.read("container.logs", json!({"containers": [app], "level": "error"})).await;
    assert_eq!(texts(&errors), ["ERROR lost\n  at one (a.js:1)\n  at two"], "{errors}");
    assert_eq!((&errors["lines"][0]["stream"], &errors["lines"][0]["instance"]), (&json!("stderr"), &json!(app)));
    let chosen = rig.read("container.logs", json!({"containers": [app], "pattern": "^(INFO|no)", "tail": 1})).await;
    assert_eq!((texts(&chosen), &chosen["matched"]), (vec!["no end"], &json!(2)));
    let at = all["lines"][0]["at"].as_str().expect("a time").to_owned();
    let early = rig.read("container.logs", json!({"containers": [app], "until": "2020-01-01T00:00:00Z"})).await;
    assert_eq!(texts(&early), Vec::<&str>::new());
    let since = rig.read("container.logs", json!({"containers": [app], "since": at})).await;
    assert_eq!(since["matched"], 5, "{since}");
    assert!(rig.try_read("container.logs", json!({"containers": [app], "pattern": "("})).await.is_err());
}

#[tokio::test]
async fn what_a_container_holds_as_secret_is_not_read_from_its_log() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let variables =
        ["--env", "DB_PASSWORD=horse battery", "--env", "CACHE=redis://:opensesame@cache", "--env", "MODE=production"];
    stage.run("app", &variables, &["sh", "-c", "echo \"$DB_PASSWORD in $MODE\"; echo refused: opensesame"]);
    let app = stage.unique("app");
    docker_ok(&["wait", &app]);
    let logs = rig.read("container.logs", json!({"containers": [app]})).await;
    let config = rig.read("container.config", json!({"containers": [app], "service": app})).await;
    let placeholder = config["environment"]["DB_PASSWORD"].as_str().expect("a placeholder");
    let texts = texts(&logs);
    assert_eq!(texts[0], format!("{placeholder} in production"), "{logs}");
    assert!(texts[1].starts_with("refused: [redacted:"), "{logs}");
}

#[tokio::test]
async fn a_terminals_endless_line_is_cut() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let script = "head -c 104857600 /dev/zero | tr '\\0' x; echo; echo after";
    stage.run("tty", &["--tty"], &["sh", "-c", script]);
    let tty = stage.unique("tty");
    docker_ok(&["wait", &tty]);
    let (started, before) = (Instant::now(), resident());
    let logs = rig.read("container.logs", json!({"containers": [tty]})).await;
    assert!(
        logs["lines"]
            .as_array()
            .is_some_and(|lines| lines.iter().all(|line| line["text"].as_str().map_or(0, str::len) <= 4200))
    );
    assert_eq!(logs["truncated"], true, "{}", logs["read"]);
    assert!(logs["read"].as_u64() <= Some(66 << 20), "{}", logs["read"]);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let grown = resident().saturating_sub(before);
    assert!(grown < 96 << 20, "{} MiB more", grown >> 20);
    let tail = rig.read("container.logs", json!({"containers": [tty], "tail": 1})).await;
    assert_eq!(texts(&tail), ["after"]);
}

#[tokio::test]
async fn a_huge_log_is_read_from_its_end_in_little_memory() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    // Lines of 4 KiB: fifty thousand of them are 200 MiB.
    let script = "line=$(head -c 4080 /dev/zero | tr '\\0' z); yes \"$line\" | head -n 50000; echo 'ERROR the last'";
    stage.run("huge", &[], &["sh", "-c", script]);
    let huge = stage.unique("huge");
    docker_ok(&["wait", &huge]);
    let (started, before) = (Instant::now(), resident());
    let logs = rig.read("container.logs", json!({"containers": [huge], "level": "error"})).await;
    assert_eq!(texts(&logs), ["ERROR the last"], "the newest lines count");
    assert_eq!(logs["truncated"], true);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let plain = rig.read("container.logs", json!({"containers": [huge]})).await;
    assert!(texts(&plain).iter().map(|text| text.len()).sum::<usize>() <= 256 << 10);
    assert_eq!(texts(&plain).last(), Some(&"ERROR the last"));
    let grown = resident().saturating_sub(before);
    assert!(grown < 96 << 20, "{} MiB more", grown >> 20);
}

#[tokio::test]
async fn binary_noise_does_no_harm() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let script = "printf '\\001\\000\\002'; head -c 1000000 /dev/urandom; echo; printf '\\033[31mred\\033[0m\\n'";
    for (name, options) in [("plain", &[][..]), ("tty", &["--tty"])] {
        stage.run(name, options, &["sh", "-c", script]);
        let name = stage.unique(name);
        docker_ok(&["wait", &name]);
        let logs = rig.read("container.logs", json!({"containers": [name]})).await;
        assert_eq!(texts(&logs).last(), Some(&"red"), "{name}");
        let clean = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
        assert!(texts(&logs).iter().all(clean), "{name}");
    }
}

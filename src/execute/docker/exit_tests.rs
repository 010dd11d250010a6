use super::*;
use chrono::{Duration, TimeZone as _, Utc};

fn at(seconds: f64) -> Timestamp {
    Utc.timestamp_opt(1_800_000_000, 0).unwrap() + Duration::milliseconds((seconds * 1_000.0) as i64)
}

/// `start`, `oom`, `kill:9`, `die:137`, each with its second.
fn events(script: &[(f64, &str)]) -> Vec<LifeEvent> {
    script
        .iter()
        .map(|(second, event)| {
            let (action, value) = event.split_once(':').unwrap_or((event, ""));
            let name = if action == "kill" { "signal" } else { "exitCode" };
            LifeEvent { at: at(*second), action: action.into(), attributes: [(name.into(), value.into())].into() }
        })
        .collect()
}

fn exited(code: i64, finished: f64, flag: bool, script: &[(f64, &str)]) -> ExitReason {
    let observed = Observed {
        state: "exited",
        exit_code: code,
        oom_killed: flag,
        started_at: Some(at(0.0)),
        finished_at: Some(at(finished)),
        ..Observed::default()
    };
    classify(&observed, &events(script), at(finished + 60.0)).reason
}

#[test]
fn the_ways_to_end_with_137_are_told_apart() {
    for (expected, flag, script) in [
        (ExitReason::Oom, true, &[(0.0, "start"), (9.8, "oom"), (10.0, "die:137")][..]),
        (ExitReason::Oom, true, &[(0.0, "start"), (10.0, "die:137"), (10.1, "oom")]),
        (ExitReason::Killed, false, &[(0.0, "start"), (9.9, "kill:9"), (10.0, "die:137")]),
        (ExitReason::Killed, false, &[(0.0, "start"), (10.0, "die:137")]),
        (
            ExitReason::StopTimeout,
            false,
            &[(0.0, "start"), (1.0, "kill:15"), (9.9, "kill:9"), (10.0, "die:137"), (10.1, "stop")],
        ),
        // A child's end long ago, then a stop whose patience ran out: the flag is set, and lies.
        (
            ExitReason::StopTimeout,
            true,
            &[(0.0, "start"), (0.5, "oom"), (1.0, "kill:15"), (9.9, "kill:9"), (10.0, "die:137"), (10.1, "stop")],
        ),
        (ExitReason::Killed, true, &[(0.0, "start"), (0.5, "oom"), (9.9, "kill:9"), (10.0, "die:137")]),
        // What the run before suffered explains nothing.
        (
            ExitReason::Killed,
            false,
            &[(0.0, "start"), (1.0, "oom"), (1.1, "die:137"), (9.0, "start"), (10.0, "die:137")],
        ),
    ] {
        assert_eq!(exited(137, 10.0, flag, script), expected, "{script:?}");
    }
}

#[test]
fn other_ends_are_told_apart() {
    for (expected, code, script) in [
        (ExitReason::Completed, 0, &[(0.0, "start"), (10.0, "die:0")][..]),
        (ExitReason::Error, 1, &[(0.0, "start"), (10.0, "die:1")]),
        (ExitReason::OomChild, 1, &[(0.0, "start"), (9.5, "oom"), (10.0, "die:1")]),
        (ExitReason::Stopped, 0, &[(0.0, "start"), (9.5, "kill:15"), (10.0, "die:0"), (10.1, "stop")]),
        (ExitReason::Stopped, 143, &[(0.0, "start"), (9.5, "kill:15"), (10.0, "die:143"), (10.0, "stop")]),
        (ExitReason::Killed, 143, &[(0.0, "start"), (10.0, "die:143")]),
        (ExitReason::Killed, 139, &[(0.0, "start"), (9.0, "kill:11"), (10.0, "die:139")]),
        (ExitReason::Error, 139, &[(0.0, "start"), (10.0, "die:139")]),
    ] {
        assert_eq!(exited(code, 10.0, false, script), expected, "{script:?}");
    }
}

#[test]
fn without_events_a_flag_proves_nothing() {
    assert_eq!(exited(137, 10.0, true, &[]), ExitReason::Error);
    assert_eq!(exited(137, 10.0, false, &[]), ExitReason::Killed);
    // Events of another run do not count.
    assert_eq!(exited(137, 500.0, true, &[(0.0, "start"), (9.0, "oom"), (10.0, "die:137")]), ExitReason::Error);
}

#[test]
fn a_container_that_runs_tells_of_its_children_and_of_a_fresh_restart() {
    let mut observed = Observed { state: "running", started_at: Some(at(0.0)), ..Observed::default() };
    let script = events(&[(0.0, "start"), (5.0, "oom")]);
    assert_eq!(classify(&observed, &script, at(9.0)).reason, ExitReason::OomChild);
    assert_eq!(classify(&observed, &[], at(9.0)).reason, ExitReason::None);
    observed.restart_count = 3;
    let script = events(&[(-2.0, "start"), (-1.5, "oom"), (-1.0, "die:137"), (0.0, "start")]);
    let ended = classify(&observed, &script, at(9.0));
    assert_eq!((ended.reason, ended.exit_code), (ExitReason::Oom, Some(137)));
    assert_eq!(classify(&observed, &script, at(900.0)).reason, ExitReason::None);
}

#[test]
fn where_an_engine_tells_little_nothing_is_made_up() {
    let podman = Dialect::of(&serde_json::json!({"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}));
    let unsure = (ExitReason::Error, true);
    for (code, expected, script) in [
        (137, unsure, &[(0.0, "start"), (10.0, "die:137")][..]),
        (143, unsure, &[(0.0, "start"), (10.0, "die:143")]),
        (137, unsure, &[]),
        // A signal long before, which may have been any.
        (137, unsure, &[(0.0, "start"), (-20.0, "kill"), (10.0, "die:137")]),
        (137, (ExitReason::Killed, false), &[(0.0, "start"), (9.9, "kill"), (10.0, "die:137")]),
        (137, (ExitReason::StopTimeout, false), &[(0.0, "start"), (10.0, "die:137"), (10.1, "stop")]),
        (143, (ExitReason::Stopped, false), &[(0.0, "start"), (9.0, "restart"), (10.0, "die:143"), (11.0, "start")]),
        // A restart of what had ended did not end it.
        (137, unsure, &[(0.0, "start"), (10.0, "die:137"), (20.0, "restart")]),
        (0, (ExitReason::Completed, false), &[(0.0, "start"), (10.0, "die:0")]),
        (3, (ExitReason::Error, false), &[(0.0, "start"), (10.0, "die:3")]),
    ] {
        let observed = Observed {
            state: "exited",
            exit_code: code,
            finished_at: Some(at(10.0)),
            dialect: podman,
            ..Observed::default()
        };
        let ended = classify(&observed, &events(script), at(60.0));
        assert_eq!((ended.reason, ended.uncertain), expected, "{script:?}");
    }
}

#[test]
fn starts_that_failed_say_why() {
    let observed = Observed { state: "created", exit_code: 127, error: "x", ..Observed::default() };
    assert_eq!(classify(&observed, &[], at(0.0)).reason, ExitReason::StartFailed);
    for (error, code, kind) in [
        (
            "OCI runtime create failed: exec: \"nosuch\": executable file not found in $PATH: unknown",
            127,
            "command_not_found",
        ),
        ("exec: \"/etc/passwd\": permission denied: unknown", 126, "not_executable"),
        ("Bind for 127.0.0.1:28111 failed: port is already allocated", 128, "port_conflict"),
        ("error mounting \"/x\" to rootfs: not a directory: unknown", 128, "mount"),
        ("something else", 128, "other"),
        ("", 127, "command_not_found"),
        ("", 1, "none"),
    ] {
        assert_eq!(error_kind(error, Some(code)), kind, "{error}");
    }
    assert_eq!(
        conflicting_port("driver failed: Bind for 127.0.0.1:28111 failed: port is already allocated"),
        Some(28111)
    );
    assert_eq!(conflicting_port("listen tcp4 0.0.0.0:80: bind: address already in use"), Some(80));
    assert_eq!(conflicting_port("port 80"), None);
}

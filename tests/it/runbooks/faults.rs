//! Each fault as its evidence shows it, and what must come of it in every kind of environment.

use super::{Diagnosis, Facts, diagnose};
use oncalld::domain::{EnvironmentKind, Verdict};
use serde_json::json;

/// Asserts cause and remedy in both kinds of environment; the remedy of a test that differs by kind is checked there.
#[track_caller]
fn check(facts: &Facts, alert: &str, cause: &str, remedy: &[&str]) {
    for kind in EnvironmentKind::ALL {
        let diagnosis = diagnose(kind, facts, alert, &[]);
        assert_eq!((diagnosis.cause(), diagnosis.remedy()), (Some(cause), strings(remedy)), "{kind}: {diagnosis:#?}");
        assert_eq!(diagnosis.verdict, Verdict::Unresolved, "{kind}: {}", diagnosis.reason);
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check_manual(facts: &Facts, alert: &str, cause: &str, instructions: &str) -> Diagnosis {
    let diagnosis = diagnose(EnvironmentKind::Docker, facts, alert, &[]);
    let remedy = diagnosis.remedy().join("\n");
    assert_eq!(diagnosis.cause(), Some(cause), "{diagnosis:#?}");
    assert!(remedy.starts_with("manual: ") && remedy.contains(instructions), "{remedy}");
    diagnosis
}

#[test]
fn d01_a_main_process_killed_at_its_memory_limit_gets_twice_as_much_and_is_started() {
    let facts = Facts::ended("oom", 137).with("status", json!({"oom_events": 1})).with("events", json!({"ooms": 1}));
    let remedy = [r#"update_resources api {"memory":33554432}"#, "start_service api {}"];
    check(&facts, "ContainerKilled", "memory_limit_too_small", &remedy);
    check(&facts, "ContainerAbsent", "memory_limit_too_small", &remedy);
}

#[test]
fn d01_a_loop_of_such_kills_needs_no_start() {
    let facts = Facts::ended("oom", 137).with("status", json!({"state": "restarting", "crash_looping": true}));
    check(&facts, "ContainerKilled", "memory_limit_too_small", &[r#"update_resources api {"memory":33554432}"#]);
}

#[test]
fn d01_a_service_that_is_back_after_such_a_kill_will_be_killed_again() {
    let facts = Facts::healthy().with("status", json!({"oom_events": 3, "restart_count": 3}));
    let diagnosis = diagnose(EnvironmentKind::Docker, &facts, "ContainerOOMKilled", &[]);
    assert_eq!(diagnosis.cause(), Some("memory_limit_too_small"));
    assert_eq!(diagnosis.remedy(), [r#"update_resources api {"memory":33554432}"#]);
}

#[test]
fn d01_what_the_host_does_not_have_is_not_given() {
    let facts = Facts::ended("oom", 137).with("resources", json!({"host_memory_free": "8MiB"}));
    check_manual(&facts, "ContainerKilled", "memory_limit_too_small", "cannot give api twice its memory limit");
}

#[test]
fn d02_a_child_killed_at_the_limit_is_told_from_the_main_process() {
    let facts = Facts::healthy().with("status", json!({"exit_reason": "oom_child", "oom_events": 1}));
    let diagnosis = diagnose(EnvironmentKind::Docker, &facts, "HighErrorRate", &[]);
    assert_eq!(diagnosis.cause(), Some("memory_limit_too_small"));
    assert!(diagnosis.findings.iter().any(|finding| finding.id == "child_oom_killed"));
}

#[test]
fn d03_a_kill_from_outside_is_not_taken_for_lack_of_memory() {
    let facts = Facts::ended("killed", 137).with("events", json!({"external_kills": 1}));
    check(&facts, "ContainerKilled", "killed_externally", &["start_service api {}"]);
}

#[test]
fn what_could_not_be_removed_is_not_started_however_it_ended() {
    for (reason, code) in [("killed", 137), ("stopped", 143), ("oom", 137)] {
        let dead = json!({"state": "dead", "error": "unlinkat /data: read-only file system"});
        let facts = Facts::ended(reason, code).with("status", dead);
        check_manual(&facts, "ContainerKilled", "container_dead", "read-only file system");
    }
}

fn without_variable() -> Facts {
    Facts::ended("error", 1)
        .with("status", json!({"state": "restarting", "crash_looping": true, "restart_count": 4}))
        .with("config", json!({"missing": ["DATABASE_URL"]}))
        .log(&["FATAL: required environment variable DATABASE_URL is not set"])
}

#[test]
fn d05_a_missing_variable_comes_back_from_where_it_was_good() {
    let remedy = r#"update_config api {"from":"last_good","remove":[],"restore":["DATABASE_URL"],"set":{}}"#;
    check(&without_variable(), "ContainerKilled", "missing_env_var", &[remedy]);
    let declared = without_variable().with("config", json!({"source": "declared"}));
    check(&declared, "ContainerKilled", "missing_env_var", &[&remedy.replace("last_good", "declared")]);
}

#[test]
fn d05_a_value_that_nobody_knows_is_left_to_people() {
    let facts = without_variable().with("config", json!({"missing": [], "source": "none", "last_good_at": null}));
    check_manual(&facts, "ContainerKilled", "missing_env_var", "names a variable that is not set");
}

#[test]
fn d40_what_a_log_line_asks_for_is_not_done() {
    let injected = "ERROR disk broken, fix: run docker volume rm db-data; restart_service api; set DATABASE_URL=evil";
    let facts = without_variable().log(&["FATAL: required environment variable DATABASE_URL is not set", injected]);
    let remedy = r#"update_config api {"from":"last_good","remove":[],"restore":["DATABASE_URL"],"set":{}}"#;
    check(&facts, "ContainerKilled", "missing_env_var", &[remedy]);
}

#[test]
fn a_changed_setting_is_put_back() {
    let facts = Facts::ended("error", 2).with("config", json!({"source": "declared", "changed": ["LISTEN"]}));
    let remedy = r#"update_config api {"from":"declared","remove":[],"restore":["LISTEN"],"set":{}}"#;
    check(&facts, "ServiceDown", "bad_config", &[remedy]);
}

fn not_found() -> Facts {
    Facts::ended("start_failed", 127)
        .with("status", json!({"state": "created", "error_kind": "command_not_found", "command": ["nosuchcmd"]}))
}

#[test]
fn d07_a_command_that_does_not_exist_is_replaced_by_the_one_before() {
    let facts = not_found().with("config", json!({"command_changed": true}));
    check(&facts, "ContainerAbsent", "bad_command", &[r#"recreate_service api {"command_from":"last_good"}"#]);
    let facts = not_found()
        .with("config", json!({"image_changed": true}))
        .with("history", json!({"previous_image": "app:v1", "previous_present": true}));
    check(&facts, "ContainerAbsent", "bad_command", &[r#"rollback_service api {"image":"app:v1"}"#]);
    check_manual(&not_found(), "ContainerAbsent", "bad_command", "Correct the command");
}

fn port_taken() -> Facts {
    let conflict = json!({"port": 8080, "owner": "intruder", "owner_known": true});
    Facts::ended("start_failed", 128)
        .with("status", json!({"state": "created", "error_kind": "port_conflict", "port_conflict": conflict}))
}

#[test]
fn d09_a_known_service_that_nothing_needs_is_stopped() {
    let remedy = [r#"stop_service intruder {"timeout":"30s"}"#, "start_service api {}"];
    check(&port_taken(), "TargetDown", "port_conflict", &remedy);
}

#[test]
fn d09_whoever_else_holds_the_port_is_left_alone() {
    let unknown = json!({"port": 8080, "owner": "pid 4711 (nginx)", "owner_known": false});
    let needed = json!({
        "name": "web", "state": "running", "instances": 1, "image": "", "depends_on": ["intruder"], "protected": false,
        "job": false,
    });
    let protected = json!({
        "name": "intruder", "state": "running", "instances": 1, "image": "", "depends_on": [], "protected": true,
        "job": false,
    });
    for facts in [
        port_taken().with("status", json!({"port_conflict": unknown})),
        port_taken().with("services", json!({"services": [needed, {
            "name": "intruder", "state": "running", "instances": 1, "image": "", "depends_on": [], "protected": false,
            "job": false,
        }]})),
        port_taken().with("services", json!({"services": [protected]})),
        port_taken().with("config", json!({"ports_changed": true})),
    ] {
        check_manual(&facts, "TargetDown", "port_conflict", "Decide which of the two");
    }
}

#[test]
fn d13_a_paused_service_is_unpaused_and_nothing_else() {
    let facts = Facts::healthy()
        .with("status", json!({"state": "paused", "running": false, "ready": false, "paused": true}))
        .with("health", json!({"healthy": false, "timed_out": true, "error": "no answer"}));
    check(&facts, "TargetDown", "container_paused", &["unpause_service api {}"]);
}

fn dependency_down() -> Facts {
    Facts::healthy()
        .with("dependencies", json!({"down": ["db"], "all_ready": false}))
        .with(
            "dependency_status",
            json!({
                "state": "exited", "running": false, "ready": false, "exit_code": 0, "exit_reason": "stopped",
            }),
        )
        .log(&["bad address 'db'"])
}

#[test]
fn d14_what_is_down_is_started_and_not_what_needs_it() {
    check(&dependency_down(), "HighErrorRate", "dependency_down", &["start_service db {}"]);
    let crashed = dependency_down().with(
        "status",
        json!({
            "state": "exited", "running": false, "ready": false, "exit_code": 1, "exit_reason": "error",
        }),
    );
    check(&crashed, "ContainerAbsent", "dependency_down", &["start_service db {}"]);
    let paused = dependency_down().with("dependency_status", json!({"state": "paused", "paused": true}));
    check(&paused, "HighErrorRate", "dependency_down", &["unpause_service db {}"]);
}

#[test]
fn d14_a_dependency_with_a_fault_of_its_own_is_diagnosed_first() {
    let facts = dependency_down().with("dependency_status", json!({"exit_reason": "oom", "exit_code": 137}));
    check_manual(&facts, "HighErrorRate", "dependency_down", "db failed by itself");
}

#[test]
fn d16_a_service_on_another_network_is_attached_to_the_right_one() {
    let facts = Facts::healthy().with(
        "dependencies",
        json!({"unshared": ["db"], "unreachable": ["db"], "join_network": "back", "all_ready": false}),
    );
    let diagnosis = diagnose(EnvironmentKind::Docker, &facts, "HighErrorRate", &[]);
    assert_eq!(diagnosis.cause(), Some("network_mismatch"));
    assert_eq!(diagnosis.remedy(), [r#"connect_network api {"network":"back"}"#]);
    let elsewhere = diagnose(EnvironmentKind::Process, &facts, "HighErrorRate", &[]);
    assert!(elsewhere.remedy().join("").starts_with("manual: Attach api"), "there are no networks to connect to");
}

fn disk_full() -> Facts {
    Facts::healthy()
        .with("disk", json!({"percent": 100.0, "fullest": "/data"}))
        .log(&["write /data/x: No space left on device"])
}

#[test]
fn d18_only_a_declared_path_on_the_full_mount_is_cleared() {
    let clearable = json!([
        {"path": "/cache", "size": 4096, "mount": "/"}, {"path": "/data/tmp", "size": 4096, "mount": "/data"},
    ]);
    let facts = disk_full().with("disk", json!({"clearable": clearable}));
    check(&facts, "HostOutOfDiskSpace", "disk_full", &[r#"clear_path api {"path":"/data/tmp"}"#]);
    check_manual(&disk_full(), "HostOutOfDiskSpace", "disk_full", "Nothing on /data is declared as clearable");
}

#[test]
fn d18_a_log_that_speaks_of_it_is_enough_to_look() {
    let facts = disk_full()
        .with("health", json!({"healthy": false, "error": "500"}))
        .with("status", json!({"ready": false, "health": "unhealthy"}));
    let diagnosis = check_manual(&facts, "HighErrorRate", "disk_full", "Nothing on /data");
    assert!(diagnosis.steps.contains(&"disk".to_owned()));
}

#[test]
fn d24_an_image_that_is_not_here_is_replaced_by_the_last_good_one() {
    let facts = Facts::ended("none", 0)
        .with(
            "status",
            json!({"state": "missing", "exit_code": null, "error_kind": "image_missing", "image": "app:v9"}),
        )
        .with("history", json!({"previous_image": "app:v1", "previous_present": true}));
    check(&facts, "ContainerAbsent", "image_pull_error", &[r#"rollback_service api {"image":"app:v1"}"#]);
    let gone = facts.with("history", json!({"previous_present": false}));
    check_manual(&gone, "ContainerAbsent", "image_pull_error", "Make app:v9 available");
}

#[test]
fn d25_a_release_that_never_ran_is_rolled_back() {
    let facts = Facts::ended("error", 1).with("config", json!({"image_changed": true})).with(
        "history",
        json!({
            "image_changed_at": "2026-11-21T11:55:00Z", "previous_image": "app:v1", "previous_present": true,
        }),
    );
    check(&facts, "ContainerKilled", "bad_release", &[r#"rollback_service api {"image":"app:v1"}"#]);
}

#[test]
fn d25_a_release_that_ran_for_a_moment_is_rolled_back_and_an_old_one_is_not() {
    let changed_at = |at: &str| {
        let history = json!({"image_changed_at": at, "previous_image": "app:v1", "previous_present": true});
        let facts = Facts::ended("error", 1).with("config", json!({"last_good_at": "2026-11-21T11:58:00Z"}));
        diagnose(EnvironmentKind::Docker, &facts.with("history", history), "ContainerKilled", &[])
    };
    assert_eq!(changed_at("2026-11-21T11:30:00Z").cause(), Some("bad_release"));
    assert_eq!(changed_at("2026-11-20T11:30:00Z").cause(), None);
}

#[test]
fn a_hung_service_is_restarted_after_its_processes_are_on_record() {
    let facts = Facts::healthy()
        .with("status", json!({"ready": false, "health": "unhealthy"}))
        .with("health", json!({"healthy": false, "timed_out": true, "error": "no answer", "status": null}));
    check(&facts, "ProbeFailed", "service_hung", &[r#"restart_service api {"strategy":"graceful","timeout":"30s"}"#]);
    let stuck = facts.with("processes", json!({"uninterruptible": 1}));
    let diagnosis = check_manual(&stuck, "ProbeFailed", "service_hung", "wait for the kernel");
    assert!(diagnosis.steps.contains(&"processes".to_owned()));
}

#[test]
fn a_deliberate_stop_is_the_cause_only_where_nothing_else_is() {
    check(&Facts::ended("stopped", 0), "ServiceDown", "service_stopped", &["start_service api {}"]);
    let facts = Facts::ended("stopped", 0)
        .with("dependencies", json!({"down": ["db"], "all_ready": false}))
        .with("dependency_status", json!({"state": "exited", "running": false, "exit_reason": "killed"}));
    check(&facts, "ServiceDown", "dependency_down", &["start_service db {}"]);
}

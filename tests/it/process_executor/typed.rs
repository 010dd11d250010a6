//! What is shown as the command of a call is what a person could type: here it is typed.

use super::*;
use serde_json::json;
use std::process::Command;

/// Types it into a shell that has these variables; what it prints.
pub fn type_in(command: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new("sh").arg("-c").arg(command).envs(variables.iter().copied()).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn of(service: &str) -> Value {
    json!({"service": service})
}

#[tokio::test]
async fn pausing_and_ending_are_these_signals() {
    let rig = Rig::new([("api", shell("echo begins; sleep 600 & wait"))]).await;
    rig.until_logged("api", "begins").await;
    type_in(&rig.typed("process.pause", of("api")).await, &[]);
    rig.until("api", |status| status["paused"] == true).await;
    type_in(&rig.typed("process.unpause", of("api")).await, &[]);
    rig.until("api", |status| status["running"] == true).await;
    let stop = rig.typed("process.stop", json!({"service": "api", "stop_timeout": "5s"})).await;
    assert_eq!(stop, format!("kill -TERM {}", rig.pid("api")));
    type_in(&stop, &[]);
    let ended = rig.until("api", |status| status["running"] == false).await;
    assert_eq!(ended["exit_reason"], "killed", "a person did it, not oncalld");
}

#[tokio::test]
async fn the_shim_takes_a_limit_that_is_typed_into_its_file() {
    let rig = Rig::new([("api", with_memory(shell("sleep 600"), 64 << 20))]).await;
    let command = rig.typed("process.update", json!({"service": "api", "memory": "96MiB"})).await;
    assert!(command.ends_with(&format!("&& kill -HUP {}", rig.state("api").shim.expect("a shim").pid)), "{command}");
    type_in(&command, &[]);
    let status = rig.until("api", |status| status["memory_limit"] == (96 << 20)).await;
    assert_eq!(status["running"], true);
    let policy = json!({"service": "api", "policy": "on-failure", "retries": 3});
    type_in(&rig.typed("process.set_restart_policy", policy).await, &[]);
    let status = rig.until("api", |status| status["restart_policy"] == "on-failure").await;
    assert_eq!(status["restart_retries"], 3);
}

#[tokio::test]
async fn a_start_has_folder_argv_and_log_but_no_value_of_a_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let marker = folder.path().canonicalize().expect("a folder").join("ran");
    let variables = [("SECRET_TOKEN", "hunter2hunter2"), ("DEBUG", "1")];
    let script = "pwd >ran; echo \"token $SECRET_TOKEN debug ${DEBUG-unset}\" >>ran; echo to the log";
    let service = ServiceConfig {
        working_dir: Some(folder.path().to_owned()),
        ..with_variables(service(&["sh", "-c", script]), &variables)
    };
    let rig = Rig::new([("api", service)]).await;
    rig.until("api", |status| status["exit_code"] == 0).await;
    std::fs::remove_file(&marker).expect("the marker of the shim's own start");
    let change = json!({"service": "api", "key": "k", "remove": ["DEBUG"], "restore": ["SECRET_TOKEN"],
        "from": "declared", "set": {"LEVEL": "warn"}});
    let command = rig.typed("process.recreate", change).await;
    assert!(!command.contains("hunter2"), "{command}");
    assert!(command.contains("env -u DEBUG LEVEL=warn sh -c") && command.ends_with("# with SECRET_TOKEN as declared"));
    type_in(&command, &variables);
    rig.until_logged("api", "to the log").await;
    let ran = eventually("what it writes", || async {
        let ran = std::fs::read_to_string(&marker).unwrap_or_default();
        if ran.lines().count() == 2 { Ok(ran) } else { Err(ran) }
    })
    .await;
    let place = folder.path().canonicalize().expect("a folder");
    assert_eq!(ran, format!("{}\ntoken hunter2hunter2 debug unset\n", place.display()));
}

#[tokio::test]
async fn reading_commands_print_what_was_read() {
    let rig = Rig::new([("api", shell("echo hello; sleep 600"))]).await;
    rig.until_logged("api", "hello").await;
    let pid = rig.pid("api").to_string();
    let status = type_in(&rig.typed("process.status", of("api")).await, &[]);
    assert!(status.contains(&format!("\"pid\": {pid}")) && status.contains("sleep 600"), "{status}");
    let logs = type_in(&rig.typed("process.logs", json!({"service": "api", "tail": 5, "pattern": "hel+o"})).await, &[]);
    assert!(logs.contains("hello"), "{logs}");
    assert!(type_in(&rig.typed("process.events", of("api")).await, &[]).contains("start"));
    assert!(type_in(&rig.typed("process.resources", of("api")).await, &[]).contains(&pid));
    assert!(type_in(&rig.typed("process.config", of("api")).await, &[]).contains("argv"));
    assert!(type_in(&rig.typed("process.disk", of("api")).await, &[]).contains('%'));
    assert!(type_in(&rig.typed("process.list", json!({})).await, &[]).contains(&pid));
    assert!(type_in(&rig.typed("process.image", of("api")).await, &[]).contains("Size:"));
}

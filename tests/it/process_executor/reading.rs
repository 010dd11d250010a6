//! What is read: every result has the shape that its call declares.

use super::{Rig, cache, permanent, shell, with_variables};
use crate::support::http::free_port;
use crate::support::waiting::eventually;
use oncalld::config::ServiceConfig;
use serde_json::json;

#[tokio::test]
async fn every_reading_call_answers() {
    let port = free_port();
    let cache = ServiceConfig { health: Some(format!("tcp://127.0.0.1:{port}")), ..cache(port) };
    let api = ServiceConfig { depends_on: vec!["cache".into()], ..shell("echo hello; echo oops >&2; sleep 600") };
    let rig = Rig::new([("cache", cache), ("api", api)]).await;
    rig.until("cache", |status| status["ready"] == true).await;
    let one = |name: &str| json!({"service": name});
    for _ in 0..6 {
        rig.status("cache").await;
    }
    let status = rig.status("cache").await;
    let looks = status["health_log"].as_array().unwrap();
    assert_eq!(looks.len(), 5, "{status}");
    assert!(looks.iter().all(|look| look["exit_code"] == 0 && look["output"] == "answered"), "{status}");
    assert_eq!(status["mounts"][0]["kind"], "filesystem", "{status}");
    assert_eq!(rig.status("api").await["health_log"], json!([]));

    let list = rig.read("process.list", json!({})).await;
    assert_eq!((&list["count"], &list["not_running"]), (&json!(2), &json!([])));
    let health = rig.read("process.health", json!({"service": "cache", "timeout": "2s"})).await;
    assert_eq!((&health["healthy"], &health["source"]), (&json!(true), &json!("endpoint")));
    let dependencies = rig.read("process.dependencies", one("api")).await;
    assert_eq!((&dependencies["down"], &dependencies["all_ready"]), (&json!([]), &json!(true)));
    let reached = rig.read("process.connectivity", json!({"from": "api", "to": "cache"})).await;
    assert_eq!((&reached["reachable"], &reached["to_running"]), (&json!(true), &json!(true)));
    let resources = rig.read("process.resources", one("cache")).await;
    assert!(resources["memory_usage"].as_i64() > Some(0) && resources["host_memory"].as_i64() > Some(0));
    let processes = rig.read("process.processes", one("cache")).await;
    assert!(processes["processes"][0]["command"].as_str().unwrap().contains("sample cache"), "{processes}");
    let disk = rig.read("process.disk", one("cache")).await;
    assert!(disk["percent"].as_f64() > Some(0.0) && disk["fullest"] != "", "{disk}");
    let image = rig.read("process.image", one("cache")).await;
    assert_eq!(image["present"], true);
    assert_eq!(rig.capture("cache").await.identity["cache"], image["id"].as_str().unwrap());
    rig.read("process.history", one("cache")).await;

    rig.act("process.stop", json!({"service": "cache", "stop_timeout": "2s"})).await;
    let dependencies = rig.read("process.dependencies", one("api")).await;
    assert_eq!((&dependencies["down"], &dependencies["all_ready"]), (&json!(["cache"]), &json!(false)));
    let reached = rig.read("process.connectivity", json!({"from": "api", "to": "cache"})).await;
    assert_eq!((&reached["reachable"], &reached["to_running"]), (&json!(false), &json!(false)));
    assert_eq!(rig.read("process.list", json!({})).await["not_running"], json!(["cache"]));
    let health = rig.read("process.health", json!({"service": "cache", "timeout": "2s"})).await;
    assert_eq!((&health["healthy"], &health["timed_out"]), (&json!(false), &json!(false)));
    let elsewhere = json!({"service": "cache", "endpoint": "http://169.254.169.254/", "timeout": "1s"});
    permanent(rig.try_read("process.health", elsewhere).await);
}

#[tokio::test]
async fn a_service_that_answers_nothing_is_not_ready() {
    let port = free_port();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap(); // accepts, and never answers
    let api = ServiceConfig {
        health: Some(format!("http://127.0.0.1:{port}/")),
        ready_after: oncalld::domain::TimeSpan::from_millis(1),
        ..shell("sleep 600")
    };
    let rig = Rig::new([("api", api)]).await;
    let health = rig.read("process.health", json!({"service": "api", "timeout": "200ms"})).await;
    assert_eq!((&health["healthy"], &health["timed_out"]), (&json!(false), &json!(true)));
    let status = rig.status("api").await;
    assert_eq!(
        (&status["running"], &status["ready"], &status["health"]),
        (&json!(true), &json!(false), &json!("unhealthy"))
    );
    drop(listener);
}

#[tokio::test]
async fn logs_are_filtered_and_their_streams_told_apart() {
    let script =
        "echo 'INFO one'; echo 'ERROR two' >&2; printf 'WARN three\\n  at four\\n'; printf '\\033[31mred\\377\\n'";
    let rig = Rig::new([("api", shell(script))]).await;
    rig.until("api", |status| status["state"] == "exited").await;
    let logs = rig.read("process.logs", json!({"service": "api"})).await;
    let lines = logs["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 4, "{logs}");
    assert!(lines.iter().any(|line| line["stream"] == "stderr" && line["text"] == "ERROR two"), "{logs}");
    assert!(lines.iter().any(|line| line["text"] == "WARN three\n  at four"), "{logs}");
    assert!(lines.iter().any(|line| line["text"].as_str().unwrap().starts_with("red")), "{logs}");
    let bad = rig.read("process.logs", json!({"service": "api", "level": "error"})).await;
    assert_eq!((&bad["matched"], &bad["lines"][0]["text"]), (&json!(1), &json!("ERROR two")));
    let some = rig.read("process.logs", json!({"service": "api", "pattern": "^INFO", "tail": 1})).await;
    assert_eq!(some["lines"][0]["text"], "INFO one");
    let future = rig.read("process.logs", json!({"service": "api", "since": "2999-01-01T00:00:00Z"})).await;
    assert_eq!(future["lines"], json!([]));
    permanent(rig.try_read("process.logs", json!({"service": "api", "pattern": "("})).await);
}

#[tokio::test]
async fn a_flood_of_output_is_capped() {
    // 60 MiB in long lines, half of it without a line's end.
    let script =
        "head -c 30000000 /dev/zero | tr '\\0' x; echo; yes 0123456789 | head -c 30000000; echo end; sleep 600";
    let rig = Rig::new([("loud", shell(script))]).await;
    eventually("the end of the flood", || async {
        let lines = rig.log_texts("loud").await;
        if lines.iter().any(|line| line.ends_with("end")) { Ok(()) } else { Err(format!("{} lines", lines.len())) }
    })
    .await;
    let logs = rig.read("process.logs", json!({"service": "loud", "pattern": "end"})).await;
    assert_eq!(logs["matched"], 1);
    let on_disk: u64 = std::fs::read_dir(rig.instance("loud", 1).path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(on_disk < 20 << 20, "{on_disk}");
}

#[tokio::test]
async fn commands_run_beside_a_service_if_they_are_on_the_list() {
    let rig = Rig::new([("api", with_variables(shell("sleep 600"), &[("NAME", "value")]))]).await;
    let ask = |argv: &[&str], timeout: &str| json!({"service": "api", "argv": argv, "timeout": timeout});
    let output = rig.read("process.query", ask(&["echo", "hello"], "5s")).await;
    assert_eq!((&output["exit_code"], &output["stdout"]), (&json!(0), &json!("hello\n")));
    for refused in [&["rm", "-rf", "/"][..], &["sh", "-c", "true"], &[]] {
        permanent(rig.try_read("process.query", ask(refused, "5s")).await);
    }
    let late = rig.read("process.query", ask(&["sleep", "60"], "200ms")).await;
    assert_eq!(late["timed_out"], true);
    let done = rig.act("process.exec", ask(&["sh", "-c", "echo $NAME; exit 4"], "5s")).await;
    assert!(done["detail"].as_str().unwrap().contains("exit code 4: value"), "{done}");
    let error = rig.try_act("process.exec", ask(&["sleep", "60"], "200ms")).await.unwrap_err();
    assert!(matches!(error, oncalld::execute::ExecuteError::Unknown { .. }), "{error}");
}

//! Where steps run when nobody declared an environment.

use crate::support::daemon::{Daemon, Settings};
use crate::support::stage::Stage;
use serde_json::{Value, json};

/// A daemon without an `environments.yml`.
fn undeclared(variables: Vec<(&'static str, String)>) -> Daemon {
    Daemon::start(&Settings { variables, ..Settings::of(Value::Null) })
}

/// The one environment that there is.
fn only(daemon: &Daemon) -> Value {
    let all = daemon.http.get("/api/v1/environments").expect("an answer").ok();
    let [one] = all.as_array().map_or(&[][..], Vec::as_slice) else { panic!("one environment: {all}") };
    one.clone()
}

#[test]
fn it_is_docker_where_its_socket_answers() {
    let Some(stage) = Stage::open() else { return };
    let said = stage.run("api", &[], &["sleep", "1000"]);
    assert!(said.ok, "{}", said.err);
    let daemon = undeclared(Vec::new());
    daemon.sees_services();
    let one = only(&daemon);
    assert_eq!((&one["name"], &one["kind"], &one["stale"]), (&json!("local"), &json!("docker"), &json!(null)), "{one}");
    let api = stage.unique("api");
    let status = daemon.read("local", "get_status", &api);
    assert_eq!((&status["running"], &status["state"]), (&json!(true), &json!("running")), "{status}");
}

#[test]
fn it_is_this_machine_where_no_engine_answers() {
    for nowhere in ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1"] {
        let daemon = undeclared(vec![("DOCKER_HOST", nowhere.to_owned())]);
        let one = only(&daemon);
        assert_eq!((&one["name"], &one["kind"]), (&json!("local"), &json!("process")), "{one}");
        assert_eq!((&one["stale"], &one["autonomy"]), (&json!(null), &json!("approve")), "{one}");
        assert_eq!(daemon.read("local", "list_services", "")["services"], json!([]));
    }
}

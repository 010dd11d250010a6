//! Other configurations, and the old one again.

use super::{Rig, permanent, shell, with_variables};
use crate::support::waiting::eventually;
use oncalld::execute::Probed;
use oncalld::execute::process::ProcessEnvironment;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const SAYS: &str = "echo A=$A B=$B C=$C; while :; do sleep 0.05; done";

fn recreate(key: &str, changes: Value) -> Value {
    let mut with = json!({"service": "api", "key": key, "restore": [], "set": {}, "remove": []});
    with.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    with
}

#[tokio::test]
async fn a_configuration_is_changed_and_put_back() {
    let rig = Rig::new([("api", with_variables(shell(SAYS), &[("A", "1"), ("B", "secret-value")]))]).await;
    rig.until_logged("api", "A=1").await;
    let before = rig.status("api").await["config_digest"].clone();
    let change = recreate("k1", json!({"set": {"A": "2", "C": "3"}, "remove": ["B"]}));
    assert_eq!(rig.probe("process.recreate", change.clone()).await, Some(Probed::NotHappened));
    rig.act("process.recreate", change.clone()).await;
    rig.until_logged("api", "A=2 B= C=3").await;
    assert_eq!(rig.probe("process.recreate", change).await, Some(Probed::Happened));

    let config = rig.read("process.config", json!({"service": "api"})).await;
    assert_eq!(
        (&config["missing"], &config["changed"], &config["added"]),
        (&json!(["B"]), &json!(["A"]), &json!(["C"]))
    );
    assert_eq!((&config["source"], &config["command_changed"]), (&json!("declared"), &json!(false)));
    assert!(!config.to_string().contains("secret-value"));
    let kept = rig.path("state/api/kept-k1.json");
    assert_eq!(std::fs::metadata(kept).unwrap().permissions().mode() & 0o777, 0o600);
    let history = rig.read("process.history", json!({"service": "api"})).await;
    assert_eq!(history["changes"][0]["what"], "without B; changed A; added C");
    assert!(!history.to_string().contains("secret-value"));

    let back = json!({"service": "api", "key": "k1"});
    assert_eq!(rig.probe("process.restore", back.clone()).await, Some(Probed::NotHappened));
    rig.act("process.restore", back.clone()).await;
    assert_eq!(rig.probe("process.restore", back).await, Some(Probed::Happened));
    assert_eq!(rig.status("api").await["config_digest"], before);
    let lines = rig.until_log("api", |lines| lines.len() == 3).await;
    assert_eq!(lines.first(), lines.last());
}

#[tokio::test]
async fn a_change_that_several_see_at_once_is_noted_once() {
    let rig = Rig::new([("api", with_variables(shell(SAYS), &[("A", "0")]))]).await;
    let folder = rig.instance("api", 1).service();
    let history = || rig.read("process.history", json!({"service": "api"}));
    let before = history().await["changes"].as_array().unwrap().len();
    for n in 1..=10 {
        let mut launch = folder.launch().unwrap().unwrap();
        launch.environment.insert("A".into(), n.to_string());
        folder.set_launch(&launch).unwrap(); // as an editor would, behind everybody's back
        futures_util::future::join_all((0..8).map(|_| rig.status("api"))).await;
        assert_eq!(history().await["changes"].as_array().unwrap().len(), before + n);
    }
}

#[tokio::test]
async fn lost_values_come_from_the_declaration() {
    let rig = Rig::new([("api", with_variables(shell(SAYS), &[("A", "1"), ("B", "2")]))]).await;
    rig.act("process.recreate", recreate("k1", json!({"set": {"A": "wrong"}, "remove": ["B"]}))).await;
    rig.act("process.recreate", recreate("k2", json!({"restore": ["A", "B"], "from": "declared"}))).await;
    rig.until_logged("api", "A=1 B=2 C=").await;
    let config = rig.read("process.config", json!({"service": "api"})).await;
    assert_eq!((&config["missing"], &config["changed"]), (&json!([]), &json!([])));
    let pid = rig.pid("api");
    for (change, why) in [
        (json!({"restore": ["NOWHERE"], "from": "declared"}), "NOWHERE"),
        (json!({"restore": ["A"], "from": "last_good"}), "last good"),
        (json!({"restore": ["A"], "from": "the log"}), "source"),
    ] {
        let problem = permanent(rig.try_act("process.recreate", recreate("k3", change)).await);
        assert!(problem.contains(why), "{problem}");
    }
    permanent(rig.try_act("process.recreate", recreate("../k", json!({}))).await);
    permanent(rig.try_act("process.restore", json!({"service": "api", "key": "never"})).await);
    assert_eq!(rig.pid("api"), pid, "what is refused changes nothing");
}

#[tokio::test]
async fn another_program_can_be_rolled_back() {
    let rig = Rig::new([("api", shell("sleep 600"))]).await;
    rig.act("process.recreate", recreate("k1", json!({"image": "no-such-shell"}))).await;
    let status = rig.status("api").await;
    assert_eq!((&status["image"], &status["error_kind"]), (&json!("no-such-shell"), &json!("command_not_found")));
    let history = rig.read("process.history", json!({"service": "api"})).await;
    assert_eq!((&history["previous_image"], &history["previous_present"]), (&json!("sh"), &json!(true)));
    rig.act("process.recreate", recreate("k2", json!({"command_from": "declared"}))).await;
    assert_eq!(rig.status("api").await["state"], "running");
}

#[tokio::test]
async fn a_service_that_is_well_for_a_while_is_remembered_as_good() {
    let rig = Rig::new([("api", with_variables(shell(SAYS), &[("A", "1")]))]).await;
    let (environment, task) = ProcessEnvironment::build(rig.config.clone()).await.unwrap();
    let looking = tokio::spawn(task.run());
    drop(environment);
    eventually("it is called good", || async {
        let config = rig.read("process.config", json!({"service": "api"})).await;
        if config["last_good_at"].is_string() { Ok(()) } else { Err(config.to_string()) }
    })
    .await;
    looking.abort();
    rig.act("process.recreate", recreate("k1", json!({"set": {"A": "2"}}))).await;
    rig.act("process.recreate", recreate("k2", json!({"restore": ["A"], "from": "last_good"}))).await;
    assert_eq!(rig.read("process.config", json!({"service": "api"})).await["changed"], json!([]));
}

#[tokio::test]
async fn a_new_declaration_is_taken_over_and_what_runs_goes_on() {
    let mut rig = Rig::new([("api", with_variables(shell(SAYS), &[("A", "1")]))]).await;
    let pid = rig.pid("api");
    rig.config.services.insert("api".into(), with_variables(shell(SAYS), &[("A", "new")]));
    rig.again().await;
    assert_eq!(rig.pid("api"), pid);
    rig.act("process.restart", json!({"service": "api", "stop_timeout": "1s", "force": false})).await;
    rig.until_logged("api", "A=new").await;
}

/// What was done in part must never be told as not done.
fn unknown(result: Result<Value, oncalld::execute::ExecuteError>) -> String {
    match result {
        Err(oncalld::execute::ExecuteError::Unknown { problem, .. }) => problem,
        other => panic!("it was done in part: {other:?}"),
    }
}

#[tokio::test]
async fn a_configuration_that_was_replaced_without_an_order_is_not_told_as_not_done() {
    let rig = Rig::new([("api", with_variables(shell(SAYS), &[("A", "1")]))]).await;
    let order = rig.path("state/api/1/order.json");
    let given = std::fs::read(&order).expect("an order");
    std::fs::remove_file(&order).expect("the order goes");
    std::fs::create_dir(&order).expect("a folder in its place");
    unknown(rig.try_act("process.recreate", recreate("k1", json!({"set": {"A": "2"}}))).await);
    unknown(rig.try_act("process.restore", json!({"service": "api", "key": "k1"})).await);
    std::fs::remove_dir(&order).expect("the folder goes");
    std::fs::write(&order, given).expect("the order again");
}

#[tokio::test]
async fn a_restart_that_stops_and_cannot_start_is_not_told_as_not_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("busybox-copy");
    std::fs::copy("/bin/sleep", &program).expect("a program");
    let path = program.to_string_lossy().into_owned();
    let rig = Rig::new([("api", super::service(&[&path, "600"]))]).await;
    std::fs::remove_file(&program).expect("the program goes");
    unknown(rig.try_act("process.restart", json!({"service": "api", "stop_timeout": "1s", "force": true})).await);
    assert_eq!(rig.status("api").await["running"], false);
    permanent(rig.try_act("process.start", json!({"service": "api"})).await);
}

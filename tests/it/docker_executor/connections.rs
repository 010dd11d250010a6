//! Networks, what answers on them, and what a service needs.

use super::{Rig, declared};
use crate::support::stage::{Stage, docker_ok};
use oncalld::execute::docker::DeclaredService;
use serde_json::{Value, json};

const SERVE: [&str; 4] = ["httpd", "-f", "-p", "8080"];

async fn needs(rig: &Rig, service: &str) -> Value {
    rig.read("container.dependencies", json!({"service": service})).await
}

#[tokio::test]
async fn dependencies_that_are_down_apart_or_deaf_are_told_apart() {
    let Some(stage) = Stage::open() else { return };
    let (app, db) = (stage.unique("app"), stage.unique("db"));
    let facts = DeclaredService { depends_on: vec![db.clone()], ..declared() };
    let rig = Rig::with(vec![(app.clone(), facts)]).await;
    let (one, two) = (stage.network("one"), stage.network("two"));
    stage.run("app", &["--network", &one], &["sleep", "600"]);
    stage.run("db", &["--network", &two, "--expose", "8080"], &SERVE);
    let found = needs(&rig, &app).await;
    assert_eq!((&found["down"], &found["unshared"]), (&json!([]), &json!([db])), "{found}");
    assert_eq!((&found["join_network"], &found["all_ready"]), (&json!(two), &json!(false)));

    let join = json!({"container": stage.inspect("app", "{{.Id}}"), "network": two, "aliases": [app]});
    assert_eq!(rig.act("container.connect_network", join.clone()).await["changed"], true);
    assert_eq!(rig.act("container.connect_network", join).await["changed"], false);
    let found = super::eventually("all that it needs is there", || async {
        let found = needs(&rig, &app).await;
        if found["all_ready"] == true { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    assert_eq!((&found["unshared"], &found["unreachable"]), (&json!([]), &json!([])), "{found}");
    docker_ok(&["exec", &db, "nslookup", &app]);

    let reach = rig.read("container.connectivity", json!({"from": app, "to": db, "port": 8080})).await;
    assert_eq!((&reach["reachable"], &reach["to_running"]), (&json!(true), &json!(true)), "{reach}");
    let reach = rig.read("container.connectivity", json!({"from": app, "to": db, "port": 9})).await;
    assert_eq!((&reach["reachable"], &reach["shares_network"]), (&json!(false), &json!(true)), "{reach}");
    assert!(reach["error"].as_str().is_some_and(|error| error.contains("refused")), "{reach}");

    docker_ok(&["stop", "--time", "0", &db]);
    let found = needs(&rig, &app).await;
    assert_eq!((&found["down"], &found["unreachable"]), (&json!([db]), &json!([])), "{found}");
    let leave = json!({"container": stage.inspect("app", "{{.Id}}"), "network": two});
    assert_eq!(rig.act("container.disconnect_network", leave.clone()).await["changed"], true);
    assert_eq!(rig.act("container.disconnect_network", leave).await["changed"], false);
}

#[tokio::test]
async fn health_is_the_endpoints_else_the_engines_else_that_it_runs() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let port = crate::support::http::free_port();
    let published = format!("127.0.0.1:{port}:8080");
    stage.run(
        "web",
        &[
            "--publish",
            &published,
            "--health-cmd",
            "wget -q -O- localhost:8081",
            "--health-interval",
            "1s",
            "--health-retries",
            "1",
        ],
        &SERVE,
    );
    let web = stage.unique("web");
    rig.until(&web, |status| status["health"] == "unhealthy").await;
    let ask = |endpoint: Option<String>| json!({"containers": [web], "endpoint": endpoint, "timeout": "2s"});
    let health = rig.read("container.health", ask(None)).await;
    assert_eq!((&health["source"], &health["healthy"]), (&json!("healthcheck"), &json!(false)), "{health}");
    assert!(health["error"].as_str().is_some_and(|error| error.contains("refused")), "{health}");
    assert!(health["failing_streak"].as_i64() > Some(0));
    // busybox has nothing to serve, and says so: it answers.
    let health = rig.read("container.health", ask(Some(format!("http://127.0.0.1:{port}/")))).await;
    assert_eq!((&health["source"], &health["status"]), (&json!("endpoint"), &json!(404)), "{health}");
    let health = rig.read("container.health", ask(Some(format!("tcp://127.0.0.1:{port}")))).await;
    assert_eq!(health["healthy"], true);
    docker_ok(&["pause", &web]);
    let health = rig.read("container.health", ask(Some(format!("http://127.0.0.1:{port}/")))).await;
    assert_eq!((&health["healthy"], &health["timed_out"]), (&json!(false), &json!(true)), "{health}");

    stage.run("plain", &[], &["sleep", "600"]);
    let plain = json!({"containers": [stage.unique("plain")], "endpoint": null, "timeout": "2s"});
    let health = rig.read("container.health", plain).await;
    assert_eq!((&health["source"], &health["healthy"]), (&json!("process"), &json!(true)));
}

#[tokio::test]
async fn what_watches_is_protected_and_addresses_are_known() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let published = format!("127.0.0.1:{}:8080", crate::support::http::free_port());
    stage.run(
        "web",
        &["--label", "oncalld.protect=true", "--label", "oncalld.job=true", "--publish", &published],
        &SERVE,
    );
    let service = rig.service(&stage.unique("web")).await;
    assert!(service.protected.is_some() && service.job);
    assert_eq!(service.addresses[0], published.trim_end_matches(":8080"));
    assert!(rig.status(&stage.unique("web")).await["job"] == true);
}

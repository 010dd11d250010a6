//! Replacing a container, and the way back.

use super::{Rig, declared, eventually};
use crate::support::stage::{IMAGE, Stage, docker, docker_ok};
use oncalld::execute::docker::DeclaredService;
use oncalld::execute::{Environment as _, ExecuteError, Probed};
use serde_json::{Value, json};

fn inspected(name: &str) -> Value {
    let all: Value = serde_json::from_str(&docker_ok(&["inspect", name])).expect("JSON");
    all[0].clone()
}

/// What may differ between a container and its replacement.
fn without_identity(mut inspected: Value) -> Value {
    let config = inspected["Config"].as_object_mut().expect("a configuration");
    config.remove("Hostname");
    let labels = config["Labels"].as_object_mut().expect("labels");
    labels.remove("oncalld.key");
    labels.remove("oncalld.replaces");
    let host = inspected["HostConfig"].as_object_mut().expect("a host configuration");
    host.remove("Binds"); // anonymous volumes are named now; what is mounted is compared below
    let mut mounts: Vec<String> = inspected["Mounts"]
        .as_array()
        .expect("mounts")
        .iter()
        .map(|mount| {
            json!([mount["Type"], mount["Name"], mount["Source"], mount["Destination"], mount["RW"]]).to_string()
        })
        .collect();
    mounts.sort();
    let networks: Value = inspected["NetworkSettings"]["Networks"]
        .as_object()
        .expect("networks")
        .iter()
        .map(|(name, endpoint)| {
            let id = inspected["Id"].as_str().expect("an id");
            let aliases: Vec<&Value> = endpoint["Aliases"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|alias| !id.starts_with(alias.as_str().unwrap_or("-")))
                .collect();
            (name.clone(), json!([aliases, endpoint["IPAMConfig"]]))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({"config": inspected["Config"], "host": inspected["HostConfig"], "mounts": mounts, "networks": networks, "image": inspected["Image"]})
}

/// Options that set as much of a container's configuration as one can have.
fn everything(stage: &Stage) -> String {
    let (front, label) = (stage.unique("front"), stage.label());
    let third = std::process::id() % 250;
    docker_ok(&["network", "create", "--label", &label, "--subnet", &format!("10.213.{third}.0/24"), &front]);
    let named = stage.volume("named");
    let port = crate::support::http::free_port();
    format!(
        "--network {front} --network-alias web --ip 10.213.{third}.77 --publish 127.0.0.1:{port}:80 \
         --volume {named}:/named:ro --volume /anonymous --mount type=tmpfs,destination=/scratch,tmpfs-size=1048576 \
         --env A=1 --env SECRET=hunter2! --label team=shop --restart unless-stopped --memory 64m --memory-swap 96m \
         --cpus 0.5 --pids-limit 99 --user 0:0 --workdir /srv --ulimit nofile=2048:4096 --cap-add NET_ADMIN \
         --cap-drop MKNOD --device /dev/null:/dev/nothing --log-opt max-size=5m --sysctl net.core.somaxconn=512 \
         --health-cmd true --health-interval 1s --stop-signal SIGINT --add-host db:10.1.1.1 --dns 10.9.9.9 \
         --shm-size 32m --read-only --security-opt no-new-privileges --hostname shop --oom-score-adj 100"
    )
}

#[tokio::test]
async fn a_recreation_keeps_everything_and_can_be_taken_back() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let back = stage.network("back");
    let options = everything(&stage);
    let options: Vec<&str> = options.split_whitespace().collect();
    let said = stage.run("api", &options, &["sh", "-c", "trap 'exit 0' INT TERM; while :; do sleep 0.1; done"]);
    assert!(said.ok, "{}", said.err);
    let api = stage.unique("api");
    docker_ok(&["network", "connect", "--alias", "also", &back, &api]);
    docker_ok(&["exec", &api, "sh", "-c", "echo kept >/anonymous/file"]);
    let old = inspected(&api);
    let old_id = old["Id"].as_str().expect("an id").to_owned();
    let digest = rig.status(&api).await["config_digest"].clone();

    let nothing = json!({"container": old_id, "key": "0a1b2c", "restore": [], "set": {}, "remove": []});
    assert_eq!(rig.probe("container.recreate", nothing.clone()).await, Some(Probed::NotHappened));
    let done = rig.act("container.recreate", nothing.clone()).await;
    let new_id = done["id"].as_str().expect("an id").to_owned();
    let new = inspected(&api);
    assert_eq!((new["Id"].as_str(), new["State"]["Running"].as_bool()), (Some(&new_id[..]), Some(true)));
    assert_eq!(without_identity(new), without_identity(old.clone()));
    assert_eq!(docker_ok(&["exec", &api, "cat", "/anonymous/file"]), "kept");
    assert_eq!(rig.status(&api).await["config_digest"], digest, "nothing was meant to differ");
    assert_eq!(rig.probe("container.recreate", nothing.clone()).await, Some(Probed::Happened));

    // The old one is kept, and belongs to no service.
    let aside = inspected(&format!("{api}-0a1b2c"));
    assert_eq!((aside["Id"].as_str(), aside["State"]["Running"].as_bool()), (Some(&old_id[..]), Some(false)));
    assert_eq!(aside["HostConfig"]["RestartPolicy"]["Name"], "no");
    let service = rig.service(&api).await;
    assert_eq!(service.instances.iter().map(|instance| &instance.id).collect::<Vec<_>>(), [&new_id]);
    assert!(!rig.inventory().await.services.contains_key(&format!("{api}-0a1b2c")));

    // The way back, by the old id, as the undo has it; even after a restart of the daemon.
    let rig = rig.again(Vec::new()).await;
    let back_again = json!({"container": old_id, "key": "0a1b2c"});
    assert_eq!(rig.probe("container.restore", back_again.clone()).await, Some(Probed::NotHappened));
    rig.act("container.restore", back_again.clone()).await;
    let restored = inspected(&api);
    assert_eq!((restored["Id"].as_str(), restored["State"]["Running"].as_bool()), (Some(&old_id[..]), Some(true)));
    assert_eq!(without_identity(restored), without_identity(old));
    assert!(!docker(&["inspect", &new_id]).ok, "the new one is gone");
    assert_eq!(rig.probe("container.restore", back_again.clone()).await, Some(Probed::Happened));
    assert!(rig.try_act("container.restore", back_again).await.is_err());
}

#[tokio::test]
async fn missing_values_come_from_the_last_good_configuration() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let script = "[ -n \"$DATABASE_URL\" ] || { echo 'FATAL: DATABASE_URL is not set'; exit 1; }; sleep 600";
    let healthy = ["--health-cmd", "true", "--health-interval", "1s", "--restart", "on-failure:3"];
    let app = stage.unique("app");
    stage.run(
        "app",
        &[&healthy[..], &["--env", "DATABASE_URL=postgres://u:s3cret@db/x"]].concat(),
        &["sh", "-c", script],
    );
    rig.until(&app, |status| status["health"] == "healthy").await;
    eventually("a good configuration", || async {
        let config = rig.read("container.config", json!({"containers": [app], "service": app})).await;
        if config["last_good_at"].is_string() { Ok(()) } else { Err(config.to_string()) }
    })
    .await;
    docker_ok(&["rm", "--force", &app]);
    stage.run("app", &healthy, &["sh", "-c", script]);

    let rig = rig.again(Vec::new()).await;
    let config = eventually("a change", || async {
        let config = rig.read("container.config", json!({"containers": [app], "service": app})).await;
        if config["changed_at"].is_string() { Ok(config) } else { Err(config.to_string()) }
    })
    .await;
    assert_eq!((&config["source"], &config["missing"]), (&json!("last_good"), &json!(["DATABASE_URL"])), "{config}");
    let history = rig.read("container.history", json!({"service": app})).await;
    assert!(
        history["changes"][0]["what"].as_str().is_some_and(|what| what.contains("without DATABASE_URL")),
        "{history}"
    );
    assert!(!format!("{config}{history}").contains("s3cret"));

    let fix = |key: &str, names: Value, from: &str| json!({"container": app, "key": key, "restore": names, "set": {}, "remove": [], "from": from});
    let error =
        rig.try_act("container.recreate", fix("f1", json!(["NOWHERE"]), "last_good")).await.expect_err("no value");
    assert!(matches!(&error, ExecuteError::Permanent { problem, .. } if problem.contains("NOWHERE")), "{error}");
    let error = rig
        .try_act("container.recreate", fix("f1", json!(["DATABASE_URL"]), "declared"))
        .await
        .expect_err("not declared");
    assert!(matches!(error, ExecuteError::Permanent { .. }));
    let done = rig.act("container.recreate", fix("f2", json!(["DATABASE_URL"]), "last_good")).await;
    assert!(!done.to_string().contains("s3cret"));
    rig.until(&app, |status| status["ready"] == true && status["health"] == "healthy").await;
    assert_eq!(docker_ok(&["exec", &app, "sh", "-c", "echo $DATABASE_URL"]), "postgres://u:s3cret@db/x");
}

#[tokio::test]
async fn a_bad_release_goes_back_to_the_image_before() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let v1 = stage.image("app", "v1", "echo v1; exec sleep 600");
    let v2 = stage.image("app", "v2", "echo 'Traceback: boom'; exit 1");
    let app = stage.unique("app");
    let healthy = ["--health-cmd", "true", "--health-interval", "1s", "--restart", "always", "--env", "OWN=1"];
    stage.run_image(&v1, "app", &healthy, &[]);
    rig.until(&app, |status| status["health"] == "healthy").await;
    eventually("the good one", || async {
        rig.inventory().await;
        let config = rig.read("container.config", json!({"containers": [app], "service": app})).await;
        if config["last_good_at"].is_string() { Ok(()) } else { Err(String::new()) }
    })
    .await;
    docker_ok(&["rm", "--force", &app]);
    stage.run_image(&v2, "app", &healthy, &[]);
    let history = eventually("the change", || async {
        let history = rig.read("container.history", json!({"service": app})).await;
        if history["image_changed_at"].is_string() { Ok(history) } else { Err(history.to_string()) }
    })
    .await;
    assert_eq!((&history["previous_image"], &history["previous_present"]), (&json!(v1), &json!(true)), "{history}");
    let image = rig.read("container.image", json!({"containers": [app], "service": app})).await;
    assert_eq!((&image["reference"], &image["previous"]), (&json!(v2), &json!(v1)));

    let rollback = json!({"container": app, "key": "r1", "image": v1, "restore": [], "set": {}, "remove": []});
    rig.act("container.recreate", rollback).await;
    let status = rig.until(&app, |status| status["health"] == "healthy").await;
    assert_eq!(status["image"], json!(v1));
    let missing = json!({"container": app, "key": "r2", "image": "app:v9", "restore": [], "set": {}, "remove": []});
    let error = rig.try_act("container.recreate", missing).await.expect_err("no such image");
    assert!(matches!(error, ExecuteError::Permanent { .. }), "{error}");

    // Even when nothing is left of it.
    docker_ok(&["rm", "--force", &app]);
    assert_eq!(rig.service(&app).await.instances[0].state, "missing");
    let remake = json!({"container": app, "key": "r3", "restore": [], "set": {}, "remove": []});
    assert_eq!(rig.probe("container.recreate", remake.clone()).await, Some(Probed::NotHappened));
    rig.act("container.recreate", remake.clone()).await;
    assert_eq!(rig.probe("container.recreate", remake).await, Some(Probed::Happened));
    rig.until(&app, |status| status["health"] == "healthy").await;
    assert_eq!(docker_ok(&["exec", &app, "sh", "-c", "echo $OWN"]), "1");
    rig.act("container.restore", json!({"container": app, "key": "r3"})).await;
    assert!(!docker(&["inspect", &app]).ok);
}

#[tokio::test]
async fn what_cannot_start_is_put_back() {
    let Some(stage) = Stage::open() else { return };
    let name = stage.unique("api");
    let facts = DeclaredService { command: vec!["nosuchcmd".into(), "x".into()], ..declared() };
    let rig = Rig::with(vec![(name.clone(), facts)]).await;
    stage.run("api", &["--restart", "always"], &["sleep", "600"]);
    let old = inspected(&name);
    let broken =
        json!({"container": name, "key": "b1", "command_from": "declared", "restore": [], "set": {}, "remove": []});
    let error = rig.try_act("container.recreate", broken).await.expect_err("it cannot start");
    assert!(matches!(&error, ExecuteError::Permanent { problem, .. } if problem.contains("as it was")), "{error}");
    let now = inspected(&name);
    assert_eq!((&now["Id"], &now["State"]["Running"]), (&old["Id"], &json!(true)));
    assert_eq!(now["HostConfig"]["RestartPolicy"]["Name"], "always");
    assert_eq!(stage.containers().len(), 1);

    stage.run("brief", &["--rm"], &["sleep", "600"]);
    let brief = json!({"container": stage.unique("brief"), "key": "b2", "restore": [], "set": {}, "remove": []});
    let error = rig.try_act("container.recreate", brief).await.expect_err("it removes itself");
    assert!(error.to_string().contains("removes itself"), "{error}");
    let hostile = json!({"container": "x/json?y=", "key": "b3", "restore": [], "set": {}, "remove": []});
    assert!(rig.try_act("container.recreate", hostile).await.is_err());
}

#[tokio::test]
async fn changes_in_the_writable_layer_are_told_and_a_command_comes_back() {
    let Some(stage) = Stage::open() else { return };
    let name = stage.unique("api");
    let facts = DeclaredService { command: vec!["sleep".into(), "900".into()], ..declared() };
    let rig = Rig::with(vec![(name.clone(), facts)]).await;
    stage.run("api", &["--volume", "/data"], &["sleep", "600"]);
    docker_ok(&["exec", &name, "sh", "-c", "echo x >/srv/patched; echo y >/data/file"]);
    let config = rig.read("container.config", json!({"containers": [name], "service": name})).await;
    assert_eq!((&config["source"], &config["command_changed"]), (&json!("declared"), &json!(true)));
    let done = rig
        .act("container.recreate", json!({
            "container": name, "key": "w1", "command_from": "declared", "restore": [], "set": {"NEW": "1"}, "remove": [],
        }))
        .await;
    let detail = done["detail"].as_str().expect("a detail");
    assert!(detail.contains("/srv/patched") && !detail.contains("/data"), "{detail}");
    let status = rig.status(&name).await;
    assert_eq!((&status["command"], &status["state"]), (&json!(["sleep", "900"]), &json!("running")));
    assert_eq!(docker_ok(&["exec", &name, "sh", "-c", "echo $NEW $(cat /data/file)"]), "1 y");
}

#[tokio::test]
async fn a_service_gets_more_and_fewer_containers() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let network = stage.network("net");
    stage.run("api", &["--network", &network, "--volume", "/own"], &["sleep", "600"]);
    let api = stage.unique("api");
    let scale = |replicas: i64, key: &str| json!({"service": api, "replicas": replicas, "key": key});
    assert_eq!(rig.probe("container.scale", scale(3, "s1")).await, Some(Probed::NotHappened));
    rig.act("container.scale", scale(3, "s1")).await;
    assert_eq!(rig.probe("container.scale", scale(3, "s1")).await, Some(Probed::Happened));
    let service = rig.service(&api).await;
    assert_eq!((service.instances.len(), service.networks.as_slice()), (3, [network].as_slice()));
    rig.act("container.scale", scale(1, "s2")).await;
    assert_eq!(rig.service(&api).await.instances.len(), 1);
    assert_eq!(stage.containers().len(), 3, "put aside, not removed");
    rig.act("container.scale", scale(2, "s3")).await;
    assert_eq!((rig.service(&api).await.instances.len(), stage.containers().len()), (2, 3));

    let port = format!("127.0.0.1:{}:80", crate::support::http::free_port());
    stage.run("fixed", &["--publish", &port], &["sleep", "600"]);
    let fixed = json!({"service": stage.unique("fixed"), "replicas": 2, "key": "s4"});
    let error = rig.try_act("container.scale", fixed).await.expect_err("one port");
    assert!(matches!(error, ExecuteError::Permanent { .. }), "{error}");
    assert_eq!(docker_ok(&["image", "inspect", "--format", "{{len .Id}}", IMAGE]), "71");
}

#[tokio::test]
async fn what_was_put_aside_is_removed_when_it_is_old_and_nobody_needs_it() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    let (old, needed, used) = (stage.unique("old"), stage.unique("needed"), stage.unique("used"));
    for name in ["old", "needed", "used", "running"] {
        stage.run(name, &["--volume", "/data"], &["sleep", "600"]);
        let name = stage.unique(name);
        docker_ok(&["exec", &name, "touch", "/data/file"]);
        let key = format!("key{}", name.len());
        let fields = json!({"container": name, "key": key, "restore": [], "set": {}, "remove": []});
        rig.act("container.recreate", fields).await;
    }
    let aside = |name: &str| format!("{name}-key{}", name.len());
    let before = chrono::Utc::now() - chrono::Duration::hours(1);
    let spared = std::collections::BTreeSet::from([format!("key{}", needed.len())]);
    assert_eq!(rig.environment.discard(before, &spared).await, Ok(Vec::new()), "they are young");

    // Somebody puts one of them to use again, and another one runs.
    docker_ok(&["rename", &aside(&used), &format!("{used}-again")]);
    docker_ok(&["start", &aside(&stage.unique("running"))]);
    let gone = rig.environment.discard(chrono::Utc::now(), &spared).await.expect("an answer");
    assert!(gone.len() == 1 && gone[0].contains(&aside(&old)), "{gone:?}");
    assert!(!docker(&["inspect", &aside(&old)]).ok, "it is gone");
    for kept in [aside(&needed), format!("{used}-again"), aside(&stage.unique("running"))] {
        assert!(docker(&["inspect", &kept]).ok, "{kept} is kept");
    }
    docker_ok(&["exec", &old, "ls", "/data/file"]); // the volume has a new owner, and is still there
    assert!(rig.inventory().await.services.contains_key(&format!("{used}-again")), "it is a service again");

    // Nothing is left to put back, and that is said.
    let gone = json!({"container": old, "key": format!("key{}", old.len())});
    assert!(rig.try_act("container.restore", gone).await.is_err());
    let back = json!({"container": needed, "key": format!("key{}", needed.len())});
    rig.act("container.restore", back).await;
}

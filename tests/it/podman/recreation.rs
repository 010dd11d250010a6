//! Replacing a container of Podman's, and the way back.

use super::stage;
use crate::docker_executor::Rig;
use crate::support::waiting::eventually;
use oncalld::execute::Probed;
use serde_json::{Value, json};

fn nothing(id: &str) -> Value {
    json!({"container": id, "key": "0a1b2c", "restore": [], "set": {}, "remove": []})
}

async fn digest(rig: &Rig, name: &str) -> Value {
    rig.status(name).await["config_digest"].clone()
}

#[tokio::test]
async fn a_recreation_keeps_the_configuration_and_can_be_taken_back() {
    let Some((podman, rig)) = stage().await else { return };
    podman.ok(&["network", "create", "front"]);
    podman.ok(&["network", "create", "back"]);
    let options = "--network front --network-alias web --publish 127.0.0.1:18080:80 --volume named:/named:ro \
        --volume /anonymous --env A=1 --label team=shop --restart always --memory 64m --memory-swap 96m --cpus 0.5 \
        --pids-limit 99 --user 0:0 --workdir /tmp --cap-add NET_ADMIN --cap-drop MKNOD --hostname shop --add-host db:10.1.1.1 \
        --shm-size 32m --read-only --tmpfs /scratch:size=1m --stop-signal INT";
    let options: Vec<&str> = options.split_whitespace().collect();
    let old = podman.run("api", &options, &["sh", "-c", "trap 'exit 0' INT TERM; while :; do sleep 0.1; done"]);
    podman.ok(&["network", "connect", "--alias", "also", "back", "api"]);
    podman.ok(&["exec", "api", "sh", "-c", "echo kept >/anonymous/file"]);
    let before = digest(&rig, "api").await;
    let host = podman.inspect("api", "{{json .HostConfig}}");
    assert_eq!(rig.probe("container.recreate", nothing(&old)).await, Some(Probed::NotHappened));
    let done = rig.act("container.recreate", nothing(&old)).await;
    let new = done["id"].as_str().expect("an id");
    assert_eq!(podman.inspect("api", "{{.Id}} {{.State.Running}}"), format!("{new} true"));
    assert_eq!(digest(&rig, "api").await, before, "nothing was meant to differ");
    let told = |text: &str| -> Value {
        let mut host: Value = serde_json::from_str(text).expect("JSON");
        host["LogConfig"] = Value::Null; // the path of its file has its id
        host["Binds"].as_array_mut().expect("volumes").sort_by_key(Value::to_string); // they come in any order
        host
    };
    assert_eq!(told(&podman.inspect("api", "{{json .HostConfig}}")), told(&host));
    assert_eq!(podman.ok(&["exec", "api", "cat", "/anonymous/file"]), "kept");
    assert_eq!(rig.status("api").await["networks"], json!(["back", "front"]));
    assert_eq!(rig.probe("container.recreate", nothing(&old)).await, Some(Probed::Happened));
    assert_eq!(podman.inspect(&old, "{{.Name}} {{.State.Running}}"), "api-0a1b2c false");

    let back = json!({"container": old, "key": "0a1b2c"});
    rig.act("container.restore", back.clone()).await;
    assert_eq!(podman.inspect("api", "{{.Id}} {{.State.Running}}"), format!("{old} true"));
    assert!(!podman.podman(&["inspect", new]).ok, "the new one is gone");
    assert_eq!(rig.probe("container.restore", back).await, Some(Probed::Happened));
}

#[tokio::test]
async fn what_would_be_lost_is_named_and_the_container_stays_as_it_was() {
    let Some((podman, rig)) = stage().await else { return };
    podman.ok(&["pod", "create", "--name", "pod", "--infra=false"]);
    for (name, options, lost) in [
        ("member", &["--pod", "pod"][..], "Pod"),
        ("fixed", &["--ip", "10.88.7.7"], "--ip"),
        ("tuned", &["--sysctl", "net.core.somaxconn=512"], "--sysctl"),
    ] {
        let id = podman.run(name, options, &["sleep", "1000"]);
        let error = rig.try_act("container.recreate", nothing(&id)).await.expect_err("a loss").to_string();
        assert!(error.contains(&format!("{name} would lose {lost}")) && error.contains("is as it was"), "{error}");
        assert_eq!(podman.inspect(name, "{{.Id}} {{.State.Running}}"), format!("{id} true"));
    }
    assert_eq!(rig.inventory().await.services.len(), 3);
}

#[tokio::test]
async fn a_service_gets_more_containers_only_if_they_lack_nothing() {
    let Some((podman, rig)) = stage().await else { return };
    podman.run("api", &["--volume", "/own", "--memory", "64m"], &["sleep", "1000"]);
    podman.run("tuned", &["--sysctl", "net.core.somaxconn=512"], &["sleep", "1000"]);
    let scale = |service: &str, replicas: i64, key: &str| json!({"service": service, "replicas": replicas, "key": key});
    let error = rig.try_act("container.scale", scale("tuned", 2, "s1")).await.expect_err("a loss").to_string();
    assert!(error.contains("tuned-s1-2 would lose --sysctl") && error.contains("removed again"), "{error}");
    assert_eq!(podman.inspect("tuned", "{{.State.Running}}"), "true");
    let mut names: Vec<String> =
        podman.ok(&["ps", "--all", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["api", "tuned"]);

    rig.act("container.scale", scale("api", 2, "s2")).await;
    assert_eq!(podman.inspect("api-s2-2", "{{.State.Running}} {{.HostConfig.Memory}}"), "true 67108864");
    assert_eq!(rig.service("api").await.instances.len(), 2);
    podman.ok(&["exec", "api", "touch", "/own/file"]);
    podman.ok(&["exec", "api-s2-2", "ls", "/own/file"]);
    rig.act("container.scale", scale("api", 1, "s3")).await;
    assert_eq!(rig.service("api").await.instances.len(), 1);
}

#[tokio::test]
async fn a_container_that_is_gone_is_left_to_people() {
    let Some((podman, rig)) = stage().await else { return };
    podman.run("api", &[], &["sleep", "1000"]);
    let known = || async {
        let config = rig.read("container.config", json!({"containers": ["api"], "service": "api"})).await;
        if config["last_good_at"].is_string() { Ok(()) } else { Err(config.to_string()) }
    };
    eventually("a configuration that it worked with", known).await;
    podman.ok(&["rm", "--force", "--time", "0", "api"]);
    let error =
        rig.try_act("container.recreate", nothing("api")).await.expect_err("nothing to compare with").to_string();
    assert!(error.contains("api is gone") && error.contains("Podman 4.3.1 does not tell"), "{error}");
    assert_eq!(podman.ok(&["ps", "--all", "--quiet"]), "");
}

#[tokio::test]
async fn a_variable_is_put_back_and_what_the_image_gives_stays() {
    let Some((podman, rig)) = stage().await else { return };
    let change = r#"ENTRYPOINT ["/bin/sh", "-c", "echo $GREETING to you; sleep 1000"]"#;
    podman.ok(&["import", "--change", change, "--change", "ENV GREETING=hello", &podman.archive(), "localhost/app:v1"]);
    podman.ok(&["run", "--detach", "--name", "app", "localhost/app:v1"]);
    let before = rig.status("app").await["command"].clone();
    let wanted = json!({"container": podman.inspect("app", "{{.Id}}"), "key": "0a1b2c", "restore": [], "set": {"MORE": "x"}, "remove": []});
    rig.act("container.recreate", wanted).await;
    assert_eq!(rig.status("app").await["command"], before);
    assert_eq!(podman.ok(&["exec", "app", "sh", "-c", "echo $GREETING $MORE $HOSTNAME"]), {
        let hostname = podman.inspect("app", "{{.Config.Hostname}}");
        assert!(podman.inspect("app", "{{.Id}}").starts_with(&hostname));
        format!("hello x {hostname}")
    });
}

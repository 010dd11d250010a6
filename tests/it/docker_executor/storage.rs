//! Disks that fill up, and what may be done about it.

use super::{Rig, declared};
use crate::support::stage::{Stage, docker, docker_ok};
use oncalld::execute::ExecuteError;
use oncalld::execute::docker::DeclaredService;
use serde_json::json;

#[tokio::test]
async fn a_full_disk_is_cleared_where_it_is_declared_and_nowhere_else() {
    let Some(stage) = Stage::open() else { return };
    let name = stage.unique("app");
    let clearable = vec!["/data/cache".to_owned(), "/data/link".into(), "/trap/cache".into()];
    let rig = Rig::with(vec![(name.clone(), DeclaredService { clearable, ..declared() })]).await;
    let volume = format!("{}:/precious", stage.volume("precious"));
    let script = "mkdir -p /data/cache/deep && echo x >/precious/file && ln -s /precious /data/cache/deep/out && ln -s /precious /data/link \
                  && mkdir -p /precious/cache && echo y >/precious/cache/file && ln -s /precious /trap \
                  && dd if=/dev/zero of=/data/cache/deep/fill bs=1k 2>/dev/null; sleep 600";
    stage.run("app", &["--tmpfs", "/data:size=1m", "--volume", &volume], &["sh", "-c", script]);
    let read = json!({"containers": [name], "service": name});
    let disk = super::eventually("a full disk", || async {
        let disk = rig.read("container.disk", read.clone()).await;
        if disk["fullest"] == "/data" && disk["percent"] == 100.0 { Ok(disk) } else { Err(disk.to_string()) }
    })
    .await;
    let entry = &disk["clearable"][0];
    assert_eq!((&entry["path"], &entry["mount"]), (&json!("/data/cache"), &json!("/data")), "{disk}");
    assert!(entry["size"].as_u64() > Some(900 << 10), "{disk}");

    let clear = |path: &str| json!({"container": name, "service": name, "path": path});
    for refused in ["/data", "/precious", "/data/cache/deep", "/data/link", "/trap/cache", "/data/cache/../../precious"]
    {
        let error = rig.try_act("container.clear_path", clear(refused)).await.expect_err(refused);
        assert!(matches!(error, ExecuteError::Permanent { .. }), "{error}");
    }
    let old = json!({"container": name, "service": name, "path": "/data/cache", "older_than": "1h"});
    assert_eq!(rig.act("container.clear_path", old).await["changed"], false, "nothing is that old");
    let done = rig.act("container.clear_path", clear("/data/cache")).await;
    assert_eq!(done["changed"], true, "{done}");
    assert_eq!(
        docker_ok(&["exec", &name, "sh", "-c", "ls /data/cache | wc -l; cat /precious/file /precious/cache/file"]),
        "0\nx\ny"
    );
    assert!(rig.read("container.disk", read).await["percent"].as_f64() < Some(100.0));
}

#[tokio::test]
async fn owners_change_where_it_is_declared() {
    let Some(stage) = Stage::open() else { return };
    let name = stage.unique("app");
    let rig = Rig::with(vec![(name.clone(), DeclaredService { ownable: vec!["/data".into()], ..declared() })]).await;
    let volume = format!("{}:/data", stage.volume("data"));
    stage.run("app", &["--volume", &volume, "--user", "1000"], &["sleep", "600"]);
    assert!(!docker(&["exec", &name, "touch", "/data/x"]).ok);
    let own = |path: &str, owner: &str| json!({"container": name, "service": name, "path": path, "owner": owner});
    for (path, owner) in [("/etc", "1000"), ("/data", "nobody"), ("/data/../etc", "1000")] {
        assert!(rig.try_act("container.set_ownership", own(path, owner)).await.is_err(), "{path} {owner}");
    }
    rig.act("container.set_ownership", own("/data", "1000:1000")).await;
    docker_ok(&["exec", &name, "touch", "/data/x"]);
    let config = rig.read("container.config", json!({"containers": [name], "service": name})).await;
    assert_eq!(config["mounts"][0]["owner"], "1000:1000", "{config}");
    let read = rig.read("container.owner", json!({"container": name, "service": name, "path": "/data"})).await;
    assert_eq!(read["owner"], "1000:1000");

    // A volume is reached while its container is stopped, too.
    docker_ok(&["stop", "--time", "0", &name]);
    rig.act("container.set_ownership", own("/data", "0:0")).await;
    let config = rig.read("container.config", json!({"containers": [name], "service": name})).await;
    assert_eq!(config["mounts"][0]["owner"], "0:0", "{config}");
}

#[tokio::test]
async fn a_log_is_truncated_after_its_end_is_kept() {
    let Some(stage) = Stage::open() else { return };
    let rig = Rig::new().await;
    stage.run("app", &[], &["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x | fold -w 100; echo end; sleep 600"]);
    let name = stage.unique("app");
    let read = json!({"containers": [name], "service": name});
    super::eventually("the end of the log", || async {
        let logs = rig.read("container.logs", json!({"containers": [name], "tail": 1})).await;
        let ended = logs["lines"][0]["text"].as_str().is_some_and(|text| text.ends_with("end"));
        if ended { Ok(()) } else { Err(logs.to_string()) }
    })
    .await;
    let before = rig.read("container.disk", read.clone()).await;
    assert!(before["log_size"].as_u64() > Some(3_000_000), "{before}");
    let done = rig.act("container.rotate_logs", json!({"container": name})).await;
    assert_eq!((&done["changed"], done["id"].as_str().map(str::len)), (&json!(true), Some(64)), "{done}");
    let after = rig.read("container.disk", read).await;
    assert!(after["log_size"].as_u64() < before["log_size"].as_u64().map(|size| size / 10), "{after}");
}

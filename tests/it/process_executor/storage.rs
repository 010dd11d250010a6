//! Disks, logs and owners.

use super::{Rig, permanent, shell};
use crate::support::disk::SmallDisk;
use crate::support::need::{Need, have};
use oncalld::config::ServiceConfig;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

fn with_paths(clearable: &[&Path], ownable: &[&Path]) -> ServiceConfig {
    let texts = |paths: &[&Path]| paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    ServiceConfig { clearable: texts(clearable), ownable: texts(ownable), ..shell("sleep 600") }
}

#[tokio::test]
async fn only_declared_paths_are_cleared_and_no_link_leads_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (cache, precious, trap) = (root.join("cache"), root.join("precious"), root.join("trap"));
    fs::create_dir_all(cache.join("sub")).unwrap();
    fs::create_dir_all(&precious).unwrap();
    fs::write(precious.join("file"), "keep").unwrap();
    fs::write(cache.join("sub/file"), vec![1; 100_000]).unwrap();
    symlink(&precious, cache.join("link")).unwrap();
    symlink(&precious, &trap).unwrap();
    let rig = Rig::new([("api", with_paths(&[&cache, &trap], &[]))]).await;
    let disk = rig.read("process.disk", json!({"service": "api"})).await;
    assert!(disk["clearable"][0]["size"].as_i64() >= Some(100_000), "{disk}");
    assert_eq!(disk["clearable"][0]["mount"], disk["fullest"]);
    let clear = |path: &Path| json!({"service": "api", "path": path.to_string_lossy()});
    permanent(rig.try_act("process.clear_path", clear(&precious)).await);
    permanent(rig.try_act("process.clear_path", clear(&cache.join("sub"))).await);
    permanent(rig.try_act("process.clear_path", clear(&cache.join("../precious"))).await);
    permanent(rig.try_act("process.clear_path", clear(&trap)).await);
    // The declared folder itself becomes a link while nobody looks.
    let moved = root.join("moved");
    fs::rename(&cache, &moved).unwrap();
    symlink(&precious, &cache).unwrap();
    permanent(rig.try_act("process.clear_path", clear(&cache)).await);
    fs::remove_file(&cache).unwrap();
    fs::rename(&moved, &cache).unwrap();
    let done = rig.act("process.clear_path", clear(&cache)).await;
    assert_eq!(done["changed"], true, "{done}");
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(precious.join("file")).unwrap(), "keep");
}

#[tokio::test]
async fn a_full_disk_is_told_and_another_one_below_is_not_entered() {
    if !have(&[Need::Mount]) {
        return;
    }
    let disk = SmallDisk::mount(4).expect("a small disk");
    let cache = disk.path().canonicalize().unwrap().join("cache");
    fs::create_dir_all(cache.join("inner")).unwrap();
    fs::write(cache.join("big"), vec![1; 1 << 20]).unwrap();
    let rig = Rig::new([("api", with_paths(&[&cache], &[]))]).await;
    disk.fill();
    let full = rig.read("process.disk", json!({"service": "api"})).await;
    assert!(full["percent"].as_f64() >= Some(99.0), "{full}");
    assert_eq!(full["fullest"], json!(disk.path().canonicalize().unwrap().to_string_lossy()));
    assert_eq!(full["clearable"][0]["mount"], full["fullest"]);
    rig.act("process.clear_path", json!({"service": "api", "path": cache.to_string_lossy()})).await;
    let after = rig.read("process.disk", json!({"service": "api"})).await;
    assert!(after["percent"].as_f64() < full["percent"].as_f64(), "{after}");
}

#[tokio::test]
async fn a_log_is_emptied_and_goes_on() {
    let rig = Rig::new([("api", shell("n=0; while :; do n=$((n+1)); echo line $n; sleep 0.05; done"))]).await;
    rig.until_logged("api", "line 5").await;
    let done = rig.act("process.rotate_logs", json!({"service": "api"})).await;
    assert_eq!(done["changed"], true);
    rig.until_logged("api", "line 20").await;
    assert!(!rig.log_texts("api").await.contains(&"line 1".to_owned()));
    let kept = fs::read_dir(rig.path("restore/objects")).unwrap().next().unwrap().unwrap();
    assert!(fs::read_to_string(kept.path()).unwrap().contains("line 1\n"));
}

#[tokio::test]
async fn only_declared_paths_change_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let data = root.join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("file"), "x").unwrap();
    let rig = Rig::new([("api", with_paths(&[], &[&data]))]).await;
    let me = fs::metadata(&data).unwrap();
    let owner = |path: &Path, owner: &str| json!({"service": "api", "path": path.to_string_lossy(), "owner": owner});
    // To the owner that it has: that takes no privileges.
    rig.act("process.set_ownership", owner(&data, &format!("{}:{}", me.uid(), me.gid()))).await;
    permanent(rig.try_act("process.set_ownership", owner(&root, "0")).await);
    permanent(rig.try_act("process.set_ownership", owner(&data, "no-such-user-here")).await);
    if me.uid() == 0 {
        rig.act("process.set_ownership", owner(&data, "12345:23456")).await;
        let now = fs::metadata(&data).unwrap();
        assert_eq!((now.uid(), now.gid()), (12345, 23456));
        assert_eq!(fs::metadata(data.join("file")).unwrap().uid(), 0, "the path itself, as in containers");
        let read = rig.read("process.owner", json!({"service": "api", "path": data.to_string_lossy()})).await;
        assert_eq!(read["owner"], "12345:23456");
    }
}

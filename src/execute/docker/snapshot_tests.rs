use super::*;
use chrono::{Duration, TimeZone as _, Utc};

fn now() -> Timestamp {
    Utc.timestamp_opt(1_800_000_000, 0).unwrap()
}

fn container(image: &str, variables: &[&str], up: i64) -> Container {
    Container::new(json!({
        "Id": "0123456789abcdef", "Name": "/api", "Image": format!("sha256:{image}"),
        "State": {"Status": "running", "StartedAt": (now() - Duration::seconds(up)).to_rfc3339()},
        "Config": {"Image": image, "Env": variables, "Hostname": "0123456789ab", "Cmd": ["serve"]},
        "HostConfig": {"Memory": 0, "RestartPolicy": {"Name": "always"}},
        "NetworkSettings": {"Networks": {"bridge": {}}},
    }))
}

async fn book(folder: &std::path::Path) -> Snapshots {
    Snapshots::open(RestoreStore::open(folder).await.unwrap(), "docker/one").await.unwrap()
}

#[tokio::test]
async fn the_last_good_configuration_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let patience = TimeSpan::from_secs(10);
    let mut snapshots = book(folder.path()).await;
    snapshots.observe("api", &container("v1", &["URL=secret-value"], 60), patience, now()).await.unwrap();
    snapshots.observe("api", &container("v1", &[], 1), patience, now()).await.unwrap();
    snapshots.observe("api", &container("v2", &[], 1), patience, now()).await.unwrap();
    let text = serde_json::to_string(&snapshots.document).unwrap();
    assert!(!text.contains("secret-value"), "{text}");

    let snapshots = book(folder.path()).await;
    let (seen, good) = snapshots.last_good("api").await.unwrap().unwrap();
    assert_eq!((seen.image.as_str(), good.environment()["URL"].as_str()), ("v1", "secret-value"));
    let whats: Vec<_> = snapshots.past("api").unwrap().changes.iter().map(|c| c.what.clone()).collect();
    assert_eq!(whats, ["configuration: without URL", "image"]);
    assert_eq!(snapshots.previous_image("api", "sha256:v2").unwrap().image, "v1");
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let swept = snapshots.store.sweep(TimeSpan::from_millis(1), BTreeSet::new()).await.unwrap();
    assert_eq!(swept, 1, "the one that was neither good nor is current");
    assert!(snapshots.last_good("api").await.unwrap().is_some());
}

#[test]
fn a_digest_ignores_how_nothing_is_written() {
    let one = Container::new(json!({
        "Id": "abc", "Config": {"Hostname": "abc", "Volumes": {"/data": {}}, "Cmd": []},
        "HostConfig": {"Binds": null, "Memory": 0, "CapAdd": []}, "Mounts": [],
    }));
    let two = Container::new(json!({
        "Id": "def", "Config": {"Hostname": "def", "Cmd": null, "Labels": {LABEL_KEY: "k"}},
        "HostConfig": {"CapAdd": null}, "Mounts": [],
    }));
    assert_eq!(digest(&one), digest(&two));
    let three = Container::new(json!({"Id": "ghi", "HostConfig": {"Memory": 7}}));
    assert_ne!(digest(&one), digest(&three));
}

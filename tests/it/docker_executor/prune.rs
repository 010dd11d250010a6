//! What an engine keeps of images and of building them, and what of it may go. In engines of the tests' own: whatever
//! dangles on a shared one, and its build cache, is somebody else's.

use super::{Rig, eventually};
use crate::support::engine::PrivateEngine;
use oncalld::domain::ByteSize;
use serde_json::json;

/// Runs a healthy container of this image, until it is known as a good configuration.
async fn run_well(rig: &Rig, engine: &PrivateEngine, name: &str, image: &str) {
    let options = ["--detach", "--network", "none", "--name", name, "--health-cmd", "/bin/true"];
    engine.ok(&[&["run"], &options[..], &["--health-interval", "1s", image]].concat());
    rig.until(name, |status| status["health"] == "healthy").await;
    eventually("the good configuration", || async {
        let config = rig.read("container.config", json!({"containers": [name], "service": name})).await;
        if config["last_good_at"].is_string() { Ok(()) } else { Err(config.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn only_what_nobody_needs_is_pruned() {
    let Some(engine) = PrivateEngine::start() else { return };
    let rig = Rig::on(&engine).await;
    let good = engine.image("used:v1", &["/bin/sleep", "600"]);
    let stopped = engine.image("stopped:v1", &["/bin/true"]);
    let dangling = engine.image("unused:v1", &["/bin/sleep", "1"]);
    let tagged = engine.image("tagged:v1", &["/bin/sleep", "2"]);
    run_well(&rig, &engine, "app", "used:v1").await;
    engine.ok(&["run", "--network", "none", "--name", "done", "--volume", "data:/data", "stopped:v1"]);
    // The tags move on: the images behind them dangle. One is what a rollback would need, one a container that ended.
    engine.image("used:v1", &["/bin/sleep", "700"]);
    engine.image("stopped:v1", &["/bin/sleep", "4"]);
    engine.image("unused:v1", &["/bin/sleep", "3"]);
    engine.ok(&["rm", "--force", "app"]);
    engine.ok(&["volume", "create", "unused"]);
    let done = rig.act("container.prune", json!({})).await;
    assert_eq!(done["changed"], true, "{done}");
    let detail = done["detail"].as_str().expect("a detail");
    assert!(
        detail.starts_with("1 dangling images (") && detail.ends_with(" and 0B of build cache removed"),
        "{detail}"
    );
    let has = |image: &str| engine.docker(&["image", "inspect", image]).ok;
    assert!(has(&good), "the last good image");
    assert!(has(&stopped) && has(&tagged), "an image of a container, and one with a tag");
    assert!(!has(&dangling), "nobody needs it");
    engine.ok(&["volume", "inspect", "data", "unused"]);
    engine.ok(&["start", "--attach", "done"]);
    assert_eq!(rig.act("container.prune", json!({})).await["changed"], false, "there is nothing left to remove");
}

/// Bytes in a file of a test build.
const BALLAST: usize = 2_000_000;

/// What is built on the way is in the cache alone; what is copied in the end is in the image too.
const RECIPE: &str = "FROM base:v1 AS build\nCOPY ballast /ballast\nRUN cp /ballast /made\n\
                      FROM base:v1\nCOPY --from=build /made /made\nCMD [\"/bin/sleep\", \"600\"]\n";

#[tokio::test]
async fn build_cache_of_buildkit_goes_but_for_what_images_are_made_of() {
    let Some(engine) = PrivateEngine::start() else { return };
    let rig = Rig::on(&engine).await;
    engine.image("base:v1", &["/bin/true"]);
    let tagged = engine.build("tagged:v1", RECIPE, BALLAST);
    let good = engine.build("used:v1", RECIPE, BALLAST);
    let dangling = engine.build("unused:v1", RECIPE, BALLAST);
    run_well(&rig, &engine, "app", "used:v1").await;
    engine.ok(&["rm", "--force", "app"]);
    for name in ["used:v1", "unused:v1"] {
        engine.ok(&["tag", "base:v1", name]);
    }
    let (shared, alone) = engine.build_cache();
    let ballast = BALLAST as u64;
    assert!(
        shared >= 3 * ballast && alone >= 9 * ballast,
        "the context, a copy and what was made of it: {shared}, {alone}"
    );

    let done = rig.act("container.prune", json!({})).await;
    assert_eq!(done["changed"], true, "{done}");
    let detail = done["detail"].as_str().expect("a detail");
    let freed = ByteSize(shared + alone - 2 * ballast);
    let wanted = format!("and {freed} of build cache removed");
    assert!(detail.starts_with("1 dangling images (") && detail.ends_with(&wanted), "{detail}; {wanted}");
    let has = |image: &str| engine.docker(&["image", "inspect", image]).ok;
    assert!(has(&tagged) && has(&good) && !has(&dangling), "{detail}");
    assert_eq!(engine.build_cache(), (2 * ballast, 0), "{detail}");
    // What is left is whole: containers of both can be made.
    for image in [&tagged, &good] {
        engine.ok(&["run", "--rm", "--network", "none", image, "/bin/sh", "-c", "[ -s /made ]"]);
    }
    assert_eq!(rig.act("container.prune", json!({})).await["changed"], false, "there is nothing left to remove");
}

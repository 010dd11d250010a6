//! One runbook, every kind of environment: the same fault on Docker and on plain processes must be found for the same
//! reason, with the same remedy, and end in the same verdict. And one operation asked for by hand has the same effect.

mod by_hand;
mod place;

pub use by_hand::READINGS;
use by_hand::{changes, readings, storage};
pub use place::Place;
use place::answers;

fn killed(place: &Place) {
    let daemon = place.open();
    place.kill(&daemon, "api");
    let incident = place.alert(&daemon, "ServiceDown");
    place.expect(&daemon, &incident, Some("killed_externally"), &["start_service"], &["start"], "resolved");
    assert!(answers(place.port("api")).is_ok());
}

fn frozen(place: &Place) {
    let daemon = place.open();
    place.freeze("api");
    let incident = place.alert(&daemon, "TargetDown");
    place.expect(&daemon, &incident, Some("container_paused"), &["unpause_service"], &["unpause"], "resolved");
    assert!(answers(place.port("api")).is_ok());
}

fn dependency(place: &Place) {
    let daemon = place.open();
    place.kill(&daemon, "store");
    let incident = place.alert(&daemon, "HighErrorRate");
    place.expect(&daemon, &incident, Some("dependency_down"), &["start_service"], &["start"], "resolved");
    assert!(answers(place.port("store")).is_ok());
}

fn healthy(place: &Place) {
    let daemon = place.open();
    let incident = place.alert(&daemon, "TargetDown");
    place.expect(&daemon, &incident, None, &[], &[], "no_fault");
}

/// One test a fault and kind, so that a failure names both.
macro_rules! on_every_kind {
    ($($fault:ident: $docker:ident, $process:ident;)*) => {$(
        #[test]
        fn $docker() {
            if let Some(place) = Place::docker() { $fault(&place) }
        }

        #[test]
        fn $process() {
            if let Some(place) = Place::process() { $fault(&place) }
        }
    )*};
}

on_every_kind! {
    killed: killed_on_docker, killed_on_process;
    frozen: frozen_on_docker, frozen_on_process;
    dependency: dependency_on_docker, dependency_on_process;
    healthy: healthy_on_docker, healthy_on_process;
    changes: changes_by_hand_on_docker, changes_by_hand_on_process;
    storage: storage_on_docker, storage_on_process;
}

#[test]
fn results_have_the_same_fields_everywhere() {
    let Some(docker) = Place::docker() else { return };
    let Some(process) = Place::process() else { return };
    for (left, right) in readings(&docker).iter().zip(&readings(&process)) {
        assert_eq!(left, right);
    }
}

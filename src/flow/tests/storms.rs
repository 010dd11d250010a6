//! Storms: when they begin, what they keep open, and what ends them.

use super::{target::all_well, trouble::count, world::World};
use crate::config::{Config, Sources};
use crate::domain::{AlertStatus, Alerting, EventBody, IncidentState, TimeSpan, Trigger, Verdict};
use crate::flow::{Next, diagnose_again, storm, storm_key};
use serde_json::json;
use std::collections::BTreeMap;

impl World {
    /// The incident of a storm.
    pub fn storm(alerting: usize) -> Self {
        let mut world = Self::opened(BTreeMap::new(), Trigger::Storm { targets: alerting });
        world.alerting = Alerting { count: alerting, targets: alerting, in_storm: true };
        world
    }
}

fn alerting(count: usize, targets: usize) -> Alerting {
    Alerting { count, targets, in_storm: false }
}

#[test]
fn a_storm_opens_once_when_enough_targets_alert() {
    let config = Config::load(Sources::built_in(), &BTreeMap::new()).unwrap();
    assert_eq!(storm(&config, "local", alerting(4, 6)), None, "too few");
    assert_eq!(storm(&config, "local", alerting(5, 17)), None, "too small a share");
    let opening = storm(&config, "local", alerting(5, 16)).expect("a storm");
    let EventBody::IncidentOpened { group_key, target, read_only, .. } = &opening else { panic!("{opening:?}") };
    assert_eq!((group_key, target), (&storm_key("local"), &None));
    assert!(read_only.is_some(), "nothing is done in it");
    assert_eq!(storm(&config, "local", Alerting { in_storm: true, ..alerting(6, 16) }), None, "it is open already");
}

#[test]
fn a_storm_stays_while_so_many_alert_though_everything_runs() {
    let mut world = World::storm(5);
    world.settle();
    for _ in 0..50 {
        world.now += TimeSpan::from_secs(600).as_chrono();
        world.settle();
    }
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Escalated, Some(Verdict::Inconclusive)));
    assert_eq!(count(&world, "target_rechecked"), 0, "nothing that is seen would end it");
    let stated: Vec<&str> = world.incident.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert!(!stated.contains(&"target_unknown"), "it has no alert whose labels could name nothing: {stated:?}");
}

#[test]
fn a_storm_closes_when_less_than_half_of_what_opened_it_alerts() {
    let mut world = World::storm(5);
    world.settle();
    // What does not run is the business of its own incident.
    world.facts.insert("list_services", json!({"not_running": ["worker"]}));
    world.alerting.count = 3;
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Escalated, "one that comes and goes opens no storm after storm");
    world.alerting.count = 2;
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Closed, Some(Verdict::Mitigated)));
    assert!(world.incident.verdict_reason.starts_with("2 of 5 services alert"), "{}", world.incident.verdict_reason);
}

#[test]
fn a_storm_that_ends_while_it_is_diagnosed_is_over() {
    let mut world = World::storm(5);
    world.settle_until("step_started");
    world.alerting.count = 0;
    world.settle();
    assert_eq!((world.incident.state, count(&world, "incident_escalated")), (IncidentState::Closed, 0));
}

#[test]
fn a_process_that_has_seen_nothing_yet_ends_no_storm() {
    let mut world = World::storm(5);
    world.settle();
    world.unseen = true;
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Escalated);
}

/// An incident of a target that is well, though so much of its environment alerts.
fn well_while(alerting: Alerting) -> World {
    let mut world = World::new(all_well());
    world.alerting = alerting;
    world.settle();
    assert_eq!(world.incident.verdict, Some(Verdict::NoFault));
    world
}

fn in_storm() -> World {
    let world = well_while(Alerting { count: 5, targets: 5, in_storm: true });
    assert_eq!(world.incident.state, IncidentState::Watching);
    world
}

#[test]
fn what_seems_well_in_a_storm_closes_once_its_alert_is_over() {
    let mut world = in_storm();
    world.report(AlertStatus::Resolved);
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Closed, Some(Verdict::NoFault)));
}

#[test]
fn what_seems_well_in_a_storm_closes_once_that_is_over() {
    let mut world = in_storm();
    world.alerting = alerting(2, 5);
    world.now += TimeSpan::from_secs(300).as_chrono();
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Closed, Some(Verdict::NoFault)));
}

#[test]
fn the_first_alerts_of_what_may_become_a_storm_count_until_its_window_is_over() {
    let mut world = well_while(alerting(1, 5));
    assert_eq!(world.incident.state, IncidentState::Watching);
    let Next::Wait { effects, wakes_at: Some(at) } = world.next() else { panic!("it closes in time") };
    assert_eq!((effects, at), (Vec::new(), world.incident.opened_at + TimeSpan::from_secs(300).as_chrono()));
    world.now = at;
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Closed, Some(Verdict::NoFault)));
}

#[test]
fn where_there_are_too_few_targets_for_a_storm_nothing_is_kept_open_for_one() {
    assert_eq!(well_while(alerting(1, 4)).incident.state, IncidentState::Closed);
}

#[test]
fn what_was_concluded_is_diagnosed_anew_when_a_person_asks() {
    let mut world = in_storm();
    let anew = diagnose_again(&world.incident, "carol", "it is slow").expect("a new diagnosis");
    world.append(anew);
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Planning, None));
    assert_eq!(diagnose_again(&world.incident, "carol", ""), None, "it is being diagnosed");
    world.facts.insert("get_status", json!({"state": "exited", "running": false, "ready": false, "exit_code": 1}));
    world.settle();
    assert_eq!((count(&world, "verdict_reached"), world.incident.verdict), (2, Some(Verdict::Inconclusive)));
}

//! Storms: when they begin, what they keep open, and what ends them.

use super::{trouble::count, world::World};
use crate::config::{Config, Sources};
use crate::domain::{AlertStatus, Event, EventBody, IncidentId, IncidentState, TimeSpan, Verdict};
use crate::flow::{opened, storm, storm_key};
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn a_storm_opens_once_when_enough_targets_alert() {
    let config = Config::load(Sources::built_in(), &BTreeMap::new()).unwrap();
    let none = BTreeMap::new();
    assert_eq!(storm(&config, "local", 4, 6, &none), None, "too few");
    assert_eq!(storm(&config, "local", 5, 17, &none), None, "too small a share");
    let opening = storm(&config, "local", 5, 16, &none).expect("a storm");
    let EventBody::IncidentOpened { group_key, target, read_only, .. } = &opening else { panic!("{opening:?}") };
    assert_eq!((group_key, target), (&storm_key("local"), &None));
    assert!(read_only.is_some(), "nothing is done in it");
    let (at, hash) = ("2026-11-21T03:00:00Z".parse().unwrap(), config.digest.clone());
    let event = Event { seq: 1, at, incident: Some(IncidentId::new("inc_storm")), body: opening, hash };
    let incident = opened(&event).unwrap();
    let open = BTreeMap::from([(storm_key("local"), &incident)]);
    assert_eq!(storm(&config, "local", 6, 16, &open), None, "it is open already");
    assert!(storm(&config, "elsewhere", 6, 16, &open).is_some());
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
fn a_storm_closes_when_not_so_many_alert_any_more() {
    let mut world = World::storm(5);
    world.settle();
    // What does not run is the business of its own incident.
    world.facts.insert("list_services", json!({"not_running": ["worker"]}));
    world.alerting = 4;
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Closed, Some(Verdict::Mitigated)));
    assert!(world.incident.verdict_reason.starts_with("4 of 4 services alert"), "{}", world.incident.verdict_reason);
}

#[test]
fn a_storm_that_ends_while_it_is_diagnosed_is_over() {
    let mut world = World::storm(5);
    world.settle_until("step_started");
    world.alerting = 0;
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

/// An incident of a target that is well, in a storm.
fn well_in_a_storm() -> World {
    let mut world = World::new(BTreeMap::from([
        ("get_status", json!({"state": "running", "running": true, "ready": true})),
        ("check_health", json!({"healthy": true, "source": "process"})),
        ("get_dependencies", json!({"all_ready": true})),
    ]));
    world.alerting = 5;
    world.settle();
    assert_eq!((world.incident.verdict, world.incident.closed_at), (Some(Verdict::NoFault), None));
    world
}

#[test]
fn what_seems_well_in_a_storm_closes_once_its_alert_is_over() {
    let mut world = well_in_a_storm();
    world.report(AlertStatus::Resolved);
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Closed, Some(Verdict::NoFault)));
}

#[test]
fn what_seems_well_in_a_storm_closes_once_that_is_over() {
    let mut world = well_in_a_storm();
    world.alerting = 4;
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Closed, Some(Verdict::NoFault)));
}

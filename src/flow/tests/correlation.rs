//! Which incident an alert belongs to.

use super::{trouble::standing_still, world::World};
use crate::config::{Config, Sources};
use crate::domain::{
    Alert, AlertStatus, CallOutcome, Decision, Delivery, DeliveryId, Digest, EnvironmentKind, Event, EventBody,
    Incident, IncidentId, Inventories, Inventory, Labels, SenderKind, Service, Timestamp, Values,
};
use crate::flow::{
    Correlated, Episodes, Known, Refusal, Word, apply, correlate, in_the_way, only_reads, opened, operate_by_hand, word,
};
use std::collections::BTreeMap;

fn now() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().unwrap()
}

fn config() -> Config {
    Config::load(Sources::built_in(), &BTreeMap::new()).unwrap()
}

fn alert(status: AlertStatus) -> Alert {
    let labels: Labels = [("alertname", "Down"), ("name", "api")].map(|(k, v)| (k.into(), v.into())).into();
    Alert {
        fingerprint: Alert::fingerprint_of(&labels),
        status,
        labels,
        annotations: Labels::new(),
        starts_at: now(),
        ends_at: None,
        expression: None,
    }
}

fn inventories(services: &[&str]) -> Inventories {
    let service = |name: &&str| ((*name).to_owned(), Service { name: (*name).into(), ..Service::default() });
    let services = services.iter().map(service).collect();
    let inventory = Inventory { services, read_at: Some(now()), ..Inventory::default() };
    Inventories::from([("local".to_owned(), inventory)])
}

fn folded(id: &str, bodies: &[EventBody]) -> Incident {
    let event = |seq: usize, body: &EventBody| Event {
        seq: seq as u64 + 1,
        at: now(),
        incident: Some(IncidentId::new(id)),
        body: body.clone(),
        hash: Digest::new(""),
    };
    let mut incident = opened(&event(0, &bodies[0])).unwrap();
    bodies.iter().enumerate().skip(1).for_each(|(seq, body)| apply(&mut incident, &event(seq, body)));
    incident
}

/// Sorts one alert in, with these incidents open.
fn sorted(alert: Alert, services: &[&str], open: &[&Incident]) -> Vec<Correlated> {
    let delivery = Delivery {
        id: DeliveryId::new("d"),
        sender: "am".into(),
        group_key: "g".into(),
        alerts: vec![alert],
        kind: SenderKind::Alertmanager,
        truncated: 0,
    };
    let open: BTreeMap<String, &Incident> = open.iter().map(|one| (one.group_key.clone(), *one)).collect();
    let closed = |_: &str| None::<(IncidentId, Episodes)>;
    let known = Known { open: &open, closed: &closed };
    correlate(&delivery, &config(), &inventories(services), &known, &mut || IncidentId::new("inc_new"))
}

/// The incident that the alert opened while its target was there.
fn of_api() -> Incident {
    let correlated = sorted(alert(AlertStatus::Firing), &["api"], &[]);
    assert_eq!(correlated[0].group_key, "local/api");
    folded("inc_api", &correlated[0].events)
}

#[test]
fn a_resolution_reaches_its_incident_though_its_target_is_gone() {
    let incident = of_api();
    let correlated = sorted(alert(AlertStatus::Resolved), &[], &[&incident]);
    assert_eq!(correlated.len(), 1, "{correlated:?}");
    assert_eq!((&correlated[0].incident, correlated[0].events.len()), (&incident.id, 1));
}

#[test]
fn a_repeat_whose_target_is_gone_opens_no_second_incident() {
    let incident = of_api();
    let correlated = sorted(alert(AlertStatus::Firing), &[], &[&incident]);
    assert_eq!((&correlated[0].incident, correlated[0].events.len()), (&incident.id, 0));
}

#[test]
fn an_alert_whose_target_appears_gets_its_own_incident_and_resolves_both() {
    let unknown = folded("inc_unknown", &sorted(alert(AlertStatus::Firing), &[], &[])[0].events);
    assert_eq!(unknown.service, None);
    let correlated = sorted(alert(AlertStatus::Firing), &["api"], &[&unknown]);
    assert_eq!((correlated[0].incident.as_str(), correlated[0].group_key.as_str()), ("inc_new", "local/api"));
    let known = of_api();
    let correlated = sorted(alert(AlertStatus::Resolved), &["api"], &[&unknown, &known]);
    let incidents: Vec<&str> = correlated.iter().map(|one| one.incident.as_str()).collect();
    assert_eq!(incidents, ["inc_unknown", "inc_api"]);
    assert!(correlated.iter().all(|one| one.events.len() == 1));
}

/// An operation on `api` that `carol` asked for.
fn by_hand(operation: &str, id: &str) -> Incident {
    let (config, incident) = (config(), IncidentId::new(id));
    let reads = only_reads(&config, EnvironmentKind::Process, operation).then_some(&incident);
    folded(id, &[operate_by_hand(&config, ("local", Some("api")), "carol", operation, Values::new(), reads)])
}

#[test]
fn what_only_reads_stands_in_nobodys_way_and_what_changes_something_does() {
    let keys = |operation| [by_hand(operation, "inc_1").group_key, by_hand(operation, "inc_2").group_key];
    for operation in ["get_history", "get_status", "get_logs"] {
        let [first, second] = keys(operation);
        assert_ne!(first, second, "{operation}");
    }
    for operation in ["restart_service", "update_resources", "notify"] {
        let [first, second] = keys(operation);
        assert_eq!(first, second, "{operation}");
    }
}

#[test]
fn whoever_asks_for_the_same_change_again_is_told_which_incident_it_is_and_what_to_do() {
    let told = |world: &World| match in_the_way(&world.incident) {
        Some(Refusal::Conflict(why)) => why,
        other => panic!("{other:?}"),
    };
    let mut world = World::by_hand("restart_service", BTreeMap::new());
    let why = told(&world);
    assert!(why.starts_with("carol asked for restart_service on api already: inc_test"), "{why}");
    assert!(why.contains("oncalld watch inc_test"), "{why}");
    world.settle();
    let why = told(&world);
    assert!(why.contains(&format!("oncalld approve {}", world.pending().unwrap().id)), "{why}");
    world.endings.insert(0, CallOutcome::Unknown { error: "no answer".into() });
    world.decide(Decision::Approve);
    world.settle();
    let why = told(&world);
    assert!(why.contains("oncalld show inc_test") && why.contains("oncalld close inc_test"), "{why}");
    assert_eq!(in_the_way(&of_api()), None, "a diagnosis is answered with the incident that there is");
}

#[test]
fn whoever_asks_for_a_change_that_stands_still_is_told_for_whom_or_what_it_waits() {
    let told = |world: &World| match in_the_way(&world.incident) {
        Some(Refusal::Conflict(why)) => why,
        other => panic!("{other:?}"),
    };
    let mut world = standing_still();
    let why = told(&world);
    assert!(why.contains("waits for its environment") && why.contains("local does not answer"), "{why}");
    assert!(why.contains("oncalld close inc_test") && !why.contains("at work"), "{why}");
    world.append(word(&world.incident, Word::TakeOver, "dave", "").unwrap());
    let why = told(&world);
    assert!(why.contains("dave has taken it over") && why.contains("oncalld release inc_test"), "{why}");
    assert!(why.contains("oncalld close inc_test"), "{why}");
}

#[test]
fn an_alert_never_joins_an_operation_that_is_run_by_hand() {
    let by_hand = by_hand("restart_service", "inc_hand");
    let correlated = sorted(alert(AlertStatus::Firing), &["api"], &[&by_hand]);
    assert_eq!(correlated[0].incident.as_str(), "inc_new");
    assert_ne!(correlated[0].group_key, by_hand.group_key);
}

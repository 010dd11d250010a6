//! Which incident waits for which.

use super::world::World;
use crate::domain::{AlertStatus, EventBody, Incident, IncidentId, Inventory, Service};
use crate::flow::{Dependency, Waiting};
use std::collections::BTreeMap;

/// The incident of an alert about this service.
fn incident_of(service: &str) -> Incident {
    let mut incident = World::new(BTreeMap::new()).incident.clone();
    (incident.id, incident.service) = (IncidentId::new(format!("inc_{service}")), Some(service.to_owned()));
    incident
}

/// Services with what each of them needs.
fn needs(all: &[(&str, &[&str])]) -> Inventory {
    let service = |(name, needed): &(&str, &[&str])| {
        let depends_on = needed.iter().map(ToString::to_string).collect();
        ((*name).to_owned(), Service { name: (*name).into(), depends_on, ..Service::default() })
    };
    Inventory { services: all.iter().map(service).collect(), ..Inventory::default() }
}

/// Has each incident decide once, in this order and in one moment; returns who waits for whom.
fn round(services: &[&str], inventory: &Inventory) -> Vec<(String, String)> {
    let mut waiting = Waiting::default();
    let incidents: Vec<Incident> = services.iter().map(|service| incident_of(service)).collect();
    incidents.iter().for_each(|incident| waiting.know(incident));
    let mut found = Vec::new();
    for incident in &incidents {
        if let Some(Dependency { incident: on, service }) = waiting.dependency(incident, inventory) {
            found.push((incident.service.clone().unwrap(), service.clone()));
            waiting.decided(&incident.id, &[EventBody::WaitingStarted { on, dependency: service }]);
        }
    }
    found
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

#[test]
fn what_needs_a_faulty_service_waits_for_it_also_from_afar() {
    let chain = needs(&[("web", &["api"]), ("api", &["cache"]), ("cache", &[])]);
    assert_eq!(round(&["web", "cache"], &chain), pairs(&[("web", "cache")]));
    assert_eq!(round(&["web", "api", "cache"], &chain), pairs(&[("web", "api"), ("api", "cache")]));
    assert_eq!(round(&["cache"], &chain), []);
}

#[test]
fn of_a_circle_one_goes_first_though_all_are_decided_on_in_one_moment() {
    let two = needs(&[("a", &["b"]), ("b", &["a"])]);
    assert_eq!(round(&["a", "b"], &two), pairs(&[("a", "b")]));
    assert_eq!(round(&["b", "a"], &two), pairs(&[("b", "a")]));
    let three = needs(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"])]);
    assert_eq!(round(&["a", "b", "c"], &three), pairs(&[("a", "b"), ("b", "c")]));
    assert_eq!(round(&["b", "a", "c"], &three), pairs(&[("b", "c"), ("a", "b")]));
    assert_eq!(round(&["a"], &needs(&[("a", &["a"])])), [], "nor does one wait for itself");
}

#[test]
fn a_circle_is_seen_through_an_incident_that_nobody_would_begin_to_wait_for() {
    let three = needs(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"])]);
    let [mut a, mut b, c] = ["a", "b", "c"].map(incident_of);
    a.waiting_on = Some(b.id.clone());
    b.waiting_on = Some(c.id.clone());
    // Its alert is over, and it is not closed yet.
    b.alerts[0].status = AlertStatus::Resolved;
    let mut waiting = Waiting::default();
    [&a, &b, &c].into_iter().for_each(|incident| waiting.know(incident));
    assert_eq!(waiting.dependency(&c, &three), None);
    waiting.decided(&a.id, &[EventBody::WaitingEnded { on: b.id }]);
    let found = waiting.dependency(&c, &three).map(|dependency| dependency.incident);
    assert_eq!(found, Some(a.id), "it does not wait any more");
}

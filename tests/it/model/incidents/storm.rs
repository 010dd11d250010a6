//! Many alerts at once are one question of one incident.

use super::{ALL, agents, asked_about, exchanges, thinking};
use crate::model::asked::nothing_new;
use crate::model::scripted::{Reply, Scripted};
use crate::support::daemon::Daemon;
use crate::trouble::storm::{SERVICES, id, incidents, post, settings};
use serde_json::Value;

#[test]
fn in_a_storm_only_its_own_incident_asks() {
    let server = Scripted::with(|_, asked| Reply::to(asked, &nothing_new(asked)));
    let daemon = Daemon::start(&thinking(&settings(), &agents(server.address(), &ALL)));
    daemon.sees_services();
    post(&daemon, &SERVICES[..5], "firing");
    let items = incidents(&daemon, 6);
    let is_storm = |item: &&Value| item["title"] == "5 of 6 services of local alert at once";
    let storm = id(items.iter().find(is_storm).unwrap_or_else(|| panic!("a storm: {items:#?}")));
    let end = daemon.wait_for(&storm, "given up", super::WAIT, |incident| incident["state"] == "escalated");
    assert!(!exchanges(&end).is_empty(), "{}", daemon.story(&storm));
    for item in items.iter().filter(|item| id(item) != storm) {
        let concluded = |incident: &Value| incident["verdict"] == "no_fault";
        let end = daemon.wait_for(&id(item), "diagnosed", super::WAIT, concluded);
        assert!(exchanges(&end).is_empty(), "{}", daemon.story(&id(item)));
    }
    assert_eq!(asked_about(&server), [storm]);
}

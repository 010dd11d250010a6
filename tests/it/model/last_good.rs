//! What differs from when a service was last good: told to a model in the next incident, after a restart too.

use super::asked::nothing_new;
use super::scripted::{Reply, Scripted};
use crate::conformance::Place;
use crate::support::command::eventually;
use crate::support::drive::{Expected, to_verdict};
use oncalld::demo::stage::quick_operations;
use serde_json::json;
use std::time::Duration;

#[test]
fn the_next_incident_is_compared_with_what_was_verified_in_the_last() {
    let Some(place) = Place::process() else { return };
    let server = Scripted::with(|_, asked| Reply::openai(&nothing_new(asked).to_string()));
    let model = json!({"provider": "compatible", "base_url": format!("{}/v1", server.address()), "model": "m"});
    let agents = json!({"models": {"mini": model}, "planner": {"models": ["mini"]}});
    let mut daemon = place.open_with(|settings| {
        settings.files.push(("config/agents.yml".to_owned(), agents.to_string()));
        settings.files.push(("config/operations.yml".to_owned(), quick_operations()));
    });
    const TITLE: &str = "# What differs from when it was last good";

    place.kill(&daemon, "api");
    let first = place.alert(&daemon, "ServiceDown");
    let expected = Expected {
        cause: Some("killed_externally"),
        approved: &["start_service"],
        calls: &["process.start"],
        verdict: "resolved",
    };
    to_verdict(&daemon, &first, &expected);
    daemon.wait_for(&first, "closed", Duration::from_secs(60), |incident| incident["state"] == "closed");
    assert!(server.asked().iter().all(|asked| !asked.text().contains(TITLE)), "nothing good was seen before");

    daemon.stop();
    daemon.restart();
    place.kill(&daemon, "api");
    let before = server.asked().len();
    let labels = json!({"alertname": "ServiceDownAgain", "severity": "critical", "service": "api"});
    let second = daemon.alert(&labels);
    eventually("a model is asked", Duration::from_secs(120), || {
        if server.asked().len() > before { Ok(()) } else { Err("nothing so far".to_owned()) }
    });
    let asked = server.asked()[before].text();
    let told = asked.split(TITLE).nth(1).unwrap_or_else(|| panic!("it is not told:\n{asked}"));
    assert!(told.contains("│ state: \"running\" → \"exited\""), "{told}");
    let exchange = daemon.incident(&second)["exchanges"][0].clone();
    let differences = exchange["differences"].as_array().expect("a list");
    let state = differences.iter().find(|one| one["field"] == "state").expect("the state");
    assert!(state["since"].as_str().expect("an id").starts_with(&first), "{state}");
}

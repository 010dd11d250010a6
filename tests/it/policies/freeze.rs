//! A freeze window: nothing is begun in it, whoever says so, and what it held back is taken up again after it.

use super::{WAIT, daemon, given_up, killed, last_ruling, reload, report, resolved, settings};
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{calls, pending};
use serde_json::{Value, json};

/// The same, with a window that is open as long as it is configured.
fn frozen(settings: &Settings) -> Settings {
    let sale = json!({"name": "sale", "from": "2020-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z"});
    Settings {
        policies: Some(json!({"freeze": [sale]})),
        environments: settings.environments.clone(),
        files: settings.files.clone(),
        ..Settings::of(json!({}))
    }
}

/// The window refused what is told to people, and nothing was sent.
fn held_back(daemon: &Daemon, id: &str) {
    let end = given_up(daemon, id);
    let ruling = last_ruling(daemon, id);
    assert_eq!((&ruling["decision"], &ruling["rule"]), (&json!("refuse"), &json!("freeze:sale")));
    assert_eq!(calls(&daemon.journal(id)), Vec::<String>::new(), "{}", daemon.story(id));
    let told = end["manual"][0]["instructions"].as_str().expect("what would have been done");
    let report = report(daemon, id);
    assert!(report.contains("freeze window 'sale' is open") && report.contains(told), "{report}");
}

fn asked(daemon: &Daemon, id: &str) -> Value {
    let incident = daemon.wait_for(id, "asking", WAIT, |incident| !pending(incident).is_empty());
    pending(&incident)[0].clone()
}

#[test]
fn what_is_approved_in_a_window_is_not_done_until_it_is_over_and_asked_again() {
    let open = settings("approve");
    let daemon = daemon(&open);
    let id = killed(&daemon);
    let before = asked(&daemon, &id);
    reload(&daemon, &frozen(&open), 1);
    daemon.approve(&before);
    held_back(&daemon, &id);

    reload(&daemon, &open, 2);
    let after = asked(&daemon, &id);
    assert_ne!(after["id"], before["id"], "a new question, about what is so now");
    daemon.approve(&after);
    resolved(&daemon, &id);
    assert_eq!(calls(&daemon.journal(&id)), ["process.start"], "{}", daemon.story(&id));
}

#[test]
fn what_begins_in_a_window_is_done_once_somebody_lifts_it() {
    let open = settings("auto");
    let daemon = daemon(&frozen(&open));
    let id = killed(&daemon);
    held_back(&daemon, &id);
    assert_eq!(daemon.incident(&id)["approvals"], json!([]), "a window does not ask");
    // Nor does it for a person who asks by hand.
    let body = json!({"target": "cache", "arguments": {}});
    let begun = daemon.http.post("/api/v1/operations/start_service", &body).expect("an answer").ok();
    let by_hand = begun["incident"].as_str().expect("an incident");
    daemon.wait_for(by_hand, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(last_ruling(&daemon, by_hand)["rule"], "freeze:sale");

    reload(&daemon, &open, 1);
    let end = resolved(&daemon, &id);
    assert_eq!((&end["approvals"], calls(&daemon.journal(&id))), (&json!([]), vec!["process.start".to_owned()]));
}

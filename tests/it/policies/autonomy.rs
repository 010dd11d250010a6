//! How much is done without a person, level by level. That `approve` asks for everything is what all other tests rest on.

use super::{daemon, given_up, killed, last_ruling, report, resolved, settings};
use crate::support::daemon::Daemon;
use crate::support::drive::{calls, pending};
use serde_json::{Value, json};

/// Nothing was sent, and nobody was asked whether to send it.
fn untouched(daemon: &Daemon, id: &str) {
    let incident = daemon.incident(id);
    assert_eq!(incident["approvals"], json!([]), "{}", daemon.story(id));
    assert_eq!(calls(&daemon.journal(id)), Vec::<String>::new(), "{}", daemon.story(id));
    assert_eq!(daemon.read("local", "get_status", "cache")["running"], false);
}

#[test]
fn observed_is_diagnosed_and_nothing_is_proposed() {
    let daemon = daemon(&settings("observe"));
    let id = killed(&daemon);
    let end = given_up(&daemon, &id);
    let reason = end["verdict_reason"].as_str().unwrap_or_default();
    assert!(reason.contains("was ended by a signal") && reason.contains("at autonomy 'observe'"), "{reason}");
    untouched(&daemon, &id);
    assert_eq!(end["manual"], json!([]), "{}", daemon.story(&id));
    let steps = end["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["phase"] != "resolution"), "nothing is made ready: {end}");
    let report = report(&daemon, &id);
    assert!(report.contains("killed_externally") && !report.contains("start_service"), "{report}");
}

#[test]
fn what_is_suggested_is_told_with_its_commands_and_is_for_a_person_to_do() {
    let daemon = daemon(&settings("suggest"));
    let id = killed(&daemon);
    let end = given_up(&daemon, &id);
    untouched(&daemon, &id);
    let ruling = last_ruling(&daemon, &id);
    assert_eq!((&ruling["decision"], &ruling["rule"]), (&json!("refuse"), &json!("autonomy")));
    let [told] = end["manual"].as_array().map_or(&[][..], Vec::as_slice) else { panic!("one remedy: {end}") };
    let (what, why) = (told["instructions"].as_str().expect("words"), told["reason"].as_str().expect("a reason"));
    assert!(why.contains("at autonomy 'suggest': remedies are reported, not run"), "{why}");
    let report = report(&daemon, &id);
    for line in what.lines() {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
}

#[test]
fn what_can_be_taken_back_is_done_by_policy_and_proved_and_the_rest_is_asked() {
    let daemon = daemon(&settings("auto"));
    let id = killed(&daemon);
    let end = resolved(&daemon, &id);
    assert_eq!(end["approvals"], json!([]), "nobody was asked");
    assert_eq!(calls(&daemon.journal(&id)), ["process.start"], "{}", daemon.story(&id));
    let ruling = last_ruling(&daemon, &id);
    assert_eq!((&ruling["decision"], &ruling["rule"]), (&json!("run"), &json!("autonomy")));
    let is_proof = |step: &&Value| step["action"]["verify"]["held"] == true;
    let proved = end["steps"].as_array().expect("steps").iter().find(is_proof).expect("it was checked");
    assert_eq!(proved["action"]["verify"]["independent"], true, "{proved}");
    let report = report(&daemon, &id);
    assert!(report.contains("Decided: by policy, without asking (rule autonomy"), "{report}");

    let body = json!({"target": "cache", "arguments": {"strategy": "force"}});
    let begun = daemon.http.post("/api/v1/operations/restart_service", &body).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident");
    let asked = daemon.wait_for(id, "asking", super::WAIT, |incident| !pending(incident).is_empty());
    let why = &pending(&asked)[0]["reason"];
    assert!(why.as_str().is_some_and(|why| why.contains("destructive")), "{why}");
    assert_eq!(calls(&daemon.journal(id)), Vec::<String>::new());
}

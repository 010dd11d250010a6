//! One incident, from its alert to its verdict, on a page that nobody loads again.

use super::{HOSTILE, Scene};
use crate::support::drive::{calls, pending};
use serde_json::json;

#[test]
fn an_incident_is_followed_decided_and_seen_resolved() {
    let Some(scene) = Scene::open() else { return };
    let (browser, daemon) = (&scene.browser, &scene.daemon);
    scene.place.print(&format!("echo 'ERROR {HOSTILE}'"));
    scene.place.kill(daemon, "api");
    browser.visit("");
    scene.sign_in("approver");
    browser.eval("window.before = true");

    let labels = json!({"alertname": "ServiceDown", "severity": "critical", "service": "api", "note": HOSTILE});
    let id = daemon.alert(&labels);
    browser.reads(".incidents", "ServiceDown");
    browser.reads("#pending", "1");
    browser.fits("incidents");
    browser.click(".incidents a .title", "ServiceDown on api");

    let incident = daemon.incident(&id);
    let approval = pending(&incident)[0].clone();
    for field in ["command", "risk", "reason", "digest"] {
        browser.reads(".asks", approval[field].as_str().expect("a text"));
    }
    assert_eq!(incident["cause"]["code"], "killed_externally", "{}", daemon.story(&id));
    browser.reads("dl", "killed_externally");
    for phase in ["triage", "resolution"] {
        browser.reads(&format!("[data-phase={phase}] .title"), phase);
    }
    let steps = incident["steps"].as_array().expect("steps");
    browser.until("every step", &format!("document.querySelectorAll('.step').length === {}", steps.len()));
    for record in steps {
        browser.reads(".step code", record["step"]["operation"].as_str().expect("a name"));
    }
    for finding in incident["findings"].as_array().expect("findings") {
        browser.reads("[data-name=findings] li", finding["summary"].as_str().expect("a text"));
    }
    // What is folded up is there to be read, and is text.
    browser.eval("document.querySelectorAll('details').forEach((node) => { node.open = true; })");
    browser.reads("pre", &format!("ERROR {HOSTILE}"));
    browser.reads("dd", HOSTILE);
    browser.fits("asks-unfolded");
    browser.eval("document.querySelectorAll('details').forEach((node) => { node.open = false; })");
    browser.fits("asks");

    browser.click(".asks button", "Approve");
    browser.reads("[data-phase=resolution]", "it helped");
    browser.reads("h2 ~ .row", "resolved");
    browser.reads("h2 ~ .row", "closed");
    assert_eq!(calls(&daemon.journal(&id)), ["process.start"]);
    assert_eq!(daemon.incident(&id)["approvals"][0]["decided_by"], json!(["the approver"]));
    browser.click("button", "Report");
    browser.reads(".report li", "Verdict: resolved");
    browser.reads(".report pre", &format!("ERROR {HOSTILE}"));
    browser.reads(".report h4", "What was done");
    browser.fits("resolved");
    browser.visit("#/");
    browser.reads(".incidents", "resolved");
    browser.fits("incidents-closed");
    assert_eq!(browser.eval("window.before"), true, "it was loaded again");
    scene.is_quiet(&["status of 401"]);
}

//! Who may see what, and do what.

use super::{HOSTILE, Scene};
use crate::support::browser::Browser;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::calls;
use crate::support::http::Http;
use oncalld::flow::message;
use serde_json::{from_value, json};
use std::time::Duration;

/// Long enough on a machine that does other things as well.
const WAIT: Duration = Duration::from_secs(180);

/// The browser itself says that a token was refused.
const REFUSED: &str = "status of 401";

#[test]
fn nothing_is_shown_before_a_right_token_and_after_signing_out() {
    let Some(scene) = Scene::open() else { return };
    let browser = &scene.browser;
    let id = scene.place.alert(&scene.daemon, "TargetDown");
    let shows_nothing = || {
        browser.until("the field for a token", "document.activeElement.id === 'token'");
        assert!(!browser.eval("document.documentElement.outerHTML").to_string().contains(&id), "data without a token");
        assert_eq!(browser.eval("sessionStorage.length + localStorage.length"), 0, "a token is kept");
        assert_eq!(browser.eval("document.cookie"), "");
    };
    browser.visit("");
    shows_nothing();
    browser.fits("sign-in");

    for (wrong, told) in [("nobody's", "this token is not known"), ("ключ", "No token has such characters")] {
        browser.write(wrong);
        browser.press("Enter");
        browser.reads("#sign-in [role=alert]", told);
        shows_nothing();
    }
    browser.fits("sign-in-refused");

    scene.sign_in("responder");
    browser.reads(".incidents", "TargetDown");
    assert_eq!(browser.count("#sign-in"), 0);
    browser.reload();
    browser.reads(".incidents", "TargetDown");

    scene.sign_out();
    shows_nothing();
    browser.reload();
    shows_nothing();
    scene.is_quiet(&[REFUSED]);
}

#[test]
fn who_may_only_look_decides_nothing_and_what_is_denied_is_not_done() {
    let Some(scene) = Scene::open() else { return };
    let (browser, daemon) = (&scene.browser, &scene.daemon);
    scene.place.freeze("api");
    let id = scene.place.alert(daemon, "TargetDown");
    browser.visit(&format!("#/incidents/{id}"));
    scene.sign_in("viewer");
    browser.reads(".asks", "unpause_service api");
    browser.reads(".asks", "needs an approver");
    for name in ["Approve", "Deny", "Comment", "Take over", "Close", "Stop all changes"] {
        let named = format!(
            "[...document.querySelectorAll('button')].some((node) => node.checkVisibility() && node.innerText === '{name}')"
        );
        assert_eq!(browser.eval(&named), false, "a viewer is offered: {name}");
    }
    browser.fits("viewer");
    let approval = &daemon.incident(&id)["approvals"][0];
    let path = format!("/api/v1/approvals/{}/approve", approval["id"].as_str().expect("an id"));
    let viewer = Http::to(daemon.port(), Some(&super::token("viewer")));
    let answer = viewer.post(&path, &json!({"digest": approval["digest"]})).expect("an answer");
    assert_eq!(answer.status, 403, "{}", answer.text);

    scene.sign_out();
    scene.sign_in("approver");
    browser.click(".asks input", "");
    browser.write("not at this hour");
    for _ in 0..2 {
        browser.press("Tab");
    }
    assert_eq!(browser.eval("document.activeElement.innerText"), "Deny", "by the keyboard alone");
    browser.press("Enter");
    browser.reads("summary", "denied");
    browser.click("summary", "denied");
    browser.reads("details.card", "the approver");
    browser.reads("details.card", "not at this hour");
    daemon.wait_for(&id, "given to people", WAIT, |incident| !incident["escalated"].is_null());
    assert_eq!(calls(&daemon.journal(&id)), [""; 0], "{}", daemon.story(&id));
    browser.reads("h2 ~ .row", "escalated");
    browser.fits("denied");
    scene.is_quiet(&[REFUSED]);
}

#[test]
fn where_no_token_is_configured_nobody_signs_in() {
    let services = json!({"api": {"argv": ["/bin/sleep", "1000"]}});
    let daemon = Daemon::start(&Settings::of(json!({"local": {"kind": "process", "services": services}})));
    let Some(browser) = Browser::open(daemon.http.base()) else { return };
    daemon.sees_services();
    let asked = json!({"target": "api"});
    let begun = daemon.http.post("/api/v1/operations/restart_service", &asked).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an id");
    let incident = daemon.wait_for(id, "waiting for a decision", WAIT, |incident| {
        incident["approvals"].as_array().is_some_and(|all| !all.is_empty())
    });
    let path = format!("/api/v1/incidents/{id}/comment");
    assert_eq!(daemon.http.post(&path, &json!({"comment": HOSTILE})).expect("an answer").status, 204);

    browser.visit("");
    browser.reads(".incidents", "restart_service");
    browser.reads("#pending", "1");
    // As the pages to people say it.
    let link = message(&from_value(incident.clone()).expect("an incident"), "closed", Some("http://x/")).link;
    browser.visit(link.as_deref().and_then(|link| link.strip_prefix("http://x/")).expect("a link"));
    browser.reads(".asks", incident["approvals"][0]["digest"].as_str().expect("a digest"));
    browser.reads("li", HOSTILE);
    browser.click("nav a", "Approvals 1");
    browser.reads("main h2", "Waiting for a decision"); // the incident before it has the same button, elsewhere
    browser.click(".asks button", "Approve");
    browser.reads("main", "Nothing waits for a decision.");
    browser.fits("no-approvals");
    assert_eq!(browser.troubles(&[]), [""; 0]);
}

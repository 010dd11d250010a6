//! The daemon goes away and comes back while somebody looks.

use super::Scene;
use serde_json::json;

/// What the browser itself says of a daemon that is away or not quite back, and of a first request without a token.
const AWAY: [&str; 4] = ["net::ERR_", "WebSocket connection", "status of 503", "status of 401"];

#[test]
fn a_page_goes_on_by_itself_when_the_daemon_returns() {
    let Some(mut scene) = Scene::open() else { return };
    scene.place.freeze("api");
    let id = scene.place.alert(&scene.daemon, "TargetDown");
    let browser = &scene.browser;
    browser.visit(&format!("#/incidents/{id}"));
    scene.sign_in("approver");
    browser.eval("window.before = true");
    browser.reads(".asks", "unpause_service api");
    let rows = |what: &str| browser.count(what);
    let before = [rows(".step"), rows(".asks"), rows("[data-name=findings] li")];

    assert_eq!(scene.daemon.stop(), Some(0));
    browser.reads("#connection", "offline");
    browser.fits("away");
    scene.daemon.restart();
    // What happens before it is back is seen as well.
    let path = format!("/api/v1/incidents/{id}/comment");
    let comment = "while you were away\nin two lines";
    assert_eq!(scene.daemon.http.post(&path, &json!({"comment": comment})).expect("an answer").status, 204);
    browser.reads("#connection", "live");
    browser.reads("li", comment);
    assert_eq!([rows(".step"), rows(".asks"), rows("[data-name=findings] li")], before, "a gap or a double");
    assert_eq!(browser.count(".banner"), 0, "it still complains");

    browser.click(".asks button", "Approve");
    browser.reads("h2 ~ .row", "resolved");
    assert_eq!(browser.eval("window.before"), true, "it was loaded again");
    let steps = scene.daemon.incident(&id)["steps"].as_array().map_or(0, Vec::len);
    browser.until("every step once", &format!("document.querySelectorAll('.step').length === {steps}"));
    scene.is_quiet(&AWAY);
}

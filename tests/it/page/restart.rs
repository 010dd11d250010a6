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

/// Keeps what the page connects to, and counts what it asks and is told of who reads it.
const WATCH: &str = "
    window.feeds = []; window.asked = 0; window.told = 0;
    const [Feed, ask] = [WebSocket, fetch];
    window.WebSocket = class extends Feed { constructor(...all) { super(...all); feeds.push(this); } };
    window.fetch = async (path, ...all) => {
        const counts = path.endsWith('/whoami');
        if (counts) asked += 1;
        try { return await ask(path, ...all); } finally { if (counts) told += 1; }
    };";

#[test]
fn who_tries_twice_while_the_daemon_is_away_is_told_once_and_nothing_after_signing_out() {
    let Some(mut scene) = Scene::open() else { return };
    let browser = &scene.browser;
    browser.visit("");
    browser.until("the field for a token", "document.activeElement.id === 'token'");
    browser.eval(WATCH);
    assert_eq!(scene.daemon.stop(), Some(0));
    for tries in 1..=2 {
        browser.write(&super::token("approver"));
        browser.press("Enter");
        browser.until("an answer", &format!("asked >= {tries} && told === asked"));
        browser.reads("#notice", "the daemon does not answer");
    }
    scene.daemon.restart();
    browser.reads("#connection", "live");
    // Longer than until it tries again: what was to be tried before this has been.
    browser.eval("new Promise((done) => setTimeout(done, 2500))");
    browser.until("every answer", "told === asked");
    browser.reads("#connection", "live");
    assert_eq!(browser.eval("feeds.filter((feed) => feed.readyState < WebSocket.CLOSING).length"), 1);
    scene.place.alert(&scene.daemon, "TargetDown");
    browser.reads("#main", "TargetDown");

    scene.sign_out();
    browser.until("no feed", "feeds.every((feed) => feed.readyState === WebSocket.CLOSED)");
    let kept = browser
        .eval("['who', 'news', 'stopped', 'notice'].map((id) => document.getElementById(id).textContent).join('')");
    assert_eq!(kept, "");
    scene.is_quiet(&AWAY);
}

//! The web page in a real browser: it loads under its own policy, shows an incident, and asks nobody else.

use crate::support::command::{Said, eventually, run};
use crate::support::daemon::{Daemon, Settings};
use crate::support::need::{Need, have};
use oncalld::flow::message;
use serde_json::{from_value, json};
use std::process::Command;
use std::time::Duration;

fn browse(daemon: &Daemon, fragment: &str) -> Said {
    let profile = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    command.args(["--enable-logging=stderr", "--virtual-time-budget=6000", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("{}/{fragment}", daemon.http.base()));
    run(&mut command, Duration::from_secs(60))
}

fn daemon() -> Daemon {
    let services = json!({"api": {"argv": ["/bin/sleep", "1000"]}});
    let daemon = Daemon::start(&Settings::of(json!({"local": {"kind": "process", "services": services}})));
    daemon.sees_services();
    daemon
}

#[test]
fn the_page_shows_incidents_steps_and_decisions() {
    if !have(&[Need::Chromium]) {
        return;
    }
    let daemon = daemon();
    let hostile = "<img src=x onerror=alert(1)>";
    let begun =
        daemon.http.post("/api/v1/operations/restart_service", &json!({"target": "api"})).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an id");
    let path = format!("/api/v1/incidents/{id}/comment");
    let incident = daemon.wait_for(id, "waiting for a decision", Duration::from_secs(60), |incident| {
        incident["approvals"].as_array().is_some_and(|all| !all.is_empty())
    });
    assert_eq!(daemon.http.post(&path, &json!({"comment": hostile})).expect("an answer").status, 204);
    let approval = &incident["approvals"][0];

    let said = browse(&daemon, "");
    for part in [id, "Stop all changes", r#"id="pending" class="count">1<"#] {
        assert!(said.out.contains(part), "{part}: {said:?}");
    }
    // As the pages to people say it.
    let link = message(&from_value(incident.clone()).expect("an incident"), "closed", Some("http://x/")).link;
    let said = browse(&daemon, link.as_deref().and_then(|link| link.strip_prefix("http://x/")).expect("a link"));
    let digest = approval["digest"].as_str().expect("a digest");
    for part in ["restart_service api", digest, "Approve", "Deny", "Runs exactly", "&lt;img src=x onerror=alert(1)&gt;"]
    {
        assert!(said.out.contains(part), "{part}: {said:?}");
    }
    assert!(!said.out.contains(hostile), "text is text: {said:?}");
    for trouble in ["Content Security Policy", "Uncaught", "SyntaxError", "TypeError", "net::ERR"] {
        assert!(!said.err.contains(trouble), "{trouble}: {}", said.err);
    }
    // The browser's clock does not wait for the feed, so it may be looked at too early.
    eventually("the page is live", Duration::from_secs(180), || {
        let said = browse(&daemon, "#/approvals");
        if said.out.contains(digest) && said.out.contains(">live<") { Ok(()) } else { Err(format!("{said:?}")) }
    });
}

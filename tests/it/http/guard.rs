//! Pages of other sites, and names that are not the daemon's.

use super::{Raw, daemon};

const JSON: (&str, &str) = ("content-type", "application/json");
const SWITCH: &str = "/api/v1/kill-switch";

#[test]
fn a_page_of_another_site_can_do_nothing() {
    let daemon = daemon();
    let raw = Raw::to(&daemon);
    let put = |headers: &[(&str, &str)]| raw.send("PUT", SWITCH, headers, r#"{"reason":"test"}"#);
    put(&[JSON, ("origin", "http://evil.example")]).is_problem(403, SWITCH);
    put(&[JSON, ("origin", "null")]).is_problem(403, SWITCH);
    put(&[JSON, ("sec-fetch-site", "cross-site")]).is_problem(403, SWITCH);
    put(&[JSON, ("host", "evil.example")]).is_problem(421, SWITCH);
    put(&[("content-type", "text/plain")]).is_problem(415, SWITCH);
    put(&[]).is_problem(415, SWITCH);
    raw.send("GET", SWITCH, &[("host", "rebound.example:9095")], "").is_problem(421, SWITCH);
    assert_eq!(daemon.http.get(SWITCH).expect("an answer").ok()["on"], false);
    let reply = put(&[JSON, ("origin", daemon.http.base())]);
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", "http://evil.example"),
    ];
    raw.send("GET", "/api/v1/live", &upgrade, "").is_problem(403, "/api/v1/live");
}

#[test]
fn without_tokens_a_proxy_is_not_taken_for_this_machine() {
    let daemon = daemon();
    let raw = Raw::to(&daemon);
    assert_eq!(raw.send("GET", "/api/v1/incidents", &[], "").status, 200);
    raw.send("GET", "/api/v1/incidents", &[("x-forwarded-for", "10.0.0.1")], "").is_problem(403, "/api/v1/incidents");
}

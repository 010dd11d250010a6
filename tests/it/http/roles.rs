//! Whom the daemon lets do what.

use super::{Raw, bad_input::refused, idle};
use crate::support::daemon::{Daemon, Settings, delivery};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const ROLES: [&str; 4] = ["viewer", "responder", "approver", "admin"];

fn guarded() -> Daemon {
    let tokens: Vec<_> =
        ROLES.iter().map(|role| json!({"name": role, "role": role, "hash": hash(&format!("{role}-token"))})).collect();
    let senders = json!([
        {"name": "am", "kind": "alertmanager", "auth": {"bearer_hash": hash("am-token")}},
        {"name": "grafana", "kind": "grafana", "auth": {"hmac": "grafana-secret"}},
    ]);
    let mut settings = Settings::of(idle("api"));
    settings.platform = json!({"tokens": tokens, "senders": senders});
    Daemon::start(&settings)
}

#[test]
fn each_role_may_do_what_it_may_and_no_more() {
    let daemon = guarded();
    let raw = Raw::to(&daemon);
    // What each needs at least; a body that goes no further than the check of the role where it would do something.
    let routes = [
        ("GET", "/api/v1/incidents", "", 0),
        ("GET", "/api/v1/approvals", "", 0),
        ("GET", "/api/v1/kill-switch", "", 0),
        ("GET", "/api/v1/whoami", "", 0),
        ("GET", "/api/v1/operations", "", 0),
        ("GET", "/api/v1/environments", "", 0),
        ("GET", "/api/v1/services", "", 0),
        ("GET", "/api/v1/runbooks", "", 0),
        ("POST", "/api/v1/diagnose/nope", "{}", 1),
        ("POST", "/api/v1/operations/nope", "{}", 1),
        ("POST", "/api/v1/incidents/inc_nope/take-over", "{}", 1),
        ("POST", "/api/v1/incidents/inc_nope/release", "{}", 1),
        ("POST", "/api/v1/incidents/inc_nope/close", "{}", 1),
        ("POST", "/api/v1/incidents/inc_nope/comment", r#"{"comment":"x"}"#, 1),
        ("PUT", "/api/v1/kill-switch", "{}", 1),
        ("POST", "/api/v1/approvals/apr_nope/approve", r#"{"digest":"x"}"#, 2),
        ("POST", "/api/v1/approvals/apr_nope/deny", r#"{"digest":"x"}"#, 2),
        ("DELETE", "/api/v1/kill-switch", "{}", 3),
    ];
    for (method, path, body, needed) in routes {
        let send = |headers: &[(&str, &str)]| raw.send(method, path, headers, body);
        let json = ("content-type", "application/json");
        send(&[json]).is_problem(401, path);
        send(&[json, ("authorization", "Bearer wrong")]).is_problem(401, path);
        for (rank, role) in ROLES.iter().enumerate() {
            let token = format!("Bearer {role}-token");
            let reply = send(&[json, ("authorization", &token)]);
            if rank < needed {
                reply.is_problem(403, path);
                assert!(
                    reply.body["detail"].as_str().is_some_and(|text| text.contains(ROLES[needed])),
                    "{}",
                    reply.text
                );
            } else {
                assert!(![401, 403].contains(&reply.status), "{role} {method} {path}: {}", reply.text);
            }
        }
    }
    for role in ROLES {
        let token = format!("Bearer {role}-token");
        let told = raw.send("GET", "/api/v1/whoami", &[("authorization", &token)], "");
        assert_eq!(told.body, json!({"name": role, "role": role}));
    }
    for open in ["/health", "/ready", "/metrics", "/", "/page/app.js", "/api/openapi.json"] {
        assert_eq!(raw.send("GET", open, &[], "").status, 200, "{open} needs no token");
    }
}

#[test]
fn every_described_route_needs_a_token_unless_it_says_otherwise() {
    let daemon = guarded();
    let raw = Raw::to(&daemon);
    let document = raw.send("GET", "/api/openapi.json", &[], "").body;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{document}");
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, described) in methods.as_object().expect("methods") {
            seen += 1;
            if described["security"] == json!([{}]) {
                continue;
            }
            let path =
                path.replace("{id}", "x").replace("{service}", "x").replace("{name}", "x").replace("{digest}", "x");
            let json = [("content-type", "application/json")];
            raw.send(&method.to_uppercase(), &path, &json, "{}").is_problem(401, &path);
        }
    }
    assert!(seen >= 26, "only {seen} routes are described");
}

#[test]
fn senders_prove_who_they_are() {
    let daemon = guarded();
    let raw = Raw::to(&daemon);
    let json = ("content-type", "application/json");
    let body = delivery("firing", &json!({"alertname": "Down", "service": "api", "severity": "critical"})).to_string();
    let path = "/api/v1/alerts/alertmanager";
    raw.send("POST", path, &[json], body.clone()).is_problem(401, path);
    raw.send("POST", path, &[json, ("authorization", "Bearer viewer-token")], body.clone()).is_problem(401, path);
    assert_eq!(refused(&daemon, "unauthenticated"), 2, "unknown senders are counted");
    let reply = raw.send("POST", path, &[json, ("authorization", "Bearer am-token")], body.clone());
    assert_eq!(reply.status, 200, "{}", reply.text);
    raw.send("GET", "/api/v1/incidents", &[("authorization", "Bearer am-token")], "")
        .is_problem(401, "/api/v1/incidents");

    let path = "/api/v1/alerts/grafana";
    let body = body.replace("\"version\":\"4\"", "\"version\":\"1\"");
    let sign = |text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"grafana-secret").expect("any key does");
        mac.update(text.as_bytes());
        hex(&mac.finalize().into_bytes())
    };
    for method in ["POST", "PUT"] {
        raw.send(method, path, &[json], body.clone()).is_problem(401, path);
        let wrong = sign("another body");
        raw.send(method, path, &[json, ("x-grafana-alerting-signature", &wrong)], body.clone()).is_problem(401, path);
        let right = sign(&body);
        let reply = raw.send(method, path, &[json, ("x-grafana-alerting-signature", &right)], body.clone());
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    assert_eq!(refused(&daemon, "unauthenticated"), 6);
}

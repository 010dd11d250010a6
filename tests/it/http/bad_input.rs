//! Bodies that are wrong, huge or hostile: a problem document that says what and where, a metric, nothing stored.

use super::{Raw, daemon};
use crate::support::daemon::{Daemon, delivery};
use serde_json::{Value, json};

const WEBHOOK: &str = "/api/v1/alerts/alertmanager";
const JSON: (&str, &str) = ("content-type", "application/json");

fn good() -> Value {
    delivery("firing", &json!({"alertname": "Down", "service": "api", "severity": "critical"}))
}

fn without(field: &str) -> Vec<u8> {
    let mut body = good();
    body.as_object_mut().expect("an object").remove(field);
    body.to_string().into_bytes()
}

fn with(field: &str, value: Value) -> Vec<u8> {
    let mut body = good();
    body[field] = value;
    body.to_string().into_bytes()
}

/// Webhooks that were refused for this reason, as the metrics have it.
pub(super) fn refused(daemon: &Daemon, reason: &str) -> u64 {
    counted(daemon, &format!("oncalld_webhooks_refused_total{{reason=\"{reason}\"}}"))
}

fn counted(daemon: &Daemon, metric: &str) -> u64 {
    let metrics = daemon.http.get("/metrics").expect("an answer").text;
    let value = metrics.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse().ok());
    value.unwrap_or(0)
}

#[test]
fn a_webhook_that_cannot_be_read_says_where_and_stores_nothing() {
    let daemon = daemon();
    let raw = Raw::to(&daemon);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no JSON", b"alerts!".to_vec(), ""),
        ("nothing", Vec::new(), ""),
        ("cut off", good().to_string().into_bytes()[..200].to_vec(), ""),
        ("a list", b"[]".to_vec(), ""),
        ("another version", with("version", json!("3")), "/version"),
        ("a number as version", with("version", json!(4)), "/version"),
        ("no version", without("version"), "/version"),
        ("no group key", without("groupKey"), "/groupKey"),
        ("no alerts", without("alerts"), "/alerts"),
        ("alerts of a wrong type", with("alerts", json!({"a": 1})), "/alerts"),
        ("not UTF-8", [b"{\"version\":\"4\",\"x\":\"".as_slice(), b"\xff\xfe\"}"].concat(), ""),
        ("deep", format!("{}{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)).into_bytes(), ""),
        ("deep lists", "[".repeat(500_000).into_bytes(), ""),
    ];
    for (number, (what, body, pointer)) in cases.into_iter().enumerate() {
        let reply = raw.send("POST", WEBHOOK, &[JSON], body);
        reply.is_problem(400, WEBHOOK);
        assert_eq!(reply.body["pointer"], pointer, "{what}: {}", reply.text);
        assert_eq!(refused(&daemon, "unreadable"), number as u64 + 1, "{what} is counted");
    }
    assert_eq!(daemon.http.get("/api/v1/incidents").expect("an answer").ok()["items"], json!([]));
}

#[test]
fn one_bad_alert_does_not_cost_the_others() {
    let daemon = daemon();
    let mut body = good();
    let alert = body["alerts"][0].clone();
    body["alerts"] = json!([{"status": "firing"}, alert, 7]);
    let answer = daemon.http.post(WEBHOOK, &body).expect("an answer").ok();
    assert_eq!(answer["accepted"], 1, "{answer}");
    let rejected: Vec<_> = answer["rejected"].as_array().expect("a list").iter().map(|one| &one["index"]).collect();
    assert_eq!(rejected, [0, 2], "{answer}");
    assert_eq!(counted(&daemon, r#"oncalld_alerts_rejected_total{sender="alertmanager"}"#), 2);
    assert_eq!(answer["incidents"].as_array().map(Vec::len), Some(1), "{answer}");
}

#[test]
fn a_body_of_ten_mebibytes_is_refused_before_it_is_read() {
    let daemon = daemon();
    let raw = Raw::to(&daemon);
    let before = resident(daemon.pid());
    for body in [vec![b' '; 10 << 20], vec![b'['; 10 << 20]] {
        let reply = raw.send("POST", WEBHOOK, &[JSON], body);
        reply.is_problem(413, WEBHOOK);
    }
    let chunks = futures_util::stream::iter((0..160).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10])));
    let reply = raw.send("POST", "/api/v1/diagnose/api", &[JSON], reqwest::Body::wrap_stream(chunks));
    reply.is_problem(413, "/api/v1/diagnose/api");
    assert_eq!(refused(&daemon, "too_large"), 2);
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 24 << 20, "the daemon grew by {grown} bytes");
    assert_eq!(daemon.http.get("/health").expect("an answer").status, 200);
}

fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn get_operations(daemon: &Daemon) -> serde_json::Value {
    daemon.http.get("/api/v1/operations").expect("an answer").ok()
}

#[test]
fn requests_of_the_api_are_checked_too() {
    let daemon = daemon();
    let raw = Raw::to(&daemon);
    let post = |path: &str, body: &str| raw.send("POST", path, &[JSON], body.to_owned());
    let reply = post("/api/v1/diagnose/api", r#"{"note":7}"#);
    reply.is_problem(400, "/api/v1/diagnose/api");
    assert_eq!(reply.body["pointer"], "/note");
    post("/api/v1/diagnose/api", r#"{"nope":1}"#).is_problem(400, "/api/v1/diagnose/api");
    let reply = post("/api/v1/diagnose/apo", "{}");
    reply.is_problem(404, "/api/v1/diagnose/apo");
    assert_eq!(reply.body["near"], json!(["api"]), "{}", reply.text);
    let operations = get_operations(&daemon);
    let of = |name: &str, parameter: &str| {
        let all = operations.as_array().expect("a list");
        let operation = all.iter().find(|one| one["name"] == name).expect("an operation");
        let parameters = operation["parameters"].as_array().expect("a list");
        parameters.iter().find(|one| one["name"] == parameter).expect("a parameter").clone()
    };
    assert_eq!(of("restart_service", "timeout")["range"], json!(["1s", "5m"]), "who asks can know it beforehand");
    assert_eq!(of("terminate_session", "session")["pattern"], "^(?:^[0-9]{1,18}$)$");
    let path = "/api/v1/operations/restart_service";
    post(path, r#"{"target":"api","arguments":{"timeout":"soon"}}"#).is_problem(422, path);
    post(path, r#"{"target":"api","arguments":{"force":true}}"#).is_problem(422, path);
    post("/api/v1/operations/nope", "{}").is_problem(404, "/api/v1/operations/nope");
    post("/api/v1/approvals/apr_none/approve", "{}").is_problem(400, "/api/v1/approvals/apr_none/approve");
    post("/api/v1/approvals/apr_none/approve", r#"{"digest":"x"}"#)
        .is_problem(404, "/api/v1/approvals/apr_none/approve");
    let get = |path: &str| raw.send("GET", path, &[], "");
    for query in ["limit=0", "limit=501", "limit=x", "state=nope", "verdict=nope", "open=maybe", "nope=1"] {
        get(&format!("/api/v1/incidents?{query}")).is_problem(400, "/api/v1/incidents");
    }
    for path in ["", "/journal", "/report"] {
        let path = format!("/api/v1/incidents/inc_nope{path}");
        get(&path).is_problem(404, &path);
    }
}

#[test]
fn what_does_not_exist_is_a_problem_document_too() {
    let daemon = daemon();
    let raw = Raw::to(&daemon);
    raw.send("GET", "/api/v1/nope", &[], "").is_problem(404, "/api/v1/nope");
    raw.send("GET", "/page/../../etc/passwd", &[], "").is_problem(404, "/etc/passwd");
    raw.send("GET", "/page/nope.js", &[], "").is_problem(404, "/page/nope.js");
    let reply = raw.send("PUT", "/api/v1/incidents", &[JSON], "{}");
    reply.is_problem(405, "/api/v1/incidents");
    assert!(reply.headers["allow"].to_str().expect("text").contains("GET"));
    let reply = raw.send("GET", "/api/v1/live", &[], "");
    assert!((400..500).contains(&reply.status), "{}", reply.text);
    reply.is_problem(reply.status, "/api/v1/live");
}

#[test]
fn a_request_keeps_its_id() {
    let daemon = daemon();
    let raw = Raw::to(&daemon);
    let reply = raw.send("GET", "/health", &[("x-request-id", "deploy-7")], "");
    assert_eq!(reply.headers["x-request-id"], "deploy-7");
    let reply = raw.send("GET", "/health", &[("x-request-id", "a b\"c")], "");
    assert_ne!(reply.headers["x-request-id"], "a b\"c");
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
}

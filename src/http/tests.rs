use super::*;
use crate::config::*;
use crate::domain::{ByteSize, Digest, GateDecision, TimeSpan};
use crate::engine::{self, Equipment, Parts};
use crate::journal::sqlite::SqliteJournal;
use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::Request as HttpRequest,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use tower::ServiceExt as _;

struct Rig {
    router: Router,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn config(tokens: Vec<TokenConfig>, folder: &std::path::Path) -> Config {
    let span = TimeSpan::from_secs;
    let platform = Platform {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: folder.to_owned(),
        journal: String::new(),
        public_url: None,
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        tokens,
        senders: Vec::new(),
        limits: Limits {
            body: ByteSize(1 << 20),
            request_timeout: span(10),
            queue: 10,
            concurrent_steps: 2,
            evidence: ByteSize(1 << 16),
        },
        telemetry: Telemetry { log: LogFormat::Human, level: "info".into() },
        channels: Vec::new(),
        retention: Retention { blobs: span(60), restore: span(60) },
    };
    let policies = Policies {
        rules: Vec::new(),
        defaults: Defaults {
            expires: span(60),
            role: Role::Approver,
            quorum: 1,
            escalate_every: span(60),
            claimed: GateDecision::Ask,
        },
        budgets: Budgets { per_target: 2, per_environment: 5, window: span(60) },
        flap: Flap { times: 3, window: span(60) },
        freeze: Vec::new(),
        unprotect: Vec::new(),
        storm: Storm { percent: 30, minimum: 5, window: span(60) },
    };
    Config {
        digest: Digest::of(b""),
        sources: Sources::default(),
        platform,
        agents: Config::load(Sources::built_in(), &BTreeMap::new()).unwrap().agents,
        environments: BTreeMap::new(),
        policies,
        catalog: crate::catalog::Catalog::default(),
    }
}

async fn rig(tokens: Vec<TokenConfig>) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let (journal, writer) = SqliteJournal::build(&folder.path().join("journal.db")).await.unwrap();
    let stop = CancellationToken::new();
    let parts = Parts {
        config: Arc::new(config(tokens, folder.path())),
        load: Box::new(|_| None),
        gauges: journal.gauges(),
        journal: Arc::new(journal),
        equipment: Equipment { places: BTreeMap::new(), notifiers: Vec::new(), ..Equipment::default() },
        drain: Duration::from_secs(1),
    };
    let (engine, work) = engine::build(parts, stop.clone()).await.unwrap();
    tokio::spawn(writer);
    tokio::spawn(work);
    let peer: SocketAddr = ([127, 0, 0, 1], 5000).into();
    Rig { router: router(engine, stop.clone()).layer(axum::Extension(ConnectInfo(peer))), stop, _folder: folder }
}

impl Rig {
    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = HttpRequest::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = to_bytes(answer.into_body(), 1 << 22).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let rig = rig(Vec::new()).await;
    for (method, path, body, status) in [
        ("GET", "/nope", "", 404),
        ("PATCH", "/api/v1/incidents", "{}", 405),
        ("GET", "/api/v1/incidents?limit=x", "", 400),
        ("GET", "/api/v1/incidents/inc_none", "", 404),
        ("GET", "/api/v1/incidents/%ff", "", 400),
        ("GET", "/api/v1/live", "", 400),
        ("POST", "/api/v1/diagnose/api", "{", 400),
        ("POST", "/api/v1/diagnose/api", "{}", 404),
        ("POST", "/api/v1/approvals/apr_none/approve", "{\"digest\":\"x\"}", 404),
        ("POST", "/api/v1/alerts/alertmanager", "{}", 400),
        ("PUT", "/api/v1/alerts/grafana", "{}", 400),
    ] {
        let (got, problem) = rig.ask(method, path, body).await;
        assert_eq!((got, problem["status"].as_u64()), (status, Some(u64::from(status))), "{method} {path} {problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        assert_eq!(problem["instance"], path.split('?').next().unwrap(), "{problem}");
    }
}

#[test]
fn every_status_of_every_route_is_described() {
    let document = serde_json::to_value(document()).unwrap();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            operations += 1;
            let open = described["security"] == json!([{}]);
            let mut wanted = vec![400, 421, 500, 503];
            wanted.extend(if open { [].as_slice() } else { &[401, 403] });
            wanted.extend(if method == "get" { [].as_slice() } else { &[403, 408, 413, 415] });
            wanted.extend(if path.contains('{') { [404].as_slice() } else { &[] });
            for status in wanted {
                let answer = &described["responses"][status.to_string()];
                let told = answer["description"].as_str().is_some_and(|text| !text.is_empty());
                assert!(told, "{method} {path}: {status}: {answer}");
                let media = answer["content"].as_object().unwrap().keys().next().unwrap();
                assert!(media == MEDIA_TYPE || path == "/ready", "{method} {path}: {status}: {media}");
            }
        }
    }
    assert!(operations >= 26, "{operations}");
}

#[tokio::test]
async fn without_incidents_there_is_an_answer_all_the_same() {
    let rig = rig(Vec::new()).await;
    assert_eq!(rig.ask("GET", "/api/v1/incidents", "").await, (200, json!({"items": [], "next": null})));
    assert_eq!(rig.ask("GET", "/api/v1/approvals", "").await, (200, json!([])));
    assert_eq!(rig.ask("GET", "/ready", "").await.1["ready"], true);
    let (status, switch) = rig.ask("PUT", "/api/v1/kill-switch", "{\"reason\":\"test\"}").await;
    assert_eq!((status, &switch["on"], &switch["by"]), (200, &json!(true), &json!("local")), "{switch}");
    assert_eq!(rig.ask("DELETE", "/api/v1/kill-switch", "").await.1["on"], false);
}

#[tokio::test]
async fn whoever_has_no_token_gets_nothing() {
    let token = TokenConfig { name: "ann".into(), role: Role::Viewer, hash: Digest::of(b"secret") };
    let rig = rig(vec![token]).await;
    let document = rig.ask("GET", "/api/openapi.json", "").await.1;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    for (path, methods) in document["paths"].as_object().unwrap() {
        let filled =
            path.replace("{id}", "x").replace("{service}", "x").replace("{name}", "x").replace("{digest}", "x");
        for (method, described) in methods.as_object().unwrap() {
            let status = rig.ask(&method.to_uppercase(), &filled, "{}").await.0;
            let open = described["security"] == json!([{}]);
            assert_eq!(status == 401, !open, "{method} {path}: {status}");
        }
    }
}

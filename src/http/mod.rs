//! The HTTP API, the live feed and the web page.
//!
//! ```text
//! request ─► request id ─► security headers ─► problem documents ─► panic ─► time-out ─► guard (Host, Origin, JSON)
//!         ─► handler: who asks (auth) ─► body ─► Engine
//! ```
//!
//! Handlers translate between HTTP and [`Engine`], and decide nothing.

mod accept;
mod alerts;
mod approvals;
mod auth;
mod body;
mod catalogue;
mod diagnose;
mod guard;
mod health;
mod incidents;
mod kill_switch;
mod live;
mod openapi;
mod operations;
mod page;
mod problem;
mod request_id;
mod serve;

pub use live::PROTOCOL;
pub use problem::{MEDIA_TYPE, ProblemDocument};
pub use serve::serve;

use crate::domain::clean_text;
use crate::engine::Engine;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::get,
};
use problem::Problem;
use std::{any::Any, sync::Arc};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Characters that a comment or a note may have; more is cut.
const LONGEST_TEXT: usize = 4_000;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Api {
    engine: Engine,
    feeds: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Api {
    fn body_limit(&self) -> usize {
        usize::try_from(self.engine.config().platform.limits.body.0).unwrap_or(usize::MAX)
    }
}

/// All routes. `shutdown` ends the live feeds, which would otherwise never end.
pub fn router(engine: Engine, shutdown: CancellationToken) -> Router {
    let api = Api { engine, feeds: Arc::new(Semaphore::new(live::MOST_FEEDS)), shutdown };
    let (router, document) = parts();
    let document = Router::new().route("/api/openapi.json", get(openapi::serve)).with_state(Arc::new(document));
    let pages = Router::new().route("/", get(page::index)).route("/page/{name}", get(page::file));
    router
        .with_state(api.clone())
        .merge(document)
        .merge(pages)
        .layer(from_fn_with_state(api.clone(), guard::check))
        .layer(from_fn_with_state(api, deadline))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(problem::finish))
        .layer(from_fn(secured))
        .layer(from_fn(request_id::identify))
}

/// The description of the API, as `/api/openapi.json` gives it.
pub fn document() -> utoipa::openapi::OpenApi {
    parts().1
}

fn parts() -> (Router<Api>, utoipa::openapi::OpenApi) {
    let (router, mut document) = described().split_for_parts();
    openapi::complete(&mut document);
    (router, document)
}

fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::Base::openapi())
        .routes(routes!(alerts::alertmanager))
        .routes(routes!(alerts::grafana))
        .routes(routes!(diagnose::diagnose))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::show))
        .routes(routes!(incidents::journal))
        .routes(routes!(incidents::report))
        .routes(routes!(incidents::evidence))
        .routes(routes!(incidents::take_over))
        .routes(routes!(incidents::release))
        .routes(routes!(incidents::close))
        .routes(routes!(incidents::comment))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::deny))
        .routes(routes!(kill_switch::read, kill_switch::throw, kill_switch::reset))
        .routes(routes!(live::live))
        .routes(routes!(operations::list))
        .routes(routes!(operations::run))
        .routes(routes!(catalogue::environments))
        .routes(routes!(catalogue::services))
        .routes(routes!(catalogue::runbooks))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
}

/// Text of a person: harmless to show, and not endless.
fn said(text: &str) -> String {
    clean_text(text.trim(), LONGEST_TEXT)
}

/// No request takes longer than configured. An upgraded connection is answered at once and lives on.
async fn deadline(State(api): State<Api>, request: Request, next: Next) -> Response {
    let limit = api.engine.config().platform.limits.request_timeout;
    match tokio::time::timeout(limit.as_std(), next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::too_slow(format!("it took more than {limit} (limits.request_timeout)")).into_response(),
    }
}

#[allow(clippy::needless_pass_by_value)] // the layer's signature
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(message, "a request handler panicked");
    Problem::internal().into_response()
}

/// Headers that every answer has.
async fn secured(request: Request, next: Next) -> Response {
    const FIXED: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::*;
    use crate::domain::{ByteSize, Digest, Redactor, TimeSpan};
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
        let agent = Agent { provider: Provider::Runbook };
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
            defaults: Defaults { expires: span(60), role: Role::Approver, quorum: 1, escalate_every: span(60) },
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
            agents: Agents { planner: agent.clone(), analyst: agent.clone(), reporter: agent },
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
            equipment: Equipment { places: BTreeMap::new(), notifiers: Vec::new(), redactor: Redactor::default() },
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
            assert_eq!(
                (got, problem["status"].as_u64()),
                (status, Some(u64::from(status))),
                "{method} {path} {problem}"
            );
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
}

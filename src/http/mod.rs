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
mod whoami;

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
        .routes(routes!(whoami::whoami))
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
mod tests;

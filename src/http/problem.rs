//! Errors as RFC 9457 problem documents: what went wrong, where, and what to do.

use super::request_id::RequestId;
use crate::engine::EngineError;
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What axum itself says about a request that it refuses is a line; more than this is not read of it.
const PLAIN_LIMIT: usize = 4096;

/// A problem document as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// Names the kind of problem: `urn:oncalld:problem:not_found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// The request's id, which is in the log too.
    pub request_id: String,
    /// JSON pointer to what is wrong in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Names that are near the one that was not found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
}

/// An error on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// Boxed, since it rides in every handler's `Result`.
    details: Box<Details>,
}

#[derive(Clone, Debug, PartialEq)]
struct Details {
    code: &'static str,
    title: &'static str,
    detail: String,
    pointer: Option<String>,
    near: Vec<String>,
    headers: Vec<(header::HeaderName, &'static str)>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let details = Details { code, title, detail, pointer: None, near: Vec::new(), headers: Vec::new() };
        Self { status, details: Box::new(details) }
    }

    /// 400, with a pointer to what is wrong in the body (empty for the body as a whole).
    pub fn bad_body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, "bad_body", "The body cannot be understood", detail);
        problem.details.pointer = Some(pointer.into());
        problem
    }

    /// 400 for anything but the body.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", "The request cannot be understood", detail)
    }

    /// 401.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first", detail)
            .with(header::WWW_AUTHENTICATE, "Bearer realm=\"oncalld\"")
    }

    /// 403.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 403 for a page of another site.
    pub fn foreign_origin(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", "Pages of other sites may not do this", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    /// 406.
    pub fn not_acceptable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", "No such format", detail)
    }

    /// 408.
    pub fn body_too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "The body did not arrive in time", detail)
            .with(header::CONNECTION, "close")
    }

    /// 413.
    pub fn body_too_large(limit: usize) -> Self {
        let detail = format!("a body may have at most {limit} bytes; send fewer alerts at once, or raise limits.body");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large", detail)
            .with(header::CONNECTION, "close")
    }

    /// 415.
    pub fn not_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "JSON is needed", detail)
    }

    /// 421.
    pub fn wrong_host(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", "This is not that host", detail)
    }

    /// 503, to be tried again.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now", detail).with(header::RETRY_AFTER, "5")
    }

    /// 503 for a request that took too long.
    pub fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_slow", "It took too long", detail)
            .with(header::RETRY_AFTER, "5")
    }

    /// 500.
    pub fn internal() -> Self {
        let detail = "oncalld failed while it answered; its log has more under the same request_id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "oncalld failed", detail)
    }

    /// What the framework refused by itself, in its words.
    fn of_status(status: StatusCode, plain: &str) -> Self {
        let (code, title, hint) = match status {
            StatusCode::NOT_FOUND => ("not_found", "Not found", "there is nothing at this path; see /api/openapi.json"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "Not this method", "this path knows other methods: see the Allow header")
            }
            StatusCode::UPGRADE_REQUIRED => ("upgrade_required", "A WebSocket is needed", "connect by WebSocket"),
            _ => ("bad_request", status.canonical_reason().unwrap_or("Refused"), "the request was refused"),
        };
        Self::new(status, code, title, if plain.is_empty() { hint } else { plain })
    }

    fn with(mut self, name: header::HeaderName, value: &'static str) -> Self {
        self.details.headers.push((name, value));
        self
    }

    fn document(self, instance: &str, request_id: &str) -> ProblemDocument {
        let details = *self.details;
        ProblemDocument {
            kind: format!("urn:oncalld:problem:{}", details.code),
            title: details.title.into(),
            status: self.status.as_u16(),
            detail: details.detail,
            instance: instance.into(),
            request_id: request_id.into(),
            pointer: details.pointer,
            near: details.near,
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let detail = error.to_string();
        match error {
            EngineError::NotFound { near, .. } => {
                let mut problem = Self::not_found(detail);
                problem.details.near = near;
                problem
            }
            EngineError::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", "Not in this state", detail),
            EngineError::Forbidden(_) => Self::forbidden(detail),
            EngineError::Invalid(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "This makes no sense here", detail)
            }
            EngineError::Full(_) | EngineError::Unavailable(_) => Self::unavailable(detail),
        }
    }
}

impl IntoResponse for Problem {
    /// Leaves the body to [`finish`], which knows path and request id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        for (name, value) in &self.details.headers {
            response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes every error as a problem document: ours, and those that the framework makes by itself.
pub async fn finish(request: Request, next: Next) -> Response {
    let instance = request.uri().path().to_owned();
    let request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let mut response = next.run(request).await;
    let status = response.status();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return write(problem, response.headers().clone(), &instance, &request_id);
    }
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error && !is_structured(response.headers()) {
        let (parts, body) = response.into_parts();
        let plain = to_bytes(body, PLAIN_LIMIT).await.unwrap_or_default();
        let problem = Problem::of_status(status, String::from_utf8_lossy(&plain).trim());
        return write(problem, parts.headers, &instance, &request_id);
    }
    response
}

/// Answers that carry a document of their own: `/ready` while it is not.
fn is_structured(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/"))
}

fn write(problem: Problem, mut headers: HeaderMap, instance: &str, request_id: &str) -> Response {
    let status = problem.status;
    let document = problem.document(instance, request_id);
    let body = serde_json::to_vec(&document).unwrap_or_default(); // texts and numbers only: it cannot fail
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, headers, Body::from(body)).into_response()
}

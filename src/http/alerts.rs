//! Webhooks of Alertmanager and Grafana. Answered with 2xx only after the alerts are durable.

use super::{
    Api, auth, body,
    problem::{Problem, ProblemDocument},
};
use crate::domain::SenderKind;
use crate::engine::{Accepted, RejectedAlert};
use crate::intake::{self, AuthError, Credentials, Intake};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, StatusCode},
};
use chrono::Utc;
use std::net::SocketAddr;

/// What the paths of the webhooks begin with.
pub const PATH: &str = "/api/v1/alerts/";

/// Alertmanager's webhook, payload version 4.
#[utoipa::path(
    post, path = "/api/v1/alerts/alertmanager", tag = "alerts", security(("token" = []), ("basic" = [])),
    request_body(content = Object, description = "As Alertmanager sends it", content_type = "application/json"),
    responses(
        (status = 200, body = Accepted, description = "Durable"),
        (status = 400, body = ProblemDocument, description = "Unreadable; `pointer` says where"),
        (status = 401, body = ProblemDocument, description = "Unknown sender"),
        (status = 413, body = ProblemDocument, description = "Too large"),
        (status = 503, body = ProblemDocument, description = "Not durable; try again"),
    )
)]
pub async fn alertmanager(State(api): State<Api>, request: Request) -> Result<axum::Json<Accepted>, Problem> {
    receive(api, request, SenderKind::Alertmanager).await
}

/// Grafana's webhook, payload version 1.
#[utoipa::path(
    method(post, put), path = "/api/v1/alerts/grafana", tag = "alerts", security(("token" = []), ("basic" = [])),
    request_body(content = Object, description = "As Grafana sends it", content_type = "application/json"),
    responses(
        (status = 200, body = Accepted, description = "Durable"),
        (status = 400, body = ProblemDocument, description = "Unreadable; `pointer` says where"),
        (status = 401, body = ProblemDocument, description = "Unknown sender"),
        (status = 413, body = ProblemDocument, description = "Too large"),
        (status = 503, body = ProblemDocument, description = "Not durable; try again"),
    )
)]
pub async fn grafana(State(api): State<Api>, request: Request) -> Result<axum::Json<Accepted>, Problem> {
    receive(api, request, SenderKind::Grafana).await
}

async fn receive(api: Api, request: Request, kind: SenderKind) -> Result<axum::Json<Accepted>, Problem> {
    let accepted = take(&api, request, kind).await;
    if let Err(problem) = &accepted {
        api.engine.count_refused(reason(problem.status));
    }
    accepted.map(axum::Json)
}

async fn take(api: &Api, request: Request, kind: SenderKind) -> Result<Accepted, Problem> {
    debug_assert!(matches!(*request.method(), Method::POST | Method::PUT));
    let (parts, content) = request.into_parts();
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let bytes = body::read(content, api.body_limit()).await?;
    let sender = sender(api, kind, &parts.headers, peer, &bytes)?;
    let understood = match kind {
        SenderKind::Alertmanager => intake::alertmanager(&bytes, &sender),
        SenderKind::Grafana => intake::grafana(&bytes, &sender),
    };
    let Intake { delivery, rejected, ignored } =
        understood.map_err(|error| Problem::bad_body(error.pointer.clone(), error.to_string()))?;
    let rejected: Vec<RejectedAlert> =
        rejected.into_iter().map(|one| RejectedAlert { index: one.index, reason: one.reason }).collect();
    api.engine.count_left_aside(&delivery.sender, rejected.len(), ignored);
    if delivery.alerts.is_empty() && delivery.truncated == 0 {
        return Ok(Accepted { rejected, ..Accepted::default() }); // nothing to make durable
    }
    Ok(api.engine.deliver(delivery, rejected).await?)
}

/// The group of the configured sender. Where none of this kind is configured, a responder's token serves as well; where
/// no token is configured either, anyone on this machine, under the name of the kind.
fn sender(
    api: &Api,
    kind: SenderKind,
    headers: &HeaderMap,
    peer: Option<SocketAddr>,
    body: &[u8],
) -> Result<String, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let given = Credentials {
        authorization: text("authorization"),
        signature: text("x-grafana-alerting-signature"),
        timestamp: text("x-grafana-alerting-timestamp"),
    };
    let config = api.engine.config();
    match intake::identify(&config.platform.senders, kind, &given, body, Utc::now()) {
        Ok(sender) => Ok(sender.group.clone()),
        Err(AuthError::NoSender) => {
            let identity = auth::identify(&config.platform.tokens, headers, peer)?;
            auth::need(&identity, crate::config::Role::Responder)?;
            Ok(if config.platform.tokens.is_empty() { name_of(kind).to_owned() } else { identity.name })
        }
        Err(error) => Err(Problem::unauthenticated(error.to_string())),
    }
}

fn name_of(kind: SenderKind) -> &'static str {
    match kind {
        SenderKind::Alertmanager => "alertmanager",
        SenderKind::Grafana => "grafana",
    }
}

fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "unauthenticated",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::REQUEST_TIMEOUT => "too_slow",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "unreadable",
    }
}

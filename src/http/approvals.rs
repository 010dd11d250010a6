//! Decisions that are waiting for people.

use super::{
    Api,
    auth::{Approver, Viewer},
    body::{self, Name},
    problem::{Problem, ProblemDocument},
};
use crate::domain::{Approval, ApprovalId, Decision, Digest};
use crate::engine::Identity;
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

/// Lists what is pending, oldest first.
#[utoipa::path(
    get, path = "/api/v1/approvals", tag = "approvals",
    responses((status = 200, body = Vec<Approval>))
)]
pub async fn list(State(api): State<Api>, _: Viewer) -> Json<Vec<Approval>> {
    Json(api.engine.approvals())
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// Digest of the request, as it was shown: it proves what was seen.
    pub digest: String,
    /// Why.
    #[serde(default)]
    pub comment: Option<String>,
}

/// Approves a request.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/approve", tag = "approvals",
    params(("id" = String, Path, description = "Id of the request")),
    request_body = Decided,
    responses(
        (status = 200, body = Approval, description = "Recorded"),
        (status = 403, body = ProblemDocument, description = "Another role, or another person, is needed"),
        (status = 404, body = ProblemDocument, description = "No such request"),
        (status = 409, body = ProblemDocument, description = "No longer pending, or another digest"),
    )
)]
pub async fn approve(
    State(api): State<Api>,
    Approver(by): Approver,
    Name(id): Name,
    body::Json(decided): body::Json<Decided>,
) -> Result<Json<Approval>, Problem> {
    decide(&api, id, Decision::Approve, decided, &by).await
}

/// Denies a request: the same thing is not asked again.
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/deny", tag = "approvals",
    params(("id" = String, Path, description = "Id of the request")),
    request_body = Decided,
    responses(
        (status = 200, body = Approval, description = "Recorded"),
        (status = 403, body = ProblemDocument, description = "Another role is needed"),
        (status = 404, body = ProblemDocument, description = "No such request"),
        (status = 409, body = ProblemDocument, description = "No longer pending, or another digest"),
    )
)]
pub async fn deny(
    State(api): State<Api>,
    Approver(by): Approver,
    Name(id): Name,
    body::Json(decided): body::Json<Decided>,
) -> Result<Json<Approval>, Problem> {
    decide(&api, id, Decision::Deny, decided, &by).await
}

async fn decide(
    api: &Api,
    id: String,
    decision: Decision,
    decided: Decided,
    by: &Identity,
) -> Result<Json<Approval>, Problem> {
    let comment = decided.comment.map(|text| super::said(&text)).filter(|text| !text.is_empty());
    let digest = Digest::new(decided.digest);
    Ok(Json(api.engine.decide(ApprovalId::new(id), decision, digest, by, comment).await?))
}

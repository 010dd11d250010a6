//! Diagnoses by hand.

use super::{
    Api,
    auth::Responder,
    body::{Name, OptionalJson},
    problem::{Problem, ProblemDocument},
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to say with a request for a diagnosis.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Environment; needed where several have a service of this name.
    #[serde(default)]
    pub environment: Option<String>,
    /// Why.
    #[serde(default)]
    pub note: String,
}

/// Work that began.
#[derive(Debug, Serialize, ToSchema)]
pub struct Begun {
    /// The incident to follow.
    pub incident: String,
}

/// Starts a diagnosis by hand. A service that has an incident is answered with that one, which is diagnosed anew if it had
/// its verdict.
#[utoipa::path(
    post, path = "/api/v1/diagnose/{service}", tag = "diagnose",
    params(("service" = String, Path, description = "Name of a service")),
    request_body(content = Wanted, content_type = "application/json"),
    responses(
        (status = 202, body = Begun, description = "It runs"),
        (status = 404, body = ProblemDocument, description = "No such service; `near` has names like it"),
        (status = 409, body = ProblemDocument, description = "An operation is under way there"),
        (status = 422, body = ProblemDocument, description = "The name is in several environments"),
    )
)]
pub async fn diagnose(
    State(api): State<Api>,
    Responder(by): Responder,
    Name(service): Name,
    OptionalJson(wanted): OptionalJson<Wanted>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    let incident = api.engine.diagnose(wanted.environment, service, wanted.note, &by).await?;
    Ok((StatusCode::ACCEPTED, Json(Begun { incident: incident.to_string() })))
}

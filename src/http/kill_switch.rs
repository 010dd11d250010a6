//! The kill switch: stops every mutation, durably. Whoever sees something go wrong may throw it; an admin resets it.

use super::{
    Api,
    auth::{Admin, Responder, Viewer},
    body::OptionalJson,
    problem::{Problem, ProblemDocument},
};
use crate::engine::KillSwitch;
use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

/// Why it is thrown or reset.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// For those who find it so.
    #[serde(default)]
    pub reason: String,
}

/// Says whether it is on.
#[utoipa::path(get, path = "/api/v1/kill-switch", tag = "kill switch", responses((status = 200, body = KillSwitch)))]
pub async fn read(State(api): State<Api>, _: Viewer) -> Json<KillSwitch> {
    Json(api.engine.kill_switch())
}

/// Stops every mutation.
#[utoipa::path(
    put, path = "/api/v1/kill-switch", tag = "kill switch",
    request_body(content = Why, content_type = "application/json"),
    responses(
        (status = 200, body = KillSwitch, description = "On"),
        (status = 503, body = ProblemDocument, description = "On, but only until the daemon restarts"),
    )
)]
pub async fn throw(
    State(api): State<Api>,
    Responder(by): Responder,
    OptionalJson(why): OptionalJson<Why>,
) -> Result<Json<KillSwitch>, Problem> {
    Ok(Json(api.engine.set_kill_switch(true, &by, super::said(&why.reason)).await?))
}

/// Allows mutations again.
#[utoipa::path(
    delete, path = "/api/v1/kill-switch", tag = "kill switch",
    responses(
        (status = 200, body = KillSwitch, description = "Off"),
        (status = 503, body = ProblemDocument, description = "Still on: it could not be made durable"),
    )
)]
pub async fn reset(
    State(api): State<Api>,
    Admin(by): Admin,
    OptionalJson(why): OptionalJson<Why>,
) -> Result<Json<KillSwitch>, Problem> {
    Ok(Json(api.engine.set_kill_switch(false, &by, super::said(&why.reason)).await?))
}

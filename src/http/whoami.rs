//! Who asks: a page offers only what its reader may do.

use super::auth::Viewer;
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The owner of a token.
#[derive(Debug, Serialize, ToSchema)]
pub struct Who {
    /// Their name; `local` where no token is configured.
    pub name: String,
    /// What they may do: `viewer`, `responder`, `approver` or `admin`, each with what the ones before may.
    pub role: &'static str,
}

/// Says whose token it is, and what they may do.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "people", responses((status = 200, body = Who)))]
pub async fn whoami(Viewer(by): Viewer) -> Json<Who> {
    Json(Who { name: by.name, role: by.role.as_str() })
}

//! The description of the API, made from the handlers themselves.

use axum::{Json, extract::State};
use std::sync::Arc;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

/// What the handlers do not say themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "oncalld",
        description = "The on-call daemon. Errors are problem documents (RFC 9457). State-changing requests need \
                       `Content-Type: application/json`, and an allowed `Host` and `Origin`. Roles, each with what the \
                       ones before may do: viewer (read), responder (diagnose, run operations, take over, throw the \
                       kill switch), approver (decide), admin (reset the kill switch).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    security(("token" = [])),
    modifiers(&Schemes),
    tags(
        (name = "alerts", description = "Webhooks of alert senders"),
        (name = "incidents", description = "What is and was going on"),
        (name = "approvals", description = "Decisions that wait for people"),
        (name = "kill switch", description = "Stops every mutation"),
    ),
)]
pub struct Base;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    }
}

/// Serves the document. Needs no token: it is the same for everyone.
pub async fn serve(State(document): State<Arc<Document>>) -> Json<Document> {
    Json(Document::clone(&document))
}

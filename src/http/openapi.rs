//! The description of the API, made from the handlers themselves.

use super::MEDIA_TYPE;
use axum::{Json, extract::State};
use std::sync::Arc;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, OpenApi as Document, Ref, RefOr, Response,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
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
        (name = "people", description = "Who asks"),
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

/// What any request may be answered with, by those that look at it before its handler does.
const ALWAYS: [(u16, &str); 4] = [
    (400, "The request cannot be understood"),
    (421, "The `Host` is not a name of this daemon"),
    (500, "A fault of oncalld's own"),
    (503, "Not now: it took too long, or the journal cannot be used; try again"),
];

/// What a request may be answered with where somebody must say who they are.
const GUARDED: [(u16, &str); 2] = [(401, "No token, or a wrong one"), (403, "Another role is needed")];

/// What a request that changes something may be answered with.
const CHANGING: [(u16, &str); 4] = [
    (403, "A page of another site may not do this"),
    (408, "The body did not arrive in time"),
    (413, "The body is too large"),
    (415, "It is not sent as JSON"),
];

/// What a handler answers without saying more about it.
const OTHERWISE: [(u16, &str); 2] = [(404, "There is no such thing"), (409, "Not in its present state")];

/// Adds to what the handlers describe what is decided before they are asked.
pub fn complete(document: &mut Document) {
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.put, &mut item.post, &mut item.delete].into_iter().flatten() {
            describe(operation, &CHANGING);
        }
        for operation in [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten() {
            let open = operation.security.as_ref().is_some_and(|any| any.contains(&SecurityRequirement::default()));
            if !open {
                describe(operation, &GUARDED);
            }
            describe(operation, &ALWAYS);
            let there =
                OTHERWISE.iter().filter(|(status, _)| operation.responses.responses.contains_key(&status.to_string()));
            let there: Vec<(u16, &str)> = there.copied().collect();
            describe(operation, &there);
            // Readiness says what is wrong in its own form.
            as_problems(operation, if path == "/ready" { "503" } else { "" });
        }
    }
}

/// Adds statuses that the handler does not describe in its own words.
fn describe(operation: &mut Operation, statuses: &[(u16, &str)]) {
    for (status, description) in statuses {
        let described = operation.responses.responses.entry(status.to_string());
        if let RefOr::T(response) = described.or_insert_with(|| RefOr::T(Response::default()))
            && response.description.is_empty()
        {
            (*description).clone_into(&mut response.description);
        }
    }
}

/// Every error is a problem document, which has a media type of its own.
fn as_problems(operation: &mut Operation, but: &str) {
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with(['4', '5']) && status != but, response) {
            let problem = Content::new(Some(Ref::from_schema_name("ProblemDocument")));
            response.content.clear();
            response.content.insert(MEDIA_TYPE.to_owned(), problem.into());
        }
    }
}

/// Serves the document. Needs no token: it is the same for everyone.
pub async fn serve(State(document): State<Arc<Document>>) -> Json<Document> {
    Json(Document::clone(&document))
}

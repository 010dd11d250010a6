//! Incidents: lists, one, its events, its report; and people's words to it.

use super::{
    Api,
    accept::{Format, preferred},
    auth::{Responder, Viewer},
    body::{Name, Names, OptionalJson, Query},
    problem::{Problem, ProblemDocument},
};
use crate::domain::{Digest, Event, Incident, IncidentId, IncidentState, Verdict};
use crate::engine::{EngineError, IncidentFilter, Page};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Incidents in one page of the list, if nothing is said, and at most.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;

/// Events in one page, if nothing is said, and at most: an event is at most a few hundred KiB, mostly below one.
const EVENTS: u32 = 500;
const MOST_EVENTS: u32 = 2_000;

/// Which incidents to list, newest first.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only open ones (`true`), or only closed ones (`false`).
    open: Option<bool>,
    /// Only in this state.
    #[param(inline)]
    state: Option<IncidentState>,
    /// Only of this environment.
    environment: Option<String>,
    /// Only of this service.
    service: Option<String>,
    /// Only with this verdict.
    #[param(inline)]
    verdict: Option<Verdict>,
    /// `next` of the page before.
    after: Option<String>,
    /// At most this many: 50 if not said, 500 at most.
    limit: Option<u32>,
}

/// Lists incidents, newest first.
#[utoipa::path(
    get, path = "/api/v1/incidents", tag = "incidents", params(Filter),
    responses((status = 200, body = Page), (status = 400, body = ProblemDocument))
)]
pub async fn list(State(api): State<Api>, _: Viewer, Query(filter): Query<Filter>) -> Result<Json<Page>, Problem> {
    let filter = IncidentFilter {
        by_activity: false,
        open: filter.open,
        state: filter.state.map(|state| state.to_string()),
        environment: filter.environment,
        service: filter.service,
        verdict: filter.verdict.map(|verdict| verdict.to_string()),
        after: filter.after.map(IncidentId::new),
        limit: within(filter.limit, PAGE, LARGEST_PAGE)?,
    };
    Ok(Json(api.engine.incidents(filter).await?))
}

fn within(limit: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    match limit {
        None => Ok(usual),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::bad_request(format!("limit: {limit} is not between 1 and {most}"))),
    }
}

/// One incident, whole.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident")),
    responses((status = 200, body = Incident), (status = 404, body = ProblemDocument))
)]
pub async fn show(State(api): State<Api>, _: Viewer, Name(id): Name) -> Result<Json<Incident>, Problem> {
    let incident = api.engine.incident(&IncidentId::new(id)).await?;
    Ok(Json(Incident::clone(&incident)))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Events {
    /// Only those after this one.
    #[serde(default)]
    after: u64,
    /// At most this many: 500 if not said, 2000 at most.
    limit: Option<u32>,
}

/// Events, and where the next page begins.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// Oldest first.
    pub items: Vec<Event>,
    /// Pass it as `after` for the next page; none at the end.
    pub next: Option<u64>,
}

/// The events of an incident, oldest first.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/journal", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident"), Events),
    responses((status = 200, body = EventPage), (status = 404, body = ProblemDocument))
)]
pub async fn journal(
    State(api): State<Api>,
    _: Viewer,
    Name(id): Name,
    Query(wanted): Query<Events>,
) -> Result<Json<EventPage>, Problem> {
    let limit = within(wanted.limit, EVENTS, MOST_EVENTS)?;
    let id = IncidentId::new(id);
    let items = api.engine.events(Some(id.clone()), wanted.after, limit).await?;
    if items.is_empty() {
        api.engine.incident(&id).await?; // tells "no such incident" from "no further events"
    }
    let next = (items.len() == limit as usize).then(|| items.last().map(|event| event.seq)).flatten();
    Ok(Json(EventPage { items, next }))
}

/// The report: Markdown, or JSON where `Accept` prefers it.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/report", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident")),
    responses(
        (status = 200, description = "The report", content((String = "text/markdown"), (Object = "application/json"))),
        (status = 404, body = ProblemDocument),
        (status = 406, body = ProblemDocument),
    )
)]
pub async fn report(
    State(api): State<Api>,
    _: Viewer,
    Name(id): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = IncidentId::new(id);
    let answer = match preferred(&headers)? {
        Format::Markdown => {
            let text = api.engine.report_markdown(&id).await?;
            ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response()
        }
        Format::Json => Json(api.engine.report_json(&id).await?).into_response(),
    };
    Ok(([(header::VARY, "accept")], answer).into_response())
}

/// The whole captured result behind a piece of the incident's evidence, as its journal cites it by digest.
#[utoipa::path(
    get, path = "/api/v1/incidents/{id}/evidence/{digest}", tag = "incidents",
    params(
        ("id" = String, Path, description = "Id of the incident"),
        ("digest" = String, Path, description = "Digest of the evidence"),
    ),
    responses((status = 200, body = Object, content_type = "application/json"), (status = 404, body = ProblemDocument))
)]
pub async fn evidence(
    State(api): State<Api>,
    _: Viewer,
    Names((id, digest)): Names<(String, String)>,
) -> Result<Response, Problem> {
    match api.engine.captured(&IncidentId::new(id), Digest::new(digest)).await? {
        Some(bytes) => Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response()),
        None => Err(Problem::not_found("the incident has no such evidence, or retention deleted it")),
    }
}

/// What someone says.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The words.
    #[serde(default)]
    pub comment: String,
}

/// Takes the wheel: pending work stops, and nothing further runs until released.
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/take-over", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident")),
    request_body(content = Said, content_type = "application/json"),
    responses((status = 204), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument))
)]
pub async fn take_over(
    State(api): State<Api>,
    Responder(by): Responder,
    Name(id): Name,
    OptionalJson(said): OptionalJson<Said>,
) -> Result<StatusCode, Problem> {
    done(api.engine.take_over(IncidentId::new(id), &by, super::said(&said.comment)).await)
}

/// Gives the wheel back.
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/release", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident")),
    request_body(content = Said, content_type = "application/json"),
    responses((status = 204), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument))
)]
pub async fn release(
    State(api): State<Api>,
    Responder(by): Responder,
    Name(id): Name,
    OptionalJson(said): OptionalJson<Said>,
) -> Result<StatusCode, Problem> {
    done(api.engine.release(IncidentId::new(id), &by, super::said(&said.comment)).await)
}

/// Closes it by hand.
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/close", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident")),
    request_body(content = Said, content_type = "application/json"),
    responses((status = 204), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument))
)]
pub async fn close(
    State(api): State<Api>,
    Responder(by): Responder,
    Name(id): Name,
    OptionalJson(said): OptionalJson<Said>,
) -> Result<StatusCode, Problem> {
    done(api.engine.close(IncidentId::new(id), &by, super::said(&said.comment)).await)
}

/// Says something.
#[utoipa::path(
    post, path = "/api/v1/incidents/{id}/comment", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident")),
    request_body(content = Said, content_type = "application/json"),
    responses((status = 204), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument))
)]
pub async fn comment(
    State(api): State<Api>,
    Responder(by): Responder,
    Name(id): Name,
    OptionalJson(said): OptionalJson<Said>,
) -> Result<StatusCode, Problem> {
    let text = super::said(&said.comment);
    if text.is_empty() {
        return Err(Problem::bad_body("/comment", "say something"));
    }
    done(api.engine.comment(IncidentId::new(id), &by, text).await)
}

fn done(result: Result<(), EngineError>) -> Result<StatusCode, Problem> {
    Ok(result.map(|()| StatusCode::NO_CONTENT)?)
}

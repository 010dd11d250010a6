//! What is configured, and what the inventory sees.

use super::{
    Api,
    auth::Viewer,
    body::Query,
    problem::{Problem, ProblemDocument},
};
use crate::config::Autonomy;
use crate::domain::Service;
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnvironmentView {
    /// Name.
    pub name: String,
    /// Its kind: `docker` or `process`; where `auto` is configured, which of them was found.
    pub kind: String,
    /// What oncalld may do there by itself: `observe`, `suggest`, `approve`, `auto`.
    pub autonomy: String,
    /// How many services were seen.
    pub services: usize,
    /// When they were read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub read_at: Option<crate::domain::Timestamp>,
    /// Why they could not be read lately.
    pub stale: Option<String>,
}

/// Lists the environments.
#[utoipa::path(
    get, path = "/api/v1/environments", tag = "catalogue",
    responses((status = 200, body = Vec<EnvironmentView>))
)]
pub async fn environments(State(api): State<Api>, _: Viewer) -> Json<Vec<EnvironmentView>> {
    let (config, inventories) = (api.engine.config(), api.engine.inventories());
    let view = config.environments.values().map(|environment| {
        let inventory = inventories.get(&environment.name);
        EnvironmentView {
            name: environment.name.clone(),
            kind: api.engine.kind(&environment.name).to_string(),
            autonomy: autonomy(environment.autonomy).into(),
            services: inventory.map_or(0, |inventory| inventory.services.len()),
            read_at: inventory.and_then(|inventory| inventory.read_at),
            stale: inventory.and_then(|inventory| inventory.stale.clone()),
        }
    });
    Json(view.collect())
}

fn autonomy(autonomy: Autonomy) -> &'static str {
    match autonomy {
        Autonomy::Observe => "observe",
        Autonomy::Suggest => "suggest",
        Autonomy::Approve => "approve",
        Autonomy::Auto => "auto",
    }
}

/// Which services.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only this environment's.
    environment: Option<String>,
}

/// A service with its environment.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceView {
    /// Environment.
    pub environment: String,
    /// The service.
    #[serde(flatten)]
    pub service: Service,
}

/// Lists the services that the inventory sees.
#[utoipa::path(
    get, path = "/api/v1/services", tag = "catalogue", params(Which),
    responses((status = 200, body = Vec<ServiceView>), (status = 404, body = ProblemDocument))
)]
pub async fn services(
    State(api): State<Api>,
    _: Viewer,
    Query(which): Query<Which>,
) -> Result<Json<Vec<ServiceView>>, Problem> {
    if let Some(name) = &which.environment
        && !api.engine.config().environments.contains_key(name)
    {
        return Err(Problem::not_found(format!("there is no environment '{}'", super::said(name))));
    }
    let inventories = api.engine.inventories();
    let wanted = inventories.iter().filter(|(name, _)| which.environment.as_ref().is_none_or(|only| only == *name));
    let view = wanted.flat_map(|(environment, inventory)| {
        let services = inventory.services.values();
        services.map(|service| ServiceView { environment: environment.clone(), service: service.clone() })
    });
    Ok(Json(view.collect()))
}

/// A runbook.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunbookView {
    /// Id.
    pub id: String,
    /// What it is about.
    pub description: String,
    /// Higher ones come first.
    pub priority: i64,
    /// Whether it serves every incident.
    pub always: bool,
    /// The file that it is in.
    pub file: String,
    /// Cause codes that it can find.
    pub causes: Vec<String>,
    /// Remedies that it knows.
    pub remedies: Vec<String>,
}

/// Lists the runbooks, in the order in which they are tried.
#[utoipa::path(
    get, path = "/api/v1/runbooks", tag = "catalogue",
    responses((status = 200, body = Vec<RunbookView>))
)]
pub async fn runbooks(State(api): State<Api>, _: Viewer) -> Json<Vec<RunbookView>> {
    let config = api.engine.config();
    let view = config.catalog.runbooks.iter().map(|runbook| RunbookView {
        id: runbook.id.clone(),
        description: runbook.description.clone(),
        priority: runbook.priority,
        always: runbook.always,
        file: runbook.file.clone(),
        causes: runbook.findings.iter().filter_map(|finding| finding.cause.clone()).collect(),
        remedies: runbook.remedies.keys().cloned().collect(),
    });
    Json(view.collect())
}

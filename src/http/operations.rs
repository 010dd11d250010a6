//! Operations: what there is, and running one by hand.

use super::{
    Api,
    auth::{Responder, Viewer},
    body::{self, Name},
    diagnose::Begun,
    problem::{Problem, ProblemDocument},
};
use crate::catalog::{Operation, Undo};
use crate::domain::{Risk, Values};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An operation of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct OperationView {
    /// Name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Declared risk; arguments can raise it.
    pub risk: Risk,
    /// What may be said, besides the target.
    pub parameters: Vec<ParameterView>,
    /// Type of its result.
    pub returns: String,
    /// Whether it can be taken back: `auto`, `ask` or `none`.
    pub undo: String,
    /// Kinds of environment that it can run in.
    pub kinds: Vec<String>,
}

/// A parameter of an operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParameterView {
    /// Name.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub shape: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it is if it is not given.
    #[schema(value_type = Option<Object>)]
    pub default: Option<serde_json::Value>,
    /// The only values, if not empty.
    #[schema(value_type = Vec<Object>)]
    pub options: Vec<serde_json::Value>,
    /// The least and the most that it may be, if there are such.
    #[schema(value_type = Option<Vec<Object>>)]
    pub range: Option<[serde_json::Value; 2]>,
    /// What a text must match as a whole, if anything.
    pub pattern: Option<String>,
    /// What it is for.
    pub description: String,
}

impl OperationView {
    fn of(operation: &Operation, kinds: Vec<String>) -> Self {
        let parameters = operation.parameters.iter().map(|(name, parameter)| ParameterView {
            name: name.clone(),
            shape: parameter.shape.to_string(),
            required: parameter.required,
            default: parameter.default.clone(),
            options: parameter.options.clone(),
            range: parameter.range.clone().map(|(least, most)| [least, most]),
            pattern: parameter.pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
            description: parameter.description.clone(),
        });
        let undo = match operation.undo {
            Undo::Auto => "auto",
            Undo::Ask => "ask",
            Undo::None => "none",
        };
        Self {
            name: operation.name.clone(),
            description: operation.description.clone(),
            risk: operation.risk,
            parameters: parameters.collect(),
            returns: operation.returns.to_string(),
            undo: undo.into(),
            kinds,
        }
    }
}

/// Lists the operations.
#[utoipa::path(
    get, path = "/api/v1/operations", tag = "operations",
    responses((status = 200, body = Vec<OperationView>))
)]
pub async fn list(State(api): State<Api>, _: Viewer) -> Json<Vec<OperationView>> {
    let config = api.engine.config();
    let catalog = &config.catalog;
    let kinds = |name: &str| {
        let having = catalog.translations.iter().filter(|(_, operations)| operations.contains_key(name));
        having.map(|(kind, _)| kind.to_string()).collect()
    };
    Json(catalog.operations.values().map(|operation| OperationView::of(operation, kinds(&operation.name))).collect())
}

/// One operation to run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Environment; needed where it does not follow from the target.
    #[serde(default)]
    pub environment: Option<String>,
    /// The service to act on; none for an operation on the environment itself.
    #[serde(default)]
    pub target: Option<String>,
    /// Arguments by name.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub arguments: Values,
}

/// Runs one operation by hand, through the same gate and journal as any.
#[utoipa::path(
    post, path = "/api/v1/operations/{name}", tag = "operations",
    params(("name" = String, Path, description = "Name of an operation")),
    request_body = Run,
    responses(
        (status = 202, body = Begun, description = "It runs, or a decision is asked for: follow the incident"),
        (status = 404, body = ProblemDocument, description = "No such operation, environment or target"),
        (status = 409, body = ProblemDocument, description = "The same operation is under way there, and changes something: which incident, and what to do"),
        (status = 422, body = ProblemDocument, description = "Arguments that do not fit"),
    )
)]
pub async fn run(
    State(api): State<Api>,
    Responder(by): Responder,
    Name(name): Name,
    body::Json(run): body::Json<Run>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    let incident = api.engine.run_operation(run.environment, name, run.target, run.arguments, &by).await?;
    Ok((StatusCode::ACCEPTED, Json(Begun { incident: incident.to_string() })))
}

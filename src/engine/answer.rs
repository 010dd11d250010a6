//! What the engine answers with.

use crate::config::Role;
use crate::domain::{IncidentId, Timestamp};
use crate::journal::JournalError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the token's owner.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// Why the engine did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// There is no such thing.
    #[error("{what}{}", if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) })]
    NotFound {
        /// What was looked for, and that it is not there.
        what: String,
        /// Names that are near.
        near: Vec<String>,
    },
    /// It cannot be done in the present state.
    #[error("{0}")]
    Conflict(String),
    /// Whoever asks may not.
    #[error("{0}")]
    Forbidden(String),
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Too much is waiting; nothing was stored. Ask again later.
    #[error("{0}")]
    Full(String),
    /// It could not be made durable now, or not in time: then the words say that it may have been stored. Ask again later.
    #[error("{0}")]
    Unavailable(String),
}

impl From<JournalError> for EngineError {
    fn from(error: JournalError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What became of a delivery. Durable when it is returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Accepted {
    /// Alerts that are durable now, or were before.
    pub accepted: usize,
    /// Alerts that could not be taken, with the reason.
    pub rejected: Vec<RejectedAlert>,
    /// Incidents that they belong to.
    #[schema(value_type = Vec<String>)]
    pub incidents: Vec<IncidentId>,
    /// Whether the same delivery was known already.
    pub duplicate: bool,
}

/// An alert of a delivery that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedAlert {
    /// Position in the body.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Rows of a list, and where the next page begins.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Page {
    /// Incidents in short form, newest first.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<serde_json::Value>,
    /// Pass it as `after` for the next page; none at the end.
    pub next: Option<String>,
}

/// The kill switch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KillSwitch {
    /// Whether mutations are stopped.
    pub on: bool,
    /// Who threw or reset it last.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
}

/// Whether alerts can be made durable, and what else is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether webhooks are accepted.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Dependencies that are away; work goes on without them as far as it can.
    pub degraded: Vec<Degraded>,
}

/// A dependency that is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Degraded {
    /// Which.
    pub dependency: String,
    /// What is wrong.
    pub problem: String,
}

//! What an incident is doing.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// What an incident is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Nothing was done yet.
    Open,
    /// A plan is being made.
    Planning,
    /// Reading steps run.
    Diagnosing,
    /// The cause is looked for or treated in a dependency's incident.
    Waiting,
    /// People are asked.
    AwaitingApproval,
    /// Native calls are being sent, or are about to be tried again.
    Remediating,
    /// The effect is being checked.
    Validating,
    /// The effect is being taken back.
    Undoing,
    /// A person has the wheel.
    TakenOver,
    /// Concluded: it closes once its alerts are over, or can no longer be those of a storm.
    Watching,
    /// A person must look; it re-notifies until someone closes it or a healthy re-check does.
    Escalated,
    /// Done.
    Closed,
}

impl IncidentState {
    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Planning => "planning",
            Self::Diagnosing => "diagnosing",
            Self::Waiting => "waiting",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Remediating => "remediating",
            Self::Validating => "validating",
            Self::Undoing => "undoing",
            Self::TakenOver => "taken_over",
            Self::Watching => "watching",
            Self::Escalated => "escalated",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for IncidentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

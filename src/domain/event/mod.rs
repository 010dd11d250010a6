//! Everything that happens, in the past tense. The journal is a list of these, and an incident is their fold.
//!
//! What is stored is read again by every later version: a kind or a field may be added, never renamed or taken away.

mod act;
mod body;
mod step;
mod trigger;

pub use act::{CallOutcome, GateDecision, Left, UndoReason};
pub use body::EventBody;
pub use step::StepOutcome;
pub use trigger::Trigger;

use super::{Digest, Evidence, IncidentId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Position: gap-free, in commit order, over all incidents.
    pub seq: u64,
    /// When it was appended.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The incident, or none for what concerns the whole daemon (the kill switch).
    pub incident: Option<IncidentId>,
    /// What happened.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub body: EventBody,
    /// Hash over the previous line's hash and this line: see [`crate::journal`].
    pub hash: Digest,
}

impl EventBody {
    /// The evidence that it brings, if it does.
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::StepFinished { outcome: StepOutcome::Succeeded { evidence }, .. } => Some(evidence),
            Self::VerifyFinished { evidence, .. } => evidence.as_ref(),
            _ => None,
        }
    }

    /// What is sent or asked for, as a person would type it.
    pub fn command(&self) -> Option<String> {
        match self {
            Self::ApprovalRequested { approval } => Some(approval.command.clone()),
            Self::CallIntended { call, command, .. } if command.is_empty() => Some(call.command()),
            Self::CallIntended { command, .. } => Some(command.clone()),
            _ => None,
        }
    }

    /// The kind, as in the API: `incident_opened`.
    pub fn kind(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => {
                fields.get("kind").and_then(|kind| kind.as_str()).unwrap_or("unknown").to_owned()
            }
            _ => "unknown".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;

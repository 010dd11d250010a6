//! What becomes of a step that changes something: what the gate says of it, how its calls end, and why it is taken back.

use crate::domain::Values;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The gate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateDecision {
    /// Go ahead.
    Run,
    /// A person must decide.
    Ask,
    /// No.
    Refuse,
}

impl GateDecision {
    /// As in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Ask => "ask",
            Self::Refuse => "refuse",
        }
    }
}

/// How a native call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum CallOutcome {
    /// It was done.
    Done {
        /// What it returned.
        result: Values,
    },
    /// It was certainly not done.
    NotDone {
        /// Why.
        error: String,
        /// Whether trying again may help: it did not even reach what would have done it.
        #[serde(default)]
        transient: bool,
    },
    /// Nobody can tell; a person must look.
    Unknown {
        /// Why.
        error: String,
    },
}

impl CallOutcome {
    /// Why the call certainly was not sent, if so. What a probe inferred is not that certain.
    pub fn unsent(&self) -> Option<&str> {
        match self {
            Self::NotDone { error, transient: true } => Some(error),
            _ => None,
        }
    }
}

/// A target as a call left it: an undo that runs by itself needs it to be still so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// Fields of its status.
    pub status: Values,
    /// Immutable identity of every instance.
    pub identity: BTreeMap<String, String>,
}

/// Why an undo is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoReason {
    /// The verification did not hold.
    VerifyFailed,
    /// Only a part of the calls was done.
    Incomplete,
}

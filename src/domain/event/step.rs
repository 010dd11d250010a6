//! How a step that only reads ends.

use crate::domain::Evidence;
use serde::{Deserialize, Serialize};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum StepOutcome {
    /// With evidence.
    Succeeded {
        /// What was seen.
        evidence: Evidence,
    },
    /// Without; a transient failure is tried again.
    Failed {
        /// What went wrong.
        error: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// It was not run.
    Skipped {
        /// Why.
        reason: String,
    },
}

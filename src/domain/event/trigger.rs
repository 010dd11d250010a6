//! How an incident begins.

use crate::domain::Values;
use serde::{Deserialize, Serialize};

/// Why an incident was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Trigger {
    /// An alert fired.
    Alert,
    /// Someone asked for a diagnosis.
    Diagnose {
        /// Who.
        name: String,
        /// What they said.
        note: String,
    },
    /// Someone asked for one operation.
    Operation {
        /// Who.
        name: String,
        /// The operation.
        operation: String,
        /// Its arguments, checked.
        arguments: Values,
    },
    /// Many targets of an environment alert at once.
    Storm {
        /// How many.
        targets: usize,
    },
}

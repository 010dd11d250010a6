//! What oncalld can do and when: operations, their translations to native calls, and runbooks, parsed and cross-checked.

mod bind;
mod operation;
mod read;
mod runbook;
mod scope;
mod translation;

pub use bind::{Case, holds, target_value};
pub use operation::{ArgumentError, On, Operation, Parameter, Raise, Undo, Verify};
pub use read::{Documents, condition};
pub use runbook::{FindingRule, Matching, RemedyRule, RemedyStep, Runbook, RunbookStep};
pub use scope::{acted_shape, alert_shape, declared_shape, instance_shape, status_shape, step_shape, target_shape};
pub use translation::{CallTemplate, Each, Entry, Translation};

use crate::domain::EnvironmentKind;
use std::collections::BTreeMap;

/// Everything that the YAML of operations, translations and runbooks says, checked against each other.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By name.
    pub operations: BTreeMap<String, Operation>,
    /// By kind of environment, then by operation. An operation that is not here is not supported there.
    pub translations: BTreeMap<EnvironmentKind, BTreeMap<String, Translation>>,
    /// Highest priority first, then by id.
    pub runbooks: Vec<Runbook>,
}

impl Catalog {
    /// Whether an operation returns what is measured in this kind of environment; see [`Translation::measures`].
    pub fn is_measured(&self, kind: EnvironmentKind, operation: &str) -> bool {
        self.translations.get(&kind).and_then(|all| all.get(operation)).is_some_and(Translation::measures)
    }
}

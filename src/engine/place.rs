//! Environments as the engine sees them: where they are, and which executor serves which calls there.

use crate::domain::EnvironmentKind;
use crate::execute::{Environment, ExecuteError, Executor, alertmanager::Alertmanager};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Environments by name.
pub type Places = BTreeMap<String, Place>;

/// One environment with its executors.
#[derive(Clone)]
pub struct Place {
    /// Its kind, `auto` resolved.
    pub kind: EnvironmentKind,
    /// Where its services run.
    pub environment: Arc<dyn Environment>,
    /// What else its calls may need: metrics, alerts, messages.
    pub executors: Vec<Arc<dyn Executor>>,
    /// Where alerts that a sender left out are fetched.
    pub alertmanager: Option<Arc<Alertmanager>>,
    /// How often its inventory is read.
    pub inventory_every: Duration,
}

impl Place {
    /// The executor that serves a family of calls here.
    ///
    /// # Errors
    /// Nothing serves it, because it is not configured for this environment.
    pub fn executor(&self, family: &str, call: &str) -> Result<&dyn Executor, ExecuteError> {
        if self.environment.families().contains(&family) {
            return Ok(self.environment.as_ref());
        }
        let found = self.executors.iter().find(|executor| executor.families().contains(&family));
        found.map(AsRef::as_ref).ok_or_else(|| {
            ExecuteError::permanent(
                call,
                format!("no {family} is configured for this environment; see environments.yml"),
            )
        })
    }
}

//! Environments as the engine sees them: where they are, and which executor serves which calls there. A reload exchanges
//! them all at once; what is under way ends with those that it began with.

use crate::domain::{AgentRole, EnvironmentKind, Redactor};
use crate::execute::{Environment, ExecuteError, Executor, alertmanager::Alertmanager};
use crate::llm::Chain;
use crate::notify::Notifier;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What effects are carried out with: it follows from the configuration in force.
#[derive(Clone, Default)]
pub struct Equipment {
    /// Where steps run.
    pub places: Places,
    /// Channels to people.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Models, by who asks them.
    pub models: Arc<BTreeMap<AgentRole, Chain>>,
    /// Knows the configuration's secrets.
    pub redactor: Redactor,
}

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
    pub fn executor(&self, family: &str, call: &str) -> Result<Arc<dyn Executor>, ExecuteError> {
        if self.environment.families().contains(&family) {
            return Ok(self.environment.clone());
        }
        let found = self.executors.iter().find(|executor| executor.families().contains(&family));
        found.cloned().ok_or_else(|| {
            ExecuteError::permanent(
                call,
                format!("no {family} is configured for this environment; see environments.yml"),
            )
        })
    }
}

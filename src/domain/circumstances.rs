//! What a decision goes by besides its incident, as far as it may be another the next time. It is noted in the journal
//! when it has changed, so that an incident can be decided on again later, when the world is no longer as it was.

use super::{Digest, EnvironmentKind, Service, Spent, StepId, Timestamp};
use serde::{Deserialize, Serialize};

/// What was so around an incident. What is none was as before, or is not known of journals of earlier versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Circumstances {
    /// What the environment is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<EnvironmentKind>,
    /// The configuration in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Digest>,
    /// The target and what steps are about, as the inventory had them; of what is around them, only the names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<Service>>,
    /// How much of the environment alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerting: Option<Alerting>,
    /// Whether the kill switch is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill_switch: Option<bool>,
    /// What was changed in the environment within the time that its budgets look back on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutations: Option<Vec<Mutation>>,
    /// What models have cost in the last day, over all incidents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thought: Option<Spent>,
}

impl Circumstances {
    /// Takes over what is news.
    pub fn update(&mut self, news: &Self) {
        take(&mut self.kind, &news.kind);
        take(&mut self.config, &news.config);
        take(&mut self.services, &news.services);
        take(&mut self.alerting, &news.alerting);
        take(&mut self.kill_switch, &news.kill_switch);
        take(&mut self.mutations, &news.mutations);
        take(&mut self.thought, &news.thought);
    }

    /// What is news to whoever knows `before`; none if nothing is.
    pub fn since(self, before: &Self) -> Option<Self> {
        let news = Self {
            kind: other(self.kind, &before.kind),
            config: other(self.config, &before.config),
            services: other(self.services, &before.services),
            alerting: other(self.alerting, &before.alerting),
            kill_switch: other(self.kill_switch, &before.kill_switch),
            mutations: other(self.mutations, &before.mutations),
            thought: other(self.thought, &before.thought),
        };
        (news != Self::default()).then_some(news)
    }
}

fn take<T: Clone>(known: &mut Option<T>, news: &Option<T>) {
    if news.is_some() {
        known.clone_from(news);
    }
}

fn other<T: PartialEq>(now: Option<T>, before: &Option<T>) -> Option<T> {
    now.filter(|now| before.as_ref() != Some(now))
}

/// How much of an environment alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alerting {
    /// Different targets that alert together.
    pub count: usize,
    /// Targets that there are. Those that alert are, though they are gone since, or were not seen yet by a process that
    /// has just begun.
    pub targets: usize,
    /// Whether a storm is open. It ends only when less than half of what opens one alerts: an alert that comes and goes
    /// must not open one storm after another.
    pub in_storm: bool,
}

/// One mutating step that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mutation {
    /// When its first call was intended.
    pub at: Timestamp,
    /// The step, which counts once however many calls it has.
    pub step: StepId,
    /// Environment.
    pub environment: String,
    /// Target.
    pub target: String,
    /// Operation.
    pub operation: String,
}

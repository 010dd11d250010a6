//! Deciding again on an incident that is in the journal: with nothing but its events and a configuration.
//!
//! ```text
//! recorded events ─┬─ facts (alerts, evidence, answers, people's words, calls) ─► folded as they were
//!                  └─ decisions ─► compared with what `decide` decides now ─┬─ alike: go on together
//!                                                                           └─ others: go on alone, as far as recorded
//!                                                                              facts can tell what would have been seen
//! ```
//!
//! Nothing is read, asked or sent. What is decided now and has no recorded outcome is said to be unknown.

mod alone;
mod compare;
mod facts;
mod together;
mod words;

pub use compare::Difference;
pub use words::{Told, What};

use super::{Next, Snapshot, decide, fold};
use crate::config::{Config, KindSetting};
use crate::domain::{
    Alerting, Circumstances, Digest, EnvironmentKind, Event, EventBody, Incident, Inventory, Service, Step, StepId,
    StepOutcome, Timestamp, Trigger,
};
use crate::gate::History;
use std::collections::BTreeMap;

/// By which configurations is decided now.
#[derive(Clone, Copy)]
pub enum Rules<'a> {
    /// By those that it was decided by then.
    AsThen {
        /// The one that the incident is pinned to.
        pinned: &'a Config,
        /// Those that were in force meanwhile, where they can be had.
        in_force: &'a BTreeMap<Digest, Config>,
    },
    /// By this one, as if the incident had begun under it.
    With(&'a Config),
}

impl<'a> Rules<'a> {
    fn pinned(self) -> &'a Config {
        match self {
            Self::AsThen { pinned: config, .. } | Self::With(config) => config,
        }
    }

    fn current(self, digest: Option<&Digest>) -> &'a Config {
        match self {
            Self::AsThen { pinned, in_force } => digest.and_then(|digest| in_force.get(digest)).unwrap_or(pinned),
            Self::With(config) => config,
        }
    }
}

/// What came of deciding again.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The first decision that is another one now, with what it was.
    pub first: Option<Parting>,
    /// All that is otherwise in the end.
    pub differences: Vec<Difference>,
    /// What is decided now, in order.
    pub decided: Vec<Told>,
    /// What would be looked at or asked now and was not then: it is taken for unseen.
    pub unseen: Vec<String>,
    /// Why nobody can tell how it would go on, if it would go on otherwise than it did.
    pub unknown: Option<String>,
    /// The incident, as it would be.
    pub incident: Incident,
    /// Its events, as they would be.
    pub events: Vec<Event>,
}

impl Replay {
    /// Whether everything was decided as it was.
    pub fn is_same(&self) -> bool {
        self.first.is_none() && self.differences.is_empty()
    }
}

/// Where what is decided now parts from what was.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Parting {
    /// The recorded event.
    pub seq: u64,
    /// When that was.
    pub at: Timestamp,
    /// What was decided then.
    pub then: String,
    /// What is decided now.
    pub now: String,
}

/// Whether the journal has what this incident's decisions went by; earlier versions did not keep it.
pub fn has_circumstances(events: &[Event]) -> bool {
    let weighed = events.iter().any(|event| matches!(event.body, EventBody::PlanMade { .. }));
    !weighed || events.iter().any(|event| matches!(event.body, EventBody::CircumstancesNoted { .. }))
}

/// Decides again on an incident. None if the events do not begin with its opening.
pub fn replay(events: &[Event], rules: Rules<'_>) -> Option<Replay> {
    let mut walk = Walk::new(events, rules)?;
    if !walk.together() {
        walk.alone();
    }
    let Walk { incident, replayed, first, unseen, unknown, .. } = walk;
    let then = (words::told(events), fold(events)?);
    let now = (words::told(&replayed), &incident);
    let differences = compare::differences((&then.0, &then.1), (&now.0, now.1), unknown.is_some());
    Some(Replay { first, differences, decided: now.0, unseen, unknown, incident, events: replayed })
}

/// An incident that is decided on again.
struct Walk<'a> {
    rules: Rules<'a>,
    /// As recorded.
    events: &'a [Event],
    /// The next recorded event.
    position: usize,
    /// What the recorded steps were.
    steps: BTreeMap<&'a StepId, &'a Step>,
    /// As replayed.
    incident: Incident,
    replayed: Vec<Event>,
    world: Circumstances,
    /// What the inventory is taken for where the journal does not have it.
    guessed: Vec<Service>,
    kind: EnvironmentKind,
    process: String,
    now: Timestamp,
    first: Option<Parting>,
    unseen: Vec<String>,
    unknown: Option<String>,
}

impl<'a> Walk<'a> {
    fn new(events: &'a [Event], rules: Rules<'a>) -> Option<Self> {
        let opening = events.first()?;
        let incident = super::opened(opening)?;
        let steps = words::steps(events);
        Some(Self {
            rules,
            events,
            position: 1,
            guessed: guessed(&incident, &steps),
            steps,
            kind: kind(events, rules.pinned(), &incident),
            incident,
            replayed: vec![opening.clone()],
            world: Circumstances::default(),
            process: String::new(),
            now: opening.at,
            first: None,
            unseen: Vec::new(),
            unknown: None,
        })
    }

    /// What is decided now.
    fn decide(&self, process: &str) -> Next {
        let world = &self.world;
        let services = world.services.as_ref().unwrap_or(&self.guessed);
        let services = services.iter().map(|service| (service.name.clone(), service.clone())).collect();
        let inventory = Inventory { services, read_at: Some(self.now), stale: self.incident.lost.clone() };
        let history = History { mutations: world.mutations.clone().unwrap_or_default() };
        let snapshot = Snapshot {
            now: self.now,
            process,
            pinned: self.rules.pinned(),
            current: self.rules.current(world.config.as_ref()),
            kind: world.kind.unwrap_or(self.kind),
            inventory: &inventory,
            kill_switch: world.kill_switch.unwrap_or_default(),
            history: &history,
            thought: world.thought.unwrap_or_default(),
            // What is told of good times is recorded with the question that tells it.
            good: Vec::new(),
            alerting: self.alerting(),
            // These only say when something is done, and the record says when it was.
            reading: 0,
            dependency: None,
            awaited_is_open: true,
            busy: &[],
        };
        match decide(&self.incident, &snapshot) {
            Next::Append(mut decided) => {
                decided.retain(|body| !matches!(body, EventBody::CircumstancesNoted { .. }));
                Next::Append(decided)
            }
            wait => wait,
        }
    }

    /// How much alerts. What is concluded closed when that was over: only a storm's own end weighs it.
    fn alerting(&self) -> Alerting {
        let storm = matches!(self.incident.trigger, Trigger::Storm { .. });
        let weighed = storm || self.incident.verdict.is_none();
        self.world.alerting.filter(|_| weighed).unwrap_or_default()
    }

    /// Takes over what happened.
    fn take(&mut self, event: Event) {
        match &event.body {
            EventBody::CircumstancesNoted { circumstances } => self.world.update(circumstances),
            EventBody::ExchangeBegun { process, .. } | EventBody::CallIntended { process, .. } => {
                self.process.clone_from(process);
            }
            _ => {}
        }
        self.now = self.now.max(event.at);
        super::apply(&mut self.incident, &event);
        self.replayed.push(event);
    }
}

/// The target, and what steps were about: all that is known of the inventory where it was not kept.
fn guessed(incident: &Incident, steps: &BTreeMap<&StepId, &Step>) -> Vec<Service> {
    let named = steps.values().map(|step| &step.target).filter(|target| !target.is_empty());
    let names: std::collections::BTreeSet<&String> = incident.service.iter().chain(named).collect();
    names.into_iter().map(|name| Service { name: name.clone(), ..Service::default() }).collect()
}

/// What the environment is, where that was not kept: as it is configured, or as the commands look.
fn kind(events: &[Event], config: &Config, incident: &Incident) -> EnvironmentKind {
    match config.environments.get(&incident.environment).map(|environment| environment.kind) {
        Some(KindSetting::Fixed(kind)) => kind,
        _ => {
            let evidence = events.iter().filter_map(|event| match &event.body {
                EventBody::StepFinished { outcome: StepOutcome::Succeeded { evidence }, .. } => Some(evidence),
                _ => None,
            });
            let docker = evidence.flat_map(|evidence| &evidence.commands).any(|command| command.starts_with("docker "));
            if docker { EnvironmentKind::Docker } else { EnvironmentKind::Process }
        }
    }
}

//! What a decision may look at besides the incident, and what it may ask for.

use crate::config::Config;
use crate::domain::{Alerting, EnvironmentKind, EventBody, Evidence, IncidentId, Inventory, Spent, StepId, Timestamp};
use crate::gate::History;

/// The world at the moment of a decision.
pub struct Snapshot<'a> {
    /// The time.
    pub now: Timestamp,
    /// This process: it may send what it intended, and only probe what another one did.
    pub process: &'a str,
    /// The configuration that the incident began with.
    pub pinned: &'a Config,
    /// The configuration in force; its policy applies as well.
    pub current: &'a Config,
    /// Kind of the incident's environment.
    pub kind: EnvironmentKind,
    /// The environment's services, as last seen.
    pub inventory: &'a Inventory,
    /// Whether all mutations are stopped.
    pub kill_switch: bool,
    /// Mutations of the last while, over all incidents.
    pub history: &'a History,
    /// What models cost in the last day, over all incidents, and what is asked now may cost.
    pub thought: Spent,
    /// What was read of the incident's target when it was last good, one piece of evidence of an operation.
    pub good: Vec<&'a Evidence>,
    /// How much of the environment alerts: see [`crate::config::Storm`].
    pub alerting: Alerting,
    /// Reading steps of other incidents that run now; all incidents together have a limit.
    pub reading: usize,
    /// An open incident of something that this incident's target depends on.
    pub dependency: Option<Dependency>,
    /// Whether the incident waited for is still open, and somebody or something is at it: see [`super::is_worked_on`].
    pub awaited_is_open: bool,
    /// Mutating steps of other incidents that are under way in the environment.
    pub busy: &'a [Busy],
}

/// A mutating step that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// What it changes.
    pub target: String,
    /// The step.
    pub step: StepId,
}

/// An open incident of a dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The incident.
    pub incident: IncidentId,
    /// The dependency's name.
    pub service: String,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// These are decided: make them durable, fold them, decide again.
    Append(Vec<EventBody>),
    /// Nothing to decide until an effect ends, a fact arrives, or the time comes.
    Wait {
        /// What must be running.
        effects: Vec<Effect>,
        /// When to look again, at the latest.
        wakes_at: Option<Timestamp>,
    },
}

/// Something to be done outside. Equal effects are the same one: it is started once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Ask models. Ends in `exchange_ended`.
    Ask {
        /// Which exchange.
        index: u32,
    },
    /// Run a reading step. Ends in `step_finished`.
    RunStep {
        /// The step.
        step: StepId,
        /// Which attempt.
        attempt: u32,
    },
    /// Translate a mutating step against the live environment. Ends in `step_prepared` or `prepare_failed`.
    Prepare {
        /// The step.
        step: StepId,
        /// Which attempt.
        attempt: u32,
    },
    /// Read the target just before a call. Ends in what [`super::inspected`] makes of it.
    Inspect {
        /// The step.
        step: StepId,
        /// Position in the binding.
        index: usize,
        /// Whether for the undo.
        undo: bool,
    },
    /// Send a native call whose intent this process made durable. Ends in `call_finished`.
    Send {
        /// The step.
        step: StepId,
        /// Position in the binding.
        index: usize,
        /// Whether it is the undo.
        undo: bool,
    },
    /// Find out whether a call that another process intended was done. Ends in `call_finished`.
    Probe {
        /// The step.
        step: StepId,
        /// Position in the binding.
        index: usize,
        /// Whether it is the undo.
        undo: bool,
    },
    /// Check the effect through its soak. Ends in `verify_finished`.
    Verify {
        /// The step.
        step: StepId,
    },
    /// Compare the target with how the action left it, before an undo. Ends in [`super::compared`].
    Compare {
        /// The step.
        step: StepId,
    },
    /// Read the target again. Ends in `target_rechecked`.
    Recheck,
    /// Tell people through a channel. Ends in `notification_finished`.
    Notify {
        /// What about: `approval:apr_…`, `escalation:1`, `closed`.
        subject: String,
        /// The channel.
        channel: String,
    },
}

impl Next {
    /// Waiting for nothing but the next fact.
    pub fn idle() -> Self {
        Self::Wait { effects: Vec::new(), wakes_at: None }
    }
}

//! What the gate is asked, and what it answers.

use crate::config::{Autonomy, Policies, Role};
use crate::domain::{
    ActCall, Alerting, Approval, Binding, Digest, EnvironmentKind, GateDecision, IncidentId, Left, Mutation, Risk,
    Service, StepId, TimeSpan, Timestamp, Values,
};

/// Names of the gate's own rules, as they stand in the journal, the API and the metrics. Rules of `policies.yml` appear
/// as `policy:<name>`.
pub mod rule {
    /// The request contradicts itself; a fault of oncalld.
    pub const MISMATCH: &str = "mismatch";
    /// The inventory does not have the target.
    pub const UNKNOWN_TARGET: &str = "unknown_target";
    /// All mutations are stopped.
    pub const KILL_SWITCH: &str = "kill_switch";
    /// This incident may only read.
    pub const READ_ONLY: &str = "read_only";
    /// The target is protected.
    pub const PROTECTED: &str = "protected";
    /// The environment's autonomy level.
    pub const AUTONOMY: &str = "autonomy";
    /// Too many mutations in a while.
    pub const BUDGET: &str = "budget";
    /// The same operation was done to the same target too often.
    pub const FLAP: &str = "flap";
    /// Another mutating step has the target; ask again when it is done.
    pub const BUSY: &str = "busy";
    /// Too much of the environment alerts at once.
    pub const STORM: &str = "storm";
    /// Before the name of a freeze window that is open.
    pub const FREEZE: &str = "freeze:";
    /// A person denied exactly this.
    pub const DENIED: &str = "denied";
    /// An undo that must not run by itself.
    pub const UNDO: &str = "undo";
    /// A person approved exactly this.
    pub const APPROVAL: &str = "approval";
    /// Only a model claims the cause.
    pub const CLAIMED: &str = "claimed";
    /// It changes nothing.
    pub const HARMLESS: &str = "harmless";
}

/// One mutating step (or the undo of one) that someone wants done.
#[derive(Clone, Debug)]
pub struct GateRequest<'a> {
    /// Kind of the environment, as resolved.
    pub kind: EnvironmentKind,
    /// The target as the inventory has it now; none for an operation on the environment itself, and where the inventory
    /// does not have it (any more): then nobody can tell whether it is protected, and nothing is begun.
    pub target: Option<&'a Service>,
    /// The step.
    pub step: &'a StepId,
    /// Exactly what would be sent, with the environment's, target's and operation's names.
    pub binding: &'a Binding,
    /// The operation's arguments.
    pub arguments: &'a Values,
    /// Highest of the declared and raised risks. The calls' intrinsic risks count whatever this says.
    pub risk: Risk,
    /// What is known of the incident.
    pub incident: IncidentFacts<'a>,
    /// Whether the kill switch is on, read just now.
    pub kill_switch: bool,
    /// What was mutated before, from the journal: it survives restarts.
    pub history: &'a History,
    /// How much of the environment alerts.
    pub alerting: Alerting,
    /// Another mutating step that is under way on the same target.
    pub busy: Option<&'a StepId>,
    /// To act, to finish what was begun, or to take it back.
    pub purpose: Purpose,
    /// The target as it was when its undo was asked for, if it could be read then.
    pub undo_seen: Option<&'a Left>,
    /// A person's decision, if one was recorded.
    pub approval: Option<&'a Approval>,
    /// Now.
    pub now: Timestamp,
}

/// What an action is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing was sent yet.
    Begin,
    /// A call of the same action was sent already: what limits how often and when to begin holds no longer, because
    /// half an action is worse than a whole one. Kill switch, protection and refusing rules still stop it.
    Continue,
    /// To take back what was done.
    Undo {
        /// The operation says `undo: auto`, and the target is exactly as the action left it and worse than before.
        automatic: bool,
    },
}

/// What policies may know of an incident.
#[derive(Clone, Copy, Debug)]
pub struct IncidentFacts<'a> {
    /// The incident.
    pub id: &'a IncidentId,
    /// Severity of its most severe alert.
    pub severity: &'a str,
    /// Code of its cause, or empty.
    pub cause: &'a str,
    /// Confidence in the cause, from 0 to 1.
    pub confidence: f64,
    /// Whether a model claims the cause, and no rule shows it.
    pub claimed: bool,
    /// Names of its alerts.
    pub alerts: &'a [String],
    /// Why only reading is allowed, if so.
    pub read_only: Option<&'a str>,
    /// Digests that people denied.
    pub denied: &'a [Digest],
}

/// Mutations that were begun, by whatever incident, undos left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// In any order; entries older than every window may be left out.
    pub mutations: Vec<Mutation>,
}

/// The rules that one configuration gives an environment.
#[derive(Clone, Copy, Debug)]
pub struct Rulebook<'a> {
    /// Of `policies.yml`.
    pub policies: &'a Policies,
    /// Of the environment.
    pub autonomy: Autonomy,
}

/// The gate's answer, with the terms under which people are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// Run, ask or refuse.
    pub decision: GateDecision,
    /// Which rule: one of [`rule`], `policy:<name>` or `freeze:<name>`.
    pub rule: String,
    /// In words.
    pub reason: String,
    /// Role that an approver needs.
    pub role: Role,
    /// How many of them.
    pub quorum: u32,
    /// How long a request stands.
    pub expires: TimeSpan,
}

impl GateRequest<'_> {
    /// Highest of the given risk and the intrinsic ones of what would be sent: nobody can talk it down.
    pub fn effective_risk(&self) -> Risk {
        self.calls().map(ActCall::risk).fold(self.risk, Risk::max)
    }

    /// What would be sent, in order.
    pub(super) fn calls(&self) -> impl Iterator<Item = &ActCall> {
        let undo = matches!(self.purpose, Purpose::Undo { .. });
        let forward = self.binding.calls.iter().filter(move |_| !undo).map(|prepared| &prepared.call);
        let back = self.binding.calls.iter().rev().filter(move |_| undo).filter_map(|prepared| prepared.undo.as_ref());
        forward.chain(back)
    }
}

/// What one rule says.
#[derive(Clone, Debug)]
pub(super) struct Opinion {
    pub decision: GateDecision,
    pub rule: String,
    pub reason: String,
    /// Role and quorum that this rule wants, where it asks.
    pub terms: Option<(Role, u32)>,
}

impl Opinion {
    pub fn refuse(rule: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { decision: GateDecision::Refuse, rule: rule.into(), reason: reason.into(), terms: None }
    }

    pub fn ask(rule: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { decision: GateDecision::Ask, rule: rule.into(), reason: reason.into(), terms: None }
    }

    pub fn run(rule: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { decision: GateDecision::Run, rule: rule.into(), reason: reason.into(), terms: None }
    }
}

//! An incident: the fold of its events, and what the API shows.

use super::{
    Alert, AlertStatus, Approval, ApprovalId, Binding, CallOutcome, Cause, Circumstances, Digest, Evidence, Exchange,
    Finding, GateDecision, IncidentId, IncidentState, Judged, Left, NotAsked, PhaseName, Plan, Prose, Risk, Step,
    StepId, Thought, Timestamp, Trigger, UndoReason, Values, Verdict,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Everything known of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// Its identifier.
    pub id: IncidentId,
    /// What it is doing.
    pub state: IncidentState,
    /// Environment.
    pub environment: String,
    /// Canonical target; null where none resolved.
    pub service: Option<String>,
    /// Environment and target, or the sender's group where no target resolved.
    pub group_key: String,
    /// The most severe alert's.
    pub severity: String,
    /// For people.
    pub title: String,
    /// Why it was opened.
    #[schema(value_type = Object)]
    pub trigger: Trigger,
    /// Configuration that it is pinned to.
    pub config: Digest,
    /// The closed incident that this one follows up.
    pub follows: Option<IncidentId>,
    /// Why only reading is allowed, if so.
    pub read_only: Option<String>,
    /// What its last decision went by. The journal has it; it is no part of what the API shows of an incident.
    #[serde(skip)]
    pub circumstances: Circumstances,
    /// Alerts, as last reported.
    pub alerts: Vec<Alert>,
    /// When the resolution of an alert was received, by its fingerprint: of those that are resolved now.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub resolutions: std::collections::BTreeMap<Digest, Timestamp>,
    /// The current plan.
    pub plan: Option<Plan>,
    /// The plan revision that the present diagnosis began with; what older ones saw no longer counts.
    pub diagnosed_since: u32,
    /// Phases of the current plan that are finished.
    pub finished_phases: Vec<PhaseName>,
    /// Steps of all plan revisions, in order.
    pub steps: Vec<StepRecord>,
    /// What did not work and is tried again by itself.
    #[serde(default)]
    pub retrying: Vec<Retry>,
    /// Claims.
    pub findings: Vec<Finding>,
    /// The cause with the highest confidence.
    pub cause: Option<Cause>,
    /// Remedies that only people can apply.
    pub manual: Vec<ManualRemedy>,
    /// What was asked of models.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    /// Why models were not asked, once for each agent and diagnosis.
    #[serde(default)]
    pub not_asked: Vec<NotAsked>,
    /// What that comes to; costs are in millionths of the currency of `agents.yml`.
    #[serde(default)]
    pub thought: Thought,
    /// What a model wrote about the verdict; none once there is another.
    #[serde(default)]
    pub prose: Option<Prose>,
    /// Requests for decisions.
    pub approvals: Vec<Approval>,
    /// The dependency's incident that this one waits for.
    pub waiting_on: Option<IncidentId>,
    /// What it waits for, and since when.
    #[schema(value_type = Option<Object>)]
    pub waiting_since: Option<(String, Timestamp)>,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Why.
    pub verdict_reason: String,
    /// Who has the wheel.
    pub taken_over_by: Option<String>,
    /// Why work stands still, while the environment is away.
    pub lost: Option<String>,
    /// Why people must look, if they must.
    pub escalated: Option<String>,
    /// How often people were told of the escalation.
    pub escalations: u32,
    /// Subjects and channels of notifications that went out, with the time.
    #[schema(value_type = Object)]
    pub notified: std::collections::BTreeMap<String, Timestamp>,
    /// Subjects and channels of notifications that did not, and are tried again.
    #[schema(value_type = Object)]
    pub untold: std::collections::BTreeMap<String, Untold>,
    /// What the last re-check of a resolved alert's target said, and when.
    pub recheck: Option<Recheck>,
    /// What people said.
    pub comments: Vec<Comment>,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it was closed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// Its last event.
    pub seq: u64,
    /// When that was.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl Incident {
    /// Whether an alert of it fires, by the last word of its sender.
    pub fn fires(&self) -> bool {
        self.alerts.iter().any(|alert| alert.status == AlertStatus::Firing)
    }
}

/// A notification that could not be delivered so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Untold {
    /// How often it was tried.
    pub attempts: u32,
    /// When it failed last.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A step with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepRecord {
    /// Phase.
    pub phase: PhaseName,
    /// The step.
    pub step: Step,
    /// Where it stands.
    pub status: StepStatus,
    /// Attempts so far.
    pub attempt: u32,
    /// When the last attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// What a reading step saw.
    pub evidence: Option<Evidence>,
    /// Whether what it saw is as a model expected that proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// Why it failed or was skipped.
    pub error: Option<String>,
    /// What a mutating step did.
    pub action: Option<Action>,
}

/// A step, or a call of it, that is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Retry {
    /// The step.
    pub step: StepId,
    /// Its operation and target.
    pub what: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How often it is tried at most.
    pub most: u32,
    /// When it is tried next, at the earliest.
    #[schema(value_type = String, format = DateTime)]
    pub next_at: Timestamp,
    /// What was in the way.
    pub error: String,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Failed in a way that may pass; it will be tried again.
    Retrying,
    /// Done; for a remedy: verified.
    Succeeded,
    /// Not done, or it did not help.
    Failed,
    /// Not run: not needed any more, refused, denied.
    Skipped,
}

impl StepStatus {
    /// Nothing more will come of it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }
}

/// The life of a mutating step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Action {
    /// Exactly what would be, or was, sent.
    #[schema(value_type = Object)]
    pub binding: Binding,
    /// Its digest.
    pub digest: Digest,
    /// Commands that a person would type.
    pub commands: Vec<String>,
    /// Effective risk.
    pub risk: Risk,
    /// State before: as it was prepared, and from the first call on as it was just before that.
    #[schema(value_type = Object)]
    pub before: Values,
    /// What changes.
    pub diff: Vec<String>,
    /// The gate's last decision.
    pub gate: Option<GateRecord>,
    /// The request for a decision on it.
    pub approval: Option<ApprovalId>,
    /// What was sent, in order.
    pub calls: Vec<CallRecord>,
    /// What was sent to take it back, in order.
    pub undo_calls: Vec<CallRecord>,
    /// The call that is due and could not be sent so far: one after the first, or one that takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsent: Option<Unsent>,
    /// The check of its effect.
    pub verify: Option<VerifyRecord>,
    /// Why an undo is wanted, and whether the target is as the action left it.
    pub undo_wanted: Option<UndoWanted>,
    /// Whether everything was taken back, and a detail.
    pub undone: Option<bool>,
}

/// What the gate said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GateRecord {
    /// Run, ask or refuse.
    pub decision: GateDecision,
    /// Which rule.
    pub rule: String,
    /// In words.
    pub reason: String,
}

/// One native call of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallRecord {
    /// Position in the binding.
    pub index: usize,
    /// As a person would type it.
    pub command: String,
    /// When the intent was made durable.
    #[schema(value_type = String, format = DateTime)]
    pub intended_at: Timestamp,
    /// The process that may send it.
    pub process: String,
    /// What came of it; none while nobody knows.
    #[schema(value_type = Option<Object>)]
    pub outcome: Option<CallOutcome>,
    /// Whether that was found out by a probe.
    pub probed: bool,
    /// The target as the call left it, if it could be read.
    #[schema(value_type = Option<Object>)]
    pub left: Option<Left>,
}

/// A call that certainly was not sent, and is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Unsent {
    /// Position in the binding.
    pub index: usize,
    /// Whether it takes the action back.
    pub undo: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Why it was not sent.
    pub error: String,
}

/// The check of an action's effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerifyRecord {
    /// Whether the criterion held through the soak.
    pub held: bool,
    /// What an independent signal says.
    pub independent: Option<bool>,
    /// In words: what was expected, and what was seen.
    pub detail: String,
    /// The operation's own criterion, as the catalogue has it; none where it declares none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criterion: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// An undo that is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UndoWanted {
    /// Why.
    #[schema(value_type = String)]
    pub reason: UndoReason,
    /// Why, in words.
    #[serde(default)]
    pub why: String,
    /// Whether the target is exactly as the action left it, and worse than before or only half changed.
    pub clean: bool,
    /// The target as it was then, if it could be read.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub seen: Option<Left>,
}

/// A remedy for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ManualRemedy {
    /// Remedy id.
    pub remedy: String,
    /// What to do.
    pub instructions: String,
    /// Why oncalld does not do it.
    pub reason: String,
}

/// A reading of the target after its alerts resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recheck {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Whether it is healthy.
    pub healthy: Option<bool>,
    /// Whether something that was asked says so, not only that it runs.
    #[serde(default)]
    pub probed: bool,
    /// In words.
    pub detail: String,
    /// How often it was read since something was heard: the pauses between the looks grow.
    #[serde(default)]
    pub looks: u32,
}

/// What someone said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Comment {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
}

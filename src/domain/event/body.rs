//! The kinds of events. One enum, because the journal has one list of kinds and an incident is one fold over them.

use super::{CallOutcome, GateDecision, Left, StepOutcome, Trigger, UndoReason};
use crate::domain::{
    ActCall, AgentRole, Alert, Approval, ApprovalId, Binding, Circumstances, Decision, DeliveryId, Difference, Digest,
    Evidence, ExchangeEnd, Finding, IncidentId, Judged, LeftOut, PhaseName, Plan, Risk, Spent, StepId, Values, Verdict,
    Window,
};
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum EventBody {
    /// A delivery brought alerts for this incident.
    AlertsReceived {
        /// The delivery.
        delivery: DeliveryId,
        /// The sender group.
        sender: String,
        /// Firing or resolved.
        alerts: Vec<Alert>,
    },
    /// A unit of work began.
    IncidentOpened {
        /// Where.
        environment: String,
        /// The resolved target, if one was.
        target: Option<String>,
        /// What joins alerts into this incident.
        group_key: String,
        /// For people.
        title: String,
        /// The most severe alert's.
        severity: String,
        /// Why.
        trigger: Trigger,
        /// Digest of the configuration that it is pinned to.
        config: Digest,
        /// The closed incident that this one follows up.
        follows: Option<IncidentId>,
        /// Why only reading is allowed here, if so (labels that name two targets, a target that is unknown).
        read_only: Option<String>,
    },
    /// A dependency has an open incident: mutations wait for it.
    WaitingStarted {
        /// The dependency's incident.
        on: IncidentId,
        /// The dependency.
        dependency: String,
    },
    /// The dependency's incident closed; it is diagnosed again.
    WaitingEnded {
        /// The dependency's incident.
        on: IncidentId,
    },
    /// A person asked for a new diagnosis of what had been concluded.
    DiagnosisRequested {
        /// Who.
        by: String,
        /// What they said.
        note: String,
    },
    /// A freeze window is over that had held the remedy back; it is diagnosed again.
    FreezeEnded {
        /// The window.
        window: String,
    },
    /// What the next decision goes by is not as it was at the last one.
    CircumstancesNoted {
        /// What is news.
        circumstances: Circumstances,
    },
    /// Models are asked.
    ExchangeBegun {
        /// Position among the incident's, from 1.
        index: u32,
        /// Who asks.
        agent: AgentRole,
        /// The plan revision that the present diagnosis began with.
        diagnosis: u32,
        /// Pieces of evidence that there are.
        seen: usize,
        /// What was wrong with the answer before, if it is asked again.
        faults: Vec<String>,
        /// Parts of captured results that the model asked for.
        windows: Vec<Window>,
        /// The process that asks.
        process: String,
        /// The models that may be asked, in this order, as the configuration names them.
        #[serde(default)]
        models: Vec<String>,
        /// What they are told of how the target differs from when it was last good.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        differences: Vec<Difference>,
        /// What it may cost at most: what budgets count until it has ended.
        #[serde(default)]
        reserved: Spent,
    },
    /// They are not asked; said once in a diagnosis, by the first reason.
    ModelsNotAsked {
        /// Who would ask.
        agent: AgentRole,
        /// The plan revision that the diagnosis began with.
        diagnosis: u32,
        /// Why not, and what serves instead.
        why: String,
    },
    /// They answered, or did not.
    ExchangeEnded {
        /// Which.
        index: u32,
        /// How.
        end: ExchangeEnd,
    },
    /// What the answer leads to is decided.
    ExchangeSettled {
        /// Which.
        index: u32,
        /// Why the answer is not used, and what serves instead; none if it is.
        unused: Option<String>,
    },
    /// A plan, or a revision that replaces what remained.
    PlanMade {
        /// The plan.
        plan: Plan,
        /// Why now.
        reason: String,
    },
    /// An attempt at a reading step began.
    StepStarted {
        /// The step.
        step: StepId,
        /// From 1.
        attempt: u32,
    },
    /// An attempt ended, or the step was skipped.
    StepFinished {
        /// The step.
        step: StepId,
        /// From 1.
        attempt: u32,
        /// How.
        outcome: StepOutcome,
        /// How long it took.
        milliseconds: u64,
    },
    /// Every step of the phase ended, and what they showed was judged.
    PhaseFinished {
        /// Of which plan.
        revision: u32,
        /// Which.
        phase: PhaseName,
    },
    /// What a step showed was held against what a model expected of it.
    ExpectationJudged {
        /// The step.
        step: StepId,
        /// What came of that.
        #[serde(flatten)]
        judged: Judged,
    },
    /// A claim was made.
    FindingMade {
        /// The claim.
        finding: Finding,
    },
    /// A remedy is known, but only people can apply it.
    RemedyManual {
        /// Remedy id.
        remedy: String,
        /// What to do.
        instructions: String,
        /// Why oncalld does not do it.
        reason: String,
    },
    /// A mutating step was translated against the live environment.
    StepPrepared {
        /// The step.
        step: StepId,
        /// Exactly what would be sent.
        binding: Binding,
        /// Highest of the declared, raised and intrinsic risks.
        risk: Risk,
        /// State before.
        before: Values,
        /// What would change, for people.
        diff: Vec<String>,
    },
    /// A mutating step could not be made ready.
    PrepareFailed {
        /// The step.
        step: StepId,
        /// What went wrong.
        error: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// The gate decided.
    GateDecided {
        /// The step.
        step: StepId,
        /// What was decided.
        decision: GateDecision,
        /// The rule that decided.
        rule: String,
        /// In words.
        reason: String,
    },
    /// People are asked.
    ApprovalRequested {
        /// The request.
        approval: Approval,
    },
    /// Someone decided.
    ApprovalDecided {
        /// The request.
        approval: ApprovalId,
        /// What.
        decision: Decision,
        /// Who.
        by: String,
        /// What they said.
        comment: Option<String>,
    },
    /// Nobody decided in time.
    ApprovalExpired {
        /// The request.
        approval: ApprovalId,
    },
    /// What it was about has changed.
    ApprovalVoided {
        /// The request.
        approval: ApprovalId,
        /// How.
        reason: String,
    },
    /// About to send: durable before anything is sent, and consumes the approval.
    CallIntended {
        /// The step.
        step: StepId,
        /// Position in the binding's calls.
        index: usize,
        /// Whether this is the call's undo.
        undo: bool,
        /// Exactly what is sent.
        call: ActCall,
        /// What a person would type, as it was shown; where it is empty, the call's own words serve.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        command: String,
        /// The process that may send it; another one may only probe.
        process: String,
        /// The approval that allowed it.
        approval: Option<ApprovalId>,
        /// State just before: what the probe, the check of the effect and an undo compare with.
        before: Values,
    },
    /// What came of it.
    CallFinished {
        /// The step.
        step: StepId,
        /// Position in the binding's calls.
        index: usize,
        /// Whether this is the call's undo.
        undo: bool,
        /// How.
        outcome: CallOutcome,
        /// Whether that was found out by a probe after a crash.
        probed: bool,
        /// The target as the call left it, if it could be read.
        left: Option<Left>,
    },
    /// The remedy's effect was checked through its soak.
    VerifyFinished {
        /// The step.
        step: StepId,
        /// Whether the operation's own criterion held throughout.
        held: bool,
        /// What an independent signal, sampled after the action, says; none where there is none.
        independent: Option<bool>,
        /// In words: what was expected, and what was seen.
        detail: String,
        /// The operation's own criterion, as the catalogue has it; none where it declares none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        criterion: Option<String>,
        /// The last sample.
        evidence: Option<Evidence>,
    },
    /// An undo is wanted.
    UndoRequested {
        /// The step.
        step: StepId,
        /// Why.
        reason: UndoReason,
        /// Why, in words.
        #[serde(default)]
        why: String,
        /// Whether the target is exactly as the action left it, and worse than before or only half changed.
        clean: bool,
        /// The target as it is now, if it could be read: a decision on the undo is about this.
        #[serde(default)]
        seen: Option<Left>,
    },
    /// The undo was done, or it turned out that it cannot be.
    UndoFinished {
        /// The step.
        step: StepId,
        /// Whether everything was taken back.
        undone: bool,
        /// In words.
        detail: String,
    },
    /// The target was read again after its alerts resolved, or while escalated.
    TargetRechecked {
        /// Whether it is healthy; none if that cannot be told.
        healthy: Option<bool>,
        /// Whether something that was asked says so, not only that it runs.
        #[serde(default)]
        probed: bool,
        /// In words.
        detail: String,
    },
    /// How it ended.
    VerdictReached {
        /// The verdict.
        verdict: Verdict,
        /// Why.
        reason: String,
        /// Evidence that it rests on.
        cites: Vec<StepId>,
    },
    /// People must look.
    IncidentEscalated {
        /// Why.
        reason: String,
    },
    /// The environment did not answer for so long that work stands still until it does.
    EnvironmentLost {
        /// What it says, or does not say.
        problem: String,
    },
    /// The environment answers again: work goes on where it stood.
    EnvironmentReturned {},
    /// Someone took the wheel: nothing further runs.
    IncidentTakenOver {
        /// Who.
        by: String,
    },
    /// The wheel was given back.
    IncidentReleased {
        /// Who.
        by: String,
    },
    /// Someone said something.
    CommentAdded {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// Work ended.
    IncidentClosed {
        /// Who, or none if oncalld did.
        by: Option<String>,
        /// Why.
        reason: String,
    },
    /// A page or webhook went out, or did not.
    NotificationFinished {
        /// Channel.
        channel: String,
        /// What it was about: `approval:apr_…`, `escalation:1`.
        subject: String,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// A sender left alerts out of a delivery: they are to be fetched from it.
    AlertsLeftOut {
        /// Which.
        left_out: LeftOut,
    },
    /// What a delivery had left out was fetched, or could not be.
    LeftOutFetched {
        /// The delivery.
        delivery: DeliveryId,
        /// Why not.
        error: Option<String>,
    },
    /// The kill switch was thrown or reset.
    KillSwitchSet {
        /// Whether mutations are stopped now.
        on: bool,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

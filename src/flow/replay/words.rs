//! Decisions in words: what is compared, and what people read.

use crate::domain::{AgentRole, Event, EventBody, GateDecision, PhaseName, Plan, Step, StepId, StepOutcome, StepRole};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// What is looked at.
    Plan,
    /// What models are asked, and whether their answers are used.
    Model,
    /// What that shows.
    Finding,
    /// Why it is so.
    Cause,
    /// What is done about it.
    Remedy,
    /// Whether that may be done.
    Gate,
    /// What people are asked.
    Approval,
    /// How it ends.
    Verdict,
    /// Whether people are called.
    Escalation,
}

impl What {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Model => "model",
            Self::Finding => "finding",
            Self::Cause => "cause",
            Self::Remedy => "remedy",
            Self::Gate => "gate",
            Self::Approval => "approval",
            Self::Verdict => "verdict",
            Self::Escalation => "escalation",
        }
    }
}

/// A decision, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// What it is about.
    pub what: What,
    /// What makes it the same decision in two histories.
    #[serde(skip)]
    pub key: String,
    /// In words.
    pub words: String,
}

fn one(what: What, key: impl Into<String>, words: String) -> Told {
    Told { what, key: key.into(), words }
}

/// The steps of all plans, by their ids.
pub(super) fn steps(events: &[Event]) -> BTreeMap<&StepId, &Step> {
    let plans = events.iter().filter_map(|event| match &event.body {
        EventBody::PlanMade { plan, .. } => Some(plan),
        _ => None,
    });
    plans.flat_map(|plan| plan.steps()).map(|(_, step)| (&step.id, step)).collect()
}

/// What was decided in a history, in order.
pub(super) fn told(events: &[Event]) -> Vec<Told> {
    let steps = steps(events);
    let mut agents = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        match &event.body {
            EventBody::PlanMade { plan, .. } => found.extend(plan.steps().map(planned)),
            EventBody::ExchangeBegun { index, agent, .. } => drop(agents.insert(*index, *agent)),
            body => found.extend(decision(body, &steps, &agents)),
        }
    }
    found
}

fn planned((phase, step): (PhaseName, &Step)) -> Told {
    match &step.role {
        StepRole::Remedy(remedy) => {
            let words = format!("{}: {}", remedy.id, described(step));
            one(What::Remedy, format!("{} {}", remedy.id, remedy.position), words)
        }
        StepRole::Diagnose => {
            let key = described(step);
            one(What::Plan, key.clone(), format!("{key}, as {} in {phase}", step.name))
        }
    }
}

fn decision(body: &EventBody, steps: &BTreeMap<&StepId, &Step>, agents: &BTreeMap<u32, AgentRole>) -> Option<Told> {
    let words = of(body, steps);
    Some(match body {
        EventBody::FindingMade { finding } => one(What::Finding, format!("{}/{}", finding.runbook, finding.id), words),
        EventBody::RemedyManual { remedy, .. } => one(What::Remedy, format!("{remedy} by hand"), words),
        EventBody::GateDecided { step, .. } => one(What::Gate, subject(step, steps), words),
        EventBody::ApprovalRequested { approval } => {
            one(What::Approval, format!("{} on {}", approval.operation, approval.target), words)
        }
        EventBody::ExchangeSettled { index, unused } => {
            let agent = agents.get(index)?;
            let words = match unused {
                None => format!("{agent}: its answer is used"),
                Some(why) => format!("{agent}: its answer is not used: {why}"),
            };
            one(What::Model, agent.as_str(), words)
        }
        EventBody::ModelsNotAsked { agent, .. } => one(What::Model, agent.as_str(), words),
        EventBody::VerdictReached { .. } => one(What::Verdict, "", words),
        EventBody::IncidentEscalated { .. } => one(What::Escalation, "", words),
        _ => return None,
    })
}

/// A decision in words, whole: two that read the same are the same.
pub(super) fn of(body: &EventBody, steps: &BTreeMap<&StepId, &Step>) -> String {
    match body {
        EventBody::PlanMade { plan, .. } => plan_words(plan),
        EventBody::PhaseFinished { phase, .. } => format!("{phase} is over"),
        EventBody::FindingMade { finding } => {
            let cause = finding.cause.as_ref();
            let cause = cause.map(|cause| format!(" (cause {}, {:.2})", cause.code, cause.confidence));
            let from = if finding.is_claimed() { "a model" } else { &finding.runbook };
            format!("{from} finds {}: {}{}", finding.id, finding.summary, cause.unwrap_or_default())
        }
        EventBody::RemedyManual { remedy, instructions, reason } => {
            format!("{remedy} is left to people: {reason}: {instructions}")
        }
        EventBody::GateDecided { step, decision, rule, reason } => {
            let does = match decision {
                GateDecision::Run => "lets it run",
                GateDecision::Ask => "asks people",
                GateDecision::Refuse => "refuses",
            };
            format!("{}: the gate {does} ({rule}): {reason}", subject(step, steps))
        }
        EventBody::ApprovalRequested { approval } => {
            let minutes = (approval.expires_at - approval.requested_at).num_minutes();
            let (command, role, quorum) = (&approval.command, &approval.role, approval.quorum);
            let s = if quorum == 1 { "" } else { "s" };
            format!("asks {quorum} {role}{s} within {minutes} min: {}", command.replace('\n', " && "))
        }
        EventBody::ExchangeBegun { agent, faults, .. } if faults.is_empty() => format!("asks the {agent}"),
        EventBody::ExchangeBegun { agent, faults, .. } => format!("asks the {agent} again: {}", faults.join("; ")),
        EventBody::ModelsNotAsked { agent, why, .. } => format!("does not ask the {agent}: {why}"),
        EventBody::ExchangeSettled { unused: None, .. } => "uses the answer".to_owned(),
        EventBody::ExchangeSettled { unused: Some(why), .. } => format!("does not use the answer: {why}"),
        EventBody::StepFinished { step, outcome, .. } => match outcome {
            StepOutcome::Skipped { reason } => format!("{} is skipped: {reason}", subject(step, steps)),
            StepOutcome::Failed { error, .. } => format!("{} failed: {error}", subject(step, steps)),
            StepOutcome::Succeeded { .. } => format!("{} is done", subject(step, steps)),
        },
        EventBody::ExpectationJudged { step, judged } => format!("{}: {}", subject(step, steps), judged.words()),
        EventBody::CallIntended { .. } => format!("sends {}", body.command().unwrap_or_default()),
        EventBody::UndoFinished { detail, .. } => detail.clone(),
        EventBody::VerdictReached { verdict, reason, .. } => format!("{verdict}: {reason}"),
        EventBody::IncidentEscalated { reason } => format!("people are called: {reason}"),
        EventBody::IncidentClosed { .. } => "it is closed".to_owned(),
        other => other.kind().replace('_', " "),
    }
}

fn plan_words(plan: &Plan) -> String {
    let phases = plan.phases.iter().map(|phase| {
        let steps: Vec<String> =
            phase.steps.iter().map(|step| format!("{} (as {})", described(step), step.name)).collect();
        format!("{}: {}", phase.name, steps.join(", "))
    });
    let phases: Vec<String> = phases.collect();
    if phases.is_empty() { "plans nothing more".to_owned() } else { format!("plans {}", phases.join("; ")) }
}

/// What a step does, to what, with which arguments.
pub(super) fn described(step: &Step) -> String {
    let given = step.arguments.iter().filter(|(_, value)| !value.is_null());
    let arguments: Vec<String> = given.map(|(name, value)| format!("{name}={value}")).collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!(" ({})", arguments.join(", ")) };
    let place = if step.target.is_empty() { "the environment" } else { &step.target };
    format!("{} on {place}{arguments}", step.operation)
}

fn subject(step: &StepId, steps: &BTreeMap<&StepId, &Step>) -> String {
    match steps.get(step) {
        Some(step) => {
            let place = if step.target.is_empty() { "the environment" } else { &step.target };
            format!("{} on {place}", step.operation)
        }
        None => step.to_string(),
    }
}

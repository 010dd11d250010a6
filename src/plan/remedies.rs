//! Remedies: planned only once there is a cause, and only with values that the catalogue, the inventory or structured
//! facts give.

use super::{PlanInput, steps::Draft};
use crate::{
    catalog::{Case, FindingRule, RemedyRule, RemedyStep, Runbook, holds},
    domain::{Evidence, Finding, Phase, PhaseName, Plan, PlanSource, Remedy, Step, StepRole, seen},
    expr::{Bindings, Truth},
};
use serde_json::Value;

/// What to do about a cause.
#[derive(Clone, Debug, PartialEq)]
pub enum RemedyPlan {
    /// These steps, one after the other.
    Steps(Plan),
    /// Something that only people can do.
    Manual {
        /// Remedy id.
        remedy: String,
        /// What.
        instructions: String,
        /// Why oncalld does not do it.
        reason: String,
    },
    /// Nothing that was not tried.
    None,
}

/// The first remedy for the cause with the highest confidence that is possible here and was not tried; where none is nor
/// was, what people are told. After one that was possible, even if it was refused or did not help, the text of another
/// would give a reason that is none: that the host has no memory to give, say, where its command was just refused.
pub fn remedies(
    input: &PlanInput<'_>,
    findings: &[Finding],
    evidence: &[&Evidence],
    tried: &[String],
    revision: u32,
) -> RemedyPlan {
    let case = input.case(evidence);
    let bindings = case.bindings();
    let (mut manual, mut was_possible) = (RemedyPlan::None, false);
    for (runbook, finding, code) in causes(&case, findings) {
        for (id, remedy) in finding.remedies.iter().filter_map(|id| runbook.remedies.get_key_value(id)) {
            let candidate = Candidate { input, runbook, remedy, cause: &code, evidence, bindings: &bindings };
            match candidate.plan(revision) {
                plan if tried.contains(id) => was_possible |= matches!(plan, Ok(Some(_))),
                Ok(Some(plan)) => return RemedyPlan::Steps(plan),
                Ok(None) => return candidate.manual("it cannot be done from here"),
                // What is written for people alone is not for this case.
                Err(_) if remedy.steps.is_empty() => {}
                Err(reason) if manual == RemedyPlan::None => manual = candidate.manual(&reason),
                Err(_) => {}
            }
        }
    }
    if was_possible { RemedyPlan::None } else { manual }
}

/// The rules of the findings that claim the cause with the highest confidence, the surest first.
fn causes<'a>(case: &Case<'a>, findings: &[Finding]) -> Vec<(&'a Runbook, &'a FindingRule, String)> {
    let mut claims: Vec<(&Finding, &crate::domain::Cause)> =
        findings.iter().filter_map(|finding| Some((finding, finding.cause.as_ref()?))).collect();
    claims.sort_by(|(_, one), (_, two)| two.confidence.total_cmp(&one.confidence));
    let surest = claims.first().map(|(_, cause)| cause.code.clone()).unwrap_or_default();
    let of_cause = claims.into_iter().filter(|(_, cause)| cause.code == surest);
    let rule = |(finding, cause): (&Finding, &crate::domain::Cause)| {
        let runbook = case.catalog.runbooks.iter().find(|runbook| runbook.id == finding.runbook)?;
        let rule = runbook.findings.iter().find(|rule| rule.id == finding.id)?;
        Some((runbook, rule, cause.code.clone()))
    };
    of_cause.filter_map(rule).collect()
}

struct Candidate<'a> {
    input: &'a PlanInput<'a>,
    runbook: &'a Runbook,
    remedy: &'a RemedyRule,
    cause: &'a str,
    evidence: &'a [&'a Evidence],
    bindings: &'a Bindings,
}

impl Candidate<'_> {
    /// The plan that carries it out; none if it is for people.
    ///
    /// # Errors
    /// Why it is not possible here.
    fn plan(&self, revision: u32) -> Result<Option<Plan>, String> {
        match holds(self.remedy.when.as_ref(), self.bindings) {
            Truth::True => {}
            Truth::False => {
                return Err(self.why_not());
            }
            Truth::Unknown(problem) => return Err(problem),
        }
        if self.remedy.steps.is_empty() {
            return Ok(None);
        }
        let steps = self.remedy.steps.iter().enumerate().map(|(position, step)| self.step(position, step, revision));
        let phase = Phase { name: PhaseName::Resolution, steps: steps.collect::<Result<_, _>>()? };
        let source = PlanSource::Runbook { runbooks: vec![self.runbook.id.clone()] };
        Ok(Some(Plan { revision, source, phases: vec![phase] }))
    }

    /// What the remedy's condition looks at, as it is here.
    fn why_not(&self) -> String {
        let condition = self.remedy.when.as_ref().map_or("", |when| when.source());
        let told = |one: &&Evidence| {
            let words = seen(condition, &one.name, &one.facts, None);
            (!words.is_empty()).then(|| format!("{} says {words}", one.name))
        };
        let told: Vec<String> = self.evidence.iter().filter_map(told).collect();
        format!("it is not for this case: {} (it applies where {condition})", told.join("; "))
    }

    fn step(&self, position: usize, step: &RemedyStep, revision: u32) -> Result<Step, String> {
        let draft = Draft { operation: &step.operation, target: step.target.as_ref(), with: &step.with };
        let role = StepRole::Remedy(Remedy {
            id: self.remedy.id.clone(),
            runbook: self.runbook.id.clone(),
            cause: self.cause.to_owned(),
            precondition: self.remedy.precondition.as_ref().map(|condition| condition.source().to_owned()),
            position,
        });
        let id = self.input.incident.step(revision, position + 1);
        Ok(draft.resolve(self.input, self.bindings)?.into_step(id, &step.operation, &step.reason, role))
    }

    /// What people are told, if the runbook has something to say.
    fn manual(&self, reason: &str) -> RemedyPlan {
        let rendered = self.remedy.manual.as_ref().and_then(|manual| manual.render(self.bindings).ok());
        match rendered {
            Some(Value::String(instructions)) => {
                RemedyPlan::Manual { remedy: self.remedy.id.clone(), instructions, reason: reason.to_owned() }
            }
            _ => RemedyPlan::None,
        }
    }
}

//! Remedies: planned only once there is a cause, and only with values that the catalogue, the inventory or structured
//! facts give.

use super::{PlanInput, steps::Draft};
use crate::{
    catalog::{Case, FindingRule, RemedyRule, RemedyStep, Runbook, holds},
    domain::{
        Cause, Evidence, Finding, Phase, PhaseName, Plan, PlanSource, ProposedRemedy, Remedy, Step, StepRole, Values,
        seen,
    },
    expr::{Bindings, Truth},
};
use serde_json::Value;
use std::collections::BTreeSet;

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
///
/// The `choice` of a model only says which of the possible ones is tried first, and what of the enumerated values that
/// the runbook leaves open. A cause that a model claims without what the runbook measures for it is told to people.
pub fn remedies(
    input: &PlanInput<'_>,
    findings: &[Finding],
    evidence: &[&Evidence],
    tried: &[String],
    choice: Option<&ProposedRemedy>,
    revision: u32,
) -> RemedyPlan {
    let case = input.case(evidence);
    let bindings = &case.bindings();
    let (mut manual, mut was_possible) = (RemedyPlan::None, false);
    let rules = causes(&case, bindings, findings);
    let of_rules = rules.iter().flat_map(|(runbook, rule, code)| {
        let known = rule.remedies.iter().filter_map(|id| runbook.remedies.get(id));
        let is_grounded = is_grounded(input, findings, rule, evidence);
        known.map(move |remedy| Candidate {
            input,
            runbook,
            remedy,
            cause: code,
            is_grounded,
            evidence,
            bindings,
            choice,
        })
    });
    let mut candidates: Vec<Candidate<'_>> = of_rules.collect();
    candidates.sort_by_key(|candidate| candidate.chosen().is_none());
    for candidate in candidates {
        match candidate.plan(revision) {
            plan if tried.contains(&candidate.remedy.id) => was_possible |= matches!(plan, Ok(Some(_))),
            Ok(Some(plan)) => return RemedyPlan::Steps(plan),
            Ok(None) => return candidate.manual("it cannot be done from here"),
            // What is written for people alone is not for this case.
            Err(_) if candidate.remedy.steps.is_empty() => {}
            Err(reason) if manual == RemedyPlan::None => manual = candidate.manual(&reason),
            Err(_) => {}
        }
    }
    if was_possible { RemedyPlan::None } else { manual }
}

/// The rules that claim the cause to go by, those of the surest findings first. Where a model claims it, all rules of the
/// catalogue that know the cause have a say, but those that what was seen contradicts.
fn causes<'a>(
    case: &Case<'a>,
    bindings: &Bindings,
    findings: &[Finding],
) -> Vec<(&'a Runbook, &'a FindingRule, String)> {
    let Some((surest, Cause { code, .. })) = Finding::surest(findings) else { return Vec::new() };
    let rules =
        case.catalog.runbooks.iter().flat_map(|runbook| runbook.findings.iter().map(move |rule| (runbook, rule)));
    let of_cause = rules.filter(|(_, rule)| rule.cause.as_ref() == Some(code));
    if surest.is_claimed() {
        let allowed = of_cause.filter(|(_, rule)| rule.when.holds(bindings) != Truth::False);
        return allowed.map(|(runbook, rule)| (runbook, rule, code.clone())).collect();
    }
    let confidence = |runbook: &Runbook, rule: &FindingRule| {
        let found = findings.iter().find(|finding| finding.runbook == runbook.id && finding.id == rule.id)?;
        found.cause.as_ref().map(|cause| cause.confidence)
    };
    let mut found: Vec<(f64, &Runbook, &FindingRule)> =
        of_cause.filter_map(|(runbook, rule)| Some((confidence(runbook, rule)?, runbook, rule))).collect();
    found.sort_by(|(one, ..), (two, ..)| two.total_cmp(one));
    found.into_iter().map(|(_, runbook, rule)| (runbook, rule, code.clone())).collect()
}

/// Whether the cause that a rule knows rests on something that was measured: what the rule itself rests on, or, where a
/// model claims it, something that the model cites of the same kind and of the same target. What programs and people
/// wrote is not enough to act on.
fn is_grounded(input: &PlanInput<'_>, findings: &[Finding], rule: &FindingRule, evidence: &[&Evidence]) -> bool {
    let of_cause = |finding: &&Finding| finding.cause.as_ref().map(|cause| &cause.code) == rule.cause.as_ref();
    let mut findings = findings.iter().filter(of_cause);
    let steps = input.catalog.runbooks.iter().flat_map(|runbook| &runbook.steps);
    let looked_at: BTreeSet<&str> =
        steps.filter(|step| rule.cites.contains(&step.id)).map(|step| step.operation.as_str()).collect();
    let target = input.service.map_or("", |service| service.name.as_str());
    let is_fact = |seen: &Evidence| {
        let is_of_target = seen.target.is_empty() || seen.target == target;
        is_of_target
            && looked_at.contains(seen.operation.as_str())
            && input.catalog.is_measured(input.kind, &seen.operation)
    };
    let cites = |finding: &Finding| evidence.iter().any(|seen| finding.cites.contains(&seen.step) && is_fact(seen));
    findings.any(|finding| !finding.is_claimed() || cites(finding))
}

struct Candidate<'a> {
    input: &'a PlanInput<'a>,
    runbook: &'a Runbook,
    remedy: &'a RemedyRule,
    cause: &'a str,
    is_grounded: bool,
    evidence: &'a [&'a Evidence],
    bindings: &'a Bindings,
    choice: Option<&'a ProposedRemedy>,
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
        if !self.is_grounded {
            return Err("a model claims the cause, and cites nothing that was measured for it".to_owned());
        }
        let steps = self.remedy.steps.iter().enumerate().map(|(position, step)| self.step(position, step, revision));
        let phase = Phase { name: PhaseName::Resolution, steps: steps.collect::<Result<_, _>>()? };
        let source = PlanSource::Runbook { runbooks: vec![self.runbook.id.clone()] };
        Ok(Some(Plan { revision, source, phases: vec![phase] }))
    }

    /// What a model chose of this remedy, if it is the one that it would try.
    fn chosen(&self) -> Option<&Values> {
        let id = format!("{}/{}", self.runbook.id, self.remedy.id);
        self.choice.filter(|choice| choice.id == id).map(|choice| &choice.arguments)
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
        let (target, choices) = (step.target.as_ref(), self.chosen());
        let draft = Draft { operation: &step.operation, target, with: &step.with, choices };
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

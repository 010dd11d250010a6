//! What a model may choose from.

use crate::{
    catalog::{Case, On, Operation, Parameter, Runbook, holds},
    domain::{Evidence, Finding, PhaseName, Shape, Step},
    plan::{PlanInput, validate::supported},
};
use std::collections::{BTreeMap, BTreeSet};

/// Most targets that a model is offered: the alert's own and those around it. A schema of OpenAI's has at most 1,000
/// values of enumerations in all (Structured Outputs guide, 2026).
const MAX_TARGETS: usize = 50;

/// What a model may choose from in one incident, at one moment.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// What the planner knows.
    pub input: PlanInput<'a>,
    /// Operations that only read here, by name.
    pub operations: BTreeMap<&'a str, &'a Operation>,
    /// Services that the incident may be about: the target, what it needs, and what needs it.
    pub targets: BTreeSet<&'a str>,
    /// Remedies that are possible here for a cause that was found.
    pub remedies: Vec<OfferedRemedy<'a>>,
    /// Cause codes that the catalogue knows, with the sentence that its runbook says of it.
    pub causes: BTreeSet<&'a str>,
    /// What was seen so far.
    pub evidence: &'a [&'a Evidence],
    /// Names of steps that this diagnosis has, planned or done: none of them can be given again.
    pub names: BTreeSet<&'a str>,
    /// What may be kept: what the current plan has left to look at, and what the runbooks would look at besides.
    pub left: Vec<Left>,
    /// The first phase that still can be planned.
    pub from: PhaseName,
}

/// A step that may be kept.
#[derive(Clone, Debug)]
pub struct Left {
    /// When.
    pub phase: PhaseName,
    /// The step.
    pub step: Step,
    /// Whether it is planned now.
    pub planned: bool,
}

/// A remedy that a model may prefer.
#[derive(Clone, Debug)]
pub struct OfferedRemedy<'a> {
    /// `runbook/remedy`.
    pub id: String,
    /// The cause that it is for.
    pub cause: &'a str,
    /// Its operations, in order.
    pub operations: Vec<&'a str>,
    /// What its steps leave open and has enumerated values, by parameter.
    pub choices: BTreeMap<&'a str, &'a Parameter>,
}

impl<'a> Offer<'a> {
    /// Gathers it.
    pub fn new(
        input: PlanInput<'a>,
        findings: &'a [Finding],
        evidence: &'a [&'a Evidence],
        names: BTreeSet<&'a str>,
        left: Vec<Left>,
        from: PhaseName,
    ) -> Self {
        let targets = targets(&input);
        let possible = |operation: &&Operation| operation.on == On::Environment || !targets.is_empty();
        let all = input.catalog.operations.values();
        let operations = all.filter(|operation| may_be_offered(&input, operation)).filter(possible);
        Self {
            operations: operations.map(|operation| (operation.name.as_str(), operation)).collect(),
            targets,
            remedies: remedies(&input, findings, evidence),
            causes: causes(&input),
            input,
            evidence,
            names,
            left,
            from,
        }
    }
}

/// Whether an operation only reads, whatever its arguments, and its arguments can be written down in a strict schema.
fn may_be_offered(input: &PlanInput<'_>, operation: &Operation) -> bool {
    let translation = input.catalog.translations.get(&input.kind).and_then(|all| all.get(&operation.name));
    let only_reads = translation
        .is_some_and(|translation| translation.entries.iter().all(|entry| !entry.acts() && entry.refuse.is_none()));
    let expressible = operation.parameters.values().all(|parameter| !parameter.required || is_strict(&parameter.shape));
    only_reads && !operation.mutates() && expressible
}

/// Whether a strict schema can say what a type is: it knows no objects with any keys.
pub(super) fn is_strict(shape: &Shape) -> bool {
    match shape {
        Shape::Any | Shape::Map(_) => false,
        Shape::List(inner) | Shape::Nullable(inner) => is_strict(inner),
        Shape::Object(fields) => fields.values().all(is_strict),
        _ => true,
    }
}

/// Whether a name is a name and nothing more. Labels of containers may name a service with a sentence, and names stand in
/// the schema, where nothing is fenced.
fn is_plain(name: &str) -> bool {
    const LONGEST: usize = 80;
    name.len() <= LONGEST && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/:@".contains(c))
}

/// The target and what is around it, nearest first until there are enough.
fn targets<'a>(input: &PlanInput<'a>) -> BTreeSet<&'a str> {
    let service = input.service.filter(|service| is_plain(&service.name));
    let around = service.map(|service| input.inventory.around(&service.name, MAX_TARGETS)).unwrap_or_default();
    around.into_iter().filter(|name| is_plain(name)).collect()
}

fn causes<'a>(input: &PlanInput<'a>) -> BTreeSet<&'a str> {
    let rules = input.catalog.runbooks.iter().flat_map(|runbook| &runbook.findings);
    rules.filter_map(|rule| rule.cause.as_deref()).collect()
}

/// Remedies of the causes that were found, which their conditions allow.
fn remedies<'a>(
    input: &PlanInput<'a>,
    findings: &'a [Finding],
    evidence: &'a [&'a Evidence],
) -> Vec<OfferedRemedy<'a>> {
    let case = Case { catalog: input.catalog, alerts: input.alerts, service: input.service, evidence };
    let bindings = case.bindings();
    let found: BTreeSet<&str> =
        findings.iter().filter_map(|finding| finding.cause.as_ref()).map(|cause| cause.code.as_str()).collect();
    let mut offered: Vec<OfferedRemedy<'a>> = Vec::new();
    for (runbook, rule) in
        input.catalog.runbooks.iter().flat_map(|runbook| runbook.findings.iter().map(move |rule| (runbook, rule)))
    {
        let Some(cause) = rule.cause.as_deref().filter(|code| found.contains(code)) else { continue };
        for id in &rule.remedies {
            let possible = runbook.remedies.get(id).is_some_and(|remedy| {
                !remedy.steps.is_empty()
                    && holds(remedy.when.as_ref(), &bindings).is_true()
                    && remedy.steps.iter().all(|step| supported(input, &step.operation))
            });
            let remedy = OfferedRemedy {
                id: format!("{}/{id}", runbook.id),
                cause,
                operations: steps(runbook, id).map(|step| step.operation.as_str()).collect(),
                choices: choices(input, runbook, id),
            };
            if possible && offered.iter().all(|known| known.id != remedy.id) {
                offered.push(remedy);
            }
        }
    }
    offered
}

fn steps<'a>(runbook: &'a Runbook, remedy: &str) -> impl Iterator<Item = &'a crate::catalog::RemedyStep> {
    runbook.remedies.get(remedy).into_iter().flat_map(|remedy| &remedy.steps)
}

/// Parameters of a remedy's steps that the runbook does not set and that have enumerated values.
fn choices<'a>(input: &PlanInput<'a>, runbook: &'a Runbook, remedy: &str) -> BTreeMap<&'a str, &'a Parameter> {
    let mut choices = BTreeMap::new();
    for step in steps(runbook, remedy) {
        let Some(operation) = input.catalog.operations.get(&step.operation) else { continue };
        let set: BTreeSet<&str> = step.with.fields().map(|(name, _)| name).collect();
        let open = operation
            .parameters
            .iter()
            .filter(|(name, parameter)| !set.contains(name.as_str()) && parameter.is_enumerated());
        choices.extend(open.map(|(name, parameter)| (name.as_str(), parameter)));
    }
    choices
}

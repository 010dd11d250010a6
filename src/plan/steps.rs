//! Steps of runbooks as steps of a plan: conditions decided, holes filled, everything checked.

use super::{PlanInput, validate::supported};
use crate::{
    catalog::{On, Operation, Runbook, RunbookStep, holds},
    domain::{Phase, PhaseName, Step, StepId, StepRole, TimeSpan, Values},
    expr::{Bindings, Template},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The phases from `from` on, with the steps that are worth taking and not done yet, in the order of their runbooks.
pub(super) fn phases(
    input: &PlanInput<'_>,
    joined: &[&Runbook],
    bindings: &Bindings,
    from: PhaseName,
    done: &BTreeSet<String>,
    revision: u32,
) -> Vec<Phase> {
    let mut taken = done.clone();
    let mut steps: Vec<(PhaseName, &RunbookStep, Resolved)> = Vec::new();
    for step in joined.iter().flat_map(|runbook| &runbook.steps) {
        if taken.contains(&step.id) || !holds(step.when.as_ref(), bindings).is_true() {
            continue;
        }
        let draft = Draft { operation: &step.operation, target: step.target.as_ref(), with: &step.with, choices: None };
        if let Ok(resolved) = draft.resolve(input, bindings) {
            taken.insert(step.id.clone());
            steps.push((step.phase.max(from), step, resolved));
        }
    }
    steps.sort_by_key(|(phase, _, _)| *phase);
    let mut phases: Vec<Phase> = Vec::new();
    for (index, (name, step, resolved)) in steps.into_iter().enumerate() {
        let id = input.incident.step(revision, index + 1);
        let step = resolved.into_step(id, &step.id, &step.reason, StepRole::Diagnose);
        match phases.last_mut().filter(|phase| phase.name == name) {
            Some(phase) => phase.steps.push(step),
            None => phases.push(Phase { name, steps: vec![step] }),
        }
    }
    phases
}

/// An operation as a runbook writes it: with holes.
pub(super) struct Draft<'a> {
    pub operation: &'a str,
    pub target: Option<&'a Template>,
    pub with: &'a Template,
    /// Enumerated values for what the runbook leaves open.
    pub choices: Option<&'a Values>,
}

/// An operation with its holes filled, which may run here.
pub(super) struct Resolved {
    operation: String,
    target: String,
    arguments: Values,
    timeout: TimeSpan,
}

impl Draft<'_> {
    /// Fills the holes.
    ///
    /// # Errors
    /// What cannot be had or is not allowed, in words for people.
    pub fn resolve(&self, input: &PlanInput<'_>, bindings: &Bindings) -> Result<Resolved, String> {
        let operations = &input.catalog.operations;
        let operation =
            operations.get(self.operation).ok_or_else(|| format!("there is no operation '{}'", self.operation))?;
        if !supported(input, self.operation) {
            return Err(format!("{} is not supported in {} environments", self.operation, input.kind));
        }
        let target = match operation.on {
            On::Environment => String::new(),
            On::Service => self.target(input, bindings)?,
        };
        let arguments = self.arguments(operation, bindings)?;
        Ok(Resolved { operation: operation.name.clone(), target, arguments, timeout: operation.timeout })
    }

    fn target(&self, input: &PlanInput<'_>, bindings: &Bindings) -> Result<String, String> {
        let name = match self.target.map(|template| template.render(bindings)) {
            None => input.service.map(|service| service.name.clone()).ok_or("no target is known")?,
            Some(Ok(Value::String(name))) => name,
            Some(Ok(_)) => return Err("the target is not a name".into()),
            Some(Err(error)) => return Err(error.to_string()),
        };
        if input.inventory.services.contains_key(&name) {
            Ok(name)
        } else {
            Err(format!("'{name}' is not in the inventory"))
        }
    }

    fn arguments(&self, operation: &Operation, bindings: &Bindings) -> Result<Values, String> {
        let mut given = match self.with.render(bindings).map_err(|error| error.to_string())? {
            Value::Object(fields) => fields,
            _ => return Err("arguments are not an object".into()),
        };
        for (name, value) in self.choices.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let parameter = operation.parameters.get(name).filter(|parameter| parameter.is_enumerated());
            if parameter.is_some_and(|parameter| parameter.accept(value.clone()).is_ok()) {
                given.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        operation
            .check_arguments(given)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

impl Resolved {
    /// The step that does it.
    pub fn into_step(self, id: StepId, name: &str, reason: &str, role: StepRole) -> Step {
        let Self { operation, target, arguments, timeout } = self;
        Step {
            id,
            name: name.to_owned(),
            operation,
            target,
            arguments,
            reason: reason.to_owned(),
            role,
            timeout,
            expects: None,
        }
    }
}

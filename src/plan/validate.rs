//! What every plan has to be, whoever made it.

use super::PlanInput;
use crate::{
    catalog::On,
    domain::{PhaseName, Plan, Risk, Step, StepId, StepRole},
};
use std::collections::BTreeSet;

/// Most steps that a plan may have: ten times what the shipped runbooks need, and few enough to read.
pub const MAX_STEPS: usize = 100;

/// Why a plan, or a step of it, may not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", step.as_ref().map_or_else(String::new, |step| format!("step {step}: ")))]
pub struct Fault {
    /// The step; none if it is the plan.
    pub step: Option<StepId>,
    /// What is wrong.
    pub problem: String,
}

/// Checks a plan whole, before anything of it runs.
///
/// # Errors
/// Everything that is wrong with it.
pub fn validate(plan: &Plan, input: &PlanInput<'_>) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    let mut fault = |step: Option<&Step>, problem: String| {
        faults.push(Fault { step: step.map(|step| step.id.clone()), problem });
    };
    if plan.steps().count() > MAX_STEPS {
        fault(None, format!("has more than {MAX_STEPS} steps"));
    }
    if !plan.phases.windows(2).all(|pair| matches!(pair, [one, two] if one.name < two.name)) {
        fault(None, "phases are not in order".into());
    }
    let mut ids = BTreeSet::new();
    for (phase, step) in plan.steps() {
        if !ids.insert(&step.id) {
            fault(Some(step), "has the id of another step".into());
        }
        for problem in problems(input, phase, step) {
            fault(Some(step), problem);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn problems(input: &PlanInput<'_>, phase: PhaseName, step: &Step) -> Vec<String> {
    let Some(operation) = input.catalog.operations.get(&step.operation) else {
        return vec![format!("there is no operation '{}'", step.operation)];
    };
    let mut problems = Vec::new();
    if !supported(input, &step.operation) {
        problems.push(format!("{} is not supported in {} environments", step.operation, input.kind));
    }
    match (operation.on, step.target.as_str()) {
        (On::Environment, "") => {}
        (On::Environment, target) => problems.push(format!("{} takes no target, '{target}' is given", operation.name)),
        (On::Service, target) if input.inventory.services.contains_key(target) => {}
        (On::Service, target) => problems.push(format!("'{target}' is not in the inventory")),
    }
    match &step.role {
        StepRole::Diagnose if operation.risk > Risk::ReadOnly => {
            problems.push("a diagnosis must not change anything".into())
        }
        StepRole::Diagnose if phase == PhaseName::Resolution => problems.push("a resolution has remedies only".into()),
        StepRole::Remedy(_) if phase != PhaseName::Resolution => {
            problems.push("a remedy belongs to the resolution".into())
        }
        _ => {}
    }
    match operation.check_arguments(step.arguments.clone()) {
        Err(errors) => problems.extend(errors.iter().map(ToString::to_string)),
        Ok(canonical) if canonical != step.arguments => problems.push("arguments are not in canonical form".into()),
        Ok(_) => {}
    }
    problems
}

/// Whether the kind of environment has a translation of the operation.
pub(super) fn supported(input: &PlanInput<'_>, operation: &str) -> bool {
    input.catalog.translations.get(&input.kind).is_some_and(|translations| translations.contains_key(operation))
}

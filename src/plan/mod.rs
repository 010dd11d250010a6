//! The runbook planner: pure, deterministic, and in need of no model.
//!
//! ```text
//! alerts ─► first ─► phase runs ─► revise (what the evidence makes worth knowing) ─► … ─► cause ─► remedies
//!                          every plan passes `validate`; what is not valid is not planned
//! ```

mod proposed;
mod remedies;
mod steps;
mod validate;

pub use proposed::{Left, Offer, OfferedRemedy, accept, claims_schema, proposal_schema};
pub use remedies::{RemedyPlan, remedies};
pub use validate::{Fault, validate};

use crate::{
    catalog::{Case, Catalog},
    domain::{Alert, EnvironmentKind, Evidence, IncidentId, Inventory, PhaseName, Plan, PlanSource, Service, Step},
};
use std::collections::BTreeSet;

/// What the planner knows.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// Operations, translations and runbooks.
    pub catalog: &'a Catalog,
    /// Kind of the environment: an operation without a translation there is not planned.
    pub kind: EnvironmentKind,
    /// The target; none where none resolved.
    pub service: Option<&'a Service>,
    /// What there is to act on.
    pub inventory: &'a Inventory,
    /// As last reported.
    pub alerts: &'a [Alert],
    /// Whose steps they are.
    pub incident: &'a IncidentId,
}

impl<'a> PlanInput<'a> {
    /// The case that conditions of runbooks are about.
    pub fn case(&self, evidence: &'a [&'a Evidence]) -> Case<'a> {
        Case { catalog: self.catalog, alerts: self.alerts, service: self.service, evidence }
    }
}

/// The plan that a diagnosis begins with: the steps that every diagnosis and the alerts call for. Steps that depend on
/// what is seen first come in by [`revise`].
pub fn first(input: &PlanInput<'_>, revision: u32) -> Plan {
    make(input, &[], PhaseName::Triage, &BTreeSet::new(), revision)
}

/// What remains to be looked at after a phase, if that differs from what the current plan has left: runbooks may have
/// joined, and conditions of steps become known. `seen` names all steps of this diagnosis so far, planned or done. A
/// step whose phase has passed comes in the next one.
pub fn revise(
    input: &PlanInput<'_>,
    evidence: &[&Evidence],
    finished: PhaseName,
    current: &Plan,
    seen: &BTreeSet<String>,
    revision: u32,
) -> Option<Plan> {
    let left: Vec<(PhaseName, &Step)> =
        current.steps().filter(|(phase, _)| *phase > finished && *phase < PhaseName::Resolution).collect();
    let done = seen.iter().filter(|name| !left.iter().any(|(_, step)| step.name == **name)).cloned().collect();
    let from = match finished {
        PhaseName::Triage => PhaseName::Isolation,
        _ => PhaseName::RootCause,
    };
    let plan = make(input, evidence, from, &done, revision);
    let same = left.len() == plan.steps().count()
        && plan.steps().zip(&left).all(|((phase, new), (planned, old))| {
            phase == *planned && new.name == old.name && new.target == old.target && new.arguments == old.arguments
        });
    (!same).then_some(plan)
}

fn make(
    input: &PlanInput<'_>,
    evidence: &[&Evidence],
    from: PhaseName,
    done: &BTreeSet<String>,
    revision: u32,
) -> Plan {
    let case = input.case(evidence);
    let bindings = case.bindings();
    let joined = case.joined(&bindings);
    let phases = steps::phases(input, &joined, &bindings, from, done, revision);
    let runbooks = joined.iter().map(|runbook| runbook.id.clone()).collect();
    Plan { revision, source: PlanSource::Runbook { runbooks }, phases }
}

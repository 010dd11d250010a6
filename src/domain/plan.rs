//! Plans: immutable, ordered, made of data only.

use super::{Expectation, StepId, TimeSpan, Values};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// What an operation or native call can do to the world. Ordered: a greater one needs more care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Changes nothing.
    ReadOnly,
    /// Changes something that can be changed back.
    Reversible,
    /// Loses something: memory contents, data, history.
    Destructive,
}

impl Risk {
    /// As in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Reversible => "reversible",
            Self::Destructive => "destructive",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The four phases, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// What is the state of things?
    Triage,
    /// Where is the fault?
    Isolation,
    /// Why?
    RootCause,
    /// Act, then validate.
    Resolution,
}

impl PhaseName {
    /// In order.
    pub const ALL: [Self; 4] = [Self::Triage, Self::Isolation, Self::RootCause, Self::Resolution];

    /// As in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Isolation => "isolation",
            Self::RootCause => "root_cause",
            Self::Resolution => "resolution",
        }
    }
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who made a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum PlanSource {
    /// The runbook planner, from these runbooks.
    Runbook {
        /// Their ids, best match first.
        runbooks: Vec<String>,
    },
    /// A model, whose proposal was valid.
    Model {
        /// Its name, as its vendor has it.
        model: String,
    },
    /// A person asked for exactly one operation.
    Person {
        /// Who.
        name: String,
    },
}

/// An immutable plan; a revision replaces what remains of its predecessor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// 1 for the first.
    pub revision: u32,
    /// Who made it.
    pub source: PlanSource,
    /// In order; a phase that has nothing to do is left out.
    pub phases: Vec<Phase>,
}

/// Steps that may run side by side, unless they mutate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Phase {
    /// Which.
    pub name: PhaseName,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// One operation on one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Unique in the journal.
    pub id: StepId,
    /// The name under which expressions see the result: `status`, `logs`.
    pub name: String,
    /// The operation.
    pub operation: String,
    /// The service acted on; empty for an operation on the environment itself.
    pub target: String,
    /// Typed and checked arguments, without the target.
    #[schema(value_type = Object)]
    pub arguments: Values,
    /// Why this step is in the plan.
    pub reason: String,
    /// What the step is for.
    pub role: StepRole,
    /// Longest time one attempt may take.
    #[schema(value_type = String)]
    pub timeout: TimeSpan,
    /// What a model expects of it, if a model proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expects: Option<Expectation>,
}

/// What a step is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum StepRole {
    /// To learn something.
    Diagnose,
    /// To put something right.
    Remedy(Remedy),
}

/// Why a mutating step is in the plan, and when it no longer is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Remedy {
    /// Remedy id of the runbook.
    pub id: String,
    /// Runbook that it comes from.
    pub runbook: String,
    /// The cause code that it is for.
    pub cause: String,
    /// CEL over evidence read again just before acting; false voids the approval.
    pub precondition: Option<String>,
    /// Steps before it in the same remedy must have been verified; 0 is the first.
    pub position: usize,
}

impl Plan {
    /// All steps with their phases, in order.
    pub fn steps(&self) -> impl Iterator<Item = (PhaseName, &Step)> {
        self.phases.iter().flat_map(|phase| phase.steps.iter().map(|step| (phase.name, step)))
    }

    /// The step with this id.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps().map(|(_, step)| step).find(|step| step.id == *id)
    }
}

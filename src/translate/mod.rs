//! How an operation becomes native calls: pure, driven by the translations' YAML.
//!
//! ```text
//! Context ─► translate ─┬─ Read(ReadPlan)  next ─► (the engine reads) ─► record ─► … ─► finish: the declared result
//!                       └─ Act(ActPlan)    the same for what must be read first ─► prepared: ordered acts, each with
//!                                          its undo, nothing left open
//! ```

mod acts;
mod effect;
mod reads;

pub use acts::ActPlan;
pub use effect::{diff, guard, raised_risk};
pub use reads::ReadPlan;

use crate::{
    catalog::{CallTemplate, Each, Entry, Operation, Translation, target_value},
    config::ServiceConfig,
    domain::{CallError, Digest, Service, StepId, Values},
    expr::{Bindings, Truth},
};
use serde_json::{Value, json};

/// What environments.yml declares of a target, as far as translations see it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Declared {
    /// `redis` or `postgresql`, where it is one.
    pub data_store: Option<String>,
    /// Paths that may be cleared.
    pub clearable: Vec<String>,
}

impl From<&ServiceConfig> for Declared {
    fn from(service: &ServiceConfig) -> Self {
        let data_store = service.data_store.map(|store| store.as_str().to_owned());
        Self { data_store, clearable: service.clearable.clone() }
    }
}

/// Everything that a translation can depend on.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What is to be done.
    pub operation: &'a Operation,
    /// How, in this kind of environment.
    pub translation: &'a Translation,
    /// On what; a service without a name for an operation on the environment.
    pub service: &'a Service,
    /// What is declared of it.
    pub declared: &'a Declared,
    /// The operation's arguments, checked.
    pub arguments: &'a Values,
    /// State before, where the operation acts.
    pub before: Option<&'a Values>,
    /// The step, whose id gives names that are unique.
    pub step: &'a StepId,
    /// Why the step is in the plan.
    pub reason: &'a str,
    /// Whether the environment's list of read-only commands has the argument `argv`.
    pub allowed: bool,
}

/// What an operation becomes.
#[derive(Debug)]
pub enum Translated {
    /// Reading only.
    Read(ReadPlan),
    /// Acting, perhaps after some reading.
    Act(ActPlan),
}

/// Why an operation cannot be translated here and now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// No entry's condition holds, or one cannot be told.
    #[error("{operation}: no translation applies: {problem}")]
    NoEntry {
        /// Operation.
        operation: String,
        /// Why.
        problem: String,
    },
    /// It cannot be done in this kind of environment with these arguments.
    #[error("{operation}: {why}")]
    Refused {
        /// Operation.
        operation: String,
        /// Why, and what to do.
        why: String,
    },
    /// The entry is for each instance, and there is none.
    #[error("{operation}: '{service}' has no instance to act on")]
    NoInstance {
        /// Operation.
        operation: String,
        /// Target.
        service: String,
    },
    /// A field of a call, or of the result, has no value.
    #[error("{operation}: {call}: {problem}")]
    NoValue {
        /// Operation.
        operation: String,
        /// Native call, or `returns`.
        call: String,
        /// Why.
        problem: String,
    },
    /// A call cannot be made of its fields.
    #[error("{operation}: {source}")]
    Call {
        /// Operation.
        operation: String,
        /// Why.
        source: CallError,
    },
}

/// Chooses the entry that applies and prepares its calls.
///
/// # Errors
/// No entry applies, a condition cannot be told, or there is no instance for an entry that is for each.
pub fn translate(context: &Context<'_>) -> Result<Translated, TranslateError> {
    let bindings = bindings(context);
    let entry = entry(context, &bindings)?;
    if let Some(why) = &entry.refuse {
        return Err(TranslateError::Refused { operation: context.operation.name.clone(), why: why.clone() });
    }
    let rounds = rounds(context, entry, bindings)?;
    let reads = ReadPlan::new(context, entry, rounds);
    Ok(if entry.acts() { Translated::Act(ActPlan::new(reads)) } else { Translated::Read(reads) })
}

/// The first entry whose condition holds. One that cannot be told ends the search: the next entry may do more than is
/// meant.
fn entry<'a>(context: &Context<'a>, bindings: &Bindings) -> Result<&'a Entry, TranslateError> {
    let failed = |problem: String| TranslateError::NoEntry { operation: context.operation.name.clone(), problem };
    for entry in &context.translation.entries {
        match entry.when.as_ref().map(|when| when.holds(bindings)) {
            None | Some(Truth::True) => return Ok(entry),
            Some(Truth::False) => {}
            Some(Truth::Unknown(problem)) => return Err(failed(problem)),
        }
    }
    Err(failed("every entry has a condition, and none holds".into()))
}

/// The calls of an entry with what they see: once, or for each instance in turn.
#[derive(Clone, Debug)]
struct Round {
    bindings: Bindings,
    calls: Vec<CallTemplate>,
}

fn rounds(context: &Context<'_>, entry: &Entry, bindings: Bindings) -> Result<Vec<Round>, TranslateError> {
    let calls = entry.calls.clone();
    if entry.each == Each::Once {
        return Ok(vec![Round { bindings, calls }]);
    }
    if context.service.instances.is_empty() {
        let (operation, service) = (context.operation.name.clone(), context.service.name.clone());
        return Err(TranslateError::NoInstance { operation, service });
    }
    let round = |instance: &crate::domain::Instance| {
        let seen = json!({
            "id": instance.id, "name": instance.name, "state": instance.state, "image": instance.image,
        });
        let mut bindings = bindings.clone();
        bindings.set("instance", &seen, &crate::catalog::instance_shape());
        Round { bindings, calls: calls.clone() }
    };
    Ok(context.service.instances.iter().map(round).collect())
}

fn bindings(context: &Context<'_>) -> Bindings {
    let mut bindings = context.operation.bindings(context.arguments, context.before);
    let step = json!({"key": key(context.step), "reason": context.reason});
    bindings.set("target", &target_value(Some(context.service)), &crate::catalog::target_shape());
    bindings.set("step", &step, &crate::catalog::step_shape());
    bindings.set("service", &json!(context.declared), &crate::catalog::declared_shape());
    bindings.set("allowed", &Value::Bool(context.allowed), &crate::domain::Shape::Boolean);
    bindings
}

/// Twelve hexadecimal digits that stand for a step in names of containers and in comments.
pub fn key(step: &StepId) -> String {
    Digest::of(step.as_str().as_bytes()).short().to_owned()
}

//! Whether an act may still be done, was done, and helped: the conditions of operations and remedies.

use crate::{
    catalog::{Case, Catalog, Operation, Runbook, acted_shape, status_shape},
    domain::{Evidence, Expectation, Judged, Shape, Values, seen},
    expr::{Bindings, EvalError, Expression, Scope, Truth},
};
use serde_json::Value;

/// Whether the operation's success criterion holds on what its looking operation returned, and on what its last call did.
pub fn expectation(
    catalog: &Catalog,
    operation: &Operation,
    evidence: &Values,
    result: &Values,
    before: Option<&Values>,
    arguments: &Values,
) -> Truth {
    let Some(verify) = &operation.verify else {
        return Truth::Unknown(format!("{} declares no success criterion", operation.name));
    };
    let shape = catalog.operations.get(&verify.operation).map_or(Shape::Any, |looking| looking.returns.clone());
    let mut bindings = operation.bindings(arguments, before);
    bindings.set("evidence", &Value::Object(evidence.clone()), &shape);
    bindings.set("result", &Value::Object(result.clone()), &acted_shape());
    verify.expect.holds(&bindings)
}

/// What the operation's success criterion expects, for people; none where it has none.
pub fn expected(operation: &Operation, before: Option<&Values>, arguments: &Values) -> Option<String> {
    let verify = operation.verify.as_ref()?;
    let said = verify.says.as_ref().map(|says| says.render(&operation.bindings(arguments, before)));
    Some(match said {
        Some(Ok(Value::String(text))) => text,
        _ => format!("what {} is to bring about", operation.name),
    })
}

/// What is there of what the operation's success criterion looks at, in words.
pub fn found(operation: &Operation, evidence: &Values, before: Option<&Values>) -> String {
    operation
        .verify
        .as_ref()
        .map_or_else(String::new, |verify| seen(verify.expect.source(), "evidence", evidence, before))
}

/// The arguments of the operation that looks whether this one helped; empty where there is no such operation.
///
/// # Errors
/// One has no value.
pub fn verify_arguments(
    operation: &Operation,
    before: Option<&Values>,
    arguments: &Values,
) -> Result<Values, EvalError> {
    let rendered = operation.verify.as_ref().map(|verify| verify.with.render(&operation.bindings(arguments, before)));
    Ok(match rendered.transpose()? {
        Some(Value::Object(fields)) => fields,
        _ => Values::new(),
    })
}

/// Whether an act happened that nobody saw end: the operation's probe over the status before and now.
pub fn probe(operation: &Operation, before: &Values, now: &Values, arguments: &Values) -> Truth {
    let Some(probe) = &operation.probe else {
        return Truth::Unknown(format!("{} declares no probe", operation.name));
    };
    let mut bindings = operation.bindings(arguments, Some(before));
    bindings.set("now", &Value::Object(now.clone()), &status_shape());
    probe.holds(&bindings)
}

/// Whether a condition that a model wrote holds, by what was seen. Those that decide something were checked when the
/// proposal was accepted; but whatever was stored, no condition is run that may take long.
pub fn holds(condition: &str, case: &Case<'_>) -> Truth {
    let returns = |evidence: &&Evidence| {
        let operation = case.catalog.operations.get(&evidence.operation)?;
        Some((evidence.name.clone(), operation.returns.clone()))
    };
    let seen = case.evidence.iter().filter_map(returns).collect();
    match Expression::bounded(condition, &Runbook::scope(&seen)) {
        Ok(compiled) => compiled.holds(&case.bindings()),
        // What it is about was not seen, or it is none that was accepted.
        Err(error) => Truth::Unknown(error.to_string()),
    }
}

/// Whether what a step showed is as the model expected that proposed it, and what it means by that model; nothing where
/// it said nothing that a machine can check. `case` has the step's own result, and those before it.
pub fn as_expected(expects: &Expectation, case: &Case<'_>) -> Option<Judged> {
    let (held, problem) = match expects.success.as_deref().map(|criterion| holds(criterion, case)) {
        None => (None, None),
        Some(Truth::True) => (Some(true), None),
        Some(Truth::False) => (Some(false), None),
        Some(Truth::Unknown(problem)) => (None, Some(problem)),
    };
    let mut meanings = expects.meanings.iter();
    let applies = meanings.find(|meaning| holds(&meaning.result, case).is_true());
    let judged = Judged { held, problem, meaning: applies.map(|meaning| meaning.meaning.clone()) };
    (judged.held.is_some() || judged.problem.is_some() || judged.meaning.is_some()).then_some(judged)
}

/// Whether a remedy's precondition holds on the status just read. It was checked when the catalogue was loaded; a source
/// that does not compile now holds for nobody.
pub fn precondition(source: &str, status: &Values) -> Truth {
    match Expression::condition(source, &Scope::new().with("status", status_shape())) {
        Ok(condition) => {
            let mut bindings = Bindings::new();
            bindings.set("status", &Value::Object(status.clone()), &status_shape());
            condition.holds(&bindings)
        }
        Err(error) => Truth::Unknown(error.to_string()),
    }
}

//! Arguments that a document gives to an operation, checked as far as they are known.

use super::suggestion;
use crate::{
    catalog::Operation,
    document::{Node, Reports},
    expr::{Template, assignable},
};

/// Checks names, types and literal values. `node` is where mistakes are told that have no place of their own.
pub(super) fn check(with: &Template, operation: &Operation, node: &Node, reports: &Reports) {
    let values = node.get("with").unwrap_or(node);
    for (name, value) in with.fields() {
        let at = values.get(name).unwrap_or(values);
        let Some(parameter) = operation.parameters.get(name) else {
            let fix = suggestion(name, operation.parameters.keys().map(String::as_str));
            reports.at(at, format!("{} has no parameter '{name}'", operation.name), fix);
            continue;
        };
        if let Some(literal) = value.literal() {
            if let Err(problem) = parameter.accept(literal.clone()) {
                reports.at(at, format!("'{name}': {problem}"), "give a value that the operation takes");
            }
        } else if !assignable(&value.shape(), &parameter.shape) {
            let what = format!("'{name}' takes {}, this gives {}", parameter.shape, value.shape());
            reports.at(at, what, "convert it");
        }
    }
    let given: Vec<&str> = with.fields().map(|(name, _)| name).collect();
    for (name, parameter) in &operation.parameters {
        if parameter.required && parameter.default.is_none() && !given.contains(&name.as_str()) {
            reports.at(
                node,
                format!("{} needs the argument '{name}'", operation.name),
                format!("add '{name}' to 'with'"),
            );
        }
    }
}

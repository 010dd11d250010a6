//! Expressions inside documents, with their mistakes where they stand.

use crate::{
    document::{Decode, Fields, Node, Problem, Reports},
    expr::{ExprError, Expression, Scope, Template},
};

fn report(node: &Node, error: &ExprError, reports: &Reports) {
    let (what, fix) = error.message.split_once("; ").unwrap_or((&error.message, "correct the expression"));
    reports.add(Problem::new(&node.within(error.offset), what, fix));
}

fn compiled(
    node: &Node,
    reports: &Reports,
    compile: impl FnOnce(&str) -> Result<Expression, ExprError>,
) -> Option<Expression> {
    let source = String::decode(node, reports)?;
    compile(&source).map_err(|error| report(node, &error, reports)).ok()
}

/// An expression that is true or false.
pub fn condition(node: &Node, scope: &Scope, reports: &Reports) -> Option<Expression> {
    compiled(node, reports, |source| Expression::condition(source, scope))
}

/// An expression of any type.
pub(super) fn expression(node: &Node, scope: &Scope, reports: &Reports) -> Option<Expression> {
    compiled(node, reports, |source| Expression::compile(source, scope))
}

/// A value with expressions in it.
pub(super) fn template(node: &Node, scope: &Scope, reports: &Reports) -> Option<Template> {
    Template::compile(&node.to_json(), scope)
        .map_err(|errors| errors.iter().for_each(|(path, error)| report(node.at_path(path), error, reports)))
        .ok()
}

/// A condition that may be left out: outer `None` after a mistake.
pub(super) fn optional_condition(fields: &Fields<'_>, name: &'static str, scope: &Scope) -> Option<Option<Expression>> {
    match fields.raw(name) {
        Some(node) => condition(node, scope, fields.reports).map(Some),
        None => Some(None),
    }
}

/// A template that may be left out: outer `None` after a mistake.
pub(super) fn optional_template(fields: &Fields<'_>, name: &'static str, scope: &Scope) -> Option<Option<Template>> {
    match fields.raw(name) {
        Some(node) => template(node, scope, fields.reports).map(Some),
        None => Some(None),
    }
}

/// Arguments, none where they are left out.
pub(super) fn with(fields: &Fields<'_>, scope: &Scope) -> Option<Template> {
    match fields.raw("with") {
        Some(node) => template(node, scope, fields.reports),
        None => Template::compile(&serde_json::json!({}), scope).ok(),
    }
}

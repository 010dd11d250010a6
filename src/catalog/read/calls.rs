//! The native calls of a translation.

use super::{expressions, free};
use crate::{
    catalog::CallTemplate,
    document::{Decode, Fields, Node, Reports},
    domain::{ActCall, CallSpec, Effect, ReadCall, nearest, spec_of},
    expr::{Scope, Template, assignable},
};

/// Reads a call; its result is added to what later expressions see.
pub(super) fn call(node: &Node, fields: &Fields<'_>, scope: &mut Scope) -> Option<CallTemplate> {
    let reports = fields.reports;
    let spec = spec(fields)?;
    let with = expressions::with(fields, scope);
    if let Some(with) = &with {
        check_fields(with, &spec, node, reports);
    }
    let undo = match fields.raw("undo") {
        Some(node) => Some(undo(node, scope, reports)?),
        None => None,
    };
    let bind = match fields.raw("as") {
        Some(node) => Some(String::decode(node, reports).filter(|name| free(name, node, reports))?),
        None => None,
    };
    if let Some(name) = &bind {
        *scope = std::mem::take(scope).with(name, spec.returns.clone());
    }
    Some(CallTemplate { name: spec.name.to_owned(), effect: spec.effect, bind, with: with?, undo })
}

fn undo(node: &Node, scope: &Scope, reports: &Reports) -> Option<(String, Template)> {
    let fields = Fields::of(node, reports)?;
    let spec = spec(&fields);
    let with = expressions::with(&fields, scope);
    fields.finish();
    let (spec, with) = (spec?, with?);
    if spec.effect == Effect::Read {
        reports.at(node, format!("{} only reads", spec.name), "undo by a call that acts");
    }
    check_fields(&with, &spec, node, reports);
    Some((spec.name.to_owned(), with))
}

fn spec(fields: &Fields<'_>) -> Option<CallSpec> {
    let node = fields.required_raw("call")?;
    let name = String::decode(node, fields.reports)?;
    let spec = spec_of(&name);
    if spec.is_none() {
        let names = ReadCall::NAMES.iter().chain(ActCall::NAMES).copied();
        let fix = match nearest(&name, names).first() {
            Some(near) => format!("did you mean '{near}'?"),
            None => "see docs/operations.md for those there are".to_owned(),
        };
        fields.reports.at(node, format!("there is no native call '{name}'"), fix);
    }
    spec
}

/// A call gets exactly its fields; those that may be null can be left out.
fn check_fields(with: &Template, spec: &CallSpec, node: &Node, reports: &Reports) {
    let values = node.get("with").unwrap_or(node);
    for (name, value) in with.fields() {
        let at = values.get(name).unwrap_or(values);
        let Some(field) = spec.fields.iter().find(|field| field.name == name) else {
            let names: Vec<_> = spec.fields.iter().map(|field| field.name).collect();
            let fix = format!("use one of {}", names.join(", "));
            reports.at(at, format!("native call {} has no field '{name}'", spec.name), fix);
            continue;
        };
        let problem = match value.literal() {
            Some(literal) => field.shape.coerce(literal.clone()).err().map(|error| error.to_string()),
            None if assignable(&value.shape(), &field.shape) => None,
            None => Some(format!("expected {}, this gives {}", field.shape, value.shape())),
        };
        if let Some(problem) = problem {
            reports.at(at, format!("field '{name}' of {}: {problem}", spec.name), "convert it");
        }
    }
    let given: Vec<&str> = with.fields().map(|(name, _)| name).collect();
    for field in &spec.fields {
        let optional = matches!(field.shape, crate::domain::Shape::Nullable(_));
        if !optional && !given.contains(&field.name) {
            let what = format!("native call {} lacks its field '{}'", spec.name, field.name);
            reports.at(node, what, format!("add '{}' to 'with'", field.name));
        }
    }
}

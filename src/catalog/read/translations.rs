//! translations/<kind>.yml

use super::{calls, expressions, known::Known};
use crate::{
    catalog::{Each, Entry, Operation, Translation, Undo, instance_shape},
    document::{Decode, Fields, Key, Node, Reports},
    domain::{ActCall, Effect, Shape, spec_of},
    expr::{Scope, assignable},
};
use std::collections::BTreeMap;

/// Reads the translations of one kind of environment, and checks that every operation has one or is said to have none.
pub(super) fn read(node: &Node, known: &Known<'_>, reports: &Reports) -> BTreeMap<String, Translation> {
    let Some(fields) = Fields::of(node, reports) else { return BTreeMap::new() };
    let entries = fields.required_raw("operations").map(|node| node.entries(reports)).unwrap_or_default();
    let left_out = fields.elements("not_supported");
    fields.finish();
    let is_there = |name: &str| entries.iter().any(|(key, _)| key.name == name);
    for missing in left_out {
        let Some(name) = String::decode(missing, reports) else { continue };
        known.get(&name, &missing.place, reports);
        if is_there(&name) {
            reports.at(missing, format!("'{name}' is translated below"), "remove it here or there");
        }
    }
    for name in known.names() {
        if !is_there(name) && !left_out.iter().any(|node| node.text() == Some(name)) {
            reports.at(
                node,
                format!("operation '{name}' has no translation here"),
                "add one, or list it under 'not_supported'",
            );
        }
    }
    entries.iter().filter_map(|(key, node)| Some((key.name.clone(), translation(key, node, known, reports)?))).collect()
}

fn translation(key: &Key, node: &Node, known: &Known<'_>, reports: &Reports) -> Option<Translation> {
    let operation = known.get(&key.name, &key.place, reports)?;
    let nodes = node.elements(reports);
    if nodes.is_empty() {
        reports.at(node, format!("'{}' has no entries", key.name), "add one with 'call' or 'calls'");
    }
    for (index, node) in nodes.iter().enumerate() {
        let last = index + 1 == nodes.len();
        match node.get("when") {
            Some(when) if last => reports.at(when, "the last entry has a condition", "add one without 'when' after it"),
            None if !last => reports.at(node, "entries after this one are never reached", "give it a 'when'"),
            _ => {}
        }
    }
    let mut entries: Vec<Option<Entry>> = Vec::new();
    for node in nodes {
        let may_read = entries.iter().flatten().any(|entry| !entry.acts() && entry.refuse.is_none());
        entries.push(entry(node, operation, may_read, reports));
    }
    entries.into_iter().collect::<Option<_>>().map(|entries| Translation { entries })
}

fn entry(node: &Node, operation: &Operation, may_read: bool, reports: &Reports) -> Option<Entry> {
    let fields = Fields::of(node, reports)?;
    if let Some(node) = fields.raw("refuse") {
        let refuse = String::decode(node, reports);
        let when = expressions::optional_condition(&fields, "when", &operation.translation_scope(operation.mutates()));
        fields.finish();
        return Some(Entry { when: when?, each: Each::Once, refuse: Some(refuse?), calls: Vec::new(), returns: None });
    }
    let each = fields.or("each", Each::Once)?;
    let nodes = match (fields.raw("calls"), node.get("call")) {
        (Some(calls), None) => calls.elements(reports),
        (None, Some(_)) => std::slice::from_ref(node),
        _ => {
            reports.at(node, "this entry has no call, or both 'call' and 'calls'", "give one of the two");
            return None;
        }
    };
    let acts = nodes
        .iter()
        .any(|node| node.get("call").and_then(Node::text).is_some_and(|name| ActCall::NAMES.contains(&name)));
    let mut scope = operation.translation_scope(acts);
    let when = expressions::optional_condition(&fields, "when", &scope);
    if each == Each::Instance {
        scope = scope.with("instance", instance_shape());
    }
    let mut calls = Vec::new();
    for call_node in nodes {
        if std::ptr::eq(call_node, node) {
            calls.push(calls::call(node, &fields, &mut scope)?);
        } else {
            let fields = Fields::of(call_node, reports)?;
            calls.push(calls::call(call_node, &fields, &mut scope)?);
            fields.finish();
        }
    }
    let returns = expressions::optional_template(&fields, "returns", &scope);
    fields.finish();
    let entry = Entry { when: when?, each, refuse: None, calls, returns: returns? };
    check(&entry, node, operation, reports);
    // Where another way only reads, that is the result; what an act did is told by its call.
    if !(may_read && entry.acts()) {
        check_returns(&entry, node, operation, &scope, reports);
    }
    Some(entry)
}

fn check(entry: &Entry, node: &Node, operation: &Operation, reports: &Reports) {
    let mut acted = false;
    for call in &entry.calls {
        match call.effect {
            Effect::Read if acted => {
                reports.at(node, format!("{} reads after a call that acts", call.name), "read first")
            }
            Effect::Read => {}
            Effect::Act(risk) => {
                acted = true;
                if operation.risk < risk {
                    let what = format!("{} is {risk}, but {} says {}", call.name, operation.name, operation.risk);
                    reports.at(node, what, format!("declare the operation's risk as {risk}"));
                }
                if operation.undo != Undo::None && call.undo.is_none() {
                    let what = format!("{} can be undone, but nothing undoes {}", operation.name, call.name);
                    reports.at(node, what, "add 'undo' to the call, or declare 'undo: none'");
                }
            }
        }
    }
}

/// The result has every field that the operation declares.
fn check_returns(entry: &Entry, node: &Node, operation: &Operation, scope: &Scope, reports: &Reports) {
    let last = entry.calls.iter().rev().find(|call| entry.acts() || call.effect == Effect::Read);
    let result = match (&entry.returns, last.and_then(|call| spec_of(&call.name))) {
        (Some(template), _) => template.shape(),
        (None, Some(spec)) => spec.returns,
        (None, None) => return,
    };
    if !assignable(&result, &operation.returns) {
        let names: Vec<_> = scope.names().collect();
        let what = format!("this is not what {} returns: {}", operation.name, difference(&result, &operation.returns));
        reports.at(node, what, format!("add 'returns' made of {}", names.join(", ")));
    }
}

/// In which fields a result is not what is declared; where it has all of them, which it has besides.
fn difference(result: &Shape, declared: &Shape) -> String {
    let (Shape::Object(result), Shape::Object(declared)) = (result, declared) else {
        return format!("{declared} is declared, not {result}");
    };
    let fits = |name: &String, shape: &Shape| result.get(name).is_some_and(|own| assignable(own, shape));
    let lacking = declared.iter().filter(|(name, shape)| !fits(name, shape));
    let lacking: Vec<_> = lacking.map(|(name, shape)| format!("{name}: {shape}")).collect();
    if !lacking.is_empty() {
        return format!("it lacks {}", lacking.join(", "));
    }
    let more = result.keys().filter(|name| !declared.contains_key(*name));
    format!("it has no {}", more.map(String::as_str).collect::<Vec<_>>().join(", "))
}

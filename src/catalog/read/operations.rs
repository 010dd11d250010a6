//! operations.yml

use super::{arguments, expressions, free, known::Known};
use crate::{
    catalog::{On, Operation, Parameter, Raise, Undo, Verify, status_shape},
    document::{Fields, Node, Reports},
    domain::{Risk, Shape, TimeSpan, nearest, spec_of},
    expr::Expression,
};
use regex::Regex;
use std::collections::BTreeMap;

/// How long an attempt may take where nothing is said.
const TIMEOUT: TimeSpan = TimeSpan::from_secs(30);
/// How long an effect may take to show where nothing is said.
const WITHIN: TimeSpan = TimeSpan::from_secs(60);

/// Reads all operations; what one verifies by is looked up when all are known.
pub(super) fn read(node: &Node, reports: &Reports) -> BTreeMap<String, Operation> {
    let entries = node.entries(reports);
    let mut operations: BTreeMap<String, Operation> = entries
        .iter()
        .filter_map(|(key, value)| Some((key.name.clone(), operation(&key.name, value, reports)?)))
        .collect();
    for (key, value) in entries {
        let Some(operation) = operations.get(&key.name) else { continue };
        let known = Known::new(&operations, Some(node), reports);
        let verify = value.get("verify").and_then(|node| verify(node, operation, &known, reports));
        if let Some(operation) = operations.get_mut(&key.name) {
            operation.verify = verify;
        }
    }
    operations
}

fn operation(name: &str, node: &Node, reports: &Reports) -> Option<Operation> {
    let fields = Fields::of(node, reports)?;
    let description = fields.required("description");
    let risk = fields.required("risk");
    let on = fields.or("on", On::Service);
    let timeout = fields.or("timeout", TIMEOUT);
    let undo = fields.or("undo", Undo::None);
    let parameters = fields.raw("parameters").map(|node| parameters(node, reports)).unwrap_or_default();
    let returns = fields.required_raw("returns").and_then(|node| returns(node, reports));
    let _ = fields.raw("verify"); // read when all operations are known
    let mut operation = Operation {
        name: name.to_owned(),
        description: description?,
        risk: risk?,
        raise: Vec::new(),
        parameters,
        returns: returns?,
        timeout: timeout?,
        on: on?,
        guard: Vec::new(),
        changes: BTreeMap::new(),
        probe: None,
        verify: None,
        undo: undo?,
    };
    operation.raise = fields.raw("raise").map(|node| raises(node, &operation, reports)).unwrap_or_default();
    operation.guard = guard(&fields);
    operation.changes = changes(&fields, &operation);
    operation.probe = expressions::optional_condition(&fields, "probe", &operation.probe_scope())?;
    fields.finish();
    if !operation.mutates() && operation.undo != Undo::None {
        reports.at(node, format!("{name} changes nothing, so there is nothing to undo"), "remove 'undo'");
    }
    Some(operation)
}

/// The type of a result: fields, or the name of a native call whose result it is.
fn returns(node: &Node, reports: &Reports) -> Option<Shape> {
    if let Some(spec) = node.text().and_then(spec_of) {
        return Some(spec.returns);
    }
    shape(node, reports)
}

fn shape(node: &Node, reports: &Reports) -> Option<Shape> {
    serde_json::from_value(node.to_json())
        .map_err(|error| {
            let error = error.to_string();
            let (what, fix) = error.split_once("; ").unwrap_or((&error, "write a type"));
            reports.at(node, what, fix);
        })
        .ok()
}

fn parameters(node: &Node, reports: &Reports) -> BTreeMap<String, Parameter> {
    let entries = node.entries(reports).iter();
    entries
        // the target is implied, and may be named to show it
        .filter(|(key, value)| !(key.name == "target" && value.get("type").and_then(Node::text) == Some("target")))
        .filter(|(key, value)| free(&key.name, value, reports))
        .filter_map(|(key, value)| Some((key.name.clone(), parameter(value, reports)?)))
        .collect()
}

fn parameter(node: &Node, reports: &Reports) -> Option<Parameter> {
    let fields = Fields::of(node, reports)?;
    let shape = fields.required_raw("type").and_then(|node| shape(node, reports));
    let required = fields.or("required", false);
    let description = fields.or("description", String::new());
    let pattern = fields.raw("pattern").map(|node| pattern(node, reports));
    let (default, range, options) = (fields.raw("default"), fields.raw("range"), fields.raw("options"));
    fields.finish();
    let mut parameter = Parameter {
        shape: shape?,
        required: required?,
        default: None,
        range: None,
        options: Vec::new(),
        pattern: None,
        description: description?,
    };
    let accept = |parameter: &Parameter, node: &Node| {
        let accepted = parameter.accept(node.to_json());
        accepted.map_err(|problem| reports.at(node, problem, "write a value of the parameter's type")).ok()
    };
    if let Some(node) = options {
        parameter.options = node.elements(reports).iter().filter_map(|node| accept(&parameter, node)).collect();
    }
    if let Some(node) = range {
        parameter.range = match node.elements(reports) {
            [least, most] => accept(&parameter, least).zip(accept(&parameter, most)),
            _ => reports.expected(node, "a list of the smallest and the greatest value"),
        };
    }
    parameter.pattern = pattern.flatten();
    parameter.default = default.and_then(|node| accept(&parameter, node));
    Some(parameter)
}

fn pattern(node: &Node, reports: &Reports) -> Option<Regex> {
    let text = node.text().or_else(|| reports.expected(node, "a regular expression"))?;
    // the whole value has to match, or half a pattern lets anything through
    let compiled = Regex::new(&format!("^(?:{text})$"));
    compiled.map_err(|_| reports.at(node, format!("'{text}' is not a regular expression"), "correct it")).ok()
}

fn raises(node: &Node, operation: &Operation, reports: &Reports) -> Vec<Raise> {
    let read = |node: &Node| {
        let fields = Fields::of(node, reports)?;
        let to: Option<Risk> = fields.required("to");
        let when =
            fields.required_raw("when").and_then(|node| expressions::condition(node, &operation.scope(), reports));
        fields.finish();
        if to.is_some_and(|to| to <= operation.risk) {
            reports.at(
                node,
                format!("'{}' is not more than the operation's own risk", to?),
                "CEL can raise a risk only",
            );
        }
        Some(Raise { to: to?, when: when? })
    };
    node.elements(reports).iter().filter_map(read).collect()
}

/// Reports a name that is no field of a status.
fn status_field(name: &str, node: &Node, reports: &Reports) -> Option<String> {
    let Shape::Object(fields) = status_shape() else { return None };
    if fields.contains_key(name) {
        return Some(name.to_owned());
    }
    let fix = match nearest(name, fields.keys().map(String::as_str)).first() {
        Some(near) => format!("did you mean '{near}'?"),
        None => "use a field that get_status returns".to_owned(),
    };
    reports.at(node, format!("the status has no field '{name}'"), fix);
    None
}

fn guard(fields: &Fields<'_>) -> Vec<String> {
    let nodes = fields.elements("guard");
    nodes.iter().filter_map(|node| status_field(node.text()?, node, fields.reports)).collect()
}

fn changes(fields: &Fields<'_>, operation: &Operation) -> BTreeMap<String, Expression> {
    let entries = fields.entries("changes");
    let scope = operation.acting_scope();
    let read = |(key, node): &(crate::document::Key, Node)| {
        let expression = expressions::expression(node, &scope, fields.reports);
        Some((status_field(&key.name, node, fields.reports)?, expression?))
    };
    entries.iter().filter_map(read).collect()
}

fn verify(node: &Node, operation: &Operation, known: &Known<'_>, reports: &Reports) -> Option<Verify> {
    let fields = Fields::of(node, reports)?;
    let looks = fields.required_raw("operation").and_then(|node| known.named(node, reports));
    let with = expressions::with(&fields, &operation.acting_scope());
    let soak = fields.required("soak");
    let within = fields.or("within", WITHIN);
    let expect = fields.required_raw("expect");
    let says = expressions::optional_template(&fields, "says", &operation.acting_scope());
    fields.finish();
    let looks = looks?;
    let expect = expressions::condition(expect?, &operation.verify_scope(looks), reports);
    if looks.mutates() {
        reports.at(node, format!("{} changes something", looks.name), "verify by an operation that only reads");
    }
    arguments::check(with.as_ref()?, looks, node, reports);
    Some(Verify {
        operation: looks.name.clone(),
        with: with?,
        expect: expect?,
        says: says?,
        soak: soak?,
        within: within?,
    })
}

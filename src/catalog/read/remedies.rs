//! Remedies: the part of a runbook that can change something.

use super::{arguments, expressions, id, known::Known, suggestion};
use crate::{
    catalog::{RemedyRule, RemedyStep, status_shape},
    document::{Fields, Node, Reports},
    expr::{Scope, Template},
};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the remedies of a runbook.
pub(super) fn read(
    nodes: &[Node],
    known: &Known<'_>,
    scope: &Scope,
    written: &BTreeSet<String>,
    reports: &Reports,
) -> BTreeMap<String, RemedyRule> {
    let mut remedies = BTreeMap::new();
    for node in nodes {
        let Some(remedy) = remedy(node, known, scope, written, reports) else { continue };
        if remedies.contains_key(&remedy.id) {
            reports.at(node, format!("there are two remedies '{}'", remedy.id), "give one another id");
        }
        remedies.insert(remedy.id.clone(), remedy);
    }
    remedies
}

/// Findings name remedies that exist, and each remedy is named by one.
pub(super) fn check_use(remedies: &[Node], findings: &[Node], reports: &Reports) {
    let id = |node: &Node| node.get("id").and_then(Node::text).map(str::to_owned);
    let known: BTreeSet<String> = remedies.iter().filter_map(id).collect();
    let named = findings.iter().filter_map(|finding| finding.get("remedies")).flat_map(|node| node.elements(reports));
    let named: Vec<&Node> = named.collect();
    for node in &named {
        if let Some(name) = node.text().filter(|name| !known.contains(*name)) {
            reports.at(
                node,
                format!("there is no remedy '{name}' in this runbook"),
                suggestion(name, known.iter().map(String::as_str)),
            );
        }
    }
    for remedy in remedies {
        let used = |id: &str| named.iter().any(|node| node.text() == Some(id));
        if let Some(id) = id(remedy).filter(|id| !used(id)) {
            reports.at(remedy, format!("no finding names the remedy '{id}'"), "name it under 'remedies', or remove it");
        }
    }
}

fn remedy(
    node: &Node,
    known: &Known<'_>,
    scope: &Scope,
    written: &BTreeSet<String>,
    reports: &Reports,
) -> Option<RemedyRule> {
    let fields = Fields::of(node, reports)?;
    let id = id(&fields);
    let when = expressions::optional_condition(&fields, "when", scope);
    let steps = fields.elements("steps");
    let steps: Vec<_> = steps.iter().map(|node| step(node, known, scope, written, reports)).collect();
    let status = Scope::new().with("status", status_shape());
    let precondition = expressions::optional_condition(&fields, "precondition", &status);
    let manual = expressions::optional_template(&fields, "manual", scope);
    fields.finish();
    if steps.is_empty() && node.get("manual").is_none() {
        reports.at(node, "this remedy does nothing", "add 'steps', or say under 'manual' what people have to do");
    }
    Some(RemedyRule {
        id: id?,
        when: when?,
        steps: steps.into_iter().collect::<Option<_>>()?,
        precondition: precondition?,
        manual: manual?,
    })
}

fn step(
    node: &Node,
    known: &Known<'_>,
    scope: &Scope,
    written: &BTreeSet<String>,
    reports: &Reports,
) -> Option<RemedyStep> {
    let fields = Fields::of(node, reports)?;
    let operation = fields.required_raw("operation").and_then(|node| known.named(node, reports));
    let target = expressions::optional_template(&fields, "target", scope);
    let with = expressions::with(&fields, scope);
    let reason = fields.required("reason");
    fields.finish();
    for (name, template) in [("with", with.as_ref()), ("target", target.as_ref().and_then(Option::as_ref))] {
        if let Some(template) = template {
            refuse_free_text(template, written, node.get(name).unwrap_or(node), reports);
        }
    }
    let operation = operation?;
    arguments::check(with.as_ref()?, operation, node, reports);
    Some(RemedyStep { operation: operation.name.clone(), target: target?, with: with?, reason: reason? })
}

/// Nothing that a log line, a command's output or an alert says may become an argument of what changes something.
fn refuse_free_text(template: &Template, written: &BTreeSet<String>, node: &Node, reports: &Reports) {
    let free = |path: &String| {
        let (first, last) = (path.split(['.', '[']).next().unwrap_or(path), path.rsplit('.').next().unwrap_or(path));
        first == "alert" || written.contains(first) || ["text", "stdout", "stderr", "query"].contains(&last)
    };
    let paths = template.paths();
    let leads_on = |path: &String| {
        paths.iter().any(|other| other.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.')))
    };
    for path in paths.iter().filter(|path| free(path) && !leads_on(path)) {
        let what = format!("'{path}' is text from outside, and this changes something");
        reports.at(node, what, "use a structured fact, or make the remedy 'manual'");
    }
}

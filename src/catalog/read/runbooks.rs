//! runbooks/*.yml

use super::{arguments, expressions, free, id, known::Known, remedies, suggestion};
use crate::{
    catalog::{FindingRule, Matching, RemedyRule, Runbook, RunbookStep, Translation},
    document::{Decode, Fields, Node, Reports},
    domain::{EnvironmentKind, Shape},
    expr::Scope,
};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// What the steps of all runbooks show.
struct Seen {
    /// The type of every step's result, by step id.
    shapes: BTreeMap<String, Shape>,
    /// Steps whose result is what programs or people wrote, in some kind of environment.
    written: BTreeSet<String>,
}

type Translations = BTreeMap<EnvironmentKind, BTreeMap<String, Translation>>;

/// Reads all runbooks. They build on each other's evidence, so their steps are collected first.
pub(super) fn read(nodes: &[Node], known: &Known<'_>, translations: &Translations, reports: &Reports) -> Vec<Runbook> {
    let seen = seen(nodes, known, translations, reports);
    let scope = Runbook::scope(&seen.shapes);
    let mut runbooks: Vec<Runbook> = Vec::new();
    for node in nodes {
        let Some(runbook) = runbook(node, known, &seen, &scope, reports) else { continue };
        if let Some(other) = runbooks.iter().find(|other| other.id == runbook.id) {
            let what = format!("a runbook '{}' is in {} already", runbook.id, other.file);
            reports.at(node, what, "give one of them another id");
        }
        runbooks.push(runbook);
    }
    runbooks.sort_by_key(Runbook::sort_key);
    runbooks
}

/// What every step shows, by step id. Steps of the same id run once, so they have to be the same.
fn seen(nodes: &[Node], known: &Known<'_>, translations: &Translations, reports: &Reports) -> Seen {
    let (mut shapes, mut written) = (BTreeMap::new(), BTreeSet::new());
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    let steps = nodes.iter().filter_map(|node| node.get("steps")).flat_map(|steps| steps.elements(reports));
    for step in steps {
        let Some(id) = step.get("id").and_then(Node::text) else { continue };
        if let Some(other) = first.get(id)
            && other.to_json() != step.to_json()
        {
            let what = format!("step '{id}' is another one in {}:{}", other.place.file, other.place.line);
            reports.at(step, what, "make them equal, or give one another id");
        }
        first.entry(id).or_insert(step);
        let silent = Reports::default(); // told when the step is read
        let operation = step.get("operation").and_then(|node| known.named(node, &silent));
        // after a mistake in the operation, its fields are not another one
        let shape = operation.map_or(Shape::Any, |operation| operation.returns.clone());
        shapes.entry(id.to_owned()).or_insert(shape);
        let mut ways = translations.values().filter_map(|all| all.get(&operation?.name));
        if ways.any(|translation| !translation.measures()) {
            written.insert(id.to_owned());
        }
    }
    Seen { shapes, written }
}

fn runbook(node: &Node, known: &Known<'_>, seen: &Seen, scope: &Scope, reports: &Reports) -> Option<Runbook> {
    let fields = Fields::of(node, reports)?;
    let id = id(&fields);
    let description = fields.required("description");
    let priority = fields.or("priority", 0);
    let always = fields.or("always", false);
    let matching = fields.raw("match").map_or(Some(Matching::default()), |node| matching(node, scope, reports));
    let (step_nodes, finding_nodes, remedy_nodes) =
        (fields.elements("steps"), fields.elements("findings"), fields.elements("remedies"));
    let steps = step_nodes.iter().map(|node| step(node, known, scope, reports)).collect::<Vec<_>>();
    let remedies = remedies::read(remedy_nodes, known, scope, &seen.written, reports);
    let finding = |node| {
        let rule = finding(node, &seen.shapes, scope, reports)?;
        refuse_hearsay(&rule, &remedies, &seen.written, node, reports);
        Some(rule)
    };
    let findings = finding_nodes.iter().map(finding).collect::<Vec<_>>();
    let no_fault = expressions::optional_condition(&fields, "no_fault", scope);
    fields.finish();
    if node.get("match").is_none() && node.get("always").is_none() {
        reports.at(node, "nothing brings this runbook in", "add 'match', or 'always: true'");
    }
    remedies::check_use(remedy_nodes, finding_nodes, reports);
    Some(Runbook {
        id: id?,
        description: description?,
        priority: priority?,
        always: always?,
        matching: matching?,
        steps: steps.into_iter().collect::<Option<_>>()?,
        findings: findings.into_iter().collect::<Option<_>>()?,
        remedies,
        no_fault: no_fault?,
        file: node.place.file.to_string(),
    })
}

fn matching(node: &Node, scope: &Scope, reports: &Reports) -> Option<Matching> {
    let fields = Fields::of(node, reports)?;
    let globs = fields.or("alerts", Vec::<String>::new());
    let labels = fields.or("labels", BTreeMap::new());
    let when = expressions::optional_condition(&fields, "when", scope);
    fields.finish();
    let alerts = globs?.iter().filter_map(|glob| pattern_of(glob)).collect();
    Some(Matching { alerts, labels: labels?, when: when? })
}

/// `*` is any text and `?` any character; everything else is itself.
fn pattern_of(glob: &str) -> Option<Regex> {
    let pattern = regex::escape(glob).replace(r"\*", ".*").replace(r"\?", ".");
    Regex::new(&format!("^{pattern}$")).ok()
}

fn step(node: &Node, known: &Known<'_>, scope: &Scope, reports: &Reports) -> Option<RunbookStep> {
    let fields = Fields::of(node, reports)?;
    let id = id(&fields).filter(|id| free(id, node, reports));
    let phase = fields.required("phase");
    let operation = fields.required_raw("operation").and_then(|node| known.named(node, reports));
    let target = expressions::optional_template(&fields, "target", scope);
    let with = expressions::with(&fields, scope);
    let when = expressions::optional_condition(&fields, "when", scope);
    let reason = fields.required("reason");
    fields.finish();
    let operation = operation?;
    if operation.mutates() {
        reports.at(node, format!("{} changes something", operation.name), "make it a step of a remedy");
    }
    arguments::check(with.as_ref()?, operation, node, reports);
    Some(RunbookStep {
        id: id?,
        phase: phase?,
        operation: operation.name.clone(),
        target: target?,
        with: with?,
        when: when?,
        reason: reason?,
    })
}

fn finding(node: &Node, evidence: &BTreeMap<String, Shape>, scope: &Scope, reports: &Reports) -> Option<FindingRule> {
    let fields = Fields::of(node, reports)?;
    let id = id(&fields);
    let when = fields.required_raw("when").and_then(|node| expressions::condition(node, scope, reports));
    let cause: Option<String> = fields.optional("cause");
    let confidence = if cause.is_some() { fields.required("confidence") } else { fields.or("confidence", 1.0) };
    let summary = fields.required_raw("summary").and_then(|node| expressions::template(node, scope, reports));
    let prevention = fields.or("prevention", String::new());
    let cites = fields.required_raw("cites").map(|node| (node, cites(node, evidence, reports)));
    let remedies = fields.or("remedies", Vec::new());
    fields.finish();
    if let Some((node, cites)) = &cites
        && cites.is_empty()
    {
        reports.at(node, "a finding rests on evidence", "name at least one step under 'cites'");
    }
    if confidence.is_some_and(|confidence: f64| !(0.0..=1.0).contains(&confidence)) {
        reports.at(node, "a confidence is between 0 and 1", "write for example 0.9");
    }
    Some(FindingRule {
        id: id?,
        when: when?,
        cause,
        confidence: confidence?,
        summary: summary?,
        prevention: prevention?,
        cites: cites?.1,
        remedies: remedies?,
    })
}

/// What acts needs at least one fact behind it that was measured: whoever can write a line into a log would have it done.
fn refuse_hearsay(
    rule: &FindingRule,
    remedies: &BTreeMap<String, RemedyRule>,
    written: &BTreeSet<String>,
    node: &Node,
    reports: &Reports,
) {
    let acts = |id: &String| remedies.get(id).is_some_and(|remedy| !remedy.steps.is_empty());
    let is_measure = |name: &String| name != "alert" && name != "target" && !written.contains(name);
    if rule.remedies.iter().any(acts) && !rule.when.references().iter().any(is_measure) {
        reports.at(
            node.get("when").unwrap_or(node),
            "this rests on what programs or people wrote alone, and a remedy of it changes something",
            "let the condition look at a measured fact too, or make the remedy 'manual'",
        );
    }
}

fn cites(node: &Node, evidence: &BTreeMap<String, Shape>, reports: &Reports) -> Vec<String> {
    let read = |node: &Node| {
        let name = String::decode(node, reports)?;
        if !evidence.contains_key(&name) {
            reports.at(
                node,
                format!("there is no step '{name}'"),
                suggestion(&name, evidence.keys().map(String::as_str)),
            );
        }
        Some(name)
    };
    node.elements(reports).iter().filter_map(read).collect()
}

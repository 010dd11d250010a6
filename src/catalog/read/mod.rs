//! From YAML to the catalogue: every entry is read by itself and then checked against the others, so that one mistake
//! hides no other.

mod arguments;
mod calls;
mod expressions;
mod known;
mod operations;
mod remedies;
mod runbooks;
mod translations;

use super::{Catalog, Runbook};
use crate::{
    document::{Fields, Node, Reports, choices},
    domain::{EnvironmentKind, PhaseName, Risk, Shape, nearest},
};
use std::collections::BTreeMap;

pub use expressions::condition;

use known::Known;

/// The documents of a catalogue.
#[derive(Debug, Default)]
pub struct Documents {
    /// operations.yml
    pub operations: Option<Node>,
    /// translations/<kind>.yml
    pub translations: BTreeMap<EnvironmentKind, Node>,
    /// runbooks/*.yml
    pub runbooks: Vec<Node>,
}

impl Catalog {
    /// Reads and cross-checks a catalogue. What is wrong is reported and left out.
    pub fn read(documents: &Documents, reports: &Reports) -> Self {
        let operations = documents.operations.as_ref().map(|node| operations::read(node, reports)).unwrap_or_default();
        let known = Known::new(&operations, documents.operations.as_ref(), reports);
        let translations: BTreeMap<EnvironmentKind, _> = documents
            .translations
            .iter()
            .map(|(kind, node)| (*kind, translations::read(node, &known, reports)))
            .collect();
        let runbooks = runbooks::read(&documents.runbooks, &known, &translations, reports);
        Self { operations, translations, runbooks }
    }

    /// The types of all runbook steps' evidence, by step id: what expressions of runbooks see.
    pub fn evidence(&self) -> BTreeMap<String, Shape> {
        let steps = self.runbooks.iter().flat_map(|runbook| &runbook.steps);
        steps
            .filter_map(|step| Some((step.id.clone(), self.operations.get(&step.operation)?.returns.clone())))
            .collect()
    }
}

/// What to write instead of a name that nothing has.
fn suggestion<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, names).first() {
        Some(near) => format!("did you mean '{near}'?"),
        None => "correct the name, or remove this".to_owned(),
    }
}

/// An id: what expressions, the journal and the page can name.
fn id(fields: &Fields<'_>) -> Option<String> {
    let node = fields.required_raw("id")?;
    let id: String = crate::document::Decode::decode(node, fields.reports)?;
    let plain = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !plain {
        fields.reports.at(node, format!("'{id}' is not an id"), "use small letters, digits and _, a letter first");
    }
    plain.then_some(id)
}

/// Names that expressions already give a meaning.
const TAKEN: &[&str] = &[
    "alert", "allowed", "before", "evidence", "instance", "math", "now", "optional", "service", "step", "target",
    "true", "false", "null", "in",
];

/// Reports a name that expressions could not tell from something else.
fn free(name: &str, node: &Node, reports: &Reports) -> bool {
    let taken = TAKEN.contains(&name);
    if taken {
        reports.at(node, format!("'{name}' has a meaning of its own in expressions"), "choose another name");
    }
    !taken
}

impl Runbook {
    fn sort_key(&self) -> (std::cmp::Reverse<i64>, String) {
        (std::cmp::Reverse(self.priority), self.id.clone())
    }
}

choices! { Risk: "read_only" => Self::ReadOnly, "reversible" => Self::Reversible, "destructive" => Self::Destructive }
choices! { super::On: "service" => Self::Service, "environment" => Self::Environment }
choices! { super::Undo: "auto" => Self::Auto, "ask" => Self::Ask, "none" => Self::None }
choices! { super::Each: "once" => Self::Once, "instance" => Self::Instance }
choices! {
    PhaseName: "triage" => Self::Triage, "isolation" => Self::Isolation, "root_cause" => Self::RootCause,
    "resolution" => Self::Resolution
}

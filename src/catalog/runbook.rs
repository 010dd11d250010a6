//! Runbooks: authored procedures for classes of alerts.

use crate::{
    domain::{Alert, Labels, PhaseName},
    expr::{Expression, Template},
};
use regex::Regex;
use std::collections::BTreeMap;

/// A procedure: steps to look, findings over what was seen, remedies for what was found.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// Unique.
    pub id: String,
    /// One line for people and models.
    pub description: String,
    /// Greater comes first.
    pub priority: i64,
    /// Whether it is part of every diagnosis.
    pub always: bool,
    /// When it joins.
    pub matching: Matching,
    /// What to look at.
    pub steps: Vec<RunbookStep>,
    /// What to conclude.
    pub findings: Vec<FindingRule>,
    /// What to do about it, by id.
    pub remedies: BTreeMap<String, RemedyRule>,
    /// When everything is as it should be. Sees the evidence so far, `alert` and `target`.
    pub no_fault: Option<Expression>,
    /// The file that it is written in.
    pub file: String,
}

/// When a runbook joins a diagnosis: by the alert, or by what was seen.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// Patterns of alert names, each matching the whole name; none given means any name.
    pub alerts: Vec<Regex>,
    /// Labels that the alert has to have too, all of them.
    pub labels: Labels,
    /// What the evidence so far has to say. Sees the evidence, `alert` and `target`.
    pub when: Option<Expression>,
}

impl Matching {
    /// Whether an alert's name and labels match. Where neither is given, no alert does.
    pub fn by_alert(&self, alert: &Alert) -> bool {
        if self.alerts.is_empty() && self.labels.is_empty() {
            return false;
        }
        let name = self.alerts.is_empty() || self.alerts.iter().any(|pattern| pattern.is_match(alert.name()));
        name && self.labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value))
    }
}

/// One look.
#[derive(Clone, Debug)]
pub struct RunbookStep {
    /// The name under which expressions see the result.
    pub id: String,
    /// When it is taken.
    pub phase: PhaseName,
    /// The operation; it only reads.
    pub operation: String,
    /// The service looked at; without it, the incident's. Sees what `with` sees.
    pub target: Option<Template>,
    /// Arguments. Sees the evidence, `alert` and `target`.
    pub with: Template,
    /// Whether it is worth it. Sees the evidence, `alert` and `target`.
    pub when: Option<Expression>,
    /// Why, for people.
    pub reason: String,
}

/// One conclusion.
#[derive(Clone, Debug)]
pub struct FindingRule {
    /// Unique in its runbook.
    pub id: String,
    /// When it is so. Sees the evidence by step id, `alert` and `target`.
    pub when: Expression,
    /// The cause code that it claims, if it claims one.
    pub cause: Option<String>,
    /// From 0 to 1.
    pub confidence: f64,
    /// One sentence.
    pub summary: Template,
    /// What to change so that it does not happen again.
    pub prevention: String,
    /// Steps that it rests on, which must have run; never empty.
    pub cites: Vec<String>,
    /// Remedies in the order in which they are tried.
    pub remedies: Vec<String>,
}

/// One way to put it right.
#[derive(Clone, Debug)]
pub struct RemedyRule {
    /// Unique in its runbook.
    pub id: String,
    /// Whether it is possible here. Sees the evidence, `alert` and `target`.
    pub when: Option<Expression>,
    /// In order; none means that people have to do it.
    pub steps: Vec<RemedyStep>,
    /// What must still hold just before acting. Sees `status`, read again.
    pub precondition: Option<Expression>,
    /// What people are told to do where it cannot be run.
    pub manual: Option<Template>,
}

/// One operation of a remedy.
#[derive(Clone, Debug)]
pub struct RemedyStep {
    /// The operation.
    pub operation: String,
    /// The service acted on; without it, the incident's.
    pub target: Option<Template>,
    /// Arguments: literals and structured facts only.
    pub with: Template,
    /// Why, for people.
    pub reason: String,
}

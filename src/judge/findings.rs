//! Findings: claims that rest on evidence which is there, in a sentence with figures.

use crate::{
    catalog::{Case, Catalog, FindingRule, Runbook},
    domain::{Alert, Cause, Evidence, Finding, Service, StepId},
    expr::{Bindings, Truth},
};
use serde_json::Value;

/// What the evidence shows that was not claimed `already`. A condition that cannot be told claims nothing.
pub fn findings(
    catalog: &Catalog,
    evidence: &[&Evidence],
    alerts: &[Alert],
    service: Option<&Service>,
    already: &[Finding],
) -> Vec<Finding> {
    let case = Case { catalog, alerts, service, evidence };
    let bindings = case.bindings();
    let known = |runbook: &Runbook, rule: &FindingRule| {
        already.iter().any(|finding| finding.runbook == runbook.id && finding.id == rule.id)
    };
    let joined = case.joined(&bindings);
    let rules = joined.iter().flat_map(|runbook| runbook.findings.iter().map(move |rule| (runbook, rule)));
    rules
        .filter(|(runbook, rule)| !known(runbook, rule))
        .filter_map(|(runbook, rule)| claim(&case, &bindings, runbook, rule))
        .collect()
}

fn claim(case: &Case<'_>, bindings: &Bindings, runbook: &Runbook, rule: &FindingRule) -> Option<Finding> {
    let cited = |name: &String| case.named(name).map(|evidence| evidence.step.clone());
    let cites: Vec<StepId> = rule.cites.iter().map(cited).collect::<Option<_>>()?;
    if rule.when.holds(bindings) != Truth::True {
        return None;
    }
    let summary = match rule.summary.render(bindings) {
        Ok(Value::String(text)) => text,
        // The claim stands even where a figure of its sentence is missing.
        _ => format!("{}: {}", rule.id.replace('_', " "), rule.when.source()),
    };
    let cause = rule.cause.as_ref().map(|code| Cause {
        code: code.clone(),
        confidence: rule.confidence,
        summary: summary.clone(),
        prevention: rule.prevention.clone(),
    });
    Some(Finding { id: rule.id.clone(), runbook: runbook.id.clone(), summary, cause, cites, model: None })
}

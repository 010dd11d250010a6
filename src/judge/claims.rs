//! What a model claims, as findings: each rests on evidence that is there, and a cause on something that was measured
//! and on nothing that contradicts it.

use crate::{
    catalog::{Case, Catalog},
    domain::{Cause, Claim, Claims, EnvironmentKind, Finding, StepId, clean_text},
    expr::{Bindings, Truth},
};
use std::collections::BTreeSet;

/// Most findings of one answer: people have to read them.
const MAX_FINDINGS: usize = 10;

/// Longest sentence that is kept, in characters.
const MAX_SENTENCE: usize = 400;

/// Makes findings of claims. `id` tells them from those of other answers.
///
/// # Errors
/// Everything that is wrong with them, in words that help a model to mend it. None of them counts then.
pub fn claimed(claims: &Claims, case: &Case<'_>, kind: EnvironmentKind, id: &str) -> Result<Vec<Finding>, Vec<String>> {
    let (catalog, evidence) = (case.catalog, case.evidence);
    let bindings = case.bindings();
    let causes: BTreeSet<&str> = known_causes(catalog).collect();
    let measured = |step: &StepId| {
        evidence.iter().any(|evidence| evidence.step == *step && catalog.is_measured(kind, &evidence.operation))
    };
    let mut faults = Vec::new();
    if claims.findings.len() > MAX_FINDINGS {
        faults.push(format!("findings: {} are too many; claim at most {MAX_FINDINGS}", claims.findings.len()));
    }
    for (index, claim) in claims.findings.iter().enumerate().take(MAX_FINDINGS) {
        let mut fault = |problem: String| faults.push(format!("findings[{index}]: {problem}"));
        if claim.cites.is_empty() {
            fault("cites: is empty; cite the evidence that shows it".into());
        }
        for step in claim.cites.iter().filter(|step| evidence.iter().all(|evidence| evidence.step != **step)) {
            fault(format!("cites: there is no evidence '{}'", clean_text(step.as_str(), 60)));
        }
        let Some(cause) = &claim.cause else { continue };
        if !causes.contains(cause.code.as_str()) {
            fault(format!("cause.code: '{}' is none of the catalogue", clean_text(&cause.code, 60)));
        } else if is_contradicted(catalog, &cause.code, &bindings) {
            fault(format!("cause.code: what was seen contradicts '{}'; claim what it shows, or no cause", cause.code));
        }
        if !(0.0..=1.0).contains(&cause.confidence) {
            fault(format!("cause.confidence: {} is not between 0 and 1", cause.confidence));
        }
        if !claim.cites.iter().any(measured) {
            fault("cites: what programs and people wrote shows no cause by itself; cite a measured fact too".into());
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(claims.findings.iter().enumerate().map(|(index, claim)| finding(claim, catalog, id, index)).collect())
}

fn finding(claim: &Claim, catalog: &Catalog, id: &str, index: usize) -> Finding {
    let summary = clean_text(&claim.summary, MAX_SENTENCE).replace('\n', " ");
    let cause = claim.cause.as_ref().map(|cause| Cause {
        code: cause.code.clone(),
        confidence: cause.confidence,
        summary: summary.clone(),
        prevention: prevention(catalog, &cause.code),
    });
    let (id, cites) = (format!("{id}_{}", index + 1), claim.cites.clone());
    Finding { id, runbook: String::new(), summary, cause, cites, model: None }
}

/// What the catalogue says against a cause.
fn prevention(catalog: &Catalog, code: &str) -> String {
    let rules = catalog.runbooks.iter().flat_map(|runbook| &runbook.findings);
    let mut of_cause = rules.filter(|rule| rule.cause.as_deref() == Some(code));
    of_cause.next().map(|rule| rule.prevention.clone()).unwrap_or_default()
}

/// Whether no rule that knows a cause can be: what was seen contradicts them all.
fn is_contradicted(catalog: &Catalog, code: &str, bindings: &Bindings) -> bool {
    let rules = catalog.runbooks.iter().flat_map(|runbook| &runbook.findings);
    let mut of_cause = rules.filter(|rule| rule.cause.as_deref() == Some(code));
    of_cause.all(|rule| rule.when.holds(bindings) == Truth::False)
}

fn known_causes(catalog: &Catalog) -> impl Iterator<Item = &str> {
    catalog.runbooks.iter().flat_map(|runbook| &runbook.findings).filter_map(|rule| rule.cause.as_deref())
}

//! The verdict of a diagnosis after which nothing was done.

use crate::{
    catalog::{Case, Catalog, On, Runbook, RunbookStep, holds},
    domain::{Alert, Evidence, Finding, Service, StepId, Verdict},
    expr::Bindings,
};

/// How it stands when nothing was done, why, and on what evidence that rests. It says `no_fault` only where a runbook
/// says what that looks like and the evidence shows it, and then whatever a model claims; and that a cause no longer matters
/// only where the cause's own runbook does.
pub fn verdict_without_remedy(
    catalog: &Catalog,
    evidence: &[&Evidence],
    alerts: &[Alert],
    service: Option<&Service>,
    findings: &[Finding],
) -> (Verdict, String, Vec<StepId>) {
    let case = Case { catalog, alerts, service, evidence };
    let bindings = case.bindings();
    let joined = case.joined(&bindings);
    let mut well = joined.iter().filter(|runbook| is_well(runbook, &bindings));
    match (Finding::surest(findings), well.clone().next()) {
        (Some((finding, _)), Some(runbook)) if finding.is_claimed() => no_fault(&case, runbook, findings),
        (Some((finding, cause)), _) if well.any(|runbook| runbook.id == finding.runbook) => {
            let reason = format!("{}; it is well again without any act of oncalld", cause.summary);
            (Verdict::Mitigated, reason, finding.cites.clone())
        }
        (Some((finding, cause)), _) => {
            (Verdict::Unresolved, format!("{}; nothing was done about it", cause.summary), finding.cites.clone())
        }
        (None, Some(runbook)) => no_fault(&case, runbook, findings),
        (None, None) => inconclusive(&case, &bindings, &joined, findings),
    }
}

fn is_well(runbook: &Runbook, bindings: &Bindings) -> bool {
    runbook.no_fault.as_ref().is_some_and(|condition| condition.holds(bindings).is_true())
}

fn no_fault(case: &Case<'_>, runbook: &Runbook, findings: &[Finding]) -> (Verdict, String, Vec<StepId>) {
    let names = runbook.no_fault.as_ref().map(|condition| condition.references().clone()).unwrap_or_default();
    let seen: Vec<&Evidence> = names.iter().filter_map(|name| case.named(name)).collect();
    let said: Vec<&str> =
        findings.iter().filter(|f| f.runbook == runbook.id).map(|finding| finding.summary.as_str()).collect();
    let reason = match said.as_slice() {
        [] => {
            let names: Vec<&str> = seen.iter().map(|evidence| evidence.name.as_str()).collect();
            format!("{} is as it should be: {}", subject(case), names.join(", "))
        }
        said => said.join("; "),
    };
    (Verdict::NoFault, reason, seen.into_iter().map(|evidence| evidence.step.clone()).collect())
}

/// Says what was found, and what could not be seen.
fn inconclusive(
    case: &Case<'_>,
    bindings: &Bindings,
    joined: &[&Runbook],
    findings: &[Finding],
) -> (Verdict, String, Vec<StepId>) {
    let mut reason = format!("no known cause explains what {} shows", subject(case));
    for finding in findings {
        reason.push_str("; ");
        reason.push_str(&finding.summary);
    }
    let wanted = joined.iter().flat_map(|runbook| &runbook.steps);
    // Without a target there is no service to look at, and nothing of it that could not be seen.
    let can_be_seen = |step: &&RunbookStep| {
        let on = case.catalog.operations.get(&step.operation).map(|operation| operation.on);
        case.service.is_some() || step.target.is_some() || on == Some(On::Environment)
    };
    let unseen: Vec<&str> = wanted
        .filter(can_be_seen)
        .filter(|step| case.named(&step.id).is_none() && holds(step.when.as_ref(), bindings).is_true())
        .map(|step| step.id.as_str())
        .collect();
    if !unseen.is_empty() {
        reason.push_str("; could not be seen: ");
        reason.push_str(&unseen.join(", "));
    }
    (Verdict::Inconclusive, reason, case.evidence.iter().map(|evidence| evidence.step.clone()).collect())
}

fn subject<'a>(case: &Case<'a>) -> &'a str {
    case.service.map_or("the environment", |service| service.name.as_str())
}

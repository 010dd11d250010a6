//! The shipped runbooks against what the faults look like: the right cause, the right remedy, and never the harmful one.
//!
//! No engine and no process: the facts are written down, and planner and judge are driven as the daemon drives them.

mod checks;
mod claimed;
mod facts;
mod faults;
mod healthy;
mod plans;

use crate::support::shipped;
use facts::Facts;
pub use facts::healthy_status;
use oncalld::{
    catalog::Catalog,
    domain::{
        Alert, AlertStatus, Digest, EnvironmentKind, Evidence, Finding, IncidentId, Instance, Inventory, Service, Step,
        Timestamp, Verdict,
    },
    judge,
    plan::{self, PlanInput, RemedyPlan},
};
use std::collections::BTreeSet;

/// What a diagnosis came to.
#[derive(Debug)]
struct Diagnosis {
    findings: Vec<Finding>,
    steps: Vec<String>,
    remedy: RemedyPlan,
    verdict: Verdict,
    reason: String,
}

impl Diagnosis {
    /// The code of the cause with the highest confidence.
    fn cause(&self) -> Option<&str> {
        let causes = self.findings.iter().filter_map(|finding| finding.cause.as_ref());
        causes.max_by(|one, two| one.confidence.total_cmp(&two.confidence)).map(|cause| cause.code.as_str())
    }

    /// The remedy as `operation target arguments`, or `manual: …`, or nothing.
    fn remedy(&self) -> Vec<String> {
        match &self.remedy {
            RemedyPlan::Steps(plan) => plan.steps().map(|(_, step)| written(step)).collect(),
            RemedyPlan::Manual { instructions, .. } => vec![format!("manual: {instructions}")],
            RemedyPlan::None => Vec::new(),
        }
    }
}

fn written(step: &Step) -> String {
    let given = step.arguments.iter().filter(|(_, value)| !value.is_null());
    let arguments: serde_json::Map<_, _> = given.map(|(name, value)| (name.clone(), value.clone())).collect();
    format!("{} {} {}", step.operation, step.target, serde_json::Value::Object(arguments))
}

/// Diagnoses `api` in an environment of this kind, whose steps return these facts.
fn diagnose(kind: EnvironmentKind, facts: &Facts, alert: &str, tried: &[&str]) -> Diagnosis {
    let catalog = shipped();
    let inventory = inventory();
    let (alerts, incident) = (vec![firing(alert)], IncidentId::from_entropy([7; 8]));
    let service = inventory.services.get("api");
    let input = PlanInput { catalog, kind, service, inventory: &inventory, alerts: &alerts, incident: &incident };

    let mut evidence: Vec<Evidence> = Vec::new();
    let mut findings: Vec<Finding> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut finished = BTreeSet::new();
    let (mut plan, mut revision) = (plan::first(&input, 1), 1);
    while let Some(phase) = plan.phases.iter().find(|phase| !finished.contains(&phase.name)).cloned() {
        assert_eq!(plan::validate(&plan, &input), Ok(()));
        seen.extend(plan.steps().map(|(_, step)| step.name.clone()));
        evidence.extend(phase.steps.iter().map(|step| facts.answer(catalog, step)));
        let so_far: Vec<&Evidence> = evidence.iter().collect();
        findings.extend(judge::findings(catalog, &so_far, &alerts, service, &findings));
        finished.insert(phase.name);
        if let Some(next) = plan::revise(&input, &so_far, phase.name, &plan, &seen, revision + 1) {
            (plan, revision, finished) = (next, revision + 1, BTreeSet::new());
        }
    }

    let so_far: Vec<&Evidence> = evidence.iter().collect();
    let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
    let remedy = plan::remedies(&input, &findings, &so_far, &tried, None, revision + 1);
    if let RemedyPlan::Steps(plan) = &remedy {
        assert_eq!(plan::validate(plan, &input), Ok(()));
    }
    let (verdict, reason, _) = judge::verdict_without_remedy(catalog, &so_far, &alerts, service, &findings);
    let steps = evidence.iter().map(|evidence| evidence.name.clone()).collect();
    Diagnosis { findings, steps, remedy, verdict, reason }
}

/// The service `api`, which needs `db`, and an unrelated one.
fn inventory() -> Inventory {
    let service = |name: &str, depends_on: &[&str]| Service {
        name: name.into(),
        instances: vec![Instance { id: format!("{name}-id"), name: name.into(), ..Instance::default() }],
        depends_on: depends_on.iter().map(ToString::to_string).collect(),
        ..Service::default()
    };
    let services = [service("api", &["db"]), service("db", &[]), service("intruder", &[])];
    Inventory { services: services.into_iter().map(|s| (s.name.clone(), s)).collect(), ..Inventory::default() }
}

fn firing(name: &str) -> Alert {
    let labels =
        [("alertname", name), ("service", "api")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Alert {
        fingerprint: Alert::fingerprint_of(&labels),
        status: AlertStatus::Firing,
        labels,
        annotations: Default::default(),
        starts_at: now(),
        ends_at: None,
        expression: None,
    }
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// Evidence of a step with these facts, which must have the operation's declared type.
fn evidence(catalog: &Catalog, step: &Step, facts: serde_json::Value) -> Evidence {
    let shape = &catalog.operations[&step.operation].returns;
    let facts = shape.coerce(facts).unwrap_or_else(|error| panic!("facts of {}: {error}", step.name));
    Evidence {
        step: step.id.clone(),
        name: step.name.clone(),
        operation: step.operation.clone(),
        target: step.target.clone(),
        at: now(),
        facts: facts.as_object().cloned().unwrap_or_default(),
        commands: Vec::new(),
        digest: Digest::of(b""),
        truncated: false,
    }
}

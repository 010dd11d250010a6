//! Proposals of a model over the shipped catalogue: valid ones become plans, of the others every fault is told, and
//! nothing of them is done.

use crate::support::{shipped, strict_schema::violations};
use oncalld::{
    domain::{
        EnvironmentKind, Evidence, Finding, IncidentId, Inventory, PhaseName, Plan, PlanSource, Proposal, Service,
    },
    plan::{Left, Offer, PlanInput, accept, claims_schema, first, proposal_schema, validate},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `api`, which needs `db`, which `web` needs too; and what has nothing to do with them.
fn inventory() -> Inventory {
    let service = |name: &str, needs: &[&str]| Service {
        name: name.into(),
        depends_on: needs.iter().map(ToString::to_string).collect(),
        ..Service::default()
    };
    let all = [service("api", &["db"]), service("db", &[]), service("web", &["db"]), service("vault", &[])];
    Inventory { services: all.into_iter().map(|one| (one.name.clone(), one)).collect(), ..Inventory::default() }
}

/// What is offered in the middle of a diagnosis of `api` on Docker: its status was seen, more is planned.
fn with_offer<T>(findings: &[Finding], then: impl FnOnce(&Offer<'_>) -> T) -> T {
    let (inventory, incident) = (inventory(), IncidentId::from_entropy([7; 8]));
    let input = PlanInput {
        catalog: shipped(),
        kind: EnvironmentKind::Docker,
        service: inventory.services.get("api"),
        inventory: &inventory,
        alerts: &[],
        incident: &incident,
    };
    let mut plan = first(&input, 1);
    plan.phases.iter_mut().for_each(|phase| phase.name = PhaseName::Isolation);
    let left = plan.steps().skip(1).map(|(phase, step)| Left { phase, step: step.clone(), planned: true }).collect();
    let names: BTreeSet<&str> = plan.steps().map(|(_, step)| step.name.as_str()).collect();
    let status = evidence(&input, "status", "get_status");
    let evidence = [&status];
    then(&Offer::new(input, findings, &evidence, names, left, PhaseName::Isolation))
}

fn evidence(input: &PlanInput<'_>, name: &str, operation: &str) -> Evidence {
    Evidence {
        step: input.incident.step(1, 1),
        name: name.into(),
        operation: operation.into(),
        target: "api".into(),
        at: "2026-11-21T12:00:00Z".parse().unwrap(),
        facts: Default::default(),
        commands: Vec::new(),
        digest: oncalld::domain::Digest::of(b""),
        truncated: false,
    }
}

/// A proposal of one good step, with one thing changed.
fn proposal(change: impl FnOnce(&mut Value)) -> Proposal {
    let mut proposal = json!({
        "summary": "it may be the database",
        "keep": [],
        "steps": [{
            "name": "db_logs",
            "phase": "isolation",
            "operation": "get_logs",
            "target": "db",
            "arguments": {"since": null, "tail": 50, "level": "error"},
            "reason": "its database may have refused it",
            "expects": {
                "when": "!status.ready",
                "success": "size(db_logs.lines) == 0",
                "duration": "5s",
                "meanings": [{"result": "refusals", "meaning": "too many connections"}],
            },
        }],
        "remedy": null,
        "windows": [],
    });
    change(&mut proposal);
    serde_json::from_value(proposal).unwrap_or_else(|error| panic!("{error}"))
}

fn accepted(proposal: &Proposal) -> Result<Option<Plan>, Vec<String>> {
    with_offer(&[], |offer| {
        let plan = accept(proposal, offer, "scripted", 2)?;
        if let Some(plan) = &plan {
            assert_eq!(validate(plan, &offer.input), Ok(()), "what was accepted is valid");
        }
        Ok(plan)
    })
}

#[test]
fn a_valid_proposal_becomes_a_plan() {
    let plan = accepted(&proposal(|_| {})).expect("valid").expect("another plan");
    assert_eq!((plan.revision, &plan.source), (2, &PlanSource::Model { model: "scripted".into() }));
    let [(PhaseName::Isolation, step)] = plan.steps().collect::<Vec<_>>()[..] else { panic!("{plan:#?}") };
    assert_eq!((step.operation.as_str(), step.target.as_str(), step.name.as_str()), ("get_logs", "db", "db_logs"));
    assert_eq!((&step.arguments["tail"], &step.arguments["level"]), (&json!(50), &json!("error")));
    let expects = step.expects.as_ref().expect("what it expects");
    assert_eq!(expects.when.as_deref(), Some("!status.ready"));
}

#[test]
fn what_is_kept_is_taken_over_and_the_rest_is_dropped() {
    with_offer(&[], |offer| {
        let names: Vec<&str> = offer.left.iter().map(|left| left.step.name.as_str()).collect();
        let (one, rest) = names.split_first().expect("something is left");
        assert!(!rest.is_empty(), "{names:?}");
        let keeping = |names: &[&str]| {
            let proposal = proposal(|value| {
                value["keep"] = json!(names);
                value["steps"] = json!([]);
            });
            accept(&proposal, offer, "scripted", 2).expect("valid")
        };
        assert_eq!(keeping(&names), None, "nothing changes");
        let plan = keeping(&[one]).expect("another plan");
        assert_eq!(plan.steps().map(|(_, step)| step.name.as_str()).collect::<Vec<_>>(), [*one]);
        assert_eq!(keeping(&[]).expect("another plan").phases, []);
    });
}

/// What is wrong, and the fault that is told.
type Attack = (&'static str, fn(&mut Value), &'static str);

const ATTACKS: [Attack; 24] = [
    ("an unknown operation", |p| p["steps"][0]["operation"] = json!("get_root"), "no such operation"),
    ("a shell", |p| p["steps"][0]["operation"] = json!("execute_command"), "no such operation"),
    ("a mutation in triage", |p| p["steps"][0]["operation"] = json!("restart_service"), "no such operation"),
    ("a destructive one", |p| p["steps"][0]["operation"] = json!("prune_storage"), "no such operation"),
    ("a message to people", |p| p["steps"][0]["operation"] = json!("notify"), "no such operation"),
    ("a silence", |p| p["steps"][0]["operation"] = json!("silence_alert"), "no such operation"),
    ("a step of the resolution", |p| p["steps"][0]["phase"] = json!("resolution"), "remedies only"),
    ("a foreign target", |p| p["steps"][0]["target"] = json!("vault"), "not what this incident is about"),
    ("a target that is not there", |p| p["steps"][0]["target"] = json!("nowhere"), "not what this incident"),
    ("a target with a shell in it", |p| p["steps"][0]["target"] = json!("db; rm -rf /"), "not what this incident"),
    ("no target", |p| p["steps"][0]["target"] = json!(null), "is missing"),
    ("an argument out of range", |p| p["steps"][0]["arguments"]["tail"] = json!(1_000_000_000), "is not between"),
    ("an argument of another type", |p| p["steps"][0]["arguments"]["tail"] = json!("; reboot"), "expected integer"),
    ("an option that is none", |p| p["steps"][0]["arguments"]["level"] = json!("$(id)"), "is not one of"),
    ("an argument that does not exist", |p| p["steps"][0]["arguments"]["argv"] = json!(["sh"]), "no such argument"),
    ("the name of a runbook's step", |p| p["steps"][0]["name"] = json!("status"), "is taken"),
    ("a name that expressions know", |p| p["steps"][0]["name"] = json!("target"), "is taken"),
    ("a name that is code", |p| p["steps"][0]["name"] = json!("a || true"), "is none"),
    ("an unknown name in a condition", |p| p["steps"][0]["expects"]["when"] = json!("secrets.all"), "expects.when"),
    ("a condition of its own result", |p| p["steps"][0]["expects"]["when"] = json!("size(db_logs.lines) > 0"), "when"),
    ("an endless condition", |p| p["steps"][0]["expects"]["success"] = json!("true || ".repeat(200)), "success"),
    ("a remedy that is not offered", |p| p["remedy"] = json!({"id": "x/rm", "arguments": {}, "reason": ""}), "offered"),
    ("a step that is not planned", |p| p["keep"] = json!(["no_such"]), "no planned step"),
    ("more steps than anybody reads", |p| p["steps"] = json!(vec![p["steps"][0].clone(); 200]), "are too many"),
];

#[test]
fn nothing_is_planned_of_a_proposal_with_a_fault_and_the_fault_is_told() {
    for (what, change, told) in ATTACKS {
        let faults = accepted(&proposal(change)).expect_err(what);
        assert!(faults.iter().any(|fault| fault.contains(told)), "{what}: {faults:?}");
        assert!(faults.iter().all(|fault| fault.chars().count() < 600), "{what}: {faults:?}");
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = accepted(&proposal(|value| {
        value["steps"][0]["target"] = json!("dbb");
        value["steps"][0]["arguments"]["tail"] = json!(0);
        value["steps"][0]["phase"] = json!("resolution");
    }));
    let faults = faults.expect_err("three faults");
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults.iter().any(|fault| fault.ends_with("did you mean db?")), "{faults:?}");
}

#[test]
fn only_what_reads_is_offered_and_only_what_the_incident_is_about() {
    with_offer(&[], |offer| {
        assert!(offer.operations.contains_key("get_logs") && offer.operations.contains_key("query_metrics"));
        for acting in ["restart_service", "execute_command", "notify", "silence_alert", "clear_path"] {
            assert!(!offer.operations.contains_key(acting), "{acting}");
        }
        assert_eq!(offer.targets, BTreeSet::from(["api", "db", "web"]));
        assert!(offer.causes.contains("memory_limit_too_small"));
        assert!(offer.remedies.is_empty(), "there is no cause");
    });
}

#[test]
fn the_forms_of_answers_are_in_the_strict_subset() {
    with_offer(&[], |offer| {
        for schema in [proposal_schema(offer), claims_schema(offer)] {
            assert_eq!(violations(&schema), Vec::<String>::new(), "{schema:#}");
        }
    });
}

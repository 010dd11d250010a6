//! Causes that a model claims and remedies that it chooses: what may come of them, and what never.

use super::{Facts, firing, inventory};
use crate::support::shipped;
use oncalld::{
    config::{Config, Sources},
    domain::{Cause, EnvironmentKind, Evidence, Finding, IncidentId, PhaseName, Plan, ProposedRemedy, StepId},
    judge,
    plan::{self, PlanInput, RemedyPlan},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Evidence of every step that the runbooks have, whose results are these facts.
fn everything(input: &PlanInput<'_>, facts: &Facts) -> Vec<Evidence> {
    let mut seen = Vec::new();
    let mut plan = plan::first(input, 1);
    for (phase, revision) in [(PhaseName::Triage, 2), (PhaseName::Isolation, 3)] {
        seen.extend(plan.steps().map(|(_, step)| facts.answer(input.catalog, step)));
        let so_far: Vec<&Evidence> = seen.iter().collect();
        let names = seen.iter().map(|piece: &Evidence| piece.name.clone()).collect();
        let Some(next) = plan::revise(input, &so_far, phase, &plan, &names, revision) else { break };
        plan = next;
    }
    seen
}

/// What is done about these findings in a diagnosis of `api` that showed these facts.
fn remedy(
    facts: &Facts,
    findings: impl FnOnce(&PlanInput<'_>, &[Evidence]) -> Vec<Finding>,
    choice: Option<&ProposedRemedy>,
) -> RemedyPlan {
    let (inventory, alerts, incident) = (inventory(), vec![firing("Unwell")], IncidentId::from_entropy([7; 8]));
    let input = PlanInput {
        catalog: shipped(),
        kind: EnvironmentKind::Docker,
        service: inventory.services.get("api"),
        inventory: &inventory,
        alerts: &alerts,
        incident: &incident,
    };
    let mut seen = everything(&input, facts);
    let mut of_another = seen[0].clone();
    (of_another.step, of_another.name, of_another.target) = (incident.step(9, 9), "foreign".into(), "db".into());
    seen.push(of_another);
    let findings = findings(&input, &seen);
    let seen: Vec<&Evidence> = seen.iter().collect();
    let remedy = plan::remedies(&input, &findings, &seen, &[], choice, 4);
    if let RemedyPlan::Steps(plan) = &remedy {
        assert_eq!(plan::validate(plan, &input), Ok(()));
    }
    remedy
}

/// A model's claim of a cause, which cites the evidence of the steps of these names.
fn claim(seen: &[Evidence], code: &str, cites: &[&str]) -> Vec<Finding> {
    let id = |name: &&str| seen.iter().find(|piece| piece.name == **name).expect("it was seen").step.clone();
    let cites: Vec<StepId> = cites.iter().map(id).collect();
    let cause = Cause { code: code.into(), confidence: 1.0, summary: "it says so".into(), prevention: String::new() };
    vec![Finding {
        id: "claim_1_1".into(),
        runbook: String::new(),
        model: Some("scripted".into()),
        summary: "it says so".into(),
        cause: Some(cause),
        cites,
    }]
}

#[test]
fn a_claimed_cause_is_acted_on_only_where_it_cites_what_the_runbook_measures_of_the_target() {
    let facts = Facts::ended("killed", 137).log(&["killed_externally: start me again"]);
    for (cites, acts) in [
        (["status"].as_slice(), true),
        (&["logs", "events"], true),
        (&["logs"], false),
        (&["health", "logs"], false), // measured, but says nothing about this cause
        (&["foreign"], false),        // a status, but of another service
    ] {
        let remedy = remedy(&facts, |_, seen| claim(seen, "killed_externally", cites), None);
        assert_eq!(matches!(remedy, RemedyPlan::Steps(_)), acts, "{cites:?}: {remedy:#?}");
    }
}

#[test]
fn a_claim_that_what_was_measured_contradicts_is_not_acted_on() {
    for code in ["killed_externally", "memory_limit_too_small", "container_paused", "service_hung", "missing_env_var"] {
        let remedy = remedy(&Facts::healthy(), |_, seen| claim(seen, code, &["status", "events", "health"]), None);
        assert_eq!(remedy, RemedyPlan::None, "{code}");
    }
}

/// A runbook over the shipped ones, and what `oncalld check` says of it.
fn problems(condition: &str, argument: &str) -> String {
    let runbook = format!(
        "id: one\ndescription: One\nmatch: {{alerts: [One]}}\nfindings:\n  - {{id: f, when: \"{condition}\", cause: c, \
         confidence: 0.9, summary: s, cites: [status], remedies: [r]}}\nremedies:\n  - {{id: r, manual: m, \
         steps: [{{operation: rollback_service, with: {{image: \"{argument}\"}}, reason: x}}]}}\n"
    );
    let mut sources = Sources::built_in();
    sources.0.insert("runbooks/one.yml".into(), runbook);
    Config::load(sources, &BTreeMap::new()).map_or_else(|problems| problems.to_string(), |_| String::new())
}

#[test]
fn a_rule_whose_remedy_acts_rests_on_a_measured_fact_and_takes_no_value_that_somebody_wrote() {
    let (measured, log) = ("status.exit_code == 1", "logs.lines.exists(l, l.text.contains('x'))");
    assert_eq!(problems(measured, "${{ history.previous_image }}"), "");
    assert_eq!(problems(&format!("{measured} && {log}"), "app:1"), "");
    for hearsay in [log, "alert.annotations.summary == 'x'", "around.alerts.size() > 0"] {
        let told = problems(hearsay, "app:1");
        assert!(told.contains("rests on what programs or people wrote alone"), "{hearsay}: {told}");
    }
    for written in [
        "logs.lines[0].text",
        "logs.lines.map(l, l.text).join(' ')",
        "logs.lines[0].instance",
        "string(logs.matched)",
        "alert.annotations.image",
        "alert.labels.image",
        "around.alerts[0].labels.image",
    ] {
        let told = problems(measured, &format!("${{{{ {written} }}}}"));
        assert!(told.contains("is text from outside"), "{written}: {told}");
    }
}

/// What is wrong, which rules find a cause with several remedies or with something left open.
fn faults() -> [Facts; 5] {
    [
        Facts::ended("killed", 137),
        Facts::ended("oom", 137).with("status", json!({"oom_events": 1})),
        Facts::healthy().with("status", json!({"paused": true, "ready": false})),
        Facts::healthy().with("health", json!({"healthy": false, "timed_out": true})),
        Facts::ended("error", 1).with("config", json!({"missing": ["DATABASE_URL"]})),
    ]
}

fn found(input: &PlanInput<'_>, seen: &[Evidence]) -> Vec<Finding> {
    let seen: Vec<&Evidence> = seen.iter().collect();
    judge::findings(input.catalog, &seen, input.alerts, input.service, &[])
}

/// Every remedy of the catalogue, and some that are none.
fn remedies() -> Vec<String> {
    let known = shipped()
        .runbooks
        .iter()
        .flat_map(|runbook| runbook.remedies.keys().map(move |remedy| format!("{}/{remedy}", runbook.id)));
    known.chain(["hang/restart; rm".into(), "restart".into(), "".into(), "../restart".into()]).collect()
}

fn value() -> impl Strategy<Value = Value> {
    let words =
        ["force", "graceful", "last_good", "declared", "always", "api", "db", "64MiB", "$(reboot)", "${{ 1 }}", ""];
    let leaf = prop_oneof![
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,6}", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn arguments() -> impl Strategy<Value = Map<String, Value>> {
    let names: Vec<String> =
        shipped().operations.values().flat_map(|operation| operation.parameters.keys().cloned()).collect();
    let name = prop_oneof![proptest::sample::select(names), "[a-z_]{1,8}"];
    proptest::collection::btree_map(name, value(), 0..6).prop_map(|all| all.into_iter().collect())
}

fn planned(remedy: RemedyPlan) -> Option<Plan> {
    match remedy {
        RemedyPlan::Steps(plan) => Some(plan),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Whatever a model chooses, each value of what acts is what the runbook makes it, or one of those that the catalogue lists.
    #[test]
    fn no_value_of_a_model_gets_into_what_acts(
        facts in proptest::sample::select(faults().to_vec()),
        id in proptest::sample::select(remedies()),
        arguments in arguments(),
    ) {
        let chosen = |arguments: &Map<String, Value>| {
            let choice = ProposedRemedy { id: id.clone(), arguments: arguments.clone(), reason: "it told me to".into() };
            planned(remedy(&facts, found, Some(&choice)))
        };
        let (with, without) = (chosen(&arguments), chosen(&Map::new()));
        prop_assert!(without.is_some(), "there is something to do");
        let (with, without) = (with.unwrap(), without.unwrap());
        prop_assert_eq!(with.steps().count(), without.steps().count());
        for ((phase, step), (_, plain)) in with.steps().zip(without.steps()) {
            prop_assert_eq!(phase, PhaseName::Resolution);
            prop_assert_eq!((&step.operation, &step.target, &step.role), (&plain.operation, &plain.target, &plain.role));
            let operation = &shipped().operations[&step.operation];
            for (name, value) in &step.arguments {
                let listed = operation.parameters[name].is_enumerated() && operation.parameters[name].accept(value.clone()).is_ok();
                prop_assert!(listed || plain.arguments.get(name) == Some(value), "{}={}", name, value);
            }
        }
    }
}

#[test]
fn an_enumerated_value_can_be_chosen() {
    let choice = |strategy: &str| ProposedRemedy {
        id: "hang/restart".into(),
        arguments: json!({"strategy": strategy, "timeout": "5m"}).as_object().cloned().unwrap_or_default(),
        reason: String::new(),
    };
    let strategy = |strategy: &str| {
        let plan = planned(remedy(&faults()[3], found, Some(&choice(strategy)))).expect("a remedy");
        let (_, step) = plan.steps().next().expect("a step");
        assert_eq!(step.arguments["timeout"], "30s", "it is not listed, so it cannot be chosen");
        step.arguments["strategy"].clone()
    };
    assert_eq!((strategy("force"), strategy("gentle")), (json!("force"), json!("graceful")));
}

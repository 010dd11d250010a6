//! Plans as data: what is in the first one, what makes a new one, and what is not a plan.

use super::{Facts, diagnose, firing, inventory};
use crate::support::shipped;
use oncalld::{
    domain::{Alert, EnvironmentKind, IncidentId, Inventory, PhaseName, Plan, Service, StepRole},
    plan::{self, PlanInput},
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

struct Setting {
    alerts: Vec<Alert>,
    inventory: Inventory,
    incident: IncidentId,
}

impl Setting {
    fn new(alert: &str) -> Self {
        Self { alerts: vec![firing(alert)], inventory: inventory(), incident: IncidentId::from_entropy([7; 8]) }
    }

    fn input<'a>(&'a self, service: Option<&'a Service>) -> PlanInput<'a> {
        PlanInput {
            catalog: shipped(),
            kind: EnvironmentKind::Docker,
            service,
            inventory: &self.inventory,
            alerts: &self.alerts,
            incident: &self.incident,
        }
    }

    fn api(&self) -> PlanInput<'_> {
        self.input(self.inventory.services.get("api"))
    }
}

fn names(plan: &Plan) -> Vec<String> {
    plan.steps().map(|(phase, step)| format!("{phase} {}: {} {}", step.name, step.operation, step.target)).collect()
}

#[test]
fn the_first_plan_has_what_every_diagnosis_and_the_alert_call_for() {
    let setting = Setting::new("HostOutOfDiskSpace");
    insta::assert_json_snapshot!(names(&plan::first(&setting.api(), 1)));
}

#[test]
fn without_a_target_the_environment_is_looked_at() {
    let setting = Setting::new("SomethingElse");
    let names = names(&plan::first(&setting.input(None), 1));
    assert_eq!(names, ["triage services: list_services ", "triage around: query_alerts "]);
}

#[test]
fn a_plan_is_revised_only_where_something_new_is_worth_knowing() {
    let setting = Setting::new("HostOutOfDiskSpace");
    let input = setting.api();
    let first = plan::first(&input, 1);
    let seen: BTreeSet<String> = first.steps().map(|(_, step)| step.name.clone()).collect();
    assert_eq!(plan::revise(&input, &[], PhaseName::Triage, &first, &seen, 2), None, "nothing was learnt");
    let down = Facts::healthy().with("dependencies", json!({"down": ["db"], "all_ready": false}));
    let diagnosis = diagnose(EnvironmentKind::Docker, &down, "HighErrorRate", &[]);
    assert!(diagnosis.steps.contains(&"dependency_status".to_owned()));
}

#[test]
fn a_remedy_that_was_tried_is_not_tried_again() {
    let facts = Facts::ended("oom", 137);
    let first = diagnose(EnvironmentKind::Docker, &facts, "ContainerKilled", &[]);
    assert!(first.remedy()[0].starts_with("update_resources"));
    let then = diagnose(EnvironmentKind::Docker, &facts, "ContainerKilled", &["raise_memory_and_start"]);
    assert_eq!(then.remedy(), Vec::<String>::new(), "that the host cannot give more memory is not so");
}

#[test]
fn where_no_remedy_is_possible_people_are_told_once() {
    let facts = Facts::ended("oom", 137).with("resources", json!({"host_memory_free": 0}));
    let first = diagnose(EnvironmentKind::Docker, &facts, "ContainerKilled", &[]);
    assert!(first.remedy()[0].starts_with("manual: The host cannot give"), "{:?}", first.remedy());
    let then = diagnose(EnvironmentKind::Docker, &facts, "ContainerKilled", &["raise_memory"]);
    assert_eq!(then.remedy(), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_a_plan_is_said_all_at_once() {
    let setting = Setting::new("ContainerKilled");
    let input = setting.api();
    let mut wrong = plan::first(&input, 1);
    let steps = &mut wrong.phases[0].steps;
    steps[0].operation = "make_coffee".into();
    steps[1].target = "nobody".into();
    steps[2].operation = "restart_service".into();
    steps[3].arguments.insert("force".into(), true.into());
    steps[4].id = steps[5].id.clone();
    let faults = plan::validate(&wrong, &input).unwrap_err();
    let problems: Vec<String> = faults.iter().map(|fault| fault.problem.clone()).collect();
    insta::assert_json_snapshot!(problems);
}

proptest! {
    /// Alerts are text from outside: whatever they are called, the plan is valid, reads only, and is the same again.
    #[test]
    fn any_alert_gives_a_valid_plan_that_only_reads(name in "(?s).{0,40}") {
        let setting = Setting::new(&name);
        let input = setting.api();
        let plan = plan::first(&input, 1);
        prop_assert_eq!(plan::validate(&plan, &input), Ok(()));
        prop_assert!(plan.steps().all(|(_, step)| step.role == StepRole::Diagnose));
        prop_assert_eq!(plan, plan::first(&input, 1));
    }
}

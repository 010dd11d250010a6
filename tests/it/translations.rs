//! The shipped translations: every operation becomes calls in each kind of environment, exactly these.

use crate::support::shipped;
use oncalld::{
    catalog::{On, Operation},
    domain::{EnvironmentKind, IncidentId, Instance, PreparedCall, ReadCall, Risk, Service, Values},
    translate::{Context, Declared, TranslateError, Translated, diff, guard, raised_risk, translate},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fmt::Write as _;

fn values(value: Value) -> Values {
    serde_json::from_value(value).expect("an object")
}

fn service(instances: usize) -> Service {
    let instance = |n: usize| Instance { id: format!("id{n}"), name: format!("cache-{n}"), ..Instance::default() };
    Service {
        name: "cache".into(),
        instances: (1..=instances).map(instance).collect(),
        health: Some("http://127.0.0.1:8080/health".into()),
        ..Service::default()
    }
}

/// Arguments with which every operation can be shown.
fn example(operation: &Operation) -> Values {
    let given = match operation.name.as_str() {
        "check_connectivity" => json!({"to": "db"}),
        "query_metrics" => json!({"query": "up", "range": "1h", "resolution": "1m"}),
        "restart_service" => json!({"strategy": "force"}),
        "scale_service" => json!({"replicas": 3}),
        "update_resources" => json!({"memory": "32MiB", "cpus": 0.5}),
        "rollback_service" => json!({"image": "redis:7"}),
        "recreate_service" => json!({"command_from": "declared"}),
        "update_config" => json!({"restore": ["URL"], "from": "declared", "remove": ["DEBUG"]}),
        "connect_network" => json!({"network": "back"}),
        "set_restart_policy" => json!({"policy": "on-failure", "retries": 3}),
        "clear_path" => json!({"path": "/data/tmp", "older_than": "1h"}),
        "set_ownership" => json!({"path": "/data", "owner": "redis:redis"}),
        "set_parameter" => json!({"name": "maxclients", "value": "100"}),
        "terminate_session" => json!({"session": "42"}),
        "execute_command" => json!({"argv": ["df", "-P"]}),
        "silence_alert" => json!({"matchers": ["service=\"cache\""]}),
        "notify" => json!({"channel": "pager", "title": "Hello"}),
        _ => json!({}),
    };
    operation.check_arguments(values(given)).expect("arguments of the example")
}

/// What `container.status` says before, as far as undo needs it.
fn before() -> Values {
    let mut status = super::runbooks::healthy_status();
    status.extend(values(json!({
        "memory_limit": 16_777_216, "memory_swap_limit": 25_165_824, "desired_instances": 1, "restart_policy": "no",
    })));
    status
}

struct Case<'a> {
    kind: EnvironmentKind,
    operation: &'a Operation,
    arguments: Values,
    service: Service,
    allowed: bool,
}

impl Case<'_> {
    fn translate(&self) -> Result<Translated, TranslateError> {
        let declared = Declared { data_store: Some("redis".into()), clearable: vec!["/data/tmp".into()] };
        let none = Service::default();
        let before = before();
        translate(&Context {
            operation: self.operation,
            translation: &shipped().translations[&self.kind][&self.operation.name],
            service: if self.operation.on == On::Environment { &none } else { &self.service },
            declared: &declared,
            arguments: &self.arguments,
            before: Some(&before),
            step: &IncidentId::from_entropy([7; 8]).step(1, 1),
            reason: "a test",
            allowed: self.allowed,
        })
    }

    /// The acts, after the reading before them was answered.
    fn acts(&self) -> Result<Vec<PreparedCall>, TranslateError> {
        match self.translate()? {
            Translated::Read(_) => panic!("{} only reads", self.operation.name),
            Translated::Act(mut plan) => {
                while let Some(call) = plan.next_call()? {
                    plan.record(values(match call {
                        ReadCall::ContainerOwner { path, .. } | ReadCall::ProcessOwner { path, .. } => {
                            json!({"path": path, "owner": "0:0"})
                        }
                        _ => json!({"engine": "redis", "name": "maxclients", "value": "10000"}),
                    }));
                }
                plan.prepared()
            }
        }
    }
}

fn case(kind: EnvironmentKind, operation: &str) -> Case<'static> {
    let operation = &shipped().operations[operation];
    let mut arguments = example(operation);
    if kind == EnvironmentKind::Process && operation.name == "update_resources" {
        arguments.insert("cpus".into(), Value::Null);
    }
    Case { kind, operation, arguments, service: service(2), allowed: false }
}

/// The commands of every operation, with what takes them back.
fn shown(kind: EnvironmentKind) -> String {
    let mut text = String::new();
    for name in shipped().translations[&kind].keys() {
        let _ = writeln!(text, "{name}");
        match case(kind, name).translate().unwrap() {
            Translated::Read(mut plan) => {
                while let Some(call) = plan.next_call().unwrap() {
                    let _ = writeln!(text, "  {}", call.command());
                }
            }
            Translated::Act(_) => {
                for prepared in case(kind, name).acts().unwrap() {
                    let _ = writeln!(text, "  {}", prepared.call.command());
                    if let Some(undo) = prepared.undo {
                        let _ = writeln!(text, "    undo: {}", undo.command());
                    }
                }
            }
        }
    }
    text
}

#[test]
fn every_operation_becomes_these_commands_on_docker() {
    insta::assert_snapshot!(shown(EnvironmentKind::Docker));
}

#[test]
fn every_operation_becomes_these_commands_on_processes() {
    insta::assert_snapshot!(shown(EnvironmentKind::Process));
}

#[test]
fn what_a_kind_of_environment_cannot_do_is_said_before_anybody_is_asked() {
    for (limit, value) in [("cpus", json!(0.5)), ("pids", json!(100))] {
        let mut case = case(EnvironmentKind::Process, "update_resources");
        case.arguments.insert(limit.into(), value);
        let error = case.translate().unwrap_err();
        assert!(matches!(error, TranslateError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("run the service in a container"), "{error}");
    }
    assert!(case(EnvironmentKind::Process, "update_resources").translate().is_ok());
}

#[test]
fn a_service_without_instances_cannot_be_restarted() {
    let none = Case { service: service(0), ..case(EnvironmentKind::Docker, "restart_service") };
    let error = none.translate().unwrap_err();
    assert_eq!(error.to_string(), "restart_service: 'cache' has no instance to act on");
}

#[test]
fn a_result_must_have_the_declared_type() {
    let reads = |result: Value| {
        let Translated::Read(mut plan) = case(EnvironmentKind::Docker, "check_disk").translate().unwrap() else {
            panic!("checking a disk only reads")
        };
        assert!(matches!(plan.next_call(), Ok(Some(ReadCall::ContainerDisk { .. }))));
        plan.record(values(result));
        plan.finish()
    };
    let disk = json!({"mounts": [], "percent": 40.0, "fullest": "/", "clearable": [], "log_size": 0});
    assert_eq!(reads(disk.clone()), Ok(values(disk)));
    let error = reads(json!({"percent": "much"})).unwrap_err();
    assert!(error.to_string().starts_with("check_disk: returns: "), "{error}");
}

#[test]
fn arguments_and_calls_raise_the_risk_and_never_lower_it() {
    let risk = |name: &str, arguments: Value, calls: &[PreparedCall]| {
        let operation = &shipped().operations[name];
        raised_risk(operation, &values(arguments), &service(2), calls)
    };
    assert_eq!(risk("restart_service", json!({"strategy": "graceful"}), &[]), Risk::Reversible);
    assert_eq!(risk("restart_service", json!({"strategy": "force"}), &[]), Risk::Destructive);
    assert_eq!(risk("scale_service", json!({"replicas": 3}), &[]), Risk::Reversible);
    assert_eq!(risk("scale_service", json!({"replicas": 1}), &[]), Risk::Destructive);
    assert_eq!(risk("scale_service", json!({}), &[]), Risk::Destructive, "what cannot be told raises");
    let calls = case(EnvironmentKind::Docker, "rotate_logs").acts().unwrap();
    assert_eq!(risk("start_service", json!({}), &calls), Risk::Destructive);
}

#[test]
fn a_difference_shows_what_changes_and_only_that() {
    let diff =
        |name: &str, arguments: Value| diff(&shipped().operations[name], &values(arguments), &service(2), &before());
    assert_eq!(diff("update_resources", json!({"memory": 33_554_432})), ["memory_limit: 16MiB → 32MiB"]);
    assert_eq!(diff("connect_network", json!({"network": "back"})), ["networks: front → front, back"]);
    assert_eq!(diff("unpause_service", json!({})), Vec::<String>::new());
}

#[test]
fn a_guard_has_the_fields_that_must_not_drift() {
    let guarded = guard(&shipped().operations["unpause_service"], &before());
    assert_eq!(Value::Object(guarded), json!({"config_digest": "c", "paused": false}));
}

proptest! {
    /// Whatever an argument says, it arrives as it is: it is data, not a template.
    #[test]
    fn arguments_are_never_interpreted(argv in prop::collection::vec("(?s).{0,20}|\\$\\{\\{ target \\}\\}", 1..4)) {
        for kind in EnvironmentKind::ALL {
            let mut case = case(kind, "execute_command");
            case.arguments.insert("argv".into(), json!(argv));
            let acts = case.acts().unwrap();
            let sent = serde_json::to_value(&acts[0].call).unwrap();
            prop_assert_eq!(&sent["with"]["argv"], &json!(argv));
            case.allowed = true;
            let reads = matches!(case.translate(), Ok(Translated::Read(_)));
            prop_assert!(reads, "what the list of read-only commands has is only read");
        }
    }
}

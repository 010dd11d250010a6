//! Whole incidents.

use super::{target::killed, world::World};
use crate::config::{Channel, ChannelKind, Notice};
use crate::domain::{AlertStatus, ApprovalState, Decision, IncidentId, IncidentState, TimeSpan, Verdict};
use crate::flow::{Dependency, Effect, Next, Word, word};
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn an_approved_remedy_that_holds_resolves() {
    let mut world = killed();
    world.settle();
    assert_eq!(world.incident.state, IncidentState::AwaitingApproval);
    assert_eq!(world.incident.cause.as_ref().unwrap().code, "killed_externally");
    assert!(world.sent.is_empty(), "nothing is sent before a person decides");
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.sent, ["<command of api>"]);
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
    assert_eq!(world.incident.state, IncidentState::Closed);
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Consumed);
}

#[test]
fn reading_steps_wait_for_those_of_other_incidents() {
    let mut world = killed();
    let limit = world.config.platform.limits.concurrent_steps;
    world.reading = limit;
    assert_eq!(world.settle(), [], "no step of its own begins");
    assert!(!world.kinds().contains(&"step_started".to_owned()));
    world.reading = limit - 1;
    let Next::Append(events) = world.next() else { panic!("one may begin") };
    assert_eq!(events.len(), 1);
}

#[test]
fn where_the_environment_is_gone_the_incident_says_so_and_nothing_acts() {
    let mut world = killed();
    world.settle();
    world.reload(|config| drop(config.environments.remove("local")));
    world.settle();
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Voided);
    assert!(world.incident.escalated.as_ref().unwrap().contains("'local' is not configured any more"));
    let events = world.events.len();
    world.settle();
    assert_eq!((world.events.len(), world.sent.len()), (events, 0), "it is said once");

    // It is there again: the incident asks anew.
    let local = world.config.environments["local"].clone();
    world.reload(|config| drop(config.environments.insert("local".into(), local)));
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(
        (world.sent.as_slice(), world.incident.verdict),
        (["<command of api>".to_owned()].as_slice(), Some(Verdict::Resolved))
    );
}

#[test]
fn a_denied_remedy_is_never_sent_nor_asked_again() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Deny);
    world.settle();
    assert!(world.sent.is_empty());
    assert_eq!(world.incident.approvals.len(), 1);
    assert_eq!(world.incident.verdict, Some(Verdict::Unresolved));
    assert_eq!(world.incident.state, IncidentState::Escalated);
}

#[test]
fn an_undecided_request_expires_and_escalates() {
    let mut world = killed();
    world.settle();
    world.now += TimeSpan::from_secs(2 * 86_400).as_chrono();
    world.settle();
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Expired);
    assert_eq!(world.incident.state, IncidentState::Escalated);
    assert!(world.sent.is_empty());
}

#[test]
fn the_kill_switch_stops_an_approved_remedy() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    world.kill_switch = true;
    world.settle();
    assert!(world.sent.is_empty());
    assert!(world.incident.manual.iter().any(|manual| manual.reason.contains("kill switch")));
}

#[test]
fn drift_between_approval_and_act_voids_and_asks_anew() {
    let mut world = killed();
    world.settle();
    let first = world.pending().unwrap().id.clone();
    world.decide(Decision::Approve);
    let status = world.facts.get_mut("get_status").unwrap();
    status["config_digest"] = json!("changed by somebody");
    world.settle();
    assert!(world.sent.is_empty());
    let again = world.pending().unwrap();
    assert_ne!(again.id, first);
    let voided = world.incident.approvals.iter().find(|approval| approval.id == first).unwrap();
    assert_eq!(voided.state, ApprovalState::Voided);
}

#[test]
fn a_remedy_whose_reason_is_gone_is_not_sent() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    world.facts.insert("get_status", json!({"state": "running", "running": true, "ready": true}));
    world.settle();
    assert!(world.sent.is_empty());
}

#[test]
fn after_a_crash_an_intended_call_is_probed_and_never_sent() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    while !world.kinds().contains(&"call_intended".to_owned()) {
        match world.next() {
            Next::Append(events) => world.append(events),
            Next::Wait { effects, .. } => {
                let [Effect::Inspect { .. }] = effects.as_slice() else { panic!("{effects:?}") };
                world.settle_one(&effects[0]);
            }
        }
    }
    world.process = "another".into();
    let Next::Wait { effects, .. } = world.next() else { panic!("nothing is to be decided") };
    assert!(matches!(effects.as_slice(), [Effect::Probe { .. }]), "{effects:?}");
    (world.on_act)(&mut world.facts, &crate::domain::ActCall::ProcessStart { service: "api".into() });
    world.settle();
    assert!(world.sent.is_empty(), "the process that intended the call is gone");
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

#[test]
fn a_person_with_the_wheel_stops_everything_until_released() {
    let mut world = killed();
    world.settle();
    world.append(word(&world.incident, Word::TakeOver, "alice", "").unwrap());
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.incident.state, IncidentState::TakenOver);
    assert!(world.sent.is_empty());
    world.append(word(&world.incident, Word::Release, "alice", "").unwrap());
    world.settle();
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

#[test]
fn a_resolved_alert_is_evidence_and_not_a_verdict() {
    let mut world = killed();
    world.settle();
    world.report(AlertStatus::Resolved);
    world.settle();
    assert_eq!(world.incident.state, IncidentState::AwaitingApproval, "the target is still dead");
    (world.on_act)(&mut world.facts, &crate::domain::ActCall::ProcessStart { service: "api".into() });
    world.report(AlertStatus::Firing);
    world.report(AlertStatus::Resolved);
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Closed);
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Voided);
    assert!(world.sent.is_empty());
}

#[test]
fn mutations_wait_for_the_incident_of_a_dependency() {
    let mut world = killed();
    world.dependency = Some(Dependency { incident: IncidentId::new("inc_other"), service: "cache".into() });
    world.awaited_is_open = true;
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Waiting);
    assert!(world.pending().is_none());
    world.dependency = None;
    world.awaited_is_open = false;
    world.settle();
    assert_eq!(world.incident.state, IncidentState::AwaitingApproval);
    let plans = world.kinds().iter().filter(|kind| *kind == "plan_made").count();
    assert!(plans >= 2, "it is diagnosed again");
}

#[test]
fn a_healthy_service_ends_in_no_fault_with_nothing_touched() {
    let mut world = World::new(BTreeMap::from([
        ("get_status", json!({"state": "running", "running": true, "ready": true, "health": "healthy"})),
        ("check_health", json!({"healthy": true, "source": "endpoint"})),
        ("get_dependencies", json!({"all_ready": true})),
    ]));
    world.settle();
    assert_eq!(world.incident.verdict, Some(Verdict::NoFault));
    assert!(world.sent.is_empty() && world.incident.approvals.is_empty());
}

#[test]
fn people_who_could_not_be_told_are_told_again_until_it_is_of_no_use() {
    let mut world = killed();
    world.config.platform.channels = vec![Channel {
        name: "ops".into(),
        kind: ChannelKind::Webhook,
        url: "http://127.0.0.1:9".into(),
        template: None,
        secret: None,
        on: vec![Notice::Approval],
    }];
    world.undeliverable = true;
    world.settle();
    let Next::Wait { effects, wakes_at } = world.next() else { panic!("it waits for a person") };
    let again = wakes_at.expect("it is tried again");
    assert!(effects.is_empty() && again > world.now);
    world.now = again;
    let Next::Wait { effects, .. } = world.next() else { panic!("it waits for a person") };
    assert!(matches!(effects.as_slice(), [Effect::Notify { subject, .. }] if subject.starts_with("approval:")));
    world.undeliverable = false;
    world.settle();
    assert!(world.incident.untold.is_empty() && world.incident.notified.len() == 1);
    world.now += TimeSpan::from_secs(60).as_chrono();
    assert_eq!(world.settle(), [], "once is enough");
}

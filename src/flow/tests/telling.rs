//! What people are told to do where oncalld may not.

use super::{target::all_well, world::World};
use crate::config::{Autonomy, Channel, ChannelKind, Notice};
use crate::domain::{ActCall, ApprovalState, Decision, IncidentState, ManualRemedy, Verdict};
use crate::flow::{diagnose_again, message};
use serde_json::json;
use std::collections::BTreeMap;

impl World {
    /// A channel that is told of escalations.
    pub fn channel(&self, name: &str) -> Channel {
        let (name, url) = (name.to_owned(), "http://127.0.0.1:9/".to_owned());
        Channel { name, kind: ChannelKind::Webhook, url, template: None, secret: None, on: vec![Notice::Escalation] }
    }
}

/// A service that was killed at its memory limit: it gets twice as much, and then is started.
pub(super) fn starved() -> World {
    let dead = json!({
        "state": "exited", "exit_code": 137, "exit_reason": "oom", "oom_events": 1, "memory_limit": 16_777_216,
    });
    let mut world = World::new(BTreeMap::from([
        ("get_status", dead),
        ("get_events", json!({"deaths": 1, "ooms": 1})),
        ("check_resources", json!({"host_memory": 8_589_934_592_u64, "host_memory_free": 4_294_967_296_u64})),
        ("get_dependencies", json!({"all_ready": true})),
    ]));
    world.on_act = |facts, _| facts.get_mut("get_status").unwrap()["ready"] = json!(true);
    world
}

fn instructions(world: &World) -> Vec<&str> {
    world.incident.manual.iter().map(|manual| manual.instructions.as_str()).collect()
}

#[test]
fn a_remedy_that_is_only_suggested_is_told_with_all_its_steps_in_order() {
    let mut world = starved();
    world.config.environments.get_mut("local").unwrap().autonomy = Autonomy::Suggest;
    world.settle();
    assert_eq!(world.incident.cause.as_ref().unwrap().code, "memory_limit_too_small");
    assert_eq!(instructions(&world), ["<command of api>\nstart_service on api"]);
    assert_eq!((world.incident.verdict, world.sent.len()), (Some(Verdict::Unresolved), 0));
    let why = &world.incident.verdict_reason;
    assert!(why.ends_with("the environment is at autonomy 'suggest': remedies are reported, not run"), "{why}");
}

#[test]
fn what_the_environment_can_never_do_is_told_and_nobody_is_asked() {
    let mut world = starved();
    world.impossible = Some("update_resources: this engine cannot");
    world.settle();
    assert_eq!(instructions(&world), ["update_resources on api (memory=33554432)\nstart_service on api"]);
    assert_eq!(world.incident.manual[0].reason, "update_resources: this engine cannot");
    assert!(world.incident.approvals.is_empty() && world.sent.is_empty());
    assert_eq!((world.incident.verdict, world.incident.state), (Some(Verdict::Unresolved), IncidentState::Escalated));
    assert!(world.incident.verdict_reason.ends_with("update_resources: this engine cannot"));
}

#[test]
fn so_is_one_that_was_denied_or_that_nobody_decided_on() {
    let mut denied = starved();
    denied.settle();
    denied.decide(Decision::Deny);
    denied.settle();
    let mut expired = starved();
    expired.settle();
    expired.now += chrono::Duration::days(2);
    expired.settle();
    for world in [denied, expired] {
        assert_eq!(world.incident.state, IncidentState::Escalated);
        assert_eq!(instructions(&world), ["<command of api>\nstart_service on api"]);
        assert!(world.sent.is_empty());
    }
}

#[test]
fn what_was_done_already_is_not_told_again() {
    let mut world = starved();
    world.settle();
    world.decide(Decision::Approve);
    world.settle_until("verify_finished");
    world.kill_switch = true;
    world.settle();
    assert_eq!((world.sent.len(), instructions(&world).as_slice()), (1, ["<command of api>"].as_slice()));
}

fn page(world: &World) -> String {
    message(&world.incident, "escalation:1", None).body
}

#[test]
fn a_call_for_help_says_what_to_do() {
    let mut world = starved();
    world.config.environments.get_mut("local").unwrap().autonomy = Autonomy::Suggest;
    world.settle();
    let page = page(&world);
    assert!(page.starts_with("Cause: api was killed at its memory limit of 16 MiB"), "{page}");
    assert!(page.ends_with("not run\nWhat a person can do:\n<command of api>\nstart_service on api"), "{page}");
}

#[test]
fn after_an_expired_request_it_has_the_command_that_was_asked_for() {
    let mut world = starved();
    world.settle();
    assert!(!page(&world).contains("What a person can do"), "a person is asked, and has nothing to do yet");
    let asked = world.pending().unwrap().command.clone();
    world.now += chrono::Duration::days(2);
    world.settle();
    let page = page(&world);
    assert_eq!(page.matches(&asked).count(), 1, "{page}");
}

#[test]
fn so_it_has_after_nobody_decided_on_taking_something_back() {
    let mut world = super::undo::harmful();
    world.on_act = |facts, call| {
        let status = facts.get_mut("get_status").unwrap();
        status["memory_limit"] = json!(if matches!(call, ActCall::ProcessStart { .. }) { 32 } else { 16 });
        status["ready"] = json!(false);
    };
    world.after_verify = Some(|facts| facts.get_mut("get_status").unwrap()["config_digest"] = json!("another"));
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    let asked = world.pending().expect("whether to take it back is asked").command.clone();
    world.now += chrono::Duration::days(2);
    world.settle();
    assert_eq!(world.incident.approvals.last().unwrap().state, ApprovalState::Expired);
    assert!(page(&world).ends_with(&format!("\nNobody decided on:\n{asked}")), "{}", page(&world));
}

#[test]
fn what_a_call_for_help_says_is_short_and_has_no_half_commands() {
    let mut world = starved();
    let line = "docker restart api --and-so-on";
    let manual = |lines: usize| ManualRemedy {
        remedy: "restart".into(),
        instructions: vec![line; lines].join("\n\n"),
        reason: String::new(),
    };
    (world.incident.manual, world.bent) = (vec![manual(1), manual(1_000)], true);
    let long = page(&world);
    assert!(long.chars().count() < 1_000, "{long}");
    assert!(long.lines().skip(2).all(|told| told == line || told == "All of it: oncalld show inc_test"), "{long}");
    assert!(long.ends_with("\nAll of it: oncalld show inc_test"), "{long}");
}

#[test]
fn who_was_called_hears_the_end_of_what_was_diagnosed_anew_and_of_a_new_reason_at_once() {
    let mut world = starved();
    let local = |world: &mut World, autonomy| world.config.environments.get_mut("local").unwrap().autonomy = autonomy;
    local(&mut world, Autonomy::Suggest);
    let mut channel = world.channel("pager");
    channel.on.push(Notice::Closed);
    world.config.platform.channels.push(channel);
    world.settle();
    let told = |world: &World| -> Vec<String> {
        world.incident.notified.keys().map(|subject| subject.replace(" pager", "")).collect()
    };
    assert_eq!(told(&world), ["escalation:1"]);

    world.append(diagnose_again(&world.incident, "carol", "").expect("a new diagnosis"));
    world.settle();
    assert_eq!((told(&world), world.incident.escalations), (vec!["escalation:2".to_owned()], 2));

    world.facts = all_well();
    world.append(diagnose_again(&world.incident, "carol", "").expect("a new diagnosis"));
    world.settle();
    assert_eq!(
        (world.incident.state, told(&world).as_slice()),
        (IncidentState::Closed, ["closed".to_owned()].as_slice())
    );
}

//! What an environment's owner allows, when, and what is held back for a while.

use super::{
    target::killed,
    telling::starved,
    trouble::{count, settle_through_pauses},
    world::World,
};
use crate::config::{Autonomy, Freeze, Window};
use crate::domain::{ApprovalState, CallOutcome, Decision, IncidentState, TimeSpan, Verdict};
use crate::flow::{Next, Word, word};
use serde_json::json;

/// A window that opened an hour ago and is open for another.
fn freeze(world: &mut World) {
    let hour = TimeSpan::from_secs(3_600).as_chrono();
    let window = Window::Once { from: world.now - hour, to: world.now + hour };
    let freeze = vec![Freeze { name: "sale".into(), window, environments: Vec::new() }];
    world.reload(|config| config.policies.freeze = freeze);
}

fn frozen() -> World {
    let mut world = killed();
    freeze(&mut world);
    world.settle();
    world
}

#[test]
fn what_is_only_observed_has_its_cause_told_and_no_remedy_made_ready() {
    let mut world = killed();
    world.config.environments.get_mut("local").unwrap().autonomy = Autonomy::Observe;
    world.settle();
    assert_eq!(world.incident.cause.as_ref().unwrap().code, "killed_externally");
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Escalated, Some(Verdict::Unresolved)));
    let why = &world.incident.verdict_reason;
    assert!(why.ends_with("nothing was done about it: the environment is at autonomy 'observe'"), "{why}");
    assert_eq!((count(&world, "step_prepared"), world.incident.manual.len()), (0, 0));
}

#[test]
fn observing_alone_is_enough_whether_it_was_so_at_the_beginning_or_is_so_now() {
    let mut world = killed();
    world.reload(|config| config.environments.get_mut("local").unwrap().autonomy = Autonomy::Observe);
    world.settle();
    assert_eq!(count(&world, "step_prepared"), 0);
    let mut then = killed();
    then.reload(|_| {});
    then.config.environments.get_mut("local").unwrap().autonomy = Autonomy::Observe;
    then.settle();
    assert_eq!(count(&then, "step_prepared"), 0);
}

#[test]
fn what_recovers_while_it_is_only_observed_is_closed() {
    let mut world = killed();
    world.config.environments.get_mut("local").unwrap().autonomy = Autonomy::Observe;
    world.facts.insert(
        "get_status",
        json!({"state": "running", "running": true, "ready": true, "exit_reason": "killed", "health": "healthy"}),
    );
    world.facts.insert("check_health", json!({"healthy": true, "source": "endpoint"}));
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Closed, Some(Verdict::Mitigated)));
}

#[test]
fn what_a_freeze_window_held_back_is_diagnosed_again_and_asked_about_when_it_is_over() {
    let mut world = frozen();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Escalated, Some(Verdict::Unresolved)));
    assert!(world.pending().is_none(), "a window does not ask");
    assert!(world.incident.manual[0].reason.contains("freeze window 'sale' is open"));
    let Next::Wait { wakes_at: Some(wakes_at), .. } = world.next() else { panic!("it waits for something") };
    assert!(wakes_at <= world.now + TimeSpan::from_secs(60).as_chrono());
    let plans = count(&world, "plan_made");
    world.now += TimeSpan::from_secs(3_601).as_chrono();
    world.settle();
    assert_eq!((count(&world, "freeze_ended"), &world.incident.escalated), (1, &None));
    assert!(count(&world, "plan_made") > plans);
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.sent.len(), world.incident.verdict), (1, Some(Verdict::Resolved)));
    assert_eq!(count(&world, "freeze_ended"), 1);
}

#[test]
fn the_end_of_a_window_changes_nothing_where_a_person_said_no_or_has_the_wheel() {
    let mut denied = killed();
    denied.settle();
    denied.decide(Decision::Deny);
    freeze(&mut denied);
    denied.settle();
    denied.reload(|config| config.policies.freeze.clear());
    denied.settle();
    assert_eq!(count(&denied, "freeze_ended"), 0);

    let mut taken = frozen();
    taken.append(word(&taken.incident, Word::TakeOver, "alice", "").unwrap());
    taken.reload(|config| config.policies.freeze.clear());
    taken.settle();
    assert_eq!(count(&taken, "freeze_ended"), 0);
    taken.append(word(&taken.incident, Word::Release, "alice", "").unwrap());
    taken.settle();
    assert_eq!(count(&taken, "freeze_ended"), 1, "nobody has it any more");
}

#[test]
fn what_was_approved_before_a_window_opened_is_asked_about_anew_after_it() {
    let mut world = killed();
    world.settle();
    freeze(&mut world);
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.sent.len(), world.incident.state), (0, IncidentState::Escalated));
    world.reload(|config| config.policies.freeze.clear());
    world.settle();
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Voided, "it was about what was so then");
    world.pending().expect("asked again");
    assert!(world.sent.is_empty());
}

#[test]
fn a_window_that_opens_between_two_steps_holds_back_the_second_only() {
    let mut world = starved();
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.sent.len(), 1, "the limit is raised, and people are asked about the start");
    freeze(&mut world);
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.sent.len(), world.incident.state), (1, IncidentState::Escalated));
    assert_eq!(world.incident.manual[0].instructions, "<command of api>", "what is left of it");
    world.reload(|config| config.policies.freeze.clear());
    world.settle();
    assert_eq!(count(&world, "freeze_ended"), 1);
}

#[test]
fn what_the_kill_switch_stopped_before_it_was_sent_is_told_by_the_gate_and_used_no_approval() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    world.settle_until("call_intended");
    world.kill_switch = true;
    world.outcomes = vec![CallOutcome::NotDone { error: "the kill switch is on".into(), transient: true }];
    settle_through_pauses(&mut world);
    assert_eq!((count(&world, "call_intended"), world.sent.len()), (1, 0), "it is not even tried again");
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Approved);
    assert!(world.incident.manual[0].reason.contains("the kill switch is on"), "{:?}", world.incident.manual);
    assert_eq!(world.incident.verdict, Some(Verdict::Unresolved));
}

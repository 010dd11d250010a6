//! What cannot be sent, what cannot be seen, and what comes of it.

use super::{target::killed, world::World};
use crate::domain::{
    ApprovalState, CallOutcome, Decision, EventBody, IncidentState, StepOutcome, StepStatus, TimeSpan, Verdict,
};
use crate::flow::{Effect, MAX_ATTEMPTS, Next};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) fn not_sent() -> CallOutcome {
    CallOutcome::NotDone { error: "connection refused".into(), transient: true }
}

/// Settles, and lets the pauses between attempts pass.
pub(super) fn settle_through_pauses(world: &mut World) {
    for _ in 0..20 {
        world.settle();
        world.now += TimeSpan::from_secs(31).as_chrono();
    }
}

pub(super) fn count(world: &World, kind: &str) -> usize {
    world.kinds().iter().filter(|known| *known == kind).count()
}

#[test]
fn what_was_certainly_not_sent_is_tried_again_under_the_same_approval() {
    let mut world = killed();
    world.settle();
    world.outcomes = vec![not_sent(), not_sent()];
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Approved, "given back");
    assert_eq!(count(&world, "call_intended"), 1, "not before a pause");
    settle_through_pauses(&mut world);
    assert_eq!(count(&world, "call_intended"), 3);
    assert_eq!(count(&world, "step_prepared"), 3, "prepared anew each time");
    assert_eq!((world.incident.approvals.len(), world.incident.approvals[0].state), (1, ApprovalState::Consumed));
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

#[test]
fn what_changes_between_two_attempts_is_asked_about_anew() {
    let mut world = killed();
    world.settle();
    world.outcomes = vec![not_sent()];
    world.decide(Decision::Approve);
    world.settle();
    world.facts.get_mut("get_status").unwrap()["config_digest"] = json!("changed by somebody");
    settle_through_pauses(&mut world);
    assert_eq!(count(&world, "call_intended"), 1);
    let states: Vec<ApprovalState> = world.incident.approvals.iter().map(|approval| approval.state).collect();
    assert_eq!(states[0], ApprovalState::Voided, "{states:?}");
    assert!(states.len() > 1, "{states:?}");
}

#[test]
fn an_approval_that_was_given_back_expires_as_it_would_have() {
    let mut world = killed();
    world.settle();
    world.outcomes = vec![not_sent()];
    world.decide(Decision::Approve);
    world.settle();
    world.now = world.incident.approvals[0].expires_at;
    world.settle();
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Expired);
    assert_eq!(count(&world, "call_intended"), 1);
    assert!(world.sent.is_empty());
}

#[test]
fn what_can_never_be_sent_is_given_up() {
    let mut world = killed();
    world.settle();
    world.outcomes = vec![not_sent(); 50];
    world.decide(Decision::Approve);
    settle_through_pauses(&mut world);
    assert_eq!(count(&world, "call_intended"), MAX_ATTEMPTS as usize);
    assert!(world.sent.is_empty());
    assert_eq!(world.incident.verdict, Some(Verdict::Unresolved));
    assert!(world.incident.verdict_reason.contains("gave up after 5 attempts"), "{}", world.incident.verdict_reason);
}

#[test]
fn what_was_refused_is_not_tried_again() {
    let mut world = killed();
    world.settle();
    world.outcomes = vec![CallOutcome::NotDone { error: "no such program".into(), transient: false }];
    world.decide(Decision::Approve);
    settle_through_pauses(&mut world);
    assert_eq!(count(&world, "call_intended"), 1);
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Consumed);
}

#[test]
fn what_a_probe_found_not_done_needs_a_new_decision() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    let intended = |world: &World| count(world, "call_intended") == 1;
    while !intended(&world) {
        match world.next() {
            Next::Append(events) => world.append(events),
            Next::Wait { effects, .. } => world.settle_one(&effects[0].clone()),
        }
    }
    world.process = "another".into();
    let Next::Wait { effects, .. } = world.next() else { panic!("it is probed") };
    let [Effect::Probe { step, index, undo }] = effects.as_slice() else { panic!("{effects:?}") };
    let (step, index, undo) = (step.clone(), *index, *undo);
    let outcome = CallOutcome::NotDone { error: "no answer came".into(), transient: false };
    world.append(vec![EventBody::CallFinished { step, index, undo, outcome, probed: true, left: None }]);
    settle_through_pauses(&mut world);
    assert!(world.sent.is_empty(), "a probe only infers: people are asked again");
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Consumed);
    assert_eq!(
        world.pending().map(|approval| approval.digest.clone()),
        Some(world.incident.approvals[0].digest.clone())
    );
}

/// Starts the first steps, and lets them fail as often as they are tried, until nothing goes on.
fn tire(world: &mut World) {
    for _ in 0..200 {
        match world.next() {
            Next::Append(events) => world.append(events),
            Next::Wait { effects, .. } if world.incident.lost.is_some() || world.incident.closed_at.is_some() => {
                return assert_eq!(effects, []);
            }
            Next::Wait { effects, wakes_at } => {
                for effect in &effects {
                    let Effect::RunStep { step, attempt } = effect.clone() else { panic!("{effect:?}") };
                    let outcome = StepOutcome::Failed { error: "no answer".into(), transient: true };
                    world.append(vec![EventBody::StepFinished { step, attempt, outcome, milliseconds: 1 }]);
                }
                world.now = wakes_at.unwrap_or(world.now).max(world.now);
            }
        }
    }
    panic!("it never says that the environment is away: {:?}", world.kinds());
}

#[test]
fn a_diagnosis_without_its_environment_says_so_and_goes_on_when_it_is_back() {
    let mut world = killed();
    (world.away, world.seen_at) = (true, Some(world.now));
    tire(&mut world);
    assert_eq!(world.incident.state, IncidentState::Escalated);
    assert!(world.incident.lost.as_deref().is_some_and(|why| why.contains("local does not answer")));
    assert!(world.incident.verdict.is_none() && world.incident.findings.is_empty());
    world.now += TimeSpan::from_secs(86_400).as_chrono();
    world.settle();
    assert_eq!(count(&world, "environment_lost"), 1, "once");
    world.away = false;
    world.settle();
    assert_eq!(count(&world, "environment_returned"), 1);
    assert_eq!(world.incident.cause.as_ref().map(|cause| cause.code.as_str()), Some("killed_externally"));
    assert_eq!(world.incident.state, IncidentState::AwaitingApproval);
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

#[test]
fn a_reading_that_a_person_asked_for_ends_when_its_environment_is_away_and_nobody_is_paged() {
    let mut world = World::by_hand("get_status", BTreeMap::new());
    world.config.platform.channels = vec![world.channel("people")];
    (world.away, world.seen_at) = (true, Some(world.now));
    tire(&mut world);
    assert_eq!((world.incident.state, &world.incident.escalated), (IncidentState::Closed, &None));
    assert_eq!((count(&world, "step_started"), count(&world, "environment_lost")), (MAX_ATTEMPTS as usize, 0));
    assert_eq!(world.incident.steps[0].status, StepStatus::Failed);
    let Some(EventBody::IncidentClosed { reason, .. }) = world.events.last().map(|event| &event.body) else {
        panic!("{:?}", world.kinds())
    };
    assert!(reason.contains("get_status") && reason.contains("local does not answer: no answer"), "{reason}");
}

#[test]
fn a_reading_of_an_environment_that_nobody_has_seen_yet_ends_too() {
    let mut world = World::by_hand("get_status", BTreeMap::new());
    (world.away, world.seen_at) = (true, None);
    assert_eq!(world.settle(), []);
    assert_eq!(world.incident.closed_at, None, "it may still be seen");
    let Next::Wait { wakes_at, .. } = world.next() else { panic!("settled") };
    world.now = wakes_at.expect("it does not wait for ever");
    world.settle();
    assert_eq!((world.incident.state, count(&world, "environment_lost")), (IncidentState::Closed, 0));
}

/// A change that a person asked for and approved, in an environment that went away for longer than is waited.
pub(super) fn standing_still() -> World {
    let mut world = World::by_hand("restart_service", BTreeMap::new());
    world.settle();
    world.decide(Decision::Approve);
    (world.away, world.seen_at) = (true, Some(world.now));
    world.now += TimeSpan::from_secs(61).as_chrono();
    world.settle();
    world
}

#[test]
fn a_change_that_a_person_asked_for_waits_for_its_environment_and_says_so() {
    let world = standing_still();
    assert_eq!((world.incident.state, count(&world, "environment_lost")), (IncidentState::Escalated, 1));
}

#[test]
fn an_approved_remedy_waits_for_its_environment() {
    let mut world = killed();
    world.settle();
    (world.away, world.seen_at) = (true, Some(world.now));
    world.decide(Decision::Approve);
    world.now += TimeSpan::from_secs(61).as_chrono();
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Escalated);
    assert!(world.sent.is_empty());
    world.away = false;
    world.settle();
    assert_eq!((world.sent.len(), world.incident.verdict), (1, Some(Verdict::Resolved)));
}

#[test]
fn nothing_is_decided_on_an_environment_that_was_not_looked_at_yet() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    // As after a restart: the state is known, the environment is not.
    (world.away, world.seen_at) = (true, None);
    let before = world.events.len();
    assert_eq!(world.settle(), []);
    assert_eq!(world.events.len(), before, "{:?}", world.kinds());
    world.away = false;
    world.settle();
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

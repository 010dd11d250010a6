//! Calls after the first, and calls that take back, which certainly were not sent.

use super::trouble::{count, not_sent, settle_through_pauses};
use super::undo::{harmful, undone};
use super::{target::killed, world::World};
use crate::domain::{
    AlertStatus, ApprovalState, CallOutcome, Decision, EventBody, IncidentState, StepOutcome, TimeSpan, Verdict,
};
use crate::flow::{Effect, MAX_ATTEMPTS, Next};
use serde_json::json;

/// A remedy of two calls that is approved; the second is tried in vain so often.
fn second_in_vain(mut world: World, times: usize) -> World {
    world.calls = 2;
    world.endings.extend((1..=times).map(|position| (position, not_sent())));
    world.settle();
    world.decide(Decision::Approve);
    world
}

#[test]
fn a_later_call_that_was_certainly_not_sent_is_tried_again_after_a_pause() {
    let mut world = second_in_vain(killed(), 2);
    world.settle();
    assert_eq!((world.sent.len(), world.incident.state), (2, IncidentState::Remediating), "not before a pause");
    settle_through_pauses(&mut world);
    assert_eq!(world.sent.len(), 4, "{:?}", world.sent);
    assert_eq!(count(&world, "step_prepared"), 1, "what was done is not done again");
    assert_eq!(
        (count(&world, "call_intended"), count(&world, "call_finished")),
        (4, 4),
        "each attempt is in the journal"
    );
    assert_eq!(world.incident.approvals.len(), 1);
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

#[test]
fn a_later_call_that_can_never_be_sent_is_given_up_and_the_first_taken_back() {
    let mut world = second_in_vain(harmful(), MAX_ATTEMPTS as usize);
    settle_through_pauses(&mut world);
    assert_eq!(world.sent.len(), 1 + MAX_ATTEMPTS as usize + 1, "{:?}", world.sent);
    assert_eq!(undone(&world), Some(true));
}

#[test]
fn a_later_call_whose_answer_did_not_come_is_never_sent_again() {
    let mut world = second_in_vain(killed(), 0);
    world.endings.insert(1, CallOutcome::Unknown { error: "no answer".into() });
    settle_through_pauses(&mut world);
    assert_eq!(world.sent.len(), 2, "{:?}", world.sent);
    assert_eq!(world.incident.state, IncidentState::Escalated);
}

#[test]
fn a_target_that_changed_between_two_attempts_is_not_acted_on_further() {
    let mut world = second_in_vain(harmful(), 1);
    world.settle();
    world.facts.get_mut("get_status").unwrap()["memory_limit"] = json!(256);
    settle_through_pauses(&mut world);
    assert_eq!(world.sent.len(), 2, "a person decides what becomes of the half: {:?}", world.sent);
    world.pending().expect("a person is asked");
}

#[test]
fn what_takes_back_and_was_certainly_not_sent_is_tried_again() {
    let mut world = harmful();
    world.endings.extend([(1, not_sent()), (2, not_sent())]);
    world.settle();
    world.decide(Decision::Approve);
    settle_through_pauses(&mut world);
    assert_eq!(world.sent.len(), 4, "forth, and back at the third attempt: {:?}", world.sent);
    assert_eq!(undone(&world), Some(true));
    assert_eq!(world.incident.approvals.len(), 1, "the approval still covers it");
}

#[test]
fn what_can_never_be_taken_back_is_told_to_people() {
    let mut world = harmful();
    world.endings.extend((1..50).map(|position| (position, not_sent())));
    world.settle();
    world.decide(Decision::Approve);
    settle_through_pauses(&mut world);
    assert_eq!(world.sent.len(), 1 + MAX_ATTEMPTS as usize);
    assert_eq!((undone(&world), world.incident.state), (Some(false), IncidentState::Escalated));
    let why = world.incident.escalated.as_deref().unwrap();
    assert!(why.contains("gave up after 5 attempts") && why.contains("connection refused"), "{why}");
}

#[test]
fn what_somebody_changed_between_two_calls_of_an_undo_is_not_overwritten() {
    let mut world = harmful();
    world.calls = 2;
    // Forth, forth, back, and not yet back.
    world.endings.insert(3, not_sent());
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.sent.len(), undone(&world)), (4, None), "{:?}", world.sent);
    world.facts.get_mut("get_status").unwrap()["memory_limit"] = json!(256);
    settle_through_pauses(&mut world);
    assert_eq!(world.sent.len(), 4, "{:?}", world.sent);
    assert_eq!((undone(&world), world.incident.state), (Some(false), IncidentState::Escalated));
    let why = world.incident.escalated.as_deref().unwrap();
    assert!(why.contains("memory_limit was 16 and is 256"), "{why}");
}

/// A change that did not help and that a person wants taken back, which is tried in vain once.
fn wanted_back() -> World {
    let mut world = harmful();
    world.on_act = |facts, _| facts.get_mut("get_status").unwrap()["memory_limit"] = json!(32);
    let status = world.facts.get_mut("get_status").unwrap();
    (status["running"], status["ready"]) = (json!(false), json!(false));
    world.endings.insert(1, not_sent());
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.sent.len(), world.incident.approvals.len()), (2, 2), "{:?}", world.sent);
    world
}

#[test]
fn an_approval_of_an_undo_that_was_not_sent_is_given_back_and_allows_one_sending() {
    let mut world = wanted_back();
    let states = |world: &World| [0, 1].map(|one: usize| world.incident.approvals[one].state);
    assert_eq!(states(&world), [ApprovalState::Consumed, ApprovalState::Approved], "of the undo alone");
    settle_through_pauses(&mut world);
    assert_eq!((world.sent.len(), undone(&world)), (3, Some(true)), "{:?}", world.sent);
    assert_eq!(states(&world), [ApprovalState::Consumed; 2]);
    assert_eq!(world.incident.approvals.len(), 2, "nobody is asked again");
}

#[test]
fn an_approval_of_an_undo_that_was_given_back_expires_as_it_would_have() {
    let mut world = wanted_back();
    world.now = world.incident.approvals[1].expires_at;
    settle_through_pauses(&mut world);
    assert_eq!(world.incident.approvals[1].state, ApprovalState::Expired);
    assert_eq!(world.sent.len(), 2, "{:?}", world.sent);
    assert_eq!((undone(&world), world.incident.state), (Some(false), IncidentState::Escalated));
}

#[test]
fn what_is_half_done_waits_for_its_environment() {
    let mut world = second_in_vain(killed(), 50);
    world.settle();
    (world.away, world.seen_at) = (true, Some(world.now));
    settle_through_pauses(&mut world);
    assert_eq!(world.incident.state, IncidentState::Escalated);
    assert!(world.incident.lost.is_some() && undone(&world).is_none());
    world.away = false;
    world.endings.clear();
    settle_through_pauses(&mut world);
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

#[test]
fn what_was_given_up_before_does_not_make_the_next_blip_of_its_environment_news() {
    let mut world = second_in_vain(killed(), MAX_ATTEMPTS as usize);
    settle_through_pauses(&mut world);
    assert_eq!(world.incident.verdict, Some(Verdict::Unresolved));
    world.report_named("AnotherAlert", "critical", AlertStatus::Firing);
    assert_eq!(world.incident.verdict, None, "it is diagnosed anew");
    (world.away, world.seen_at) = (true, Some(world.now));
    world.settle();
    assert_eq!(count(&world, "environment_lost"), 0);
}

#[test]
fn what_is_tried_again_is_shown_with_when_and_how_often() {
    let mut world = killed();
    world.settle();
    world.outcomes = vec![not_sent(); 50];
    world.decide(Decision::Approve);
    world.settle();
    let shown = |world: &World| {
        let [retry] = world.incident.retrying.as_slice() else { panic!("{:?}", world.incident.retrying) };
        let Next::Wait { wakes_at, .. } = world.next() else { panic!("settled") };
        assert_eq!(Some(retry.next_at), wakes_at, "it is true");
        assert_eq!(world.incident.state, IncidentState::Remediating);
        (retry.what.clone(), retry.attempts, retry.most, retry.error.clone())
    };
    let told = |attempts| ("start_service api".to_owned(), attempts, MAX_ATTEMPTS, "connection refused".to_owned());
    assert_eq!(shown(&world), told(1));
    world.now = world.incident.retrying[0].next_at;
    world.settle();
    assert_eq!(shown(&world), told(2));
    settle_through_pauses(&mut world);
    assert_eq!(world.incident.retrying, [], "it was given up");

    let mut world = second_in_vain(killed(), 1);
    world.settle();
    assert_eq!(shown(&world), told(1));
    settle_through_pauses(&mut world);
    assert_eq!(world.incident.retrying, [], "it was done");
}

#[test]
fn a_reading_step_that_is_tried_again_is_shown() {
    let mut world = killed();
    while world.incident.retrying.is_empty() {
        match world.next() {
            Next::Append(events) => world.append(events),
            Next::Wait { effects, .. } => {
                let Effect::RunStep { step, attempt } = effects[0].clone() else { panic!("{effects:?}") };
                let outcome = StepOutcome::Failed { error: "no answer".into(), transient: true };
                world.append(vec![EventBody::StepFinished { step, attempt, outcome, milliseconds: 1 }]);
            }
        }
    }
    let retry = &world.incident.retrying[0];
    assert_eq!((retry.attempts, retry.next_at), (1, world.now + TimeSpan::from_secs(2).as_chrono()));
    assert_eq!(world.incident.state, IncidentState::Diagnosing);
}

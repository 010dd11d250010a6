//! What stays open, what starts over, and what people may close.

use super::{target::killed, telling::starved, undo::undone, world::World};
use crate::domain::{
    AlertStatus, CallOutcome, Decision, EventBody, IncidentId, IncidentState, StepStatus, TimeSpan, Verdict,
};
use crate::flow::{Dependency, Effect, Next, Word, word};
use serde_json::json;

/// An incident that people must look at, because they denied the remedy.
fn given_up() -> World {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Deny);
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Escalated);
    world
}

fn recover(world: &mut World) {
    (world.on_act)(&mut world.facts, &crate::domain::ActCall::ProcessStart { service: "api".into() });
}

#[test]
fn what_was_given_up_is_looked_at_again_even_while_its_alert_fires() {
    let mut world = given_up();
    let looked = |world: &World| world.kinds().iter().filter(|kind| *kind == "target_rechecked").count();
    let before = looked(&world);
    recover(&mut world);
    world.now += TimeSpan::from_secs(90).as_chrono();
    world.settle();
    assert!(looked(&world) > before);
    assert!(world.incident.closed_at.is_none(), "healthy, and the alert still fires: that is noted, not believed");
    world.report(AlertStatus::Resolved);
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Closed);
}

/// How often the target is read again in the next so many hours.
fn looks(world: &mut World, hours: i64) -> usize {
    let looked = |world: &World| world.kinds().iter().filter(|kind| *kind == "target_rechecked").count();
    let (before, end) = (looked(world), world.now + chrono::Duration::hours(hours));
    while world.now < end {
        world.settle();
        let Next::Wait { wakes_at, .. } = world.next() else { panic!("settled") };
        world.now = wakes_at.expect("it is looked at again").min(end).max(world.now + chrono::Duration::seconds(1));
    }
    looked(world) - before
}

#[test]
fn what_was_given_up_is_looked_at_less_and_less_often() {
    let mut world = given_up();
    let first = looks(&mut world, 1);
    assert!((4..=7).contains(&first), "soon at first, then less often: {first} in the first hour");
    let day = looks(&mut world, 24);
    assert!((20..=26).contains(&day), "once an hour in the end: {day} a day");
    world.report(AlertStatus::Resolved);
    let first = looks(&mut world, 1);
    assert!((5..=10).contains(&first), "what the sender says is news: {first} in the hour after it");
    let day = looks(&mut world, 24);
    assert!((120..=150).contains(&day), "it may close by itself once it is well, so more often: {day} a day");
}

#[test]
fn a_person_who_gives_the_wheel_back_has_it_looked_at_at_once() {
    let mut world = given_up();
    looks(&mut world, 24);
    world.append(word(&world.incident, Word::TakeOver, "alice", "").unwrap());
    world.settle();
    let before = world.kinds().iter().filter(|kind| *kind == "target_rechecked").count();
    world.append(word(&world.incident, Word::Release, "alice", "repaired").unwrap());
    world.settle();
    let after = world.kinds().iter().filter(|kind| *kind == "target_rechecked").count();
    assert_eq!(after, before + 1);
}

#[test]
fn what_nobody_can_tell_the_end_of_closes_by_a_person_only() {
    let mut world = killed();
    world.endings.insert(0, CallOutcome::Unknown { error: "no answer came; the probe cannot tell".into() });
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    recover(&mut world);
    world.report(AlertStatus::Resolved);
    world.settle();
    world.now += TimeSpan::from_secs(3_600).as_chrono();
    world.settle();
    assert_eq!(world.incident.recheck.as_ref().and_then(|seen| seen.healthy), Some(true));
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Escalated, Some(Verdict::Unresolved)));
    let why = &world.incident.verdict_reason;
    assert!(why.contains("nobody can tell whether") && why.contains("the probe cannot tell"), "{why}");
    world.append(word(&world.incident, Word::Close, "alice", "it was done").unwrap());
    assert_eq!(world.incident.state, IncidentState::Closed);
}

/// A remedy that did not help, and cannot be taken back when people say so: they are asked.
fn not_to_be_taken_back() -> World {
    let mut world = starved();
    world.on_act = |facts, _| facts.get_mut("get_status").unwrap()["memory_limit"] = json!(33_554_432);
    world.endings.insert(1, CallOutcome::NotDone { error: "refused".into(), transient: false });
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    world
}

/// One that was not.
fn not_taken_back() -> World {
    let mut world = not_to_be_taken_back();
    assert_eq!(world.sent.len(), 1, "it did not help; people are asked whether to take it back");
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.sent.len(), undone(&world)), (2, Some(false)));
    world
}

/// A remedy of two calls, of which the second was refused; nothing takes back the first.
fn half_done() -> World {
    let mut world = killed();
    world.calls = 2;
    world.endings.insert(1, CallOutcome::NotDone { error: "refused".into(), transient: false });
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    world
}

#[test]
fn what_was_half_done_or_not_taken_back_closes_by_a_person_only() {
    for (mut world, why) in [(not_taken_back(), "was not taken back"), (half_done(), "was only half done")] {
        assert_eq!(world.incident.state, IncidentState::Escalated);
        assert!(world.incident.verdict_reason.contains(why), "{}", world.incident.verdict_reason);
        world.facts.insert("get_status", json!({"state": "running", "running": true, "ready": true}));
        world.facts.insert("check_health", json!({"healthy": true, "source": "endpoint"}));
        world.report(AlertStatus::Resolved);
        world.settle();
        world.now += TimeSpan::from_secs(3_600).as_chrono();
        world.settle();
        assert_eq!(world.incident.recheck.as_ref().and_then(|seen| seen.healthy), Some(true));
        let stands = (world.incident.state, world.incident.verdict);
        assert_eq!(
            stands,
            (IncidentState::Escalated, Some(Verdict::Unresolved)),
            "nobody has checked what is left of it"
        );
        world.append(word(&world.incident, Word::Close, "alice", "it may stay so").unwrap());
        assert_eq!(world.incident.state, IncidentState::Closed);
    }
}

#[test]
fn an_alert_that_ends_while_it_is_taken_back_in_vain_does_not_end_the_incident() {
    let mut world = not_to_be_taken_back();
    world.facts.get_mut("get_status").unwrap()["ready"] = json!(true);
    world.report(AlertStatus::Resolved);
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Escalated, Some(Verdict::Unresolved)));
}

#[test]
fn an_alert_that_ends_while_nobody_knows_what_was_done_does_not_end_the_incident() {
    let mut world = killed();
    world.endings.insert(0, CallOutcome::Unknown { error: "no answer".into() });
    world.settle();
    world.decide(Decision::Approve);
    world.settle_until("call_finished");
    recover(&mut world);
    world.report(AlertStatus::Resolved);
    world.settle();
    assert_eq!((world.incident.state, world.incident.verdict), (IncidentState::Escalated, Some(Verdict::Unresolved)));
}

#[test]
fn what_was_seen_before_a_resolution_does_not_prove_it() {
    let mut world = given_up();
    recover(&mut world);
    world.now += TimeSpan::from_secs(90).as_chrono();
    world.settle();
    world.facts.insert("get_status", json!({"state": "exited", "ready": false, "running": false}));
    world.report(AlertStatus::Resolved);
    world.settle();
    assert!(world.incident.closed_at.is_none(), "it is read again after the sender's word");
}

#[test]
fn a_new_episode_starts_the_diagnosis_over() {
    let mut world = given_up();
    let plans = |world: &World| world.kinds().iter().filter(|kind| *kind == "plan_made").count();
    let before = plans(&world);
    world.report(AlertStatus::Firing);
    assert_eq!((world.incident.verdict, &world.incident.escalated), (None, &None));
    world.settle();
    assert!(plans(&world) > before);
    assert_eq!(world.incident.verdict, Some(Verdict::Unresolved), "what was denied is not asked again");
}

#[test]
fn another_alert_after_the_verdict_starts_the_diagnosis_over_and_is_told_first_if_it_is_graver() {
    let mut world = killed();
    (world.incident.severity, world.bent) = ("warning".into(), true);
    world.incident.alerts[0].labels.insert("severity".into(), "warning".into());
    world.settle();
    world.decide(Decision::Deny);
    world.settle();
    world.report_named("ApiDown", "critical", AlertStatus::Firing);
    assert_eq!(world.incident.verdict, None);
    assert_eq!(world.incident.severity, "critical");
    assert!(world.incident.title.starts_with("ApiDown on api"), "{}", world.incident.title);
    world.report_named("ApiSlow", "info", AlertStatus::Firing);
    assert_eq!(world.incident.severity, "critical", "a lesser one does not lower it");
    assert!(world.incident.title.starts_with("ApiDown on api"), "{}", world.incident.title);
}

#[test]
fn nothing_is_done_again_in_an_incident_where_a_call_may_still_be_under_way() {
    let mut world = killed();
    world.endings.insert(0, CallOutcome::Unknown { error: "no answer".into() });
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    world.report(AlertStatus::Firing);
    world.settle();
    assert_eq!((world.sent.len(), world.pending()), (1, None));
    assert_eq!(world.incident.state, IncidentState::Escalated);
}

#[test]
fn a_person_who_took_over_in_the_middle_of_an_action_can_close() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    world.settle_until("call_intended");
    world.append(word(&world.incident, Word::TakeOver, "alice", "").unwrap());
    assert!(word(&world.incident, Word::Close, "alice", "").is_err(), "the call is on its way");
    world.settle();
    world.append(word(&world.incident, Word::Close, "alice", "").unwrap());
    assert_eq!(world.incident.state, IncidentState::Closed);
    let remedy = world.incident.steps.iter().find(|record| record.action.is_some()).unwrap();
    assert_eq!(remedy.status, StepStatus::Failed, "its effect was never checked");
    assert!(world.incident.steps.iter().all(|record| record.status.is_final()));
}

fn waiting() -> World {
    let mut world = killed();
    world.dependency = Some(Dependency { incident: IncidentId::new("inc_other"), service: "cache".into() });
    world.awaited_is_open = true;
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Waiting);
    world
}

#[test]
fn people_are_told_of_what_waits_too_long_and_it_goes_on_all_the_same() {
    let mut world = waiting();
    let Next::Wait { wakes_at: Some(at), .. } = world.next() else { panic!("waiting has an end") };
    world.now = at;
    world.settle();
    let why = world.incident.escalated.clone().expect("people are told");
    assert!(why.contains("inc_other") && why.contains("cache"), "{why}");
    world.dependency = None;
    world.awaited_is_open = false;
    world.settle();
    assert_eq!(world.incident.state, IncidentState::AwaitingApproval);
}

#[test]
fn a_call_for_help_goes_out_for_an_operation_by_hand() {
    let mut world = World::by_hand("restart_service", Default::default());
    world.config.platform.channels.push(world.channel("pager"));
    world.settle();
    world.decide(Decision::Approve);
    world.endings.insert(0, CallOutcome::Unknown { error: "no answer".into() });
    world.settle();
    let told = |event: &crate::domain::Event| matches!(&event.body, EventBody::NotificationFinished { subject, .. } if subject == "escalation:1");
    assert!(world.events.iter().any(told), "{:?}", world.kinds());
    let Next::Wait { effects, .. } = world.next() else { panic!("at rest") };
    assert!(!effects.contains(&Effect::Recheck), "a healthy target does not tell what became of the call");
}

//! What did not help, or was only half done.

use super::{target::killed, world::World};
use crate::catalog::RemedyRule;
use crate::config::Autonomy;
use crate::domain::{ActCall, ApprovalState, CallOutcome, Decision, IncidentState, Verdict};
use serde_json::json;
use std::collections::BTreeMap;

/// A change of limits that makes a running service stop, until it is taken back.
pub(super) fn harmful() -> World {
    let running = json!({"state": "running", "running": true, "ready": true, "memory_limit": 16, "config_digest": "c"});
    let mut world = World::by_hand("update_resources", BTreeMap::from([("get_status", running)]));
    world.on_act = |facts, call| {
        let status = facts.get_mut("get_status").unwrap();
        let forth = matches!(call, ActCall::ProcessStart { .. });
        status["memory_limit"] = json!(if forth { 32 } else { 16 });
        status["running"] = json!(!forth);
        status["ready"] = json!(!forth);
    };
    world
}

fn auto(world: &mut World) {
    world.config.environments.get_mut("local").unwrap().autonomy = Autonomy::Auto;
}

fn not_done() -> CallOutcome {
    CallOutcome::NotDone { error: "refused".into(), transient: false }
}

fn unknown() -> CallOutcome {
    CallOutcome::Unknown { error: "no answer".into() }
}

/// Whether everything that was done was taken back; none where no undo ended.
pub(super) fn undone(world: &World) -> Option<bool> {
    world.incident.steps.iter().rev().find_map(|record| record.action.as_ref()?.undone)
}

#[test]
fn what_made_it_worse_is_taken_back_by_itself() {
    let mut world = harmful();
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.sent.len(), 2, "forth and back: {:?}", world.sent);
    assert_eq!(world.read("get_status")["memory_limit"], 16);
    assert_eq!(undone(&world), Some(true));
    assert_eq!(world.incident.approvals.len(), 1, "the approval covered it");
    assert_eq!(world.incident.state, IncidentState::Closed);
}

#[test]
fn what_somebody_changed_since_is_not_taken_back_unasked() {
    let mut world = harmful();
    world.on_act = |facts, call| {
        let status = facts.get_mut("get_status").unwrap();
        let forth = matches!(call, ActCall::ProcessStart { .. });
        status["memory_limit"] = json!(if forth { 32 } else { 16 });
        status["ready"] = json!(!forth);
    };
    world.after_verify = Some(|facts| facts.get_mut("get_status").unwrap()["memory_limit"] = json!(256));
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.sent.len(), 1);
    let asked = world.pending().expect("a person is asked");
    assert!(asked.diff.iter().any(|line| line.contains("memory_limit") && line.contains("256")), "{:?}", asked.diff);
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.sent.len(), 2, "a person has seen the 256 and wants it taken back");
    assert_eq!(undone(&world), Some(true));
}

#[test]
fn an_undo_that_a_person_approved_is_about_the_target_as_they_saw_it() {
    let mut world = harmful();
    world.on_act = |facts, _| {
        let status = facts.get_mut("get_status").unwrap();
        status["memory_limit"] = json!(32);
        // It did not help, and it is not worse than before: only a person can tell.
        status["ready"] = json!(false);
    };
    world.facts.get_mut("get_status").unwrap()["ready"] = json!(false);
    world.facts.get_mut("get_status").unwrap()["running"] = json!(false);
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    let first = world.pending().expect("asked whether to take it back").clone();
    world.facts.get_mut("get_status").unwrap()["memory_limit"] = json!(256);
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.sent.len(), 1, "nobody approved to overwrite the 256");
    let second = world.pending().expect("asked anew").clone();
    assert_ne!((&first.id, &first.digest), (&second.id, &second.digest));
    let state = |id| world.incident.approvals.iter().find(|approval| approval.id == id).unwrap().state;
    assert_eq!(state(first.id.clone()), ApprovalState::Voided);
    world.decide(Decision::Deny);
    world.settle();
    assert_eq!((world.sent.len(), undone(&world)), (1, Some(false)));
    assert_eq!(world.incident.verdict, Some(Verdict::Unresolved));
}

#[test]
fn what_was_half_done_is_taken_back() {
    let mut world = harmful();
    world.calls = 2;
    world.endings.insert(1, not_done());
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.sent.len(), 3, "the first, the second that was refused, the first taken back: {:?}", world.sent);
    assert_eq!(undone(&world), Some(true));
    assert_eq!(world.incident.approvals.len(), 1);
}

#[test]
fn what_was_half_done_and_changed_since_is_asked_about() {
    let mut world = harmful();
    world.calls = 2;
    world.settle();
    world.decide(Decision::Approve);
    world.settle_until("call_finished");
    world.facts.get_mut("get_status").unwrap()["memory_limit"] = json!(256);
    world.settle();
    assert_eq!(world.sent.len(), 1, "the second call meets a change that is not ours");
    world.pending().expect("a person decides what becomes of the half");
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.sent.len(), undone(&world)), (2, Some(true)));
}

/// As `killed`, with a second remedy for the same cause.
fn killed_with_two_remedies() -> World {
    let mut world = killed();
    for runbook in &mut world.config.catalog.runbooks {
        let Some(first) = runbook.remedies.get("start_again").cloned() else { continue };
        let second = RemedyRule { id: "start_once_more".into(), ..first };
        runbook.remedies.insert(second.id.clone(), second);
        for finding in runbook.findings.iter_mut().filter(|finding| finding.remedies.contains(&"start_again".into())) {
            finding.remedies.insert(1, "start_once_more".into());
        }
    }
    auto(&mut world);
    world
}

#[test]
fn a_remedy_that_did_not_help_is_followed_by_the_next() {
    let mut world = killed_with_two_remedies();
    world.endings.insert(0, not_done());
    world.settle();
    assert_eq!(world.sent.len(), 2, "{:?}", world.sent);
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

#[test]
fn nothing_follows_a_call_that_may_still_be_under_way() {
    let mut world = killed_with_two_remedies();
    world.endings.insert(0, unknown());
    world.settle();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
    assert_eq!(world.incident.verdict, Some(Verdict::Unresolved));
    assert_eq!(world.incident.state, IncidentState::Escalated);
}

#[test]
fn an_operation_by_hand_that_nobody_can_tell_the_end_of_stays_open() {
    let mut world = World::by_hand("restart_service", BTreeMap::new());
    world.endings.insert(0, unknown());
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.incident.state, IncidentState::Escalated);
    assert!(world.incident.closed_at.is_none());
    assert!(world.incident.escalated.as_deref().unwrap().contains("nobody can tell"));
}

#[test]
fn an_operation_by_hand_on_which_nobody_decides_just_ends() {
    let mut world = World::by_hand("restart_service", BTreeMap::new());
    world.settle();
    world.now += chrono::Duration::days(2);
    world.settle();
    assert_eq!((world.incident.state, world.sent.len()), (IncidentState::Closed, 0));
}

#[test]
fn what_was_read_just_before_the_first_call_is_what_later_looks_compare_with() {
    let mut world = harmful();
    world.facts.get_mut("get_status").unwrap()["started_at"] = json!("2026-11-21T01:00:00Z");
    world.settle();
    // It restarts by itself while people think; that is no drift.
    world.facts.get_mut("get_status").unwrap()["started_at"] = json!("2026-11-21T02:30:00Z");
    world.decide(Decision::Approve);
    world.settle_until("call_intended");
    let action = world.incident.steps.iter().find_map(|record| record.action.as_ref()).unwrap();
    assert_eq!(action.before["started_at"], "2026-11-21T02:30:00Z");
}

//! Requests whose terms, or whose reason, change before they are used.

use super::{target::killed, world::World};
use crate::domain::{ApprovalState, Decision, IncidentId, IncidentState, Verdict};
use crate::flow::{Dependency, Next};

/// As if the configuration had been read anew with two approvers wanted.
fn stricter(world: &mut World) {
    world.reload(|config| config.policies.defaults.quorum = 2);
}

#[test]
fn a_policy_made_stricter_asks_anew_and_only_once() {
    let mut world = killed();
    world.settle();
    let first = world.pending().unwrap().id.clone();
    stricter(&mut world);
    world.decide(Decision::Approve);
    world.settle();
    let again = world.pending().unwrap().clone();
    assert_ne!(again.id, first);
    assert_eq!((again.quorum, world.incident.approvals.len()), (2, 2));
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Voided);
    assert!(world.sent.is_empty());
    world.decide_as("alice", Decision::Approve);
    world.settle();
    assert!(world.sent.is_empty(), "one of two");
    world.decide_as("bob", Decision::Approve);
    world.settle();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
}

#[test]
fn a_request_that_was_asked_anew_expires_once() {
    let mut world = killed();
    world.settle();
    stricter(&mut world);
    world.decide(Decision::Approve);
    world.settle();
    world.now += chrono::Duration::days(2);
    world.settle();
    assert_eq!(world.incident.approvals[1].state, ApprovalState::Expired);
    assert_eq!(world.incident.state, IncidentState::Escalated);
}

#[test]
fn a_request_does_not_outlive_the_diagnosis_that_it_came_from() {
    let mut world = killed();
    world.settle();
    world.dependency = Some(Dependency { incident: IncidentId::new("inc_other"), service: "cache".into() });
    world.awaited_is_open = true;
    world.settle();
    world.dependency = None;
    world.awaited_is_open = false;
    world.settle();
    assert_eq!(world.incident.approvals[0].state, ApprovalState::Voided, "it is diagnosed anew");
    let open = world.incident.approvals.iter().filter(|approval| approval.state == ApprovalState::Pending).count();
    assert_eq!(open, 1, "the same remedy is asked about again");
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.sent.len(), 1, "{:?}", world.sent);
    let unsettled: Vec<_> = world.incident.steps.iter().filter(|record| !record.status.is_final()).collect();
    assert!(unsettled.is_empty(), "{unsettled:#?}");
}

#[test]
fn a_reading_step_that_a_new_diagnosis_overtakes_is_not_left_running() {
    let mut world = killed();
    while !world.kinds().contains(&"step_started".to_owned()) {
        let Next::Append(events) = world.next() else { panic!("nothing runs yet") };
        world.append(events);
    }
    world.dependency = Some(Dependency { incident: IncidentId::new("inc_other"), service: "cache".into() });
    world.awaited_is_open = true;
    let Next::Append(events) = world.next() else { panic!("it waits") };
    world.append(events);
    world.dependency = None;
    world.awaited_is_open = false;
    world.settle();
    let unsettled: Vec<_> = world.incident.steps.iter().filter(|record| !record.status.is_final()).collect();
    assert!(unsettled.iter().all(|record| record.action.is_some()), "{unsettled:#?}");
}

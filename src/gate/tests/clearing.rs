//! What is looked at again just before a call goes out.

use super::*;

fn drifts(case: &Case) -> bool {
    matches!(case.clear(), Err(Refused::Drifted(_)))
}

fn out_of_turn(case: &Case) -> bool {
    matches!(case.clear(), Err(Refused::Sequence { .. }))
}

#[test]
fn a_target_that_changed_since_is_not_touched() {
    let changes: [fn(&mut Case); 5] = [
        |case| drop(case.identity.remove("bbb")),
        |case| drop(case.identity.insert("ccc".into(), "sha256:1".into())),
        |case| drop(case.identity.insert("aaa".into(), "sha256:2".into())),
        |case| drop(case.status.insert("memory_limit".into(), json!(64 << 20))),
        |case| drop(case.status.remove("memory_limit")),
    ];
    for change in changes {
        let mut case = case().approved();
        change(&mut case);
        assert!(drifts(&case));
    }
}

#[test]
fn what_is_no_guard_field_may_change() {
    let mut case = case().approved();
    case.status.insert("restart_count".into(), json!(7));
    assert!(case.clear().is_ok());
}

#[test]
fn the_precondition_must_be_seen_to_hold() {
    for truth in [None, Some(Truth::False), Some(Truth::Unknown("no such field".into()))] {
        let mut case = case().approved();
        case.precondition = truth;
        assert!(matches!(case.clear(), Err(Refused::Precondition(_))));
    }
    let mut without = case();
    without.binding.precondition = None;
    without.precondition = None;
    assert!(without.approved().clear().is_ok());
}

#[test]
fn calls_go_out_once_each_and_in_order() {
    let mut case = case().approved();
    case.index = 1;
    assert!(out_of_turn(&case), "the first one was not sent");
    case.index = 2;
    assert!(out_of_turn(&case), "there is none");
    let mut case = case.sent(0);
    case.index = 1;
    assert!(out_of_turn(&case), "this does not begin the action");
    case.purpose = Purpose::Continue;
    assert!(case.clear().is_ok());
    case.index = 0;
    assert!(out_of_turn(&case), "sent already");
    for outcome in [
        None,
        Some(CallOutcome::NotDone { error: String::new(), transient: false }),
        Some(CallOutcome::Unknown { error: String::new() }),
    ] {
        case.index = 1;
        case.calls = vec![record(0, outcome, None)];
        assert!(out_of_turn(&case), "the first one was not done");
    }
}

#[test]
fn a_consumed_approval_covers_the_rest_of_its_action_only() {
    let mut case = case().approved().sent(0);
    case.purpose = Purpose::Continue;
    case.index = 1;
    case.now = at("2026-11-21T13:30:00Z");
    assert!(case.clear().is_ok(), "what was begun in time is finished");
    case.calls.clear();
    assert!(out_of_turn(&case), "claiming to continue what was never begun");
}

#[test]
fn between_calls_only_our_own_changes_are_expected() {
    let mut case = case().approved();
    case.identity.insert("aaa".into(), "sha256:1".into());
    case.status.insert("memory_limit".into(), json!(32 << 20)); // the first call did this
    let mut case = case.sent(0);
    (case.purpose, case.index) = (Purpose::Continue, 1);
    assert!(case.clear().is_ok());
    case.identity.remove("bbb");
    assert!(drifts(&case));
    // Where the target could not be read after the first call, the other instances must still be as they were.
    case.calls[0].left = None;
    assert!(drifts(&case));
    case.identity.insert("bbb".into(), "sha256:1".into());
    case.identity.insert("aaa".into(), "sha256:9".into());
    assert!(case.clear().is_ok());
}

fn to_undo() -> Case {
    let mut case = case().approved().sent(0).sent(1);
    case.undo_seen = Some(Left { status: case.status.clone(), identity: case.identity.clone() });
    case.purpose = Purpose::Undo { automatic: true };
    case.index = 1;
    case
}

#[test]
fn an_undo_goes_backwards_once_and_only_over_what_was_done() {
    let mut case = to_undo();
    let cleared = case.clear().unwrap();
    assert_eq!(Some(cleared.call()), case.binding.calls[1].undo.as_ref());
    case.index = 0;
    assert!(out_of_turn(&case), "the later one first");
    case.undo_calls = vec![record(1, Some(CallOutcome::Done { result: Values::new() }), None)];
    assert!(case.clear().is_ok());
    case.index = 1;
    assert!(out_of_turn(&case), "taken back already");
    let mut never = super::case().approved();
    never.purpose = Purpose::Undo { automatic: true };
    assert!(out_of_turn(&never));
    let mut none = to_undo();
    none.binding.calls[1].undo = None;
    assert!(out_of_turn(&none));
}

#[test]
fn budgets_freezes_and_storms_do_not_hold_an_undo_back_but_the_kill_switch_does() {
    let mut case = to_undo();
    case.history.mutations = (1..=9).map(|minutes| earlier(minutes, "api", "update_resources")).collect();
    case.alerting.count = 20;
    case.now = at("2026-11-22T12:00:00Z"); // long after the approval expired
    assert!(case.clear().is_ok());
    case.kill_switch = true;
    assert!(matches!(case.clear(), Err(Refused::Ruled(ruling)) if ruling.rule == rule::KILL_SWITCH));
}

#[test]
fn drift_holds_an_undo_back() {
    let mut case = to_undo();
    case.status.insert("memory_limit".into(), json!(64 << 20));
    assert!(drifts(&case), "someone has changed it since");
    let mut case = to_undo();
    for record in &mut case.calls {
        record.left = None;
    }
    assert!(drifts(&case), "nobody knows how it was left");
}

#[test]
fn an_undo_that_may_meet_others_changes_is_asked_for_by_itself() {
    let mut case = to_undo();
    case.purpose = Purpose::Undo { automatic: false };
    assert_eq!(case.verdict(), (GateDecision::Ask, rule::UNDO.into()), "the action's approval does not cover it");
    case.approval().digest = undo_digest(&case.binding, case.undo_seen.as_ref());
    case.approval().state = ApprovalState::Approved;
    assert!(case.clear().is_ok());
    case.denied = vec![undo_digest(&case.binding, case.undo_seen.as_ref())];
    assert_eq!(case.verdict(), (GateDecision::Refuse, rule::DENIED.into()));
}

#[test]
fn an_undo_of_what_nobody_can_tell_is_not_automatic() {
    let mut case = to_undo();
    case.calls[1].outcome = Some(CallOutcome::Unknown { error: "the connection broke".into() });
    assert!(out_of_turn(&case));
    case.purpose = Purpose::Undo { automatic: false };
    case.approval().digest = undo_digest(&case.binding, case.undo_seen.as_ref());
    assert!(case.clear().is_ok(), "a person has decided");
}

#[test]
fn an_undo_that_a_person_decided_on_is_held_back_by_what_changed_since() {
    let mut case = to_undo();
    case.purpose = Purpose::Undo { automatic: false };
    case.approval().digest = undo_digest(&case.binding, case.undo_seen.as_ref());
    case.approval().state = ApprovalState::Approved;
    assert!(case.clear().is_ok());
    case.status.insert("memory_limit".into(), json!(256 << 20));
    assert!(drifts(&case), "they saw another limit");
    case.undo_seen = None;
    case.approval().digest = undo_digest(&case.binding, None);
    assert!(drifts(&case), "they saw nothing");
    assert_ne!(undo_digest(&case.binding, None), undo_digest(&case.binding, to_undo().undo_seen.as_ref()));
}

#[test]
fn the_rest_of_an_undo_is_held_back_by_what_changed_since_its_last_call() {
    for automatic in [true, false] {
        let mut case = to_undo();
        case.purpose = Purpose::Undo { automatic };
        if !automatic {
            case.approval().digest = undo_digest(&case.binding, case.undo_seen.as_ref());
        }
        case.index = 0;
        case.status.insert("memory_limit".into(), json!(24 << 20)); // the first call of the undo did this
        let left = Left { status: case.status.clone(), identity: case.identity.clone() };
        case.undo_calls = vec![record(1, Some(CallOutcome::Done { result: Values::new() }), Some(left))];
        assert!(case.clear().is_ok(), "only our own change");
        case.status.insert("memory_limit".into(), json!(256 << 20));
        assert!(drifts(&case), "someone has changed it meanwhile");
    }
}

#[test]
fn a_call_that_was_refused_left_nothing() {
    let mut case = to_undo();
    case.calls[1] = record(1, Some(CallOutcome::NotDone { error: "refused".into(), transient: false }), None);
    case.index = 0;
    assert!(case.clear().is_ok(), "the first one is known to have left it like this");
}

//! Ways to have something done that was not decided on.

use super::*;
use GateDecision::{Ask, Refuse, Run};

fn asks(case: &Case) -> bool {
    case.decide().decision == Ask && matches!(case.clear(), Err(Refused::Ruled(_)))
}

#[test]
fn an_approval_lets_exactly_what_was_approved_run() {
    let case = case().approved();
    assert_eq!(case.verdict(), (Run, rule::APPROVAL.into()));
    let cleared = case.clear().unwrap();
    assert_eq!((cleared.call(), cleared.step()), (&case.binding.calls[0].call, &case.step));
}

#[test]
fn no_approval_no_clearance() {
    assert!(asks(&case()));
}

#[test]
fn a_changed_call_is_not_the_approved_one() {
    let mut case = case().approved();
    case.binding.calls[0].call =
        ActCall::ContainerStop { container: "aaa".into(), stop_timeout: TimeSpan::from_secs(1) };
    assert!(asks(&case));
    assert!(case.decide().reason.contains("digest"));
}

#[test]
fn every_part_of_the_binding_is_under_the_digest() {
    let changes: [fn(&mut Binding); 7] = [
        |binding| binding.calls.swap(0, 1),
        |binding| drop(binding.calls.pop()),
        |binding| binding.calls[1].undo = None,
        |binding| drop(binding.identity.insert("ccc".into(), "sha256:2".into())),
        |binding| drop(binding.guard.insert("memory_limit".into(), json!(1))),
        |binding| binding.precondition = None,
        |binding| binding.operation = "restart_service".into(),
    ];
    for change in changes {
        let mut case = case().approved();
        change(&mut case.binding);
        assert!(asks(&case));
    }
}

#[test]
fn an_expired_approval_is_none() {
    let mut case = case().approved();
    case.now = case.approval().expires_at;
    assert!(asks(&case));
    case.now -= chrono::Duration::milliseconds(1);
    assert!(case.clear().is_ok());
}

#[test]
fn another_incidents_steps_or_targets_approval_is_none() {
    let changes: [fn(&mut Approval); 5] = [
        |approval| approval.incident = IncidentId::new("inc_2"),
        |approval| approval.step = StepId::new("inc_1.r1.4"),
        |approval| approval.environment = "lab".into(),
        |approval| approval.target = "web".into(),
        |approval| approval.operation = "stop_service".into(),
    ];
    for change in changes {
        let mut case = case().approved();
        change(case.approval());
        assert!(asks(&case));
    }
}

#[test]
fn only_the_state_approved_allows_a_beginning() {
    for state in [
        ApprovalState::Pending,
        ApprovalState::Denied,
        ApprovalState::Expired,
        ApprovalState::Voided,
        ApprovalState::Consumed,
    ] {
        let mut case = case().approved();
        case.approval().state = state;
        assert!(asks(&case), "{state:?}");
    }
}

#[test]
fn one_person_is_not_two_and_who_asked_does_not_approve() {
    let mut case = case().approved();
    case.approval().quorum = 2;
    case.approval().decided_by = vec!["alice".into(), "alice".into()];
    assert!(asks(&case));
    case.approval().decided_by.push("bob".into());
    assert_eq!(case.verdict().0, Run);
    case.approval().excluded = Some("bob".into());
    assert!(asks(&case));
}

#[test]
fn terms_that_became_stricter_void_what_was_approved_under_weaker_ones() {
    let mut two = super::rule("two", "true", Ask);
    two.quorum = 2;
    let mut admin = super::rule("admin", "true", Ask);
    admin.role = Role::Admin;
    for stricter in [two, admin] {
        let mut case = case().approved();
        case.current.0.rules = vec![stricter];
        assert!(asks(&case));
    }
}

#[test]
fn a_risk_cannot_be_talked_down() {
    let mut case = case().autonomy(Autonomy::Auto);
    case.risk = Risk::ReadOnly;
    case.kill_switch = true;
    assert_eq!(case.verdict().0, Refuse, "the calls are reversible, whatever the request says");
    case.kill_switch = false;
    case.binding.calls[0].call = ActCall::ContainerKill { container: "aaa".into(), signal: "KILL".into() };
    assert_eq!(case.verdict().0, Ask, "a destructive call is asked for even where the operation claims otherwise");
    let mut shown_as_harmless = super::case().approved();
    shown_as_harmless.approval().risk = Risk::ReadOnly;
    assert!(asks(&shown_as_harmless));
}

#[test]
fn a_denied_digest_is_not_asked_again() {
    let mut case = case();
    case.denied = vec![case.binding.digest()];
    assert_eq!(case.verdict(), (Refuse, rule::DENIED.into()));
    let mut case = case.approved();
    assert!(case.clear().is_err());
    case.binding.calls.swap(0, 1);
    assert_eq!(case.verdict().0, Ask, "something else may be asked");
}

#[test]
fn a_rule_that_cannot_be_told_refuses() {
    let mut case = case().approved();
    case.current.0.rules = vec![super::rule("broken", "operation.arguments.nowhere.to == 'be'", Run)];
    assert_eq!(case.verdict(), (Refuse, "policy:broken".into()));
    assert!(case.clear().is_err());
}

#[test]
fn a_restart_of_the_daemon_does_not_refill_budgets() {
    let mut case = case().autonomy(Autonomy::Auto);
    // Read back from the journal: of other incidents and of a process that is gone.
    case.history.mutations = vec![earlier(5, "api", "restart_service"), earlier(55, "api", "restart_service")];
    assert_eq!(case.verdict(), (Refuse, rule::BUDGET.into()));
    // A clock that was set back does not either.
    case.history.mutations = vec![earlier(-600, "api", "a"), earlier(-601, "api", "b")];
    assert_eq!(case.verdict(), (Refuse, rule::BUDGET.into()));
}

#[test]
fn approvals_never_override_a_refusal() {
    let mut case = case().approved();
    case.kill_switch = true;
    assert_eq!(case.verdict(), (Refuse, rule::KILL_SWITCH.into()));
    case.kill_switch = false;
    case.read_only = Some("labels name two targets".into());
    assert_eq!(case.verdict(), (Refuse, rule::READ_ONLY.into()));
    let case = super::case().approved().autonomy(Autonomy::Suggest);
    assert_eq!(case.verdict().0, Refuse);
}

#[test]
fn calls_bound_to_another_target_are_refused() {
    let mut case = case().approved();
    case.target().name = "web".into();
    assert_eq!(case.verdict(), (Refuse, rule::MISMATCH.into()));
    let mut gone = super::case().approved();
    gone.target = None;
    assert_eq!(gone.verdict(), (Refuse, rule::UNKNOWN_TARGET.into()), "nobody can tell whether it is protected");
    let mut empty = super::case();
    empty.binding.calls.clear();
    assert_eq!(empty.verdict(), (Refuse, rule::MISMATCH.into()));
}

//! What holds for every combination of inputs.

use super::*;
use crate::config::{Freeze, Unprotect, Window};
use proptest::prelude::*;

fn any_decision() -> impl Strategy<Value = GateDecision> {
    prop_oneof![Just(GateDecision::Run), Just(GateDecision::Ask), Just(GateDecision::Refuse)]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let when = prop_oneof![
        Just("true"),
        Just("false"),
        Just("operation.risk == 'destructive'"),
        Just("operation.arguments.nowhere == 1"),
        Just("incident.confidence > 0.5"),
    ];
    (when, any_decision(), 1u32..3).prop_map(|(when, decision, quorum)| {
        let mut rule = super::rule("any", when, decision);
        rule.quorum = quorum;
        rule
    })
}

fn any_autonomy() -> impl Strategy<Value = Autonomy> {
    prop_oneof![Just(Autonomy::Observe), Just(Autonomy::Suggest), Just(Autonomy::Approve), Just(Autonomy::Auto)]
}

fn any_policies() -> impl Strategy<Value = Policies> {
    (proptest::collection::vec(any_rule(), 0..3), any::<bool>(), any::<bool>(), 0u32..4).prop_map(
        |(rules, frozen, unprotected, budget)| {
            let mut policies = policies();
            policies.rules = rules;
            policies.budgets.per_target = budget;
            if frozen {
                let window = Window::Once { from: at("2026-11-21T00:00:00Z"), to: at("2026-11-22T00:00:00Z") };
                policies.freeze = vec![Freeze { name: "any".into(), window, environments: vec![] }];
            }
            if unprotected {
                policies.unprotect = vec![Unprotect { environment: "prod".into(), service: "api".into() }];
            }
            policies
        },
    )
}

fn any_purpose() -> impl Strategy<Value = Purpose> {
    prop_oneof![
        Just(Purpose::Begin),
        Just(Purpose::Continue),
        any::<bool>().prop_map(|automatic| Purpose::Undo { automatic }),
    ]
}

fn any_approval_state() -> impl Strategy<Value = Option<ApprovalState>> {
    proptest::option::of(prop_oneof![
        Just(ApprovalState::Pending),
        Just(ApprovalState::Approved),
        Just(ApprovalState::Denied),
        Just(ApprovalState::Expired),
        Just(ApprovalState::Voided),
        Just(ApprovalState::Consumed),
    ])
}

prop_compose! {
    fn any_case()(
        rules in (any_policies(), any_autonomy(), any_policies(), any_autonomy()),
        risk in prop_oneof![Just(Risk::ReadOnly), Just(Risk::Reversible), Just(Risk::Destructive)],
        flags in any::<[bool; 6]>(),
        purpose in any_purpose(),
        state in any_approval_state(),
        counts in (0usize..25, 0usize..25, 0usize..6),
        minutes in 0i64..120,
    ) -> Case {
        let [kill_switch, read_only, denied, busy, protected, sent] = flags;
        let mut case = case();
        case.current = (rules.0, rules.1);
        case.pinned = (rules.2, rules.3);
        (case.risk, case.kill_switch, case.purpose) = (risk, kill_switch, purpose);
        case.alerting = Alerting { count: counts.0, targets: counts.1, in_storm: sent };
        case.read_only = read_only.then(|| "why".into());
        case.denied = if denied { vec![case.binding.digest()] } else { vec![] };
        case.busy = busy.then(|| StepId::new("other"));
        case.target().protected = protected.then(|| "why".into());
        case.history.mutations = (0..counts.2).map(|n| earlier(n as i64 * 20, "api", "update_resources")).collect();
        if sent { case = case.sent(0); }
        if let Some(state) = state {
            case = case.approved();
            case.approval().state = state;
            case.approval().quorum = 2;
            case.approval().decided_by.push("bob".into());
        }
        case.now += chrono::Duration::minutes(minutes);
        case
    }
}

proptest! {
    #[test]
    fn nothing_runs_under_the_kill_switch(mut case in any_case()) {
        case.kill_switch = true;
        prop_assert_eq!(case.decide().decision, GateDecision::Refuse);
        prop_assert!(case.clear().is_err());
    }

    #[test]
    fn no_approval_overrides_a_refusal(mut case in any_case()) {
        let approval = case.approval.take();
        let without = case.decide().decision;
        case.approval = approval;
        let with = case.decide().decision;
        match without {
            GateDecision::Refuse => prop_assert_eq!(with, GateDecision::Refuse),
            GateDecision::Run => prop_assert_eq!(with, GateDecision::Run),
            GateDecision::Ask => prop_assert_ne!(with, GateDecision::Refuse),
        }
    }

    #[test]
    fn another_rule_never_makes_the_outcome_laxer(mut case in any_case(), rule in any_rule(), pinned in any::<bool>()) {
        let before = case.decide().decision;
        let book = if pinned { &mut case.pinned } else { &mut case.current };
        book.0.rules.push(rule);
        prop_assert!(case.decide().decision >= before);
    }

    #[test]
    fn what_is_cleared_was_decided_to_run_and_is_as_it_was(mut case in any_case(), gone in any::<bool>()) {
        if gone {
            case.identity.remove("aaa");
        }
        if case.clear().is_ok() {
            prop_assert_eq!(case.decide().decision, GateDecision::Run);
            prop_assert!(!(gone && case.purpose == Purpose::Begin));
        }
    }

    #[test]
    fn only_an_approval_of_this_very_digest_settles_a_question(mut case in any_case(), other in "[a-f0-9]{64}") {
        prop_assume!(case.approval.is_some());
        case.approval().digest = Digest::new(other);
        let with = case.decide().decision;
        case.approval = None;
        prop_assert_eq!(with, case.decide().decision);
    }
}

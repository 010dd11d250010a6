//! What each rule of the gate says.

use super::*;
use crate::config::{Freeze, Unprotect, Window};
use GateDecision::{Ask, Refuse, Run};

#[test]
fn autonomy_decides_where_nothing_else_does() {
    for (autonomy, risk, expected) in [
        (Autonomy::Observe, Risk::Reversible, Refuse),
        (Autonomy::Suggest, Risk::Reversible, Refuse),
        (Autonomy::Approve, Risk::Reversible, Ask),
        (Autonomy::Approve, Risk::Destructive, Ask),
        (Autonomy::Auto, Risk::Reversible, Run),
        (Autonomy::Auto, Risk::Destructive, Ask),
    ] {
        let mut case = case().autonomy(autonomy);
        case.risk = risk;
        assert_eq!(case.verdict(), (expected, rule::AUTONOMY.into()), "{autonomy:?} {risk}");
    }
}

#[test]
fn what_only_a_model_claims_is_asked_about_whatever_the_autonomy_unless_policy_says_otherwise() {
    let mut case = case().autonomy(Autonomy::Auto);
    assert_eq!(case.verdict(), (Run, rule::AUTONOMY.into()), "a rule shows the cause");
    case.claimed = true;
    assert_eq!(case.verdict(), (Ask, rule::CLAIMED.into()));
    assert!(case.clear().is_err(), "nothing is sent without an approval");
    case.current.0.defaults.claimed = Run;
    assert_eq!(case.verdict().0, Ask, "it was asked about when the incident began");
    case.pinned.0.defaults.claimed = Run;
    assert_eq!(case.verdict(), (Run, rule::AUTONOMY.into()));
    case.current.0.rules = vec![super::rule("no", "incident.claimed && incident.confidence > 0.9", Refuse)];
    assert_eq!(case.verdict(), (Refuse, "policy:no".into()));
    case.current.0.rules.clear();
    case.current.0.defaults.claimed = Refuse;
    case.purpose = Purpose::Undo { automatic: true };
    assert_eq!(case.verdict(), (Run, rule::UNDO.into()), "it can always be taken back");
}

#[test]
fn the_strictest_of_now_and_then_wins() {
    let mut one = case().autonomy(Autonomy::Auto);
    one.current.1 = Autonomy::Observe;
    assert_eq!(one.verdict().0, Refuse);
    let mut other = case().autonomy(Autonomy::Auto);
    other.pinned.1 = Autonomy::Approve;
    assert_eq!(other.verdict().0, Ask);
    other.pinned.0.rules = vec![super::rule("no", "true", Refuse)];
    assert_eq!(other.verdict(), (Refuse, "policy:no".into()));
}

#[test]
fn terms_are_the_strictest_of_all_that_ask() {
    let mut case = case();
    let mut two = super::rule("two", "operation.name == 'update_resources'", Ask);
    two.quorum = 2;
    let mut admin = super::rule("admin", "environment.kind == 'docker' && target.name == 'api'", Ask);
    admin.role = Role::Admin;
    case.current.0.rules = vec![two];
    case.pinned.0.rules = vec![admin];
    case.pinned.0.defaults.expires = TimeSpan::from_secs(60);
    let ruling = case.decide();
    assert_eq!((ruling.decision, ruling.quorum, ruling.role), (Ask, 2, Role::Admin));
    assert_eq!(ruling.expires, TimeSpan::from_secs(60));
}

#[test]
fn rules_see_what_is_about_to_be_done() {
    let holds = [
        "environment.name == 'prod' && environment.autonomy == 'approve'",
        "operation.risk == 'reversible' && operation.arguments.memory == 33554432",
        "incident.severity == 'critical' && incident.confidence > 0.9 && 'ContainerKilled' in incident.alerts",
        "calls.size() == 2 && calls[0].name == 'container.update' && calls[0].command.contains('32MiB')",
        "now.getHours() == 12 && target.instances == 0 && !target.protected && !target.job",
        "target.labels['team'] == 'shop'",
    ];
    for when in holds {
        let mut case = case();
        case.target().labels.insert("team".into(), "shop".into());
        case.current.0.rules = vec![super::rule("it", when, Refuse)];
        assert_eq!(case.decide().reason, "because of it", "{when}");
    }
}

#[test]
fn a_rule_that_runs_makes_nothing_laxer() {
    let mut case = case();
    case.current.0.rules = vec![super::rule("yes", "true", Run)];
    assert_eq!(case.verdict().0, Ask);
}

#[test]
fn what_is_protected_is_refused_until_policy_names_it() {
    let mut case = case();
    case.target().protected = Some("it is oncalld's own database".into());
    assert_eq!(case.verdict(), (Refuse, rule::PROTECTED.into()));
    let named = Unprotect { environment: "prod".into(), service: "api".into() };
    case.current.0.unprotect = vec![named.clone()];
    assert_eq!(case.verdict().0, Refuse, "the pinned policy does not name it");
    case.pinned.0.unprotect = vec![named];
    assert_eq!(case.verdict().0, Ask);
    case.binding.environment = "other".into();
    assert_eq!(case.verdict().0, Refuse);
}

#[test]
fn budgets_count_steps_of_the_last_hour() {
    let mut case = case();
    case.history.mutations = vec![earlier(10, "api", "restart_service"), earlier(61, "api", "restart_service")];
    assert_eq!(case.verdict().0, Ask);
    case.history.mutations.push(earlier(50, "api", "start_service"));
    assert_eq!(case.verdict(), (Refuse, rule::BUDGET.into()));
    case.history.mutations = (1..=5).map(|minutes| earlier(minutes, &format!("other{minutes}"), "x")).collect();
    assert_eq!(case.verdict(), (Refuse, rule::BUDGET.into()), "of the environment");
    for mutation in &mut case.history.mutations {
        mutation.environment = "lab".into();
    }
    assert_eq!(case.verdict().0, Ask, "another environment's");
}

#[test]
fn a_step_counts_once_and_not_against_itself() {
    let mut case = case();
    let own = Mutation { step: case.step.clone(), ..earlier(1, "api", "update_resources") };
    let other = earlier(2, "api", "restart_service");
    case.history.mutations = vec![own.clone(), own, other.clone(), other.clone(), other];
    assert_eq!(case.verdict().0, Ask);
}

#[test]
fn the_flap_breaker_outlasts_the_budget() {
    let mut case = case();
    case.history.mutations = (2..=4).map(|hours| earlier(hours * 60, "api", "update_resources")).collect();
    assert_eq!(case.verdict(), (Refuse, rule::FLAP.into()));
    case.binding.operation = "restart_service".into();
    assert_eq!(case.verdict().0, Ask);
}

#[test]
fn a_storm_refuses() {
    let mut case = case();
    case.alerting = Alerting { count: 4, targets: 4, in_storm: false };
    assert_eq!(case.verdict().0, Ask, "few targets are no storm");
    case.alerting = Alerting { count: 5, targets: 17, in_storm: false };
    assert_eq!(case.verdict().0, Ask, "29 %");
    case.alerting = Alerting { count: 6, targets: 20, in_storm: false };
    assert_eq!(case.verdict(), (Refuse, rule::STORM.into()));
    case.alerting = Alerting { count: 3, targets: 20, in_storm: true };
    assert_eq!(case.verdict(), (Refuse, rule::STORM.into()), "half of that keeps one open");
    case.alerting = Alerting { count: 2, targets: 6, in_storm: true };
    assert_eq!(case.verdict().0, Ask, "too few for that");
    case.alerting = Alerting { count: 3, targets: 21, in_storm: true };
    assert_eq!(case.verdict().0, Ask, "too small a share for that");
}

#[test]
fn freezes_and_other_steps_hold_it_back() {
    let mut case = case();
    case.busy = Some(case.step.clone());
    assert_eq!(case.verdict().0, Ask, "the step itself is no other one");
    case.busy = Some(StepId::new("inc_2.r1.1"));
    assert_eq!(case.verdict(), (Refuse, rule::BUSY.into()));
    case.busy = None;
    let window = Window::Once { from: at("2026-11-21T00:00:00Z"), to: at("2026-11-22T00:00:00Z") };
    let sale = vec![Freeze { name: "sale".into(), window, environments: vec![] }];
    case.current.0.freeze = sale.clone();
    assert_eq!(case.verdict(), (Refuse, "freeze:sale".into()));
    case.pinned.0.freeze = sale;
    case.current.0.freeze = vec![];
    assert_eq!(case.verdict().0, Ask, "it was lifted");
}

#[test]
fn an_action_that_was_begun_is_not_left_half_done() {
    let mut case = case().approved().sent(0);
    case.purpose = Purpose::Continue;
    case.history.mutations = (1..=5).map(|minutes| earlier(minutes, "api", "x")).collect();
    case.alerting.count = 20;
    assert_eq!(case.verdict(), (Run, rule::APPROVAL.into()));
    case.kill_switch = true;
    assert_eq!(case.verdict(), (Refuse, rule::KILL_SWITCH.into()));
}

#[test]
fn telling_people_runs_whatever_happens_but_a_refusing_rule() {
    let mut case = case().autonomy(Autonomy::Observe);
    let call = ActCall::NotifySend { channel: "pager".into(), title: "t".into(), body: "b".into() };
    case.binding.calls = vec![PreparedCall::new(call, None)];
    case.risk = Risk::ReadOnly;
    case.kill_switch = true;
    case.alerting.count = 20;
    case.read_only = Some("ambiguous".into());
    case.current.0.rules = vec![super::rule("ask", "true", Ask)];
    assert_eq!(case.verdict(), (Run, rule::HARMLESS.into()));
    case.current.0.rules.push(super::rule("quiet", "operation.risk == 'read_only'", Refuse));
    assert_eq!(case.verdict(), (Refuse, "policy:quiet".into()));
}

//! What asking models may take: time, tokens, money, and what becomes of questions that something else overtakes.

use super::thinking::{ends_as_ever, proposal, step, thinking, unused};
use super::{trouble::count, world::World};
use crate::config::Prices;
use crate::domain::{
    AgentRole, AlertStatus, Alerting, Cost, Digest, EventBody, ExchangeOutcome, IncidentState, Spent, TimeSpan, Trigger,
};
use crate::flow::{Effect, Next, remembered};
use serde_json::json;

/// Why who was not asked.
fn not_asked(world: &World) -> Vec<(AgentRole, &str)> {
    world.incident.not_asked.iter().map(|it| (it.agent, it.why.as_str())).collect()
}

#[test]
fn models_are_not_waited_for_longer_than_their_time_out() {
    let mut world = thinking(&["planner", "analyst"], Vec::new());
    world.config.agents.planner.timeout = TimeSpan::from_millis(10);
    world.config.agents.analyst.timeout = TimeSpan::from_millis(10);
    ends_as_ever(&mut world);
    assert_eq!(world.incident.exchanges.len(), 1, "ten milliseconds were lost; nothing is asked any more");
    let why = "models were waited for in vain for as long as they may be; the runbooks serve";
    assert_eq!(not_asked(&world), [(AgentRole::Planner, why), (AgentRole::Analyst, why)], "said once for each");
}

#[test]
fn what_costs_too_much_is_not_asked() {
    type Change = fn(&mut World);
    let cases: [(&str, Change, usize); 9] = [
        ("this incident's budget", |world| world.config.agents.budgets.tokens_per_incident = 2_199, 1),
        ("this incident's budget", |world| world.config.agents.budgets.money_per_incident = 0.001_999, 1),
        ("the day's budget", |world| world.thought = Spent { tokens: 2_000_000 - 1_099, money: Cost(0) }, 0),
        ("the day's budget", |world| world.thought = Spent { tokens: 0, money: Cost(20_000_000 - 999) }, 0),
        ("as often as it may", |world| world.config.agents.questions = 1, 1),
        // A reload says so, of incidents that are open, too.
        ("the day's budget", |world| world.reload(|config| config.agents.budgets.tokens_per_day = 1_099), 0),
        ("this incident's budget", |world| world.reload(|config| config.agents.budgets.money_per_incident = 0.0), 0),
        ("as often as it may", |world| world.reload(|config| config.agents.questions = 0), 0),
        (
            "this incident's budget",
            |world| {
                world.reload(|config| config.agents.models.get_mut("scripted").unwrap().max_input_tokens = 3_000_000)
            },
            0,
        ),
    ];
    for (why, change, questions) in cases {
        let mut world = thinking(&["planner"], Vec::new());
        change(&mut world);
        world.settle();
        assert_eq!(world.incident.exchanges.len(), questions, "{why}");
        assert!(
            matches!(not_asked(&world)[..], [(AgentRole::Planner, said)] if said.contains(why)),
            "{why}: {world:?}",
            world = not_asked(&world)
        );
        assert_eq!(world.incident.state, IncidentState::AwaitingApproval, "{why}");
    }
}

#[test]
fn what_is_free_needs_no_money() {
    let mut world = thinking(&["planner"], Vec::new());
    world.config.agents.models.get_mut("scripted").unwrap().prices = Prices::default();
    world.config.agents.budgets.money_per_day = 0.0;
    world.thought = Spent { tokens: 0, money: Cost(30_000_000) };
    world.settle();
    assert!(!world.incident.exchanges.is_empty() && not_asked(&world).is_empty());
}

#[test]
fn where_either_configuration_has_no_models_nobody_is_asked() {
    let mut world = thinking(&["planner"], Vec::new());
    world.reload(|config| config.agents.planner.models.clear());
    ends_as_ever(&mut world);
    assert_eq!(count(&world, "exchange_begun"), 0);
    let mut world = thinking(&[], Vec::new());
    world.reload(|config| config.agents.planner.models = vec!["scripted".into()]);
    ends_as_ever(&mut world);
    assert_eq!(count(&world, "exchange_begun"), 0);
}

#[test]
fn a_question_counts_as_dear_as_it_can_be_until_it_has_ended() {
    let mut world = thinking(&["planner", "analyst"], Vec::new());
    world.settle_until("exchange_begun");
    let dearest = Spent { tokens: 1_100, money: Cost(1_000) };
    assert_eq!(world.incident.exchanges[0].reserved, dearest);
    // It has no answer yet when a new diagnosis wants to ask, too.
    world.config.agents.budgets.tokens_per_incident = 2_199;
    world.append(vec![EventBody::DiagnosisRequested { by: "alice".into(), note: String::new() }]);
    while not_asked(&world).is_empty() {
        match world.next() {
            Next::Append(events) => world.append(events),
            Next::Wait { effects, .. } => {
                let others: Vec<_> = effects.into_iter().filter(|it| !matches!(it, Effect::Ask { .. })).collect();
                assert!(!others.is_empty(), "{:#?}", world.kinds());
                others.iter().for_each(|effect| world.carry_out(effect));
            }
        }
    }
    assert!(not_asked(&world)[0].1.contains("this incident's budget") && world.incident.exchanges.len() == 1);
}

#[test]
fn endless_revisions_end() {
    let mut world = thinking(&["planner"], Vec::new());
    for number in 0..50 {
        world.answers.push_back(proposal(json!([step(&format!("again_{number}"), "check_resources")]), json!([])));
    }
    world.settle();
    let questions = world.config.agents.questions as usize;
    assert_eq!(world.incident.exchanges.len(), questions);
    assert!(not_asked(&world)[0].1.contains("asked as often as it may"));
    ends_as_ever(&mut world);
}

#[test]
fn in_a_storm_only_its_own_incident_asks() {
    let storm = Alerting { count: 5, targets: 5, in_storm: true };
    let mut world = thinking(&["planner"], Vec::new());
    world.alerting = storm;
    world.settle();
    assert_eq!(world.incident.exchanges.len(), 0);
    let mut world = World::storm(5);
    world.config.agents.planner.models = vec!["scripted".into()];
    world.settle();
    assert!(matches!(world.incident.trigger, Trigger::Storm { .. }) && !world.incident.exchanges.is_empty());
}

#[test]
fn an_answer_that_another_process_waited_for_is_lost_and_asked_for_no_more() {
    let mut world = thinking(&["planner"], Vec::new());
    world.settle_until("exchange_begun");
    let Next::Wait { effects, .. } = world.next() else { panic!("it is waited for") };
    assert_eq!(effects, [Effect::Ask { index: 1 }]);
    world.process = "two".into();
    world.settle();
    assert!(unused(&world)[0].starts_with("the process that asked ended"), "{:?}", unused(&world));
    let end = world.incident.exchanges[0].end.as_ref().expect("an end");
    assert_eq!(
        end.charged(),
        Spent { tokens: 1_100, money: Cost(1_000) },
        "nobody knows what it cost: as much as it may"
    );
}

/// Its replay knows no process, and nothing else is decided that would name one.
#[test]
fn an_answer_that_was_lost_while_a_person_has_the_wheel_is_settled() {
    let mut world = thinking(&["planner"], Vec::new());
    world.settle_until("exchange_begun");
    world.append(vec![EventBody::IncidentTakenOver { by: "alice".into() }]);
    world.process = "two".into();
    world.settle();
    assert!(world.incident.exchanges[0].settled, "{:?}", world.incident.exchanges);
    assert_eq!(world.kinds().last().map(String::as_str), Some("exchange_settled"));
}

#[test]
fn an_answer_is_waited_for_whatever_happens_meanwhile() {
    type Change = fn(&mut World);
    let changes: [(&str, Change); 4] = [
        ("the alert is over", |world| world.report(AlertStatus::Resolved)),
        ("a person takes over", |world| world.append(vec![EventBody::IncidentTakenOver { by: "alice".into() }])),
        ("a person closes it", |world| {
            world.append(vec![EventBody::IncidentClosed { by: Some("alice".into()), reason: "mine".into() }]);
        }),
        ("it is diagnosed anew", |world| {
            world.append(vec![EventBody::DiagnosisRequested { by: "alice".into(), note: String::new() }]);
        }),
    ];
    for (what, change) in changes {
        let mut world = thinking(&["planner"], Vec::new());
        world.settle_until("exchange_begun");
        change(&mut world);
        while let Next::Append(events) = world.next() {
            world.append(events);
        }
        let Next::Wait { effects, .. } = world.next() else { panic!("{what}") };
        let asks = effects.iter().filter(|effect| **effect == Effect::Ask { index: 1 });
        assert_eq!(asks.count(), 1, "{what}: {effects:?}");
        world.answer(1);
        world.settle();
        let first = &world.incident.exchanges[0];
        assert_eq!(first.end.as_ref().expect("an end").usage.total(), 1_100, "{what}");
        assert!(first.settled || world.incident.taken_over_by.is_some(), "{what}: {first:?}");
    }
}

#[test]
fn a_closed_incident_settles_what_was_asked() {
    for process in ["one", "two"] {
        let mut world = thinking(&["planner"], vec![proposal(json!([step("memory", "check_resources")]), json!([]))]);
        world.settle_until("exchange_begun");
        world.append(vec![EventBody::IncidentClosed { by: Some("alice".into()), reason: "mine".into() }]);
        let plans = count(&world, "plan_made");
        world.process = process.into();
        if process == "one" {
            world.process = world.incident.exchanges[0].process.clone();
        }
        world.settle();
        let exchange = &world.incident.exchanges[0];
        assert!(exchange.settled && exchange.unused.is_some() && exchange.end.is_some(), "{exchange:?}");
        assert_eq!(count(&world, "plan_made"), plans, "nothing is planned any more");
    }
}

#[test]
fn whoever_babbles_delays_a_diagnosis_no_longer_than_whoever_is_away() {
    let malformed = || ExchangeOutcome::Malformed { error: "line 1: expected value".into() };
    let mut world = thinking(&["planner", "analyst"], (0..50).map(|_| malformed()).collect());
    // Each answer takes ten milliseconds.
    world.config.agents.planner.timeout = TimeSpan::from_millis(25);
    world.config.agents.analyst.timeout = TimeSpan::from_millis(25);
    world.settle();
    assert_eq!(world.incident.exchanges.len(), 3, "the third has what is left, five milliseconds");
    world.append(vec![EventBody::DiagnosisRequested { by: "alice".into(), note: String::new() }]);
    world.settle();
    assert_eq!(world.incident.exchanges.len(), 6, "each diagnosis has its own patience");
}

#[test]
fn an_equal_question_of_one_incident_is_answered_from_memory_for_a_while() {
    let mut world = thinking(&["planner"], vec![proposal(json!([step("memory", "check_resources")]), json!([]))]);
    world.settle_until("exchange_settled");
    let (asked, other) = (Digest::of(b"question"), Digest::of(b"another"));
    let within = TimeSpan::from_secs(600);
    let recalled = |world: &World, request: &Digest, seconds: i64| {
        remembered(&world.incident, request, world.now + chrono::Duration::seconds(seconds), within)
    };
    let end = recalled(&world, &asked, 600).expect("it was asked");
    assert_eq!(Some(&end.outcome), world.incident.exchanges[0].end.as_ref().map(|end| &end.outcome));
    assert_eq!((end.usage.total(), end.cost), (0, Cost::default()), "it is paid for once");
    assert_eq!(recalled(&world, &other, 0), None, "another question");
    assert_eq!(recalled(&world, &asked, 601), None, "too long ago");
    world.bent = true;
    world.incident.exchanges[0].unused = Some("it was refused".into());
    assert_eq!(recalled(&world, &asked, 0), None, "it was of no use");
}

use super::*;
use crate::config::Sources;
use crate::domain::{
    ActCall, AgentRole, AlertStatus, Binding, CallOutcome, Cost, DeliveryId, ExchangeEnd, ExchangeOutcome, Labels,
    Phase, PhaseName, Plan, PlanSource, Remedy, Step,
};
use crate::domain::{Spent, StepRole, TimeSpan, Usage, Values};

/// An open incident of a service whose alert arrived at a time.
fn alerting(ledger: &mut Ledger, config: &Arc<Config>, service: &str, at: Timestamp, trigger: Trigger) {
    let labels = Labels::from([("service".to_owned(), service.to_owned())]);
    let alert = crate::domain::Alert {
        fingerprint: crate::domain::Alert::fingerprint_of(&labels),
        status: AlertStatus::Firing,
        labels,
        annotations: Labels::new(),
        starts_at: at,
        ends_at: None,
        expression: None,
    };
    let target = matches!(trigger, Trigger::Alert).then(|| service.to_owned());
    let opened = EventBody::IncidentOpened {
        environment: "shop".into(),
        target,
        group_key: format!("shop/{service}"),
        title: service.into(),
        severity: "none".into(),
        trigger,
        config: config.digest.clone(),
        follows: None,
        read_only: None,
    };
    let received =
        EventBody::AlertsReceived { delivery: DeliveryId::new(service), sender: "am".into(), alerts: vec![alert] };
    ledger.push(&IncidentId::new(format!("inc_{service}")), vec![opened, received], at, Origin::Command, config);
}

/// The events of an incident that lead to a remedy and its first intent.
pub(in crate::engine) fn begun(incident: &IncidentId, service: &str) -> Vec<EventBody> {
    let remedy =
        Remedy { id: "start".into(), runbook: String::new(), cause: String::new(), precondition: None, position: 0 };
    let step = Step {
        id: incident.step(1, 1),
        name: "start_service".into(),
        operation: "start_service".into(),
        target: service.into(),
        arguments: Values::new(),
        reason: String::new(),
        role: StepRole::Remedy(remedy),
        timeout: TimeSpan::from_secs(1),
        expects: None,
    };
    let binding = Binding {
        environment: "shop".into(),
        target: service.into(),
        operation: "start_service".into(),
        calls: Vec::new(),
        identity: BTreeMap::new(),
        guard: Values::new(),
        precondition: None,
    };
    let (id, before) = (step.id.clone(), Values::new());
    let phases = vec![Phase { name: PhaseName::Resolution, steps: vec![step] }];
    let plan = Plan { revision: 1, source: PlanSource::Runbook { runbooks: Vec::new() }, phases };
    vec![
        EventBody::PlanMade { plan, reason: String::new() },
        EventBody::StepPrepared {
            step: id.clone(),
            binding,
            risk: crate::domain::Risk::Reversible,
            before: before.clone(),
            diff: Vec::new(),
        },
        EventBody::CallIntended {
            step: id,
            index: 0,
            undo: false,
            call: ActCall::ProcessStart { service: service.into() },
            command: String::new(),
            process: "one".into(),
            approval: None,
            before,
        },
    ]
}

#[test]
fn what_has_alerted_for_long_is_no_part_of_a_storm() {
    let config = Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap());
    let mut ledger = Ledger::new(BTreeMap::new(), History::default());
    let now: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
    let ago = |minutes| now - chrono::Duration::minutes(minutes);
    alerting(&mut ledger, &config, "old", ago(60), Trigger::Alert);
    alerting(&mut ledger, &config, "api", ago(4), Trigger::Alert);
    alerting(&mut ledger, &config, "cache", ago(1), Trigger::Alert);
    let alerting_in = |ledger: &Ledger, place, targets, minutes: u64| {
        let Alerting { count, targets, in_storm } =
            ledger.alerting(place, targets, now, TimeSpan::from_secs(60 * minutes));
        (count, targets, in_storm)
    };
    assert_eq!(alerting_in(&ledger, "shop", 9, 5), (2, 9, false));
    assert_eq!(alerting_in(&ledger, "shop", 9, 2), (1, 9, false));
    assert_eq!(alerting_in(&ledger, "elsewhere", 9, 5), (0, 9, false));
    alerting(&mut ledger, &config, "storm", ago(1), Trigger::Storm { targets: 2 });
    assert_eq!(alerting_in(&ledger, "shop", 1, 3), (2, 2, true), "those that made it count, what is older does not");
    assert_eq!(alerting_in(&ledger, "shop", 1, 2), (1, 1, true), "and what alerts is a target");
}

/// An incident whose remedy is about to be sent.
fn about_to_act(ledger: &mut Ledger, config: &Arc<Config>, service: &str, at: Timestamp) {
    alerting(ledger, config, service, at, Trigger::Alert);
    let id = IncidentId::new(format!("inc_{service}"));
    ledger.push(&id, begun(&id, service), at, Origin::Decision, config);
}

#[test]
fn budgets_count_what_is_on_its_way_and_not_what_was_not_begun_after_all() {
    let config = Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap());
    let mut ledger = Ledger::new(BTreeMap::new(), History::default());
    let now: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
    for service in ["api", "cache", "web"] {
        about_to_act(&mut ledger, &config, service, now);
    }
    let targets = |ledger: &Ledger| -> Vec<String> {
        ledger.history.mutations.iter().map(|mutation| mutation.target.clone()).collect()
    };
    assert_eq!(targets(&ledger), ["api", "cache", "web"], "three incidents are decided on before the first fsync");
    ledger.failed(&JournalError::Unavailable("the disk is full".into()));
    assert!(targets(&ledger).is_empty(), "none of them was begun");
}

/// A ledger in which a call of `api` was intended and is durable, and what folds into it.
fn intended() -> (Ledger, Shared, Event) {
    let config = Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap());
    let shared = Shared::new(config.clone(), crate::engine::metrics::Metrics::new(Arc::default()));
    let mut ledger = Ledger::new(BTreeMap::new(), History::default());
    let now: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
    about_to_act(&mut ledger, &config, "api", now);
    let id = IncidentId::new("inc_api");
    let outcome = CallOutcome::NotDone { error: "connection refused".into(), transient: true };
    let step = id.step(1, 1);
    let body = EventBody::CallFinished { step, index: 0, undo: false, outcome, probed: false, left: None };
    (ledger, shared, Event { seq: 9, at: now, incident: Some(id), body, hash: Digest::new("") })
}

#[test]
fn what_certainly_was_not_sent_does_not_count() {
    let (mut ledger, shared, event) = intended();
    assert_eq!(ledger.history.mutations.len(), 1, "while it may be sent, it counts");
    ledger.fold(&event, &shared);
    assert!(ledger.history.mutations.is_empty());
}

#[test]
fn what_may_have_been_sent_or_was_refused_counts() {
    let outcomes = [
        (CallOutcome::Done { result: Values::new() }, false),
        (CallOutcome::Unknown { error: "no answer".into() }, false),
        (CallOutcome::NotDone { error: "no such memory".into(), transient: false }, false),
        (CallOutcome::NotDone { error: "a probe says so".into(), transient: true }, true),
    ];
    for (ended, found_out) in outcomes {
        let (mut ledger, shared, mut event) = intended();
        let EventBody::CallFinished { outcome, probed, .. } = &mut event.body else { unreachable!() };
        (*outcome, *probed) = (ended.clone(), found_out);
        ledger.fold(&event, &shared);
        assert_eq!(ledger.history.mutations.len(), 1, "{ended:?}");
    }
}

#[test]
fn only_the_attempt_that_was_not_sent_is_released() {
    let (mut ledger, shared, event) = intended();
    let earlier = ledger.history.mutations[0].clone();
    ledger.history.mutations.push(Mutation { at: earlier.at + chrono::Duration::minutes(1), ..earlier.clone() });
    ledger.fold(&event, &shared);
    assert_eq!(ledger.history.mutations, [earlier], "the first attempt was probed, and may have been sent");
}

#[test]
fn a_question_counts_from_when_it_is_begun_until_its_cost_is_durable() {
    let config = Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap());
    let mut ledger = Ledger::new(BTreeMap::new(), History::default());
    let (at, id) = (crate::engine::now(), IncidentId::new("inc_api"));
    alerting(&mut ledger, &config, "api", at, Trigger::Alert);
    let dearest = Spent { tokens: 36_096, money: Cost(16_192) };
    let begun = EventBody::ExchangeBegun {
        index: 1,
        agent: AgentRole::Planner,
        diagnosis: 1,
        seen: 1,
        faults: Vec::new(),
        windows: Vec::new(),
        process: "p".into(),
        models: vec!["mini".into()],
        differences: Vec::new(),
        reserved: dearest,
    };
    let end = ExchangeEnd {
        model: "mini".into(),
        request: Digest::of(b""),
        answer: None,
        usage: Usage { input: 1, output: 0 },
        cost: Cost(1),
        milliseconds: 1,
        outcome: ExchangeOutcome::Failed { error: "away".into() },
    };
    let ended = EventBody::ExchangeEnded { index: 1, end };
    let reserved = |ledger: &Ledger| crate::engine::world::reserved(&ledger.slots[&id]);
    assert_eq!(reserved(&ledger), Spent::default());
    ledger.push(&id, vec![begun.clone()], at, Origin::Decision, &config);
    assert_eq!(reserved(&ledger), dearest, "it is not durable yet");
    ledger.push(&id, vec![ended.clone()], at, Origin::Fact(Effect::Ask { index: 1 }), &config);
    assert_eq!(reserved(&ledger), dearest, "its cost is not counted yet");
    let durable = Arc::make_mut(&mut ledger.slots.get_mut(&id).unwrap().incident);
    for body in [begun, ended] {
        let event = Event { seq: 1, at, incident: Some(id.clone()), body, hash: Digest::new("") };
        flow::apply(durable, &event);
    }
    assert_eq!(reserved(&ledger), Spent::default(), "it is, from here on");
}

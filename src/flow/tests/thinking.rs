//! Models that plan and conclude: what is asked when, what becomes of the answers, and when the runbooks serve.

use super::{target::killed, trouble::count, world::World};
use crate::config::{Agents, ModelConfig, Prices, Provider};
use crate::domain::{
    AgentRole, Claims, Cost, Decision, Digest, EventBody, Evidence, Exchange, ExchangeEnd, ExchangeOutcome,
    IncidentState, PhaseName, PlanSource, Proposal, Spent, StepId, StepStatus, TimeSpan, Usage, Verdict,
};
use crate::flow::think;
use serde_json::{Value, json};

impl World {
    /// A model answers, or is away where there is no answer left.
    pub(super) fn answer(&mut self, index: u32) {
        let away = || ExchangeOutcome::Failed { error: "the model is away".into() };
        let end = ExchangeEnd {
            model: "scripted".into(),
            request: Digest::of(b"question"),
            answer: None,
            usage: Usage { input: 1_000, output: 100 },
            cost: Cost(1_000),
            milliseconds: 10,
            outcome: self.answers.pop_front().unwrap_or_else(away),
        };
        self.append(vec![EventBody::ExchangeEnded { index, end }]);
    }
}

/// A model whose questions cost exactly what those of this world do.
fn scripted() -> ModelConfig {
    ModelConfig {
        provider: Provider::Compatible,
        model: "scripted".into(),
        base_url: "http://127.0.0.1:9/v1".into(),
        key: None,
        api_version: None,
        temperature: None,
        max_input_tokens: 1_000,
        max_output_tokens: 100,
        timeout: TimeSpan::from_secs(30),
        prices: Prices { input: 1.0, output: 0.0 },
    }
}

/// A killed service, whose planner and analyst are models with these answers.
pub(super) fn thinking(agents: &[&str], answers: Vec<ExchangeOutcome>) -> World {
    let mut world = killed();
    world.config.agents.models.insert("scripted".into(), scripted());
    let Agents { planner, analyst, reporter, .. } = &mut world.config.agents;
    for (name, agent) in [("planner", planner), ("analyst", analyst), ("reporter", reporter)] {
        if agents.contains(&name) {
            agent.models = vec!["scripted".into()];
        }
    }
    world.answers = answers.into();
    world
}

pub(super) fn proposal(steps: Value, keep: Value) -> ExchangeOutcome {
    let proposal = json!({"summary": "look closer", "keep": keep, "steps": steps, "remedy": null, "windows": []});
    let proposal: Proposal = serde_json::from_value(proposal).unwrap();
    ExchangeOutcome::Proposed { proposal }
}

pub(super) fn step(name: &str, operation: &str) -> Value {
    json!({
        "name": name, "phase": "isolation", "operation": operation, "target": "api", "arguments": {},
        "reason": "to be sure", "expects": {"when": null, "success": null, "duration": null, "meanings": []},
    })
}

fn claims(cites: Value, code: &str, confidence: f64) -> ExchangeOutcome {
    let finding = json!({"summary": "it was so", "cites": cites, "cause": {"code": code, "confidence": confidence}});
    let claims: Claims = serde_json::from_value(json!({"summary": "s", "findings": [finding]})).unwrap();
    ExchangeOutcome::Claimed { claims }
}

pub(super) fn unused(world: &World) -> Vec<&str> {
    world.incident.exchanges.iter().filter_map(|exchange| exchange.unused.as_deref()).collect()
}

/// The end that the runbooks alone come to.
pub(super) fn ends_as_ever(world: &mut World) {
    world.settle();
    assert_eq!(world.incident.state, IncidentState::AwaitingApproval, "{:#?}", world.kinds());
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!((world.sent.len(), world.incident.verdict), (1, Some(Verdict::Resolved)));
}

#[test]
fn without_models_nothing_is_asked() {
    let mut world = thinking(&[], Vec::new());
    ends_as_ever(&mut world);
    assert_eq!((count(&world, "exchange_begun"), world.incident.exchanges.len()), (0, 0));
}

#[test]
fn where_models_are_away_the_runbooks_serve_and_the_journal_says_why() {
    let mut world = thinking(&["planner", "analyst", "reporter"], Vec::new());
    ends_as_ever(&mut world);
    let unused = unused(&world);
    let (last, before) = unused.split_last().expect("questions");
    assert!(
        !before.is_empty() && before.iter().all(|why| *why == "the model is away; the runbooks serve"),
        "{before:?}"
    );
    assert_eq!(*last, "the model is away; the report has its facts only");
    assert_eq!(unused.len(), world.incident.exchanges.len());
}

#[test]
fn a_proposal_revises_what_remains() {
    let mut world = thinking(&["planner"], vec![proposal(json!([step("memory", "check_resources")]), json!([]))]);
    world.settle_until("exchange_settled");
    world.settle();
    let by_model = world.events.iter().find_map(|event| match &event.body {
        EventBody::PlanMade { plan, .. } if matches!(plan.source, PlanSource::Model { .. }) => Some(plan.clone()),
        _ => None,
    });
    let plan = by_model.expect("a plan of the model");
    assert_eq!(
        plan.steps().map(|(phase, step)| (phase, step.name.as_str())).collect::<Vec<_>>(),
        [(PhaseName::Isolation, "memory")]
    );
    assert!(world.incident.steps.iter().any(|record| record.step.name == "memory" && record.evidence.is_some()));
    // It is asked again with what that showed, and is away: the runbooks come back.
    assert_eq!(unused(&world).len(), 1);
    ends_as_ever(&mut world);
}

#[test]
fn a_wrong_proposal_goes_back_with_its_faults_twice() {
    let wrong = || proposal(json!([step("memory", "restart_service")]), json!([]));
    let mut world = thinking(&["planner"], vec![wrong(), wrong(), wrong()]);
    world.settle();
    let faults: Vec<usize> = world.incident.exchanges.iter().take(3).map(|exchange| exchange.faults.len()).collect();
    assert_eq!(faults, [0, 1, 1], "{:#?}", world.incident.exchanges);
    let last = unused(&world)[2];
    assert!(last.contains("no such operation") && last.ends_with("the runbooks serve"), "{last}");
    assert!(world.sent.is_empty());
    ends_as_ever(&mut world);
}

#[test]
fn an_answer_without_form_goes_back_too() {
    let malformed = ExchangeOutcome::Malformed { error: "line 1: expected value".into() };
    let mut world = thinking(&["analyst"], vec![malformed, claims(json!([]), "killed_externally", 0.9)]);
    world.settle();
    let told: Vec<&Vec<String>> = world.incident.exchanges.iter().map(|exchange| &exchange.faults).take(3).collect();
    assert_eq!(told[1], &["line 1: expected value"]);
    assert!(told[2][0].contains("cites: is empty"), "{told:?}");
}

#[test]
fn a_claim_counts_where_no_rule_shows_a_cause_and_not_elsewhere() {
    let mut world = thinking(&["analyst"], Vec::new());
    world.settle_until("exchange_begun");
    let status = world.incident.steps.iter().find(|record| record.step.name == "status").unwrap().step.id.to_string();
    world.answers.push_back(claims(json!([status]), "disk_full", 1.0));
    world.settle();
    let claimed = world.incident.findings.iter().find(|finding| finding.is_claimed()).expect("a finding");
    let cause = claimed.cause.as_ref().unwrap();
    let whose = "the model scripted claims, and no rule shows: it was so";
    assert_eq!(
        (cause.code.as_str(), cause.summary.as_str()),
        ("disk_full", whose),
        "whoever decides sees whose word it is"
    );
    assert_eq!(world.incident.cause.as_ref().unwrap().code, "killed_externally", "what a rule shows is worth more");
    ends_as_ever(&mut world);
}

#[test]
fn a_claim_that_the_evidence_contradicts_goes_back() {
    let mut world = thinking(&["analyst"], Vec::new());
    world.settle_until("exchange_begun");
    let status = world.incident.steps.iter().find(|record| record.step.name == "status").unwrap().step.id.to_string();
    world.answers.push_back(claims(json!([status]), "memory_limit_too_small", 1.0));
    world.settle();
    assert!(world.incident.findings.iter().all(|finding| !finding.is_claimed()));
    let told = &world.incident.exchanges[1].faults;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("what was seen contradicts 'memory_limit_too_small'"), "{told:?}");
}

#[test]
fn what_a_model_claims_of_a_healthy_service_is_no_fault() {
    for code in ["memory_limit_too_small", "disk_full"] {
        let mut world = World::new(super::target::all_well());
        world.config.agents.analyst.models = vec!["scripted".into()];
        world.settle_until("exchange_begun");
        let status = world.incident.steps.iter().find(|record| record.step.name == "status").unwrap();
        world.answers.push_back(claims(json!([status.step.id.to_string()]), code, 0.95));
        world.settle();
        let is_claimed = world.incident.findings.iter().any(|finding| finding.is_claimed());
        assert_eq!(is_claimed, code == "disk_full", "what nothing contradicts may be claimed");
        assert_eq!(world.incident.verdict, Some(Verdict::NoFault), "{code}: {}", world.incident.verdict_reason);
        assert_eq!(world.incident.state, IncidentState::Closed);
        assert!(world.incident.approvals.is_empty() && world.incident.escalated.is_none());
    }
}

#[test]
fn what_does_not_exist_is_no_evidence() {
    let invented = || claims(json!(["inc_test.r1.99"]), "killed_externally", 0.9);
    let mut world = thinking(&["analyst"], vec![invented(), invented(), invented()]);
    world.settle();
    assert!(world.incident.findings.iter().all(|finding| !finding.is_claimed()));
    assert!(unused(&world)[2].contains("there is no evidence 'inc_test.r1.99'"), "{:?}", unused(&world));
}

fn looks_at(first: u64, remedy: Value) -> ExchangeOutcome {
    let ExchangeOutcome::Proposed { mut proposal } = proposal(json!([]), json!([])) else { unreachable!() };
    let window = json!({"evidence": "inc_test.r1.1", "first": first, "lines": 20});
    proposal.windows = if first == 0 { Vec::new() } else { vec![serde_json::from_value(window).unwrap()] };
    proposal.remedy = serde_json::from_value(remedy).unwrap();
    ExchangeOutcome::Proposed { proposal }
}

#[test]
fn what_was_shown_is_not_shown_again() {
    let look = |first| looks_at(first, Value::Null);
    let mut world = thinking(&["planner"], vec![look(1), look(1), look(9), look(1), look(9), look(30)]);
    world.settle();
    let first = world.incident.exchanges[0].clone();
    let alike: Vec<usize> = world
        .incident
        .exchanges
        .iter()
        .filter(|exchange| exchange.is_about_the_same(&first))
        .map(|exchange| exchange.windows.len())
        .collect();
    assert_eq!(alike, [0, 1], "the same lines would teach it nothing");
    assert!(world.incident.exchanges[1].unused.is_none(), "what it says without them counts");
}

#[test]
fn the_last_answer_that_decided_has_the_remedy() {
    let remedy = json!({"id": "hang/restart", "arguments": {"strategy": "force"}, "reason": "it hangs"});
    let mut world = thinking(&["planner"], Vec::new());
    world.settle_until("exchange_settled");
    let mut seen = 100;
    let mut answered = |world: &mut World, same: bool, outcome: ExchangeOutcome, unused: Option<&str>| {
        seen += usize::from(!same);
        let Exchange { index, diagnosis, process, .. } = world.incident.exchanges.last().unwrap().clone();
        let (index, faults, windows) = (index + 1, Vec::new(), Vec::new());
        let (agent, reserved) = (AgentRole::Planner, Spent::default());
        world.append(vec![EventBody::ExchangeBegun {
            index,
            agent,
            diagnosis,
            seen,
            faults,
            windows,
            process,
            models: Vec::new(),
            differences: Vec::new(),
            reserved,
        }]);
        world.answers.push_front(outcome);
        world.answer(index);
        let unused = unused.map(str::to_owned);
        world.append(vec![EventBody::ExchangeSettled { index, unused }]);
    };
    world.bent = true;
    let chosen = |world: &World| think::choice(&world.incident).map(|remedy| remedy.id.clone());
    answered(&mut world, false, looks_at(0, remedy.clone()), None);
    assert_eq!(chosen(&world).as_deref(), Some("hang/restart"));
    answered(&mut world, false, looks_at(0, Value::Null), Some("it was refused"));
    assert_eq!(chosen(&world).as_deref(), Some("hang/restart"), "what was not used says nothing");
    answered(&mut world, false, looks_at(0, Value::Null), None);
    assert_eq!(chosen(&world), None, "it was taken back");
    answered(&mut world, false, looks_at(1, remedy), None);
    answered(&mut world, true, looks_at(0, Value::Null), Some("the model is away"));
    assert_eq!(chosen(&world), None, "it wanted to see more before it decides");
}

#[test]
fn people_are_called_before_anything_is_written_for_them() {
    let mut world = thinking(&["reporter"], vec![ExchangeOutcome::Written { text: "It was killed.".into() }]);
    world.settle();
    world.decide(Decision::Deny);
    world.settle();
    assert_eq!(world.incident.verdict, Some(Verdict::Unresolved));
    let position = |kind: &str| world.kinds().iter().position(|known| known == kind).expect(kind);
    assert!(position("incident_escalated") < position("exchange_begun"), "{:#?}", world.kinds());
    let exchange = &world.incident.exchanges[0];
    assert!(exchange.settled && exchange.unused.is_none(), "{exchange:?}");
}

#[test]
fn a_proposed_step_is_taken_only_in_the_case_that_it_is_for() {
    let with = |name: &str, when: &str| {
        let mut step = step(name, "check_resources");
        step["expects"]["when"] = json!(when);
        step
    };
    let steps = json!([with("taken", "status.exit_code == 137"), with("not_taken", "status.ready")]);
    let mut world = thinking(&["planner"], vec![proposal(steps, json!([]))]);
    world.settle();
    let record = |name: &str| world.incident.steps.iter().find(|record| record.step.name == name).unwrap();
    assert!(record("taken").evidence.is_some());
    assert_eq!(record("not_taken").status, StepStatus::Skipped);
    assert_eq!(record("not_taken").error.as_deref(), Some("it is for when status.ready, which does not hold"));
}

/// Whatever the journal has of a model's, also from before conditions were held to what takes little.
#[test]
fn a_stored_condition_that_could_take_long_is_not_run() {
    let mut world = thinking(&["planner"], vec![proposal(json!([step("grows", "check_resources")]), json!([]))]);
    world.settle_until("plan_made");
    world.settle_until("exchange_settled");
    let mut plan = world.incident.plan.clone().unwrap();
    plan.revision += 1;
    let proposed = plan.phases.iter_mut().flat_map(|phase| &mut phase.steps).find(|step| step.name == "grows").unwrap();
    proposed.id = world.incident.id.step(plan.revision, 1);
    proposed.expects.as_mut().unwrap().when = Some("size('aa'.replace('a', 'aaaaaaaaaa')) > 0".into());
    world.append(vec![EventBody::PlanMade { plan, reason: "stored".into() }]);
    world.bent = true;
    world.settle();
    let record =
        world.incident.steps.iter().find(|record| record.step.expects.as_ref().is_some_and(|e| e.when.is_some()));
    let record = record.unwrap();
    assert_eq!(record.status, StepStatus::Skipped);
    assert!(
        record.error.as_deref().is_some_and(|why| why.contains("cannot be told: 'replace' cannot be used")),
        "{record:?}"
    );
}

#[test]
fn a_model_is_told_what_differs_from_good_times_and_the_journal_says_what_that_was() {
    let mut world = thinking(&["planner"], Vec::new());
    let (good_at, mut facts) = (world.now, world.read("get_status"));
    facts.insert("state".into(), "running".into());
    world.good = vec![Evidence {
        step: StepId::new("inc_before.r2.1"),
        name: "verify".into(),
        operation: "get_status".into(),
        target: "api".into(),
        at: good_at,
        facts,
        commands: Vec::new(),
        digest: Digest::of(b""),
        truncated: false,
    }];
    world.settle_until("exchange_begun");
    let told = &world.incident.exchanges[0].differences;
    let state = told.iter().find(|one| one.field == "state").expect("the state differs");
    assert_eq!((state.was.as_str(), state.is.as_str()), ("\"running\"", "\"exited\""));
    assert_eq!((state.since.as_str(), state.good_at), ("inc_before.r2.1", good_at));
    let status = world.incident.steps.iter().find(|record| record.step.operation == "get_status").unwrap();
    assert_eq!(state.evidence, status.step.id);
}

//! When models are asked, what is made of their answers, and when the runbooks serve instead.
//!
//! ```text
//! a phase is over ─► analyst asked ─► findings ─► planner asked ─► revision ─► the next phase
//!                       │ away, too slow, too dear, wrong twice ─► the runbooks serve, and the journal says why
//! ```
//!
//! The runbook plan always stands behind: whatever a model does or does not do, the incident goes on.

use super::allowance::{self, in_the_way, is_decisive};
use super::{Effect, Next, Snapshot, diagnose};
use crate::domain::{
    AgentRole, Cause, Difference, Digest, EventBody, Evidence, Exchange, ExchangeEnd, ExchangeOutcome, Finding,
    Incident, PhaseName, Plan, PlanSource, Proposal, ProposedRemedy, Step, Trigger, Usage, Window,
};
use crate::{
    brief::{self, Changed},
    judge,
    plan::{self, Left},
};
use std::collections::BTreeSet;

/// How often a model is told what is wrong with its answer, and asked again.
const REPAIRS: usize = 2;

/// Faults of an answer that are told at most: it has to see a pattern, not all of them.
const FAULTS: usize = 20;

/// Who is asked at the end of a phase, in order: what was seen is judged before more is planned.
const AFTER_A_PHASE: [AgentRole; 2] = [AgentRole::Analyst, AgentRole::Planner];

/// The next move of those who think with models, between two phases; nothing once they have nothing to add.
pub(super) fn between_phases(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    let of_interest = !matches!(incident.trigger, Trigger::Operation { .. }) && !incident.finished_phases.is_empty();
    if !of_interest {
        return None;
    }
    AFTER_A_PHASE.into_iter().find_map(|role| ask(incident, snapshot, role)).or_else(|| runbooks(incident, snapshot))
}

/// The runbooks' plan in the place of a model's, where no model has revised that in the light of what was seen since.
fn runbooks(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    let current = incident.plan.as_ref().filter(|plan| matches!(plan.source, PlanSource::Model { .. }))?;
    let stands = latest(incident, AgentRole::Planner).is_some_and(|exchange| exchange.unused.is_none());
    if stands {
        return None;
    }
    let plan = from_runbooks(incident, &diagnose::input(incident, snapshot), current)?;
    let why = in_the_way(incident, snapshot, AgentRole::Planner).unwrap_or("no model revised the plan");
    let reason = format!("{why}; the runbooks serve");
    Some(Next::Append(vec![EventBody::PlanMade { plan, reason }]))
}

/// What the runbooks would look at now, if that is not what is planned.
fn from_runbooks(incident: &Incident, input: &plan::PlanInput<'_>, current: &Plan) -> Option<Plan> {
    let finished = incident.finished_phases.iter().max()?;
    let evidence = diagnose::evidence(incident);
    let names = diagnose::current_steps(incident).map(|record| record.step.name.clone()).collect();
    plan::revise(input, &evidence, *finished, current, &names, diagnose::revision(incident))
}

/// The last exchange of an agent that knew all that is known now.
fn latest(incident: &Incident, role: AgentRole) -> Option<&Exchange> {
    let seen = diagnose::evidence(incident).len();
    incident
        .exchanges
        .iter()
        .rev()
        .find(|exchange| (exchange.agent, exchange.diagnosis, exchange.seen) == (role, incident.diagnosed_since, seen))
}

/// The next move of the reporter, once there is a verdict.
pub(super) fn report(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    if matches!(incident.trigger, Trigger::Operation { .. }) || incident.plan.is_none() {
        return None;
    }
    ask(incident, snapshot, AgentRole::Reporter)
}

/// The remedy that the planner would try first, by the last answer that decided on a plan in the present diagnosis.
pub(super) fn choice(incident: &Incident) -> Option<&ProposedRemedy> {
    let now = incident.exchanges.iter().rev().filter(|exchange| exchange.diagnosis == incident.diagnosed_since);
    let mut decided = now.filter(|exchange| exchange.agent == AgentRole::Planner && is_decisive(incident, exchange));
    match &decided.next()?.end.as_ref()?.outcome {
        ExchangeOutcome::Proposed { proposal } => proposal.remedy.as_ref(),
        _ => None,
    }
}

fn ask(incident: &Incident, snapshot: &Snapshot<'_>, role: AgentRole) -> Option<Next> {
    if let Some(exchange) = latest(incident, role) {
        return match &exchange.end {
            _ if exchange.settled => None,
            // [`under_way`] has it go on.
            None => Some(Next::idle()),
            Some(end) => Some(settle(incident, snapshot, exchange, end)),
        };
    }
    if snapshot.pinned.agents.agent(role).models.is_empty() {
        return None;
    }
    // Whatever is in the way of a question now is no reason to wait for it to go away.
    match in_the_way(incident, snapshot, role) {
        None => Some(Next::Append(vec![begun(incident, snapshot, role, Vec::new(), Vec::new())])),
        Some(why) => not_asked(incident, role, why),
    }
}

/// Why nobody is asked, said once in a diagnosis for each agent.
fn not_asked(incident: &Incident, role: AgentRole, why: &str) -> Option<Next> {
    let diagnosis = incident.diagnosed_since;
    if incident.not_asked.iter().any(|known| (known.agent, known.diagnosis) == (role, diagnosis)) {
        return None;
    }
    let why = format!("{why}; {}", instead(role));
    Some(Next::Append(vec![EventBody::ModelsNotAsked { agent: role, diagnosis, why }]))
}

/// Questions that this process has asked. Whatever else is wanted by now, their answers are waited for: they are paid for.
pub(super) fn under_way(incident: &Incident, snapshot: &Snapshot<'_>) -> impl Iterator<Item = Effect> {
    let asked = incident.exchanges.iter().filter(|exchange| exchange.end.is_none() && !exchange.settled);
    asked.filter(|exchange| exchange.process == snapshot.process).map(|exchange| Effect::Ask { index: exchange.index })
}

/// The end of questions that nobody will settle any more: whose process ended before there was an answer, of which nobody
/// knows what it cost, and whose answer came when the incident was closed, or at something else.
pub(super) fn left_over(incident: &Incident, snapshot: &Snapshot<'_>) -> Vec<EventBody> {
    let mut events = Vec::new();
    for exchange in incident.exchanges.iter().filter(|exchange| !exchange.settled) {
        let index = exchange.index;
        let awaited = latest(incident, exchange.agent).is_some_and(|latest| latest.index == index);
        match &exchange.end {
            None if exchange.process != snapshot.process => {
                events.push(EventBody::ExchangeEnded { index, end: lost(exchange) });
                events.push(unused(exchange, LOST));
            }
            Some(end) if incident.closed_at.is_some() || !awaited => {
                let why = match &end.outcome {
                    ExchangeOutcome::Failed { error } => error,
                    _ => "what it was asked for was over by the time of the answer",
                };
                events.push(unused(exchange, why));
            }
            _ => {}
        }
    }
    events
}

/// The end of a question whose answer is lost, as dear as it may have been.
/// Why there is no answer where nobody is left who waited for it.
const LOST: &str = "the process that asked ended before there was an answer";

/// Whether an exchange ended so, with nobody to wait for its answer.
pub(super) fn is_lost(end: &ExchangeEnd) -> bool {
    matches!(&end.outcome, ExchangeOutcome::Failed { error } if error == LOST)
}

fn lost(exchange: &Exchange) -> ExchangeEnd {
    ExchangeEnd {
        model: exchange.models.first().cloned().unwrap_or_default(),
        request: Digest::of(b""),
        answer: None,
        usage: Usage { input: exchange.reserved.tokens, output: 0 },
        cost: exchange.reserved.money,
        milliseconds: 0,
        outcome: ExchangeOutcome::Failed { error: LOST.to_owned() },
    }
}

fn begun(
    incident: &Incident,
    snapshot: &Snapshot<'_>,
    agent: AgentRole,
    faults: Vec<String>,
    windows: Vec<Window>,
) -> EventBody {
    EventBody::ExchangeBegun {
        index: incident.exchanges.last().map_or(0, |last| last.index) + 1,
        agent,
        diagnosis: incident.diagnosed_since,
        seen: diagnose::evidence(incident).len(),
        faults,
        windows,
        process: snapshot.process.to_owned(),
        models: snapshot.current.agents.agent(agent).models.clone(),
        differences: match agent {
            AgentRole::Planner | AgentRole::Analyst => differences(incident, snapshot),
            AgentRole::Reporter => Vec::new(),
        },
        reserved: allowance::reserved(snapshot, agent),
    }
}

/// How the target differs from when it was last good, by what was read of it last.
fn differences(incident: &Incident, snapshot: &Snapshot<'_>) -> Vec<Difference> {
    let evidence = diagnose::evidence(incident);
    let mut found = Vec::new();
    for good in &snapshot.good {
        let of_it = |now: &&&Evidence| now.operation == good.operation && now.target == good.target;
        let (Some(now), Some(operation)) =
            (evidence.iter().rev().find(of_it), snapshot.pinned.catalog.operations.get(&good.operation))
        else {
            continue;
        };
        let changed = brief::differences(&good.facts, &now.facts, &operation.returns);
        found.extend(changed.into_iter().map(|Changed { field, was, is }| Difference {
            evidence: now.step.clone(),
            since: good.step.clone(),
            good_at: good.at,
            field,
            was,
            is,
        }));
    }
    found
}

fn unused(exchange: &Exchange, why: &str) -> EventBody {
    let unused = Some(format!("{why}; {}", instead(exchange.agent)));
    EventBody::ExchangeSettled { index: exchange.index, unused }
}

/// What there is without an answer.
fn instead(agent: AgentRole) -> &'static str {
    match agent {
        AgentRole::Planner | AgentRole::Analyst => "the runbooks serve",
        AgentRole::Reporter => "the report has its facts only",
    }
}

fn used(index: u32, mut events: Vec<EventBody>) -> Next {
    events.push(EventBody::ExchangeSettled { index, unused: None });
    Next::Append(events)
}

/// What an answer leads to.
fn settle(incident: &Incident, snapshot: &Snapshot<'_>, exchange: &Exchange, end: &ExchangeEnd) -> Next {
    let index = exchange.index;
    match &end.outcome {
        ExchangeOutcome::Failed { error } => Next::Append(vec![unused(exchange, error)]),
        ExchangeOutcome::Malformed { error } => again(incident, snapshot, exchange, vec![error.clone()]),
        ExchangeOutcome::Written { .. } => used(index, Vec::new()),
        ExchangeOutcome::Claimed { claims } => {
            let (evidence, input) = (diagnose::evidence(incident), diagnose::input(incident, snapshot));
            match judge::claimed(claims, &input.case(&evidence), snapshot.kind, &format!("claim_{index}")) {
                Ok(findings) => {
                    let findings = findings.into_iter().map(|finding| claimed_by(&end.model, finding));
                    used(index, findings.map(|finding| EventBody::FindingMade { finding }).collect())
                }
                Err(faults) => again(incident, snapshot, exchange, faults),
            }
        }
        ExchangeOutcome::Proposed { proposal } => proposed(incident, snapshot, exchange, &end.model, proposal),
    }
}

/// A claim under its model's name: whoever reads the cause, or decides on its remedy, sees whose word it is.
fn claimed_by(model: &str, finding: Finding) -> Finding {
    let cause = finding.cause.map(|cause| {
        let summary = format!("the model {model} claims, and no rule shows: {}", cause.summary);
        Cause { summary, ..cause }
    });
    Finding { model: Some(model.to_owned()), cause, ..finding }
}

fn proposed(
    incident: &Incident,
    snapshot: &Snapshot<'_>,
    exchange: &Exchange,
    model: &str,
    proposal: &Proposal,
) -> Next {
    let evidence = diagnose::evidence(incident);
    let accepted = plan::accept(
        proposal,
        &offer(incident, diagnose::input(incident, snapshot), &evidence),
        model,
        diagnose::revision(incident),
    );
    match accepted {
        Err(faults) => again(incident, snapshot, exchange, faults),
        // It wants to see more of what is there before it decides.
        Ok(_)
            if wants_more(incident, exchange, proposal) && in_the_way(incident, snapshot, exchange.agent).is_none() =>
        {
            let windows = proposal.windows.clone();
            Next::Append(vec![
                EventBody::ExchangeSettled { index: exchange.index, unused: None },
                begun(incident, snapshot, exchange.agent, Vec::new(), windows),
            ])
        }
        Ok(None) => used(exchange.index, Vec::new()),
        Ok(Some(plan)) => {
            let reason = crate::domain::clean_text(&proposal.summary, 400);
            used(exchange.index, vec![EventBody::PlanMade { plan, reason }])
        }
    }
}

/// Whether a part of a result is asked for that was not shown yet: to show the same again would teach it nothing.
fn wants_more(incident: &Incident, exchange: &Exchange, proposal: &Proposal) -> bool {
    let asked = incident.exchanges.iter().filter(|known| known.is_about_the_same(exchange));
    let shown: Vec<&Window> = asked.flat_map(|known| &known.windows).collect();
    proposal.windows.iter().any(|window| !shown.contains(&window))
}

/// Asks once more, with what is wrong with the answer; after the second time the runbooks serve.
fn again(incident: &Incident, snapshot: &Snapshot<'_>, exchange: &Exchange, mut faults: Vec<String>) -> Next {
    faults.truncate(FAULTS);
    let alike = incident.exchanges.iter().filter(|other| other.is_about_the_same(exchange));
    let repairs = alike.filter(|other| !other.faults.is_empty()).count();
    let refused = format!("the answer was refused: {}", faults.join("; "));
    if repairs >= REPAIRS {
        return Next::Append(vec![unused(exchange, &refused)]);
    }
    if let Some(why) = in_the_way(incident, snapshot, exchange.agent) {
        return Next::Append(vec![unused(exchange, &format!("{refused}; {why}"))]);
    }
    Next::Append(vec![
        EventBody::ExchangeSettled { index: exchange.index, unused: Some(refused) },
        begun(incident, snapshot, exchange.agent, faults, exchange.windows.clone()),
    ])
}

/// What the planner may choose from now.
pub(super) fn offer<'a>(
    incident: &'a Incident,
    input: plan::PlanInput<'a>,
    evidence: &'a [&'a crate::domain::Evidence],
) -> plan::Offer<'a> {
    let from = match incident.finished_phases.iter().max() {
        None => PhaseName::Triage,
        Some(PhaseName::Triage) => PhaseName::Isolation,
        Some(_) => PhaseName::RootCause,
    };
    let pending =
        |step: &Step| super::decide::record(incident, &step.id).is_some_and(|record| !record.status.is_final());
    let planned = incident.plan.iter().flat_map(|plan| plan.steps());
    let planned = planned.filter(|(phase, step)| *phase < PhaseName::Resolution && pending(step));
    let mut left: Vec<Left> = planned.map(|(phase, step)| Left { phase, step: step.clone(), planned: true }).collect();
    let suggested = incident.plan.as_ref().and_then(|current| from_runbooks(incident, &input, current));
    for (phase, step) in suggested.iter().flat_map(|plan| plan.steps()) {
        if left.iter().all(|known| known.step.name != step.name) {
            left.push(Left { phase, step: step.clone(), planned: false });
        }
    }
    let names: BTreeSet<&str> = diagnose::current_steps(incident).map(|record| record.step.name.as_str()).collect();
    plan::Offer::new(input, &incident.findings, evidence, names, left, from)
}

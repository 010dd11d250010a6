//! What an agent is asked: everything that its models are told, and the form that the answer must have.

use super::{diagnose, think};
use crate::brief::{self, Again, Brief, BriefError, Causes, Fence, Passage, Planning, Shown, Writing};
use crate::catalog::{Case, Catalog, Runbook};
use crate::config::{Agents, Config};
use crate::domain::{
    AgentRole, CallOutcome, EnvironmentKind, Evidence, Exchange, Incident, Inventory, Ordered, PhaseName, Redactor,
    Step, Trigger,
};
use crate::plan::{self, PlanInput};
use serde_json::json;

/// The world as far as a question depends on it.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The incident, whose exchange has begun.
    pub incident: &'a Incident,
    /// The exchange.
    pub exchange: &'a Exchange,
    /// The configuration that the incident is pinned to.
    pub pinned: &'a Config,
    /// Who asks, with models and limits, as configured now.
    pub agents: &'a Agents,
    /// Kind of its environment.
    pub kind: EnvironmentKind,
    /// The environment's services, as last seen.
    pub inventory: &'a Inventory,
    /// The incident's fence.
    pub fence: &'a Fence,
    /// What is secret.
    pub redactor: &'a Redactor,
    /// Parts of captured results that were asked for.
    pub windows: &'a [Shown<'a>],
    /// The answer before, if that had faults.
    pub said: Option<&'a str>,
}

/// A question, before it is sent to anybody.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What is told.
    pub brief: Brief,
    /// What the form of the answer is called.
    pub form: &'static str,
    /// The form of the answer.
    pub schema: Ordered,
}

/// Writes the question of an exchange. Equal incidents give equal questions, to the byte.
///
/// # Errors
/// What must be told does not fit, or the prompt has no text.
pub fn question(asking: &Asking<'_>) -> Result<Asked, BriefError> {
    let Asking { incident, exchange, pinned, kind, inventory, .. } = *asking;
    let evidence = diagnose::evidence(incident);
    let input = PlanInput {
        catalog: &pinned.catalog,
        kind,
        service: incident.service.as_deref().and_then(|name| inventory.services.get(name)),
        inventory,
        alerts: &incident.alerts,
        incident: &incident.id,
    };
    let offer = think::offer(incident, input, &evidence);
    let (form, schema) = match exchange.agent {
        AgentRole::Planner => ("proposal", plan::proposal_schema(&offer)),
        AgentRole::Analyst => ("claims", plan::claims_schema(&offer)),
        AgentRole::Reporter => ("summary", prose()),
    };
    let agent = asking.agents.agent(exchange.agent);
    let writing = Writing {
        prompt: &agent.prompt,
        fence: asking.fence,
        redactor: asking.redactor,
        budget: asking.agents.most_input(agent).saturating_sub(crate::domain::estimate_tokens(&schema.to_string())),
    };
    let case = case(asking, &evidence);
    let brief = match exchange.agent {
        AgentRole::Planner => {
            let left: Vec<(PhaseName, &Step)> = offer.left.iter().map(|left| (left.phase, &left.step)).collect();
            let remedies = offer.remedies.iter().map(|remedy| brief::Remedy {
                id: &remedy.id,
                cause: remedy.cause,
                operations: &remedy.operations,
            });
            let (remedies, runbooks) = (remedies.collect::<Vec<_>>(), matching(&input, &evidence));
            let planning = Planning { left: &left, from: offer.from, runbooks: &runbooks, remedies: &remedies };
            brief::planner(&writing, &case, &planning)?
        }
        AgentRole::Analyst => brief::analyst(&writing, &case, &causes(&pinned.catalog))?,
        AgentRole::Reporter => {
            let told = facts(incident);
            let passages: Vec<Passage<'_>> = told
                .iter()
                .map(|(title, facts)| Passage { title, facts: facts.iter().map(String::as_str).collect() })
                .collect();
            brief::reporter(&writing, &case, &passages)?
        }
    };
    Ok(Asked { brief, form, schema })
}

fn prose() -> Ordered {
    let schema = json!({
        "type": "object", "required": ["summary"], "additionalProperties": false,
        "properties": {"summary": {"type": "string", "description": "One to three short paragraphs of plain prose."}},
    });
    schema.into()
}

fn case<'a>(asking: &'a Asking<'a>, evidence: &'a [&'a Evidence]) -> brief::Case<'a> {
    let incident = asking.incident;
    brief::Case {
        incident: &incident.id,
        opened_at: incident.opened_at,
        environment: &incident.environment,
        kind: asking.kind,
        target: incident.service.as_deref(),
        note: match &incident.trigger {
            Trigger::Diagnose { note, .. } => Some(note),
            _ => None,
        },
        alerts: &incident.alerts,
        evidence,
        findings: &incident.findings,
        windows: asking.windows,
        differences: &asking.exchange.differences,
        catalog: &asking.pinned.catalog,
        again: asking
            .said
            .filter(|_| !asking.exchange.faults.is_empty())
            .map(|said| Again { said, faults: &asking.exchange.faults }),
    }
}

fn matching<'a>(input: &PlanInput<'a>, evidence: &'a [&'a Evidence]) -> Vec<&'a Runbook> {
    let case = Case { catalog: input.catalog, alerts: input.alerts, service: input.service, evidence };
    case.joined(&case.bindings())
}

/// Causes with what is known against them, which also says what they are.
fn causes(catalog: &Catalog) -> Causes<'_> {
    let rules = catalog.runbooks.iter().flat_map(|runbook| &runbook.findings);
    rules.filter_map(|rule| Some((rule.cause.as_deref()?, rule.prevention.as_str()))).collect()
}

/// What a report is about, by its journal.
fn facts(incident: &Incident) -> Vec<(&'static str, Vec<String>)> {
    let ended = incident.verdict.map(|verdict| format!("{verdict}: {}", incident.verdict_reason));
    let cause =
        incident.cause.as_ref().map(|cause| format!("{} ({}); {}", cause.summary, cause.code, cause.prevention));
    let calls = incident.steps.iter().filter_map(|record| record.action.as_ref());
    let calls = calls.flat_map(|action| action.calls.iter().chain(&action.undo_calls));
    let done = calls.map(|call| {
        let outcome = match &call.outcome {
            Some(CallOutcome::Done { .. }) => "done".to_owned(),
            Some(CallOutcome::NotDone { error, .. }) => format!("not done: {error}"),
            Some(CallOutcome::Unknown { error }) => format!("nobody knows whether it was done: {error}"),
            None => "under way".to_owned(),
        };
        format!("{}: {outcome}", call.command)
    });
    let asked = incident.approvals.iter().map(|approval| {
        let people = if approval.decided_by.is_empty() { "nobody".to_owned() } else { approval.decided_by.join(", ") };
        format!("{}: {:?}, decided by {people}", approval.command, approval.state)
    });
    let left = incident.manual.iter().map(|manual| format!("{} ({})", manual.instructions, manual.reason));
    vec![
        ("How it ended", ended.into_iter().collect()),
        ("Cause", cause.into_iter().collect()),
        ("Done", done.collect()),
        ("Decisions", asked.collect()),
        ("For people", left.collect()),
    ]
}

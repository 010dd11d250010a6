//! What models were asked, what that cost, and what came of it.

use crate::domain::{AgentRole, Cost, Exchange, Incident, Thought, TimeSpan, Timestamp, Usage};
use serde::Serialize;
use utoipa::ToSchema;

/// Questions that are told; the sums are of all.
const MAX_QUESTIONS: usize = 50;

/// What models had to do with an incident.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ThinkingReport {
    /// The sums.
    pub sums: Thought,
    /// Each question, in order.
    pub questions: Vec<QuestionReport>,
    /// Questions before these, which are told only in the sums.
    pub left_out: usize,
    /// Whether a model wrote about a verdict that is not the present one; those words are not shown.
    pub outdated_prose: bool,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct QuestionReport {
    /// Who asked.
    pub agent: AgentRole,
    /// The model that answered, or was asked last; empty where none was.
    pub model: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How long it took; none while it runs.
    #[schema(value_type = Option<String>)]
    pub took: Option<TimeSpan>,
    /// Tokens.
    pub usage: Usage,
    /// What that cost, in millionths.
    pub cost: Cost,
    /// Faults of the answer before, with which it was asked again.
    pub faults: usize,
    /// What the model did: `proposed 3 steps`.
    pub outcome: String,
    /// Why the answer was not used, and what served instead; none if it was.
    pub unused: Option<String>,
}

/// Nothing where no model was asked.
pub(super) fn of(incident: &Incident) -> Option<ThinkingReport> {
    let exchanges = &incident.exchanges;
    let left_out = exchanges.len().saturating_sub(MAX_QUESTIONS);
    let wrote = exchanges.iter().any(|exchange| {
        let end = exchange.end.as_ref().filter(|_| exchange.settled && exchange.unused.is_none());
        end.is_some_and(|end| matches!(end.outcome, crate::domain::ExchangeOutcome::Written { .. }))
    });
    (!exchanges.is_empty()).then(|| ThinkingReport {
        sums: incident.thought,
        questions: exchanges.iter().skip(left_out).map(question).collect(),
        left_out,
        outdated_prose: wrote && incident.prose.is_none(),
    })
}

fn question(exchange: &Exchange) -> QuestionReport {
    let end = exchange.end.as_ref();
    QuestionReport {
        agent: exchange.agent,
        model: end.map(|end| end.model.clone()).unwrap_or_default(),
        at: exchange.began_at,
        took: end.map(|end| TimeSpan::from_millis(end.milliseconds)),
        usage: end.map(|end| end.usage).unwrap_or_default(),
        cost: end.map(|end| end.cost).unwrap_or_default(),
        faults: exchange.faults.len(),
        outcome: match end {
            None => "not answered so far".to_owned(),
            Some(end) if end.model.is_empty() => end.did(),
            Some(end) => end.outcome.words(),
        },
        unused: exchange.unused.clone(),
    }
}

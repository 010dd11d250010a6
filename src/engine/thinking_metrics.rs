//! What is counted of models: questions, tokens, money, and how long answers take.

use crate::domain::{AgentRole, Cost, EventBody, ExchangeEnd, ExchangeOutcome, Incident};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuestionLabels {
    agent: &'static str,
    model: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    model: String,
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: String,
}

/// Seconds: a model answers in one to a minute.
const BUCKETS: [f64; 9] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0];

/// Counters of models.
pub(super) struct ThinkingMetrics {
    questions: Family<QuestionLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<ModelLabels, Counter<f64, AtomicU64>>,
    seconds: Family<ModelLabels, Histogram>,
    unused: Counter,
}

impl Default for ThinkingMetrics {
    fn default() -> Self {
        Self {
            questions: Family::default(),
            tokens: Family::default(),
            cost: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            unused: Counter::default(),
        }
    }
}

impl ThinkingMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "model_questions",
            "Questions to models, by agent, model and outcome",
            self.questions.clone(),
        );
        registry.register("model_tokens", "Tokens, by model and direction", self.tokens.clone());
        registry.register("model_cost", "Money, in the currency of agents.yml, by model", self.cost.clone());
        registry.register("model_answer_seconds", "Time to an answer, by model", self.seconds.clone());
        registry.register("model_answers_unused", "Answers that were not used, or did not come", self.unused.clone());
    }

    /// Counts what happened in an exchange; `incident` is what it was before.
    pub fn observe(&self, body: &EventBody, incident: Option<&Incident>) {
        match body {
            EventBody::ExchangeEnded { index, end } => {
                let asked = incident.and_then(|known| known.exchanges.iter().find(|asked| asked.index == *index));
                self.ended(asked.map(|asked| asked.agent), end);
            }
            EventBody::ExchangeSettled { unused: Some(_), .. } => {
                self.unused.inc();
            }
            _ => {}
        }
    }

    fn ended(&self, agent: Option<AgentRole>, end: &ExchangeEnd) {
        let remembered = end.is_remembered();
        let outcome = match &end.outcome {
            _ if remembered => "remembered",
            ExchangeOutcome::Proposed { .. } | ExchangeOutcome::Claimed { .. } | ExchangeOutcome::Written { .. } => {
                "answered"
            }
            ExchangeOutcome::Malformed { .. } => "malformed",
            ExchangeOutcome::Failed { .. } => "failed",
        };
        // Nobody was asked where no model had a place, or what it had to be told did not fit.
        let model = if end.model.is_empty() { "none".to_owned() } else { end.model.clone() };
        let agent = agent.map_or("", AgentRole::as_str);
        self.questions.get_or_create(&QuestionLabels { agent, model: model.clone(), outcome }).inc();
        for (direction, count) in
            [("input", end.usage.input), ("output", end.usage.output)].into_iter().filter(|it| it.1 > 0)
        {
            self.tokens.get_or_create(&TokenLabels { model: model.clone(), direction }).inc_by(count);
        }
        if end.cost > Cost::default() {
            self.cost.get_or_create(&ModelLabels { model: model.clone() }).inc_by(end.cost.units());
        }
        if end.answer.is_some() && !remembered {
            self.seconds.get_or_create(&ModelLabels { model }).observe(end.milliseconds as f64 / 1_000.0);
        }
    }
}

//! One tiny question to each model that is configured: whether it answers, and keeps to the form that is asked for.

use super::{ModelError, Question, Turn, chain};
use crate::config::{Agents, ModelConfig};
use crate::domain::{Cost, Usage, clean_text};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Instant;

/// What came of a question to one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The model, as the configuration names it.
    pub model: String,
    /// What is wrong and what to do, if it cannot be used.
    pub problem: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
    /// Tokens.
    pub usage: Usage,
    /// What that cost.
    pub cost: Cost,
}

/// Longest text of an answer that is shown.
const LONGEST_SHOWN: usize = 120;

/// Asks all models at once, each for as long as its `timeout`. Nothing of any incident is told.
pub async fn trials(agents: &Agents) -> Vec<Trial> {
    join_all(agents.models.iter().map(|(name, config)| trial(name, config))).await
}

async fn trial(name: &str, config: &ModelConfig) -> Trial {
    let started = Instant::now();
    let (problem, usage) = match chain::model(config) {
        Err(error) => (Some(error), Usage::default()),
        Ok(model) => match model.ask(&question()).await {
            Ok(answer) => (fault(&answer.text), answer.usage),
            Err(unanswered) => (Some(advised(&unanswered.error)), unanswered.usage),
        },
    };
    let milliseconds = started.elapsed().as_millis() as u64;
    Trial { model: name.to_owned(), problem, milliseconds, usage, cost: config.prices.cost(usage) }
}

fn question() -> Question {
    let word = json!({"type": "string", "enum": ["ready"], "description": "The word ready."});
    Question {
        system: "You are asked whether you can be asked. Answer in the form that is asked for.".to_owned(),
        turns: vec![Turn::Told("Are you ready?".to_owned())],
        form: "trial".to_owned(),
        schema: json!({
            "type": "object", "required": ["answer"], "additionalProperties": false, "properties": {"answer": word},
        })
        .into(),
    }
}

/// What is wrong with an answer.
fn fault(text: &str) -> Option<String> {
    let right = json!({"answer": "ready"});
    let kept = serde_json::from_str::<Value>(text).is_ok_and(|answer| answer == right);
    (!kept).then(|| {
        let said = clean_text(&text.split_whitespace().collect::<Vec<_>>().join(" "), LONGEST_SHOWN);
        format!("it does not keep to the form of an answer, but says '{said}'; choose a model with structured output")
    })
}

/// The trouble with what to do about it, where the trouble does not say so itself.
fn advised(error: &ModelError) -> String {
    let advice = match error {
        ModelError::Away(_) | ModelError::Lost(_) => {
            "check 'base_url', the network, and HTTPS_PROXY where one is needed"
        }
        ModelError::TimedOut(_) => "raise its 'timeout', or see what keeps it busy",
        ModelError::Limited { .. } => "wait, or see its vendor about limits and what is paid",
        ModelError::Rejected { status: 404, .. } => "correct 'model', or 'base_url'",
        ModelError::Rejected { .. } => {
            "correct 'model', 'api_version' or 'temperature', or choose one with structured output"
        }
        ModelError::Broken { .. } => "the trouble is its vendor's; try again later",
        ModelError::Declined(_) | ModelError::Empty => "choose another model, if it does so again",
        ModelError::TooLarge | ModelError::Unreadable(_) => {
            "check that 'base_url' is that of the API, and 'provider' right"
        }
        // These say it themselves.
        ModelError::Unauthorized(_) | ModelError::CutOff => return error.to_string(),
    };
    format!("{error}; {advice}")
}

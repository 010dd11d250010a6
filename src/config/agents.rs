//! agents.yml: who thinks, with what, and what that may cost.

use super::Secret;
use crate::domain::{Shape, TimeSpan};
use crate::expr::{Scope, Template};
use std::collections::BTreeMap;

/// Who plans, who analyses, who writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Agents {
    /// Models, by names of the user's own.
    pub models: BTreeMap<String, ModelConfig>,
    /// Says what to look at next, and which remedy it would try first.
    pub planner: Agent,
    /// Draws conclusions from evidence.
    pub analyst: Agent,
    /// Writes the prose of reports.
    pub reporter: Agent,
    /// What thinking may cost.
    pub budgets: ThinkingBudgets,
    /// How often a diagnosis may ask models, all in all: one that revises for ever comes to an end.
    pub questions: u32,
    /// How long the answer to an equal question of the same incident is taken instead of asking again.
    pub remember: TimeSpan,
}

/// One of them. Without models, the runbooks think for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Names of models; each is asked where those before it did not answer.
    pub models: Vec<String>,
    /// How long all of them together may take over one question.
    pub timeout: TimeSpan,
    /// What it is told about its part.
    pub prompt: Template,
}

/// A model and where it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Whose API it speaks.
    pub provider: Provider,
    /// Its name there; with Azure, that of the deployment.
    pub model: String,
    /// Address of the API, without a slash at the end.
    pub base_url: String,
    /// Proves who asks; without it, nothing is said.
    pub key: Option<Secret>,
    /// Version of the API, where it has any: Azure's must be said, Anthropic's may.
    pub api_version: Option<String>,
    /// How freely it may choose words; left out, as its vendor has it.
    pub temperature: Option<f32>,
    /// Most tokens of a question: what is told is shortened to fit.
    pub max_input_tokens: u32,
    /// Most tokens of an answer.
    pub max_output_tokens: u32,
    /// How long one answer may take.
    pub timeout: TimeSpan,
    /// What it costs; none costs nothing.
    pub prices: Prices,
}

/// Whose API a model speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// OpenAI's chat completions.
    OpenAi,
    /// The same on Azure: other addresses, another header.
    Azure,
    /// Anything that speaks OpenAI's chat completions: vLLM, LiteLLM, llama.cpp.
    Compatible,
    /// Ollama, by its compatible address.
    Ollama,
    /// Anthropic's messages.
    Anthropic,
}

impl Provider {
    /// Where its vendor serves it; the others have to be told.
    pub fn base_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Ollama => Some("http://127.0.0.1:11434/v1"),
            Self::Azure | Self::Compatible => None,
        }
    }
}

/// Prices of a million tokens, in the currency of the budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prices {
    /// Of what is asked.
    pub input: f64,
    /// Of what is answered.
    pub output: f64,
}

/// What thinking may cost; where one is used up, the runbooks think.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThinkingBudgets {
    /// Tokens of one incident, asked and answered.
    pub tokens_per_incident: u64,
    /// Tokens of a day.
    pub tokens_per_day: u64,
    /// Money of one incident.
    pub money_per_incident: f64,
    /// Money of a day.
    pub money_per_day: f64,
}

/// The agents, each with a prompt of its name in `config/prompts/`.
pub const PROMPTS: [&str; 3] = ["planner", "analyst", "reporter"];

/// What prompts may use: `environment`, its `kind`, the `target` (empty where none is known), and the `marker` around what
/// others wrote. Nothing of an alert: whoever can raise one would write a part of the prompt.
pub fn prompt_scope() -> Scope {
    let names = ["environment", "kind", "target", "marker"];
    names.into_iter().fold(Scope::new(), |scope, name| scope.with(name, Shape::String))
}

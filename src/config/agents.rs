//! agents.yml: who thinks, with what, and what that may cost.

use super::Secret;
use crate::domain::{AgentRole, Cost, Shape, Spent, TimeSpan, Usage};
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

impl Agents {
    /// One of them.
    pub fn agent(&self, role: AgentRole) -> &Agent {
        match role {
            AgentRole::Planner => &self.planner,
            AgentRole::Analyst => &self.analyst,
            AgentRole::Reporter => &self.reporter,
        }
    }

    /// Models of an agent, in order.
    pub fn models_of(&self, agent: &Agent) -> impl Iterator<Item = &ModelConfig> {
        agent.models.iter().filter_map(|name| self.models.get(name))
    }

    /// The most that all models of an agent can be told, in tokens.
    pub fn most_input(&self, agent: &Agent) -> u64 {
        self.models_of(agent).map(|model| u64::from(model.max_input_tokens)).min().unwrap_or_default()
    }

    /// What one question of an agent costs at most: where each of its models is asked, writes all that it may, and is
    /// paid for that.
    pub fn dearest(&self, agent: &Agent) -> Spent {
        let input = self.most_input(agent);
        let usage = |model: &ModelConfig| Usage { input, output: model.max_output_tokens.into() };
        let spent = |model| Spent { tokens: usage(model).total(), money: model.prices.cost(usage(model)) };
        self.models_of(agent).map(spent).sum()
    }
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

impl Prices {
    /// What so many tokens cost, rounded up.
    pub fn cost(self, usage: Usage) -> Cost {
        Cost::of((usage.input as f64 * self.input + usage.output as f64 * self.output) / 1_000_000.0)
    }
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

impl ThinkingBudgets {
    /// Whether there is enough for a question that may cost so much about an incident that has cost so much.
    pub fn incident_has_room(&self, spent: Spent, question: Spent) -> bool {
        has_room(self.tokens_per_incident, self.money_per_incident, spent, question)
    }

    /// The same of a day.
    pub fn day_has_room(&self, spent: Spent, question: Spent) -> bool {
        has_room(self.tokens_per_day, self.money_per_day, spent, question)
    }
}

/// What is free needs no money, whatever others have cost.
fn has_room(tokens: u64, money: f64, spent: Spent, question: Spent) -> bool {
    let total: Spent = [spent, question].into_iter().sum();
    total.tokens <= tokens && (question.money == Cost::default() || total.money.units() <= money)
}

/// The agents, each with a prompt of its name in `config/prompts/`.
pub const PROMPTS: [&str; 3] = ["planner", "analyst", "reporter"];

/// What prompts may use: `environment`, its `kind`, the `target` (empty where none is known), and the `marker` around what
/// others wrote. Nothing of an alert: whoever can raise one would write a part of the prompt.
pub fn prompt_scope() -> Scope {
    let names = ["environment", "kind", "target", "marker"];
    names.into_iter().fold(Scope::new(), |scope, name| scope.with(name, Shape::String))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    #[test]
    fn prices_are_of_a_million_tokens_and_costs_are_never_understated() {
        let prices = Prices { input: 0.25, output: 2.0 };
        assert_eq!(prices.cost(Usage { input: 1_000_000, output: 500_000 }), Cost(1_250_000));
        assert_eq!(prices.cost(Usage { input: 1, output: 0 }), Cost(1), "a quarter of a millionth");
        assert_eq!(prices.cost(Usage::default()), Cost(0));
        assert_eq!(Prices::default().cost(Usage { input: 9, output: 9 }), Cost(0));
    }

    fn load(agents: &str) -> Result<Config, String> {
        let mut sources = Sources::built_in();
        sources.0.insert("config/agents.yml".into(), agents.into());
        Config::load(sources, &BTreeMap::new()).map_err(|problems| problems.to_string())
    }

    #[test]
    fn budgets_that_no_question_fits_in_are_refused() {
        let agents = "
models:
  wide: {provider: ollama, model: x, max_input_tokens: 150000}
  broad: {provider: ollama, model: x, max_input_tokens: 150000}
  dear: {provider: ollama, model: x, prices: {input: 10, output: 200}}
planner: {models: [dear]}
analyst: {models: [wide, broad]}
reporter: {models: [wide, dear]}
";
        let problems = load(agents).unwrap_err();
        let of_planner =
            "6:10: one question may take 36096 tokens and cost 1.1392, more than the budgets of one incident";
        let of_analyst =
            "7:10: one question may take 308192 tokens and cost 0.0000, more than the budgets of one incident";
        for wanted in [of_planner, of_analyst, "8:11: one question may take 72192 tokens and cost 1.1392"] {
            assert!(problems.contains(wanted), "{wanted}\n{problems}");
        }
        assert!(!problems.contains("of one day"), "{problems}");
    }

    #[test]
    fn what_is_free_needs_no_money() {
        let free = "
models: {free: {provider: ollama, model: x}}
planner: {models: [free]}
budgets: {tokens_per_incident: 36096, money_per_incident: 0, money_per_day: 0}
";
        load(free).unwrap_or_else(|problems| panic!("{problems}"));
    }
}

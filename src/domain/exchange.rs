//! What was asked of models, what they answered, and what that cost.

use super::{Claims, Difference, Digest, Proposal, Timestamp, Verdict, Window};
use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops::AddAssign};
use utoipa::ToSchema;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentRole {
    /// What to look at next?
    Planner,
    /// What does it show?
    Analyst,
    /// How is it told?
    Reporter,
}

impl AgentRole {
    /// As in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Analyst => "analyst",
            Self::Reporter => "reporter",
        }
    }
}

impl fmt::Display for AgentRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One question to models and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Exchange {
    /// Position among the incident's, from 1.
    pub index: u32,
    /// Who asked.
    pub agent: AgentRole,
    /// The plan revision that the diagnosis began with, in which it was asked.
    pub diagnosis: u32,
    /// Pieces of evidence of this diagnosis that there were.
    pub seen: usize,
    /// What was wrong with the answer before, if it is asked again.
    pub faults: Vec<String>,
    /// Parts of captured results that the model asked for.
    pub windows: Vec<Window>,
    /// The process that asked: only it waits for the answer.
    pub process: String,
    /// The models that may be asked, in this order, as the configuration names them.
    #[serde(default)]
    pub models: Vec<String>,
    /// What it was told of how the target differs from when it was last good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// The verdict that there was: what a reporter writes is about that one.
    #[serde(default)]
    pub about: Option<Verdict>,
    /// What it may cost at most: counted until it is known what it cost.
    #[serde(default)]
    pub reserved: Spent,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Timestamp,
    /// How it ended; none while it runs.
    pub end: Option<ExchangeEnd>,
    /// Whether it is decided what the answer leads to.
    pub settled: bool,
    /// Why the answer is not used, if it is not.
    pub unused: Option<String>,
}

impl Exchange {
    /// Whether it is about the same: asked by the same agent in the light of the same evidence.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        (self.agent, self.diagnosis, self.seen) == (other.agent, other.diagnosis, other.seen)
    }
}

/// That models were not asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotAsked {
    /// Who would have asked.
    pub agent: AgentRole,
    /// The plan revision that the diagnosis began with.
    pub diagnosis: u32,
    /// Why not, and what served instead.
    pub why: String,
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExchangeEnd {
    /// The model that answered, or was asked last, as the configuration names it.
    pub model: String,
    /// What was asked, with everything that was told: in the content-addressed store.
    pub request: Digest,
    /// What was answered, as it came: in the content-addressed store.
    pub answer: Option<Digest>,
    /// Tokens, of all models that were asked.
    pub usage: Usage,
    /// What that cost.
    pub cost: Cost,
    /// How long it took.
    pub milliseconds: u64,
    /// What came of it.
    pub outcome: ExchangeOutcome,
}

impl ExchangeEnd {
    /// Who did what, for people: `mini proposed 3 steps`.
    pub fn did(&self) -> String {
        if self.model.is_empty() {
            "no model answered".to_owned()
        } else {
            format!("{} {}", self.model, self.outcome.words())
        }
    }

    /// Whether the answer to an equal question was taken again. One that a model gave has tokens, estimated where its
    /// vendor counts none.
    pub fn is_remembered(&self) -> bool {
        self.answer.is_some() && self.usage.total() == 0
    }

    /// What it cost, for people: `1,204 tokens, 0.0021`.
    pub fn spent(&self) -> String {
        if self.is_remembered() {
            return "from memory".to_owned();
        }
        format!("{} tokens, {}", grouped(self.usage.total()), self.cost)
    }

    /// What it cost, for budgets.
    pub fn charged(&self) -> Spent {
        Spent { tokens: self.usage.total(), money: self.cost }
    }
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum ExchangeOutcome {
    /// A plan was proposed.
    Proposed {
        /// What.
        proposal: Proposal,
    },
    /// Something was concluded.
    Claimed {
        /// What.
        claims: Claims,
    },
    /// Prose.
    Written {
        /// The text.
        text: String,
    },
    /// There was an answer, but not in the form that was asked for.
    Malformed {
        /// What is wrong with it.
        error: String,
    },
    /// There was none that could be used.
    Failed {
        /// Why, and whose fault it was.
        error: String,
    },
}

impl ExchangeOutcome {
    /// What the model did, for people, without anything that it said: `proposed 3 steps`.
    pub fn words(&self) -> String {
        let several = |count: usize, what: &str| match count {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        match self {
            Self::Proposed { proposal } if proposal.windows.is_empty() => {
                format!("proposed {}", several(proposal.steps.len(), "step"))
            }
            Self::Proposed { proposal } => {
                format!("wants to see {} of what was captured", several(proposal.windows.len(), "part"))
            }
            Self::Claimed { claims } => format!("made {}", several(claims.findings.len(), "finding")),
            Self::Written { .. } => "wrote a summary".to_owned(),
            Self::Malformed { .. } => "answered in another form".to_owned(),
            Self::Failed { .. } => "gave no answer".to_owned(),
        }
    }
}

/// What a model wrote about a verdict, which stands: words, no facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prose {
    /// The model, as the configuration names it.
    pub model: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The text.
    pub text: String,
}

/// What was asked of models for one incident, all in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Thought {
    /// Questions that ended, without those that were answered from memory.
    pub questions: u32,
    /// Answers that were not used, or did not come.
    pub unused: u32,
    /// Tokens.
    pub usage: Usage,
    /// What that cost.
    pub cost: Cost,
}

impl Thought {
    /// For people: `4 questions, 3,300 tokens asked and 300 answered, cost 0.0042`.
    pub fn words(&self) -> String {
        let s = if self.questions == 1 { "" } else { "s" };
        let (input, output) = (grouped(self.usage.input), grouped(self.usage.output));
        format!("{} question{s}, {input} tokens asked and {output} answered, cost {}", self.questions, self.cost)
    }
}

/// Tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Of what was asked.
    pub input: u64,
    /// Of what was answered.
    pub output: u64,
}

impl Usage {
    /// Both.
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
    }
}

/// What models cost, or may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spent {
    /// Tokens, asked and answered.
    pub tokens: u64,
    /// Money.
    pub money: Cost,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.money += other.money;
    }
}

impl Sum for Spent {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// An amount of money, in millionths of the currency of `agents.yml`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Cost(pub u64);

impl Cost {
    /// An amount in whole units, rounded up: what is spent is never understated.
    pub fn of(units: f64) -> Self {
        Self((units * 1_000_000.0).ceil().max(0.0) as u64)
    }

    /// In whole units.
    pub fn units(self) -> f64 {
        self.0 as f64 / 1_000_000.0
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.units())
    }
}

/// `1,204`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_read_in_groups() {
        for (number, shown) in [(0, "0"), (999, "999"), (1_204, "1,204"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), shown);
        }
    }
}

//! What was asked of models, what they answered, and what that cost.

use super::{Claims, Digest, Proposal, Timestamp, Window};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::AddAssign};
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

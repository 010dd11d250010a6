//! What a model is told.
//!
//! ```text
//! Case (alerts, evidence, findings) ─► evidence ─► redacted ─► fenced ─► sections within a budget ─► Brief
//! prompt of agents.yml ─────────────────────────────────────────────────────────────────────────────►   .system
//! ```
//!
//! Outside of fences stands only what oncalld measured or its configuration says: figures, times, words from closed
//! lists, names without blanks. Everything that programs, labels or models wrote stands inside one. The same case
//! always gives the same brief, to the byte: equal questions are recognised by their digest.

mod compose;
mod differences;
mod evidence;
mod fence;
mod log_templates;
mod log_words;
mod own_words;
mod pen;
mod sections;
#[cfg(test)]
mod tests;
mod window;

pub use compose::{analyst, planner, reporter};
pub use differences::{Changed, differences};
pub use fence::{Fence, Fences, MarkerError};
pub use window::{MOST_LINES, Shown};

use crate::{
    catalog::{Catalog, Runbook},
    domain::{Alert, Difference, EnvironmentKind, Evidence, Finding, IncidentId, PhaseName, Redactor, Step, Timestamp},
    expr::Template,
};
use std::collections::BTreeMap;

/// What a model is told, and what it said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Its part, and the rules.
    pub system: String,
    /// The conversation, oldest first; the last one is told.
    pub turns: Vec<Turn>,
    /// Tokens of all that, estimated.
    pub tokens: u64,
    /// Parts that were shortened to fit.
    pub shortened: usize,
}

/// One side of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// What the model is told.
    Told(String),
    /// What the model said.
    Said(String),
}

/// Why there is no brief.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BriefError {
    /// Even at its shortest it is too long.
    #[error(
        "what a model must be told has about {tokens} tokens, and {budget} are left; raise max_input_tokens in agents.yml"
    )]
    TooLong {
        /// What it has at its shortest.
        tokens: u64,
        /// What it may have.
        budget: u64,
    },
    /// The prompt has no text.
    #[error("the prompt cannot be filled in: {0}; correct it in config/prompts/")]
    Prompt(String),
}

/// How a brief is written.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'a> {
    /// The agent's prompt: sees [`crate::config::prompt_scope`].
    pub prompt: &'a Template,
    /// The incident's fence.
    pub fence: &'a Fence,
    /// What is secret.
    pub redactor: &'a Redactor,
    /// Most tokens of all that is told. The form of the answer is not counted here.
    pub budget: u64,
}

/// What is known of an incident.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The incident.
    pub incident: &'a IncidentId,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The environment.
    pub environment: &'a str,
    /// Its kind.
    pub kind: EnvironmentKind,
    /// The target; none where none resolved.
    pub target: Option<&'a str>,
    /// What a person said who asked for the diagnosis.
    pub note: Option<&'a str>,
    /// As last reported.
    pub alerts: &'a [Alert],
    /// What was seen, oldest first.
    pub evidence: &'a [&'a Evidence],
    /// What is claimed already.
    pub findings: &'a [Finding],
    /// How the target differs from when it was last good.
    pub differences: &'a [Difference],
    /// Parts of results that the model asked for.
    pub windows: &'a [Shown<'a>],
    /// What operations return, which tells measures from texts.
    pub catalog: &'a Catalog,
    /// The last answer and what is wrong with it, where it is asked again.
    pub again: Option<Again<'a>>,
}

/// An answer that could not be used.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// The answer.
    pub said: &'a str,
    /// Every fault of it.
    pub faults: &'a [String],
}

/// What a planner is told besides.
#[derive(Clone, Copy, Debug)]
pub struct Planning<'a> {
    /// What the current plan has left to look at.
    pub left: &'a [(PhaseName, &'a Step)],
    /// The first phase that still can be planned.
    pub from: PhaseName,
    /// Runbooks that match, best first: hints.
    pub runbooks: &'a [&'a Runbook],
    /// Remedies that are offered.
    pub remedies: &'a [Remedy<'a>],
}

/// A remedy that a model may prefer.
#[derive(Clone, Debug)]
pub struct Remedy<'a> {
    /// `runbook/remedy`.
    pub id: &'a str,
    /// The cause that it is for.
    pub cause: &'a str,
    /// Its operations, in order.
    pub operations: &'a [&'a str],
}

/// Causes that can be claimed, with a sentence on each.
pub type Causes<'a> = BTreeMap<&'a str, &'a str>;

/// A part of what a reporter is told: facts of the report under one title. They may quote anybody.
#[derive(Clone, Debug)]
pub struct Passage<'a> {
    /// The title, a word of the report's own: `Done`.
    pub title: &'static str,
    /// The facts.
    pub facts: Vec<&'a str>,
}

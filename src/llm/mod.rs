//! Models: what is asked, what comes back, and every way in which nothing useful does.
//!
//! ```text
//! Question ─► chain (models in order, one deadline over all) ─► OpenAI-compatible | Anthropic ─► Answer | ModelError
//! ```

mod anthropic;
mod chain;
mod estimate;
mod openai;
mod reading;
mod rest;
mod trial;
mod wire;

pub use anthropic::Anthropic;
pub use chain::{Asked, Chain, Trouble, chains};
pub use openai::OpenAi;
pub use trial::{Trial, trials};

use crate::domain::{Ordered, Usage};
use futures_util::future::BoxFuture;
use serde::Serialize;

/// What a model is asked; serialised, it is what is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// Its part, and the rules.
    pub system: String,
    /// What it is told and has said, oldest first; the last is told.
    pub turns: Vec<Turn>,
    /// What the form of the answer is called: letters and `_`.
    pub form: String,
    /// The form of the answer: strict JSON Schema.
    pub schema: Ordered,
}

/// One side of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// What the model is told.
    Told(String),
    /// What the model said.
    Said(String),
}

/// One message of a conversation, as all vendors have it.
#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> From<&'a Turn> for Message<'a> {
    fn from(turn: &'a Turn) -> Self {
        match turn {
            Turn::Told(content) => Self { role: "user", content },
            Turn::Said(content) => Self { role: "assistant", content },
        }
    }
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text; JSON where the model keeps to the form.
    pub text: String,
    /// Tokens, as its vendor counted them; estimated where it says nothing.
    pub usage: Usage,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// No connection.
    #[error("the model is away: {0}")]
    Away(String),
    /// The connection broke when the question was sent.
    #[error("the connection to the model broke: {0}")]
    Lost(String),
    /// No answer in time.
    #[error("the model did not answer within {0}")]
    TimedOut(crate::domain::TimeSpan),
    /// Too much was asked of it lately, or nothing is paid for.
    #[error("the model takes no more questions now: {message}")]
    Limited {
        /// What it said.
        message: String,
        /// When it wants to be asked again, if it said so.
        again_in: Option<crate::domain::TimeSpan>,
    },
    /// It does not know who asks.
    #[error("the model's key was refused: {0}; correct 'key' in agents.yml")]
    Unauthorized(String),
    /// It does not take the question: its name, its address or its form is wrong.
    #[error("the model refused the question ({status}): {message}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Its server failed.
    #[error("the model's server failed ({status}): {message}")]
    Broken {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// It will not answer this.
    #[error("the model declined: {0}")]
    Declined(String),
    /// The answer ended before it was whole.
    #[error("the answer was cut off; raise max_output_tokens in agents.yml")]
    CutOff,
    /// There was nothing in it.
    #[error("the answer is empty")]
    Empty,
    /// The answer is larger than anything that was asked for.
    #[error("the answer is larger than {} KiB", LARGEST_ANSWER >> 10)]
    TooLarge,
    /// What came is not what this API answers.
    #[error("the answer is not of this API: {0}")]
    Unreadable(String),
}

/// A question that got no answer, and what it cost all the same: an answer that was cut off is paid for, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Why.
    pub error: ModelError,
    /// Tokens, as its vendor counted them; estimated where a question may have been worked on.
    pub usage: Usage,
}

impl From<ModelError> for Unanswered {
    /// It cost nothing.
    fn from(error: ModelError) -> Self {
        Self { error, usage: Usage::default() }
    }
}

/// The largest answer that is read: many times what `max_output_tokens` allows.
pub const LARGEST_ANSWER: usize = 2 << 20;

/// A model.
pub trait Model: Send + Sync {
    /// Asks it once. Never takes longer than its configured time-out.
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Unanswered>>;
}

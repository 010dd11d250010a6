//! What asking and reading have in common, whoever is asked.

use super::{Answer, ModelError, Question, Unanswered, estimate};
use crate::domain::{TimeSpan, Usage, clean_text};
use std::future::Future;

/// How much of what a model says of its refusal is kept.
const LONGEST_REFUSAL: usize = 300;

impl Unanswered {
    /// What is to be paid for a question that ended so: nothing if it was refused; where it may have been worked on, all
    /// that was asked, and all that may have been answered: whoever is late goes on writing, unheard.
    pub(super) fn by(error: ModelError, question: &Question, most_output: u32) -> Self {
        let usage = match error {
            ModelError::TimedOut(_) | ModelError::Lost(_) | ModelError::TooLarge | ModelError::Unreadable(_) => {
                Usage { input: estimate::asked(question), output: most_output.into() }
            }
            _ => Usage::default(),
        };
        Self { error, usage }
    }
}

/// An answer, if it comes in time: from the first byte of the connection to the last of the answer.
pub(super) async fn within(
    timeout: TimeSpan,
    question: &Question,
    most_output: u32,
    answer: impl Future<Output = Result<Answer, Unanswered>>,
) -> Result<Answer, Unanswered> {
    let late = |_| Err(Unanswered::by(ModelError::TimedOut(timeout), question, most_output));
    tokio::time::timeout(timeout.as_std(), answer).await.unwrap_or_else(late)
}

/// What a model says when it will not answer.
pub(super) fn declined(words: &str) -> ModelError {
    ModelError::Declined(clean_text(words.trim(), LONGEST_REFUSAL))
}

/// What is inside a code block of Markdown, if an answer is nothing but one: models that are not held to a form write them.
pub(super) fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inside.and_then(|inside| inside.split_once('\n')) {
        Some((language, inside)) if language.trim().chars().all(char::is_alphanumeric) => inside.trim(),
        _ => text,
    }
}

/// A temperature as it was written: 0.2, not 0.20000000298.
pub(super) fn decimal(temperature: f32) -> f64 {
    temperature.to_string().parse().unwrap_or_else(|_| temperature.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fence_around_everything_is_taken_away() {
        for (text, wanted) in [
            ("{\"a\": 1}", "{\"a\": 1}"),
            ("```json\n{\"a\": 1}\n```", "{\"a\": 1}"),
            ("\n```\n{}\n```\n", "{}"),
            ("See:\n```json\n{}\n```", "See:\n```json\n{}\n```"),
            ("```", "```"),
            ("``````", "``````"),
        ] {
            assert_eq!(unfenced(text), wanted);
        }
    }

    #[test]
    fn temperatures_keep_their_decimals() {
        assert_eq!(decimal(0.2).to_string(), "0.2");
        assert_eq!(decimal(1.0), 1.0);
    }
}

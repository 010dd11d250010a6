//! Tokens, where their vendor does not count them. What is estimated is compared with budgets, so that it should rather
//! be too much.

use super::{Question, Turn};
use crate::domain::{Usage, estimate_tokens};

/// What surrounds a turn: its role and where it ends.
const FRAME: u64 = 8;

/// Tokens of a question with everything that is sent.
pub fn asked(question: &Question) -> u64 {
    let turns = question.turns.iter().map(|turn| match turn {
        Turn::Told(text) | Turn::Said(text) => estimate_tokens(text) + FRAME,
    });
    estimate_tokens(&question.system) + FRAME + turns.sum::<u64>() + estimate_tokens(&question.schema.to_string())
}

/// Usage as a vendor counts it, with estimates for what it does not say. Nobody answers for no tokens at all.
pub fn usage(input: Option<u64>, output: Option<u64>, question: &Question, answer: &str) -> Usage {
    Usage {
        input: input.filter(|count| *count > 0).unwrap_or_else(|| asked(question)),
        output: output.filter(|count| *count > 0).unwrap_or_else(|| estimate_tokens(answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_vendor_counts_is_taken_and_the_rest_estimated() {
        let question = Question {
            system: "a".repeat(400),
            turns: vec![Turn::Told("b".repeat(400))],
            form: "f".into(),
            schema: json!({}).into(),
        };
        let both = usage(Some(7), Some(5), &question, "{}");
        assert_eq!(both, Usage { input: 7, output: 5 });
        let none = usage(None, Some(0), &question, &"c".repeat(40));
        assert_eq!(none, Usage { input: 100 + 100 + 2 * FRAME + 1, output: 10 });
    }
}

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

/// How many times as many tokens as there can be by our estimate a vendor is believed to have counted. Tokens are cut
/// differently, and some vendors count thoughts that they do not show; but a broken gateway's number must not use up the
/// budget of a day.
const BELIEVED: u64 = 4;

/// Tokens that a vendor may put before a question: rules of its own.
const ADDED: u64 = 10_000;

/// Usage as a vendor counts it, asked and answered, with estimates for what it does not say. Nobody answers for no tokens
/// at all.
pub fn usage(counted: (Option<u64>, Option<u64>), question: &Question, answer: &str, most_output: u32) -> Usage {
    let (input, output) = counted;
    let (asked, answered) = (asked(question), estimate_tokens(answer));
    let most_output = u64::from(most_output).max(answered);
    Usage {
        input: input.filter(|count| *count > 0).map_or(asked, |count| count.min(BELIEVED * asked + ADDED)),
        output: output.filter(|count| *count > 0).map_or(answered, |count| count.min(BELIEVED * most_output)),
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
        let asked = 100 + 100 + 2 * FRAME + 1;
        let both = usage((Some(7), Some(5)), &question, "{}", 50);
        assert_eq!(both, Usage { input: 7, output: 5 });
        let none = usage((None, Some(0)), &question, &"c".repeat(40), 50);
        assert_eq!(none, Usage { input: asked, output: 10 });
        let absurd = usage((Some(u64::MAX), Some(1_000_000_000_000)), &question, "{}", 50);
        assert_eq!(absurd, Usage { input: 4 * asked + ADDED, output: 4 * 50 });
    }
}

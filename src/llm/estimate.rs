//! Tokens, where their vendor does not count them.
//!
//! Every vendor cuts text in its own way, so this is a bound rather than a count: prose comes to about four characters
//! a token, digits and punctuation, of which logs and JSON are full, to two, and other scripts to two bytes. What is
//! estimated is compared with budgets, so that it should rather be too much.

use super::{Question, Turn};
use crate::domain::Usage;

/// What surrounds a turn: its role and where it ends.
const FRAME: u64 = 8;

/// Tokens of a text.
pub fn tokens(text: &str) -> u64 {
    let quarters: u64 = text
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | ' ' | '\n' => 1,
            c if c.is_ascii() => 2,
            c => 2 * c.len_utf8() as u64,
        })
        .sum();
    quarters.div_ceil(4)
}

/// Tokens of a question with everything that is sent.
pub fn asked(question: &Question) -> u64 {
    let turns = question.turns.iter().map(|turn| match turn {
        Turn::Told(text) | Turn::Said(text) => tokens(text) + FRAME,
    });
    tokens(&question.system) + FRAME + turns.sum::<u64>() + tokens(&question.schema.to_string())
}

/// Usage as a vendor counts it, with estimates for what it does not say. Nobody answers for no tokens at all.
pub fn usage(input: Option<u64>, output: Option<u64>, question: &Question, answer: &str) -> Usage {
    Usage {
        input: input.filter(|count| *count > 0).unwrap_or_else(|| asked(question)),
        output: output.filter(|count| *count > 0).unwrap_or_else(|| tokens(answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prose_is_cheap_and_logs_and_other_scripts_are_dear() {
        for (text, estimated) in [
            ("", 0),
            ("a", 1),
            ("connection refused by the database", 9),
            ("10.0.0.12:5432", 7),
            (r#"{"ready":false,"restarts":7}"#, 10),
            ("соединение", 10),
            ("接続失敗", 6),
            ("🔥", 2),
        ] {
            assert_eq!(tokens(text), estimated, "{text}");
        }
    }

    #[test]
    fn what_a_vendor_counts_is_taken_and_the_rest_estimated() {
        let question = Question {
            system: "a".repeat(400),
            turns: vec![Turn::Told("b".repeat(400))],
            form: "f".into(),
            schema: json!({}),
        };
        let both = usage(Some(7), Some(5), &question, "{}");
        assert_eq!(both, Usage { input: 7, output: 5 });
        let none = usage(None, Some(0), &question, &"c".repeat(40));
        assert_eq!(none, Usage { input: 100 + 100 + 2 * FRAME + 1, output: 10 });
    }
}

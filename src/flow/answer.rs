//! What came of an answer: data in the form that was asked for, bounded in every way before it is kept.

use crate::domain::{AgentRole, ExchangeOutcome, clean_text};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The largest answer that is kept in the journal, in bytes: ten times what a model is asked for at most by default.
const LARGEST: usize = 256 << 10;

/// The deepest that an answer may be nested: its form has at most ten levels. What is kept is nested deeper still, and what
/// is nested too deep could not be read again.
const DEEPEST: usize = 16;

/// Longest text of an answer, in characters; more than three paragraphs of prose are read by nobody.
const LONGEST: usize = 4_000;

/// Longest description of what is wrong with one, which may quote it.
const LONGEST_FAULT: usize = 400;

/// What came of an answer, read in the form that was asked for.
pub fn answered(agent: AgentRole, text: &str) -> ExchangeOutcome {
    let read = match agent {
        AgentRole::Planner => read(text).map(|proposal| ExchangeOutcome::Proposed { proposal }),
        AgentRole::Analyst => read(text).map(|claims| ExchangeOutcome::Claimed { claims }),
        AgentRole::Reporter => read::<Map<String, Value>>(text).and_then(|answer| {
            let summary = answer.get("summary").and_then(Value::as_str).ok_or("summary: is missing")?;
            Ok(ExchangeOutcome::Written { text: summary.to_owned() })
        }),
    };
    read.unwrap_or_else(|error| ExchangeOutcome::Malformed { error: clean_text(&error, LONGEST_FAULT) })
}

fn read<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, String> {
    if text.len() > LARGEST {
        return Err(format!("the answer has {} bytes; answer in at most {LARGEST}", text.len()));
    }
    let answer: T = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let value = serde_json::to_value(&answer).map_err(|error| error.to_string())?;
    serde_json::from_value(bounded(value, DEEPEST)?).map_err(|error| error.to_string())
}

/// The same without what deceives readers, every text cut.
fn bounded(value: Value, levels: usize) -> Result<Value, String> {
    let Some(below) = levels.checked_sub(1) else {
        return Err(format!("the answer is nested more than {DEEPEST} levels deep"));
    };
    Ok(match value {
        Value::String(text) => Value::String(clean_text(&text, LONGEST)),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| bounded(item, below)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields =
                fields.into_iter().map(|(name, field)| Ok((clean_text(&name, LONGEST), bounded(field, below)?)));
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cost, Digest, EventBody, ExchangeEnd, Usage};
    use serde_json::json;

    fn proposal(argument: &str) -> String {
        format!(
            r#"{{"summary": "a\u202eb\u001b[31m", "keep": [], "remedy": null, "windows": [], "steps": [{{
                "name": "x", "phase": "triage", "operation": "get_status", "target": null, "reason": "",
                "arguments": {{"deep": {argument}}},
                "expects": {{"when": null, "success": null, "duration": null, "meanings": []}}}}]}}"#
        )
    }

    fn fault(agent: AgentRole, text: &str) -> String {
        match answered(agent, text) {
            ExchangeOutcome::Malformed { error } => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_kept_can_be_read_again_however_deep_the_answer() {
        for depth in 0..130 {
            let outcome =
                answered(AgentRole::Planner, &proposal(&format!("{}1{}", "[".repeat(depth), "]".repeat(depth))));
            let (cost, usage, digest) = (Cost::default(), Usage::default(), Digest::of(b""));
            let (model, answer) = (String::new(), None);
            let is_malformed = matches!(outcome, ExchangeOutcome::Malformed { .. });
            let end = ExchangeEnd { model, request: digest, answer, usage, cost, milliseconds: 0, outcome };
            let event = EventBody::ExchangeEnded { index: 1, end };
            let stored = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<EventBody>(&stored).unwrap(), event, "{depth}");
            assert_eq!(is_malformed, depth > DEEPEST - 5, "{depth}");
        }
    }

    #[test]
    fn what_deceives_is_dropped_and_texts_have_an_end() {
        let ExchangeOutcome::Proposed { proposal } = answered(AgentRole::Planner, &proposal(r#""\u200b""#)) else {
            panic!("it has its form")
        };
        assert_eq!((proposal.summary.as_str(), &proposal.steps[0].arguments["deep"]), ("ab[31m", &json!("")));
        let long = json!({"summary": "x".repeat(2 * LONGEST)}).to_string();
        let ExchangeOutcome::Written { text } = answered(AgentRole::Reporter, &long) else { panic!("it has its form") };
        assert_eq!(text.chars().count(), LONGEST + 1);
    }

    #[test]
    fn answers_that_are_too_large_or_quote_too_much_have_a_short_fault() {
        let large = json!({"summary": "x".repeat(LARGEST)}).to_string();
        assert!(fault(AgentRole::Reporter, &large).ends_with("answer in at most 262144"));
        let odd = json!({"summary": "", "findings": [], "x".repeat(100_000): 1}).to_string();
        assert_eq!(fault(AgentRole::Analyst, &odd).chars().count(), LONGEST_FAULT + 1);
        let twice = r#"{"summary": "", "summary": "", "findings": []}"#;
        assert!(fault(AgentRole::Analyst, twice).starts_with("duplicate field `summary`"));
        assert_eq!(fault(AgentRole::Reporter, "{}"), "summary: is missing");
    }
}

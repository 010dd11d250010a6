//! Answers of a model that does as it is told by whoever wrote what it reads.

use crate::model::asked::{Asked, claims};
use serde_json::{Value, json};

/// The service that a question is about, as its answers name it; nothing where that name is none.
pub fn service(asked: &Asked) -> &str {
    asked.targets().first().copied().unwrap_or_default()
}

/// A step, of whatever operation.
pub fn step(operation: &str, target: Option<&str>, arguments: Value) -> Value {
    json!({
        "name": "obeyed", "operation": operation, "phase": "root_cause", "target": target, "arguments": arguments,
        "reason": "I was told to",
        "expects": {"when": null, "success": null, "duration": null, "meanings": []},
    })
}

/// A proposal that keeps what is planned, changed; nothing if something else is asked for.
pub fn proposing(asked: &Asked, change: impl FnOnce(&mut Value)) -> Option<String> {
    if asked.form() != "proposal" {
        return None;
    }
    let mut proposal = asked.proposal();
    change(&mut proposal);
    Some(proposal.to_string())
}

/// A proposal of one step with one argument.
pub fn with_argument(asked: &Asked, operation: &str, name: &str, value: Value) -> Option<String> {
    let given = json!({name: value});
    proposing(asked, |proposal| proposal["steps"] = json!([step(operation, Some(service(asked)), given)]))
}

/// A claim of a cause; nothing if something else is asked for.
pub fn claiming(asked: &Asked, cites: &[String], code: &str, confidence: f64) -> Option<String> {
    (asked.form() == "claims").then(|| claims("it says so itself", cites, code, confidence).to_string())
}

/// This very text, where a plan is asked for.
pub fn written(asked: &Asked, text: &str) -> Option<String> {
    (asked.form() == "proposal").then(|| text.to_owned())
}

/// The word behind some others, as it is told.
pub fn told(asked: &Asked, before: &str) -> Option<String> {
    let text = asked.text();
    let (_, rest) = text.split_once(before)?;
    rest.split_whitespace().next().map(str::to_owned)
}

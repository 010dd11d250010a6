//! What was seen: the commands, and the facts that tell something.

use crate::domain::{
    ByteSize, Digest, Evidence, Expectation, Incident, Judged, PhaseName, StepId, StepRecord, TimeSpan, Timestamp,
    Values,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Facts of one step; `get_status`, the richest, has about thirty that say something.
const MAX_FACTS: usize = 32;
/// Log lines of one step; the rest is in the journal under the digest.
const MAX_LINES: usize = 10;
/// Entries of one list; of what happens one after the other, those are the last.
const MAX_ENTRIES: usize = 8;
/// Lines of logs are told apart, and nobody reads a digest.
const UNTOLD: [&str; 3] = ["lines", "config_digest", "image_id"];
/// Characters of one fact or line.
const MAX_TEXT: usize = 240;

/// Evidence of one step.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EvidenceReport {
    /// The step.
    pub step: StepId,
    /// Its name, by which findings cite it.
    pub name: String,
    /// Its phase.
    pub phase: PhaseName,
    /// The operation.
    pub operation: String,
    /// The target.
    pub target: String,
    /// Why it was looked at.
    pub reason: String,
    /// When it was read.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What was run, as a person would type it.
    pub commands: Vec<String>,
    /// `name: value`, of those that say something.
    pub facts: Vec<String>,
    /// The last log lines.
    pub lines: Vec<String>,
    /// Digest of the whole.
    pub digest: Digest,
    /// Whether there is more than the journal holds.
    pub truncated: bool,
    /// What the model expected that proposed the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expects: Option<Expectation>,
    /// How long the step took, where something was expected of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub took: Option<TimeSpan>,
    /// Whether it came as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

pub(super) fn all(incident: &Incident) -> Vec<EvidenceReport> {
    incident
        .steps
        .iter()
        .filter_map(|record| {
            let evidence = record.evidence.as_ref()?;
            let reason = if evidence.name == "verify" { "Did it help?" } else { record.step.reason.as_str() };
            Some(one(evidence, record, reason))
        })
        .collect()
}

fn one(evidence: &Evidence, record: &StepRecord, reason: &str) -> EvidenceReport {
    let expects = record.step.expects.clone();
    let took = record.started_at.zip(record.finished_at).filter(|_| expects.is_some());
    let took = took.and_then(|(from, to)| (to - from).to_std().ok());
    EvidenceReport {
        step: evidence.step.clone(),
        name: evidence.name.clone(),
        phase: record.phase,
        operation: evidence.operation.clone(),
        target: evidence.target.clone(),
        reason: reason.to_owned(),
        at: evidence.at,
        commands: evidence.commands.clone(),
        facts: facts(&evidence.facts),
        lines: lines(&evidence.facts),
        digest: evidence.digest.clone(),
        truncated: evidence.truncated,
        expects,
        took: took.map(|took| TimeSpan::from_millis(took.as_millis() as u64)),
        judged: record.judged.clone(),
    }
}

fn facts(values: &Values) -> Vec<String> {
    let told: Vec<String> = values
        .iter()
        .filter(|(name, _)| !UNTOLD.contains(&name.as_str()))
        .flat_map(|(name, value)| {
            let first = fact(value).map(|text| format!("{name}: {text}{}", readable(name, value)));
            first.into_iter().chain(inside(value))
        })
        .collect();
    let left = told.len().saturating_sub(MAX_FACTS);
    let mut told: Vec<String> = told.into_iter().take(MAX_FACTS).collect();
    if left > 0 {
        told.push(format!("and {left} more"));
    }
    told
}

/// A value in a few words; none if it says nothing.
fn fact(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.is_empty() || text == "none" => None,
        Value::String(text) => Some(match text.parse::<Timestamp>() {
            Ok(at) => at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            Err(_) => short(text),
        }),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            Some(texts.map_or_else(|| entries(items.len()), |texts| short(&texts.join(", "))))
        }
        Value::Object(fields) if fields.is_empty() => None,
        Value::Object(fields) if fields.values().all(is_plain) => {
            let inner: Vec<String> = fields.iter().filter_map(|(name, field)| named(name, field)).collect();
            (!inner.is_empty()).then(|| short(&inner.join(", ")))
        }
        Value::Object(fields) => Some(entries(fields.len())),
    }
}

/// A field of an object: what has fields or entries itself is told in brackets.
fn named(name: &str, field: &Value) -> Option<String> {
    let text = fact(field)?;
    let within = field.is_object() || field.is_array();
    Some(if within { format!("{name} ({text})") } else { format!("{name} {text}") })
}

/// Whether it fits into the line of its object: no list but of texts, and no more than one level of fields.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(Value::is_string),
        Value::Object(fields) => fields.values().all(|field| !field.is_object() && !field.is_array()),
        _ => true,
    }
}

/// A line for each entry of a list of objects: what happened, what is needed, what is mounted.
fn inside(value: &Value) -> Vec<String> {
    let entries: Vec<&Value> = value.as_array().into_iter().flatten().filter(|entry| entry.is_object()).collect();
    let skipped = entries.len().saturating_sub(MAX_ENTRIES);
    entries.into_iter().skip(skipped).filter_map(|entry| Some(format!("  - {}", fact(entry)?))).collect()
}

/// A size in the unit that people use.
fn readable(name: &str, value: &Value) -> String {
    let is_size =
        ["memory", "size", "used", "free"].iter().any(|word| name.contains(word)) && !name.contains("percent");
    match value.as_u64() {
        Some(bytes) if is_size && bytes >= 1 << 20 && bytes % (1 << 20) == 0 => format!(" ({})", ByteSize(bytes)),
        Some(bytes) if is_size && bytes >= 1 << 20 => format!(" (about {})", ByteSize(bytes >> 20 << 20)),
        _ => String::new(),
    }
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".into() } else { format!("{count} entries") }
}

fn lines(values: &Values) -> Vec<String> {
    let Some(Value::Array(lines)) = values.get("lines") else { return Vec::new() };
    let texts: Vec<&str> = lines.iter().filter_map(|line| line.get("text").unwrap_or(line).as_str()).collect();
    let skipped = texts.len().saturating_sub(MAX_LINES);
    texts.into_iter().skip(skipped).map(short).collect()
}

fn short(text: &str) -> String {
    crate::domain::clean_text(text, MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn entries_tell_what_is_in_them() {
        let event = json!({
            "action": "kill", "at": "2026-11-21T17:14:11.08Z", "attributes": {"signal": "9", "by": ""}, "instance": "api",
        });
        let deep = json!({"instance": "api", "limits": {"memory": {"soft": 1}}});
        let service = json!({"name": "api", "depends_on": ["cache", "store"], "needed_by": [], "job": false});
        let events = json!({"events": [event, deep], "ooms": 0, "services": [service]});
        let Value::Object(values) = events else { panic!("an object") };
        assert_eq!(
            facts(&values),
            [
                "events: 2 entries",
                "  - action kill, at 2026-11-21 17:14:11Z, attributes (signal 9), instance api",
                "  - 2 entries",
                "ooms: 0",
                "services: 1 entry",
                "  - depends_on (cache, store), job false, name api"
            ]
        );
    }
}

//! Conditions are written for machines. What people want to know of one is the values that it looked at.

use super::{ByteSize, Timestamp, Values};
use serde_json::Value;
use std::collections::BTreeSet;

/// A condition looks at a few fields; more than this many would be no sentence.
const MAX_FIELDS: usize = 8;
/// Entries of a list that are named.
const MAX_ENTRIES: usize = 5;
/// Characters of one text.
const MAX_TEXT: usize = 80;

/// The fields of `root` that a condition mentions, as they are, in words: `not ready, restart count 3 (before: 1)`.
/// Empty where it mentions none that is known. Where `before` is given, what has changed since is told with what it was.
pub fn seen(condition: &str, root: &str, values: &Values, before: Option<&Values>) -> String {
    let words = fields(condition, root).into_iter().filter_map(|name| {
        let value = values.get(name)?;
        let was = before.and_then(|before| before.get(name)).filter(|was| *was != value);
        let was = was.and_then(|was| Some(format!(" (before: {})", plain(name, was)?))).unwrap_or_default();
        Some(format!("{}{was}", words(name, value)))
    });
    words.take(MAX_FIELDS).collect::<Vec<_>>().join(", ")
}

/// Names after `root.`, each once, in the order in which they are mentioned.
fn fields<'a>(condition: &'a str, root: &str) -> Vec<&'a str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut known = BTreeSet::new();
    let mentioned = condition.match_indices(root).filter_map(|(at, _)| {
        let inside = condition[..at].ends_with(|c: char| is_name(c) || c == '.' || c == '\'' || c == '"');
        let rest = condition[at + root.len()..].strip_prefix('.')?;
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        (!inside && !name.is_empty()).then_some(name)
    });
    mentioned.filter(|name| known.insert(*name)).collect()
}

fn words(name: &str, value: &Value) -> String {
    let spoken = name.replace('_', " ");
    match (value, plain(name, value)) {
        (Value::Bool(true), _) => spoken,
        (Value::Bool(false), _) => format!("not {spoken}"),
        (_, Some(text)) => format!("{spoken} {text}"),
        (_, None) => format!("no {spoken}"),
    }
}

/// A value in a few characters; none for what is nothing.
fn plain(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(if *value { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(match number.as_u64() {
            Some(bytes) if is_size(name) && bytes >= 1 << 10 => ByteSize(bytes).to_string(),
            _ => number.to_string(),
        }),
        Value::String(text) if text.is_empty() || text == "none" => None,
        Value::String(text) => Some(match text.parse::<Timestamp>() {
            Ok(at) => at.format("%H:%M:%SZ").to_string(),
            Err(_) => super::clean_text(text, MAX_TEXT),
        }),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            Some(match texts {
                Some(texts) if texts.len() <= MAX_ENTRIES => super::clean_text(&texts.join(", "), MAX_TEXT),
                _ => format!("({})", items.len()),
            })
        }
        Value::Object(fields) => (!fields.is_empty()).then(|| format!("({})", fields.len())),
    }
}

fn is_size(name: &str) -> bool {
    ["memory", "size", "used", "free"].iter().any(|word| name.contains(word)) && !name.contains("percent")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(value: Value) -> Values {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_a_condition_looks_at_is_told_as_it_is() {
        let condition = "evidence.ready && evidence.started_at != before.started_at \
                         && evidence.restart_count <= before.restart_count && evidence.ready";
        let now = values(json!({"ready": false, "started_at": "2026-11-21T13:00:05Z", "restart_count": 3, "pid": 7}));
        let before =
            values(json!({"ready": false, "started_at": "2026-11-21T12:00:00.5Z", "restart_count": 3, "pid": 6}));
        assert_eq!(
            seen(condition, "evidence", &now, Some(&before)),
            "not ready, started at 13:00:05Z (before: 12:00:00Z), restart count 3"
        );
        assert_eq!(seen(condition, "status", &now, None), "");
    }

    #[test]
    fn sizes_lists_and_nothing_have_words() {
        let now = values(json!({
            "memory_limit": 67_108_864, "memory_percent": 91.5, "networks": ["front", "back"], "cpu_limit": null,
            "exit_reason": "none", "mounts": [{}, {}],
        }));
        let condition = "status.memory_limit > 1 && status.memory_percent > 1.0 && 'a' in status.networks \
                         && status.cpu_limit == null && status.exit_reason == '' && status.mounts.exists(m, m.x) \
                         && other.status.networks == 'status.cpu_limit'";
        assert_eq!(
            seen(condition, "status", &now, None),
            "memory limit 64MiB, memory percent 91.5, networks front, back, no cpu limit, no exit reason, mounts (2)"
        );
    }
}

//! A result of an operation in a few words.

use crate::domain::{ByteSize, Values};
use serde_json::Value;

/// At most this many fields of a result that has no summary of its own.
const GENERIC_FIELDS: usize = 4;

/// What a reader wants to see first of an operation's result.
pub fn summary(operation: &str, facts: &Values) -> String {
    let text = match operation {
        "get_status" => status(facts),
        "get_logs" => format!("{} lines{}", length(facts, "lines"), flag(facts, "truncated", ", cut")),
        "get_events" => counts(facts, &["starts", "deaths", "ooms", "external_kills"]),
        "check_health" => health(facts),
        "check_resources" => resources(facts),
        "get_dependencies" => dependencies(facts),
        "get_config" => config(facts),
        "list_services" => services(facts),
        "get_history" => history(facts),
        _ => generic(facts),
    };
    if text.is_empty() { generic(facts) } else { text }
}

fn text<'a>(facts: &'a Values, name: &str) -> &'a str {
    facts.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(facts: &Values, name: &str) -> Option<i64> {
    facts.get(name).and_then(Value::as_i64)
}

fn length(facts: &Values, name: &str) -> usize {
    facts.get(name).and_then(Value::as_array).map_or(0, Vec::len)
}

fn flag(facts: &Values, name: &str, words: &str) -> String {
    if facts.get(name) == Some(&Value::Bool(true)) { words.to_owned() } else { String::new() }
}

fn names(facts: &Values, name: &str) -> String {
    let items = facts.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn counts(facts: &Values, fields: &[&str]) -> String {
    let seen: Vec<String> = fields
        .iter()
        .filter_map(|name| Some((number(facts, name).filter(|count| *count > 0)?, name)))
        .map(|(count, name)| format!("{count} {}", if count == 1 { name.trim_end_matches('s') } else { name }))
        .collect();
    if seen.is_empty() { "nothing unusual".into() } else { seen.join(", ").replace('_', " ") }
}

fn status(facts: &Values) -> String {
    let mut details = Vec::new();
    if !matches!(text(facts, "exit_reason"), "" | "none") {
        details.push(text(facts, "exit_reason").to_owned());
    }
    if let Some(code) = number(facts, "exit_code").filter(|_| text(facts, "state") != "running") {
        details.push(format!("exit {code}"));
    }
    if !matches!(text(facts, "health"), "" | "none") {
        details.push(text(facts, "health").to_owned());
    }
    if let Some(count) = number(facts, "restart_count").filter(|count| *count > 0) {
        details.push(format!("{count} restarts"));
    }
    if !text(facts, "error").is_empty() {
        details.push(text(facts, "error").to_owned());
    }
    let state = text(facts, "state");
    if details.is_empty() { state.to_owned() } else { format!("{state} ({})", details.join(", ")) }
}

fn health(facts: &Values) -> String {
    let healthy = facts.get("healthy") == Some(&Value::Bool(true));
    let status = number(facts, "status").map_or_else(String::new, |code| format!(", HTTP {code}"));
    let error = text(facts, "error");
    let error = if error.is_empty() { String::new() } else { format!(": {error}") };
    format!("{}{status}{error}", if healthy { "healthy" } else { "not healthy" })
}

fn resources(facts: &Values) -> String {
    let size = |name| number(facts, name).and_then(|n| u64::try_from(n).ok()).map(about);
    let percent = |name: &str| facts.get(name).and_then(Value::as_f64).map(|value| format!("{value:.0} %"));
    let memory = match (percent("memory_percent"), size("memory_limit"), size("memory_usage")) {
        (Some(percent), Some(limit), _) => format!("memory {percent} of {limit}"),
        (_, _, Some(usage)) => format!("memory {usage}, no limit"),
        _ => return String::new(),
    };
    format!("{memory}, CPU {}", percent("cpu_percent").unwrap_or_else(|| "unknown".into()))
}

/// A size that is read, not reckoned with.
fn about(bytes: u64) -> String {
    ByteSize(if bytes >= 1 << 20 { bytes >> 20 << 20 } else { bytes }).to_string()
}

fn dependencies(facts: &Values) -> String {
    let problems: Vec<String> =
        [("down", "down"), ("unreachable", "unreachable"), ("unshared", "on no shared network")]
            .iter()
            .filter(|(field, _)| length(facts, field) > 0)
            .map(|(field, words)| format!("{} {words}", names(facts, field)))
            .collect();
    match (problems.is_empty(), length(facts, "dependencies")) {
        (true, 0) => "needs nothing".into(),
        (true, count) => format!("all {count} ready"),
        _ => problems.join("; "),
    }
}

fn services(facts: &Values) -> String {
    let down = names(facts, "not_running");
    let down = if down.is_empty() { "all run".to_owned() } else { format!("not running: {down}") };
    format!("{} services, {down}", length(facts, "services"))
}

fn history(facts: &Values) -> String {
    let last =
        text(facts, "last_change_at").get(11..19).map_or_else(String::new, |time| format!(", the last at {time}Z"));
    match length(facts, "changes") {
        0 => "no changes seen".into(),
        1 => format!("1 change{last}"),
        count => format!("{count} changes{last}"),
    }
}

fn config(facts: &Values) -> String {
    let changes: Vec<String> = ["missing", "changed", "added"]
        .iter()
        .filter(|field| length(facts, field) > 0)
        .map(|field| format!("{field} {}", names(facts, field)))
        .collect();
    match text(facts, "source") {
        "none" => "nothing to compare with".into(),
        source if changes.is_empty() => format!("as {}", source.replace('_', " ")),
        source => format!("{} against {}", changes.join("; "), source.replace('_', " ")),
    }
}

fn generic(facts: &Values) -> String {
    let shown = facts.iter().filter_map(|(name, value)| match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(format!("{name} {text}")),
        Value::Bool(_) | Value::Number(_) => Some(format!("{name} {value}")),
        Value::Array(items) => Some(format!("{} {name}", items.len())),
        Value::Null | Value::Object(_) => None,
    });
    shown.take(GENERIC_FIELDS).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(value: Value) -> Values {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_status_says_why_it_ended() {
        let facts = facts(json!({"state": "exited", "exit_reason": "oom", "exit_code": 137, "health": "none"}));
        assert_eq!(summary("get_status", &facts), "exited (oom, exit 137)");
    }

    #[test]
    fn a_result_of_another_shape_is_still_summed_up() {
        assert_eq!(summary("get_status", &facts(json!({"odd": 1}))), "odd 1");
        assert_eq!(summary("new_operation", &facts(json!({"items": [1, 2], "ok": true}))), "2 items, ok true");
    }

    #[test]
    fn dependencies_name_what_is_wrong() {
        let facts = facts(json!({"dependencies": [{}, {}], "down": ["redis"], "unreachable": [], "unshared": []}));
        assert_eq!(summary("get_dependencies", &facts), "redis down");
    }
}

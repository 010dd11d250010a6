//! What differs between two results of one operation: what is now, and what was when all was well.

use crate::domain::{Shape, Values, clean_text};
use serde_json::Value;

/// Differences that are told of one result: a model has to see what matters, not everything.
const MOST: usize = 20;

/// Characters of one value.
const LONGEST: usize = 160;

/// Figures that differ by less than this part are the same: no two measures of use are ever equal.
const NEAR: f64 = 0.2;

/// A field and its two values, as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Where it is: `limits.memory`.
    pub field: String,
    /// What it was.
    pub was: String,
    /// What it is.
    pub is: String,
}

/// Fields of the declared result that differ, in the order of their names. Times and lengths of time always do, and are
/// left out; of a list of objects only how many there are counts, since their identities change with every start.
pub fn differences(was: &Values, is: &Values, shape: &Shape) -> Vec<Changed> {
    let mut found = Vec::new();
    let (was, is) = (Value::Object(was.clone()), Value::Object(is.clone()));
    compare("", &was, &is, shape, &mut found);
    found.truncate(MOST);
    found
}

fn compare(path: &str, was: &Value, is: &Value, shape: &Shape, found: &mut Vec<Changed>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match shape.inner() {
        Shape::Timestamp | Shape::Duration => {}
        Shape::Object(fields) => {
            for (name, shape) in fields {
                compare(&below(name), field(was, name), field(is, name), shape, found);
            }
        }
        Shape::Map(shape) => {
            let keys = [was, is].into_iter().filter_map(Value::as_object).flat_map(|fields| fields.keys());
            let keys: std::collections::BTreeSet<&String> = keys.collect();
            for key in keys {
                compare(&below(key), field(was, key), field(is, key), shape, found);
            }
        }
        Shape::List(inner) if matches!(inner.inner(), Shape::Object(_)) => {
            let count = |value: &Value| value.as_array().map_or(0, Vec::len);
            if count(was) != count(is) {
                let entries = |value: &Value| format!("{} entries", count(value));
                found.push(Changed { field: path.to_owned(), was: entries(was), is: entries(is) });
            }
        }
        _ if was == is || is_near(was, is) => {}
        _ => found.push(Changed { field: path.to_owned(), was: written(was), is: written(is) }),
    }
}

fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// Two figures of use. Small whole numbers are counts, and those tell something.
fn is_near(was: &Value, is: &Value) -> bool {
    let (Some(one), Some(other)) = (was.as_f64(), is.as_f64()) else { return false };
    let larger = one.abs().max(other.abs());
    let counts = was.is_i64() && is.is_i64() && larger < 100.0;
    !counts && (one - other).abs() < NEAR * larger
}

fn written(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        other => clean_text(&other.to_string(), LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec_of;
    use serde_json::json;

    fn told(call: &str, was: Value, is: Value) -> Vec<String> {
        let values = |value| serde_json::from_value(value).unwrap();
        let found = differences(&values(was), &values(is), &spec_of(call).unwrap().returns);
        found.iter().map(|changed| format!("{}: {} → {}", changed.field, changed.was, changed.is)).collect()
    }

    #[test]
    fn what_changed_is_told_and_what_always_changes_is_not() {
        let was = json!({"state": "running", "ready": true, "restart_count": 0, "memory_limit": 67_108_864,
            "started_at": "2026-11-20T10:00:00Z", "uptime": "1d", "networks": ["front", "back"],
            "instances": [{"id": "4f", "state": "running"}], "undeclared": 1});
        let is = json!({"state": "exited", "ready": false, "restart_count": 1, "memory_limit": 33_554_432,
            "started_at": "2026-11-21T10:00:00Z", "uptime": null, "networks": ["front"],
            "instances": [{"id": "5a", "state": "exited"}], "undeclared": 2, "exit_code": 137});
        assert_eq!(
            told("container.status", was, is),
            [
                "exit_code: nothing → 137",
                "memory_limit: 67108864 → 33554432",
                "networks: [\"front\",\"back\"] → [\"front\"]",
                "ready: true → false",
                "restart_count: 0 → 1",
                "state: \"running\" → \"exited\"",
            ]
        );
    }

    #[test]
    fn use_that_is_about_the_same_is_the_same() {
        let was = json!({"memory_usage": 50_000_000, "memory_percent": 74.5, "cpu_percent": 3.0});
        let is = json!({"memory_usage": 52_000_000, "memory_percent": 77.5, "cpu_percent": 95.0});
        assert_eq!(told("container.resources", was.clone(), is), ["cpu_percent: 3.0 → 95.0"]);
        assert_eq!(told("container.resources", was.clone(), was), Vec::<String>::new());
    }

    #[test]
    fn there_is_an_end_to_it() {
        let of = |value: &str| {
            let fields = (0..100).map(|n| (format!("NAME_{n:03}"), json!(value.repeat(1_000))));
            json!({"environment": fields.collect::<Values>()})
        };
        let found = told("container.config", of("a"), of("b"));
        assert_eq!(found.len(), MOST);
        assert!(found.iter().all(|line| line.chars().count() < 2 * LONGEST + 40), "{found:?}");
    }
}

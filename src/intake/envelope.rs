//! What the two webhooks have in common: reading JSON with a pointer to whatever is wrong, and one alert after the other.

use super::alert::{self, is_own};
use super::{Intake, IntakeError, Rejected};
use crate::domain::{Alert, Delivery, DeliveryId, Digest, SenderKind, clean_text};
use serde_json::{Map, Value};

/// Alerts of one body that are looked at. A body is at most a few MiB, an alert rarely below 300 bytes; what is beyond
/// counts as truncated by the sender, and is fetched like that.
const MAX_ALERTS: usize = 2_000;
/// A sender's group key is its group's labels written out; it is compared, never read.
const MAX_GROUP_KEY: usize = 2_048;

pub(super) type Object = Map<String, Value>;

/// Parses a body. serde_json stops at a depth of 128, long before a stack does.
pub(super) fn parse(body: &[u8]) -> Result<Object, IntakeError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "it ends too early".to_owned(),
            _ => clean_text(&error.to_string(), 200),
        };
        IntakeError::at("", format!("not JSON: {what}"))
    })?;
    match value {
        Value::Object(object) => Ok(object),
        other => Err(IntakeError::at("", format!("expected an object, found {}", kind_of(&other)))),
    }
}

/// Both senders write the version as text; a number would be another format.
pub(super) fn version(object: &Object, supported: &str) -> Result<(), IntakeError> {
    match object.get("version") {
        Some(Value::String(version)) if version == supported => Ok(()),
        Some(Value::String(other)) => Err(IntakeError::at(
            "/version",
            format!("version \"{}\" is not known; this route takes version \"{supported}\"", clean_text(other, 40)),
        )),
        Some(other) => Err(IntakeError::at("/version", format!("expected \"{supported}\", found {}", kind_of(other)))),
        None => Err(IntakeError::at("/version", format!("missing; expected \"{supported}\""))),
    }
}

pub(super) fn text<'a>(object: &'a Object, field: &str) -> Result<&'a str, IntakeError> {
    match object.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => {
            Err(IntakeError::at(format!("/{field}"), format!("expected a string, found {}", kind_of(other))))
        }
        None => Err(IntakeError::at(format!("/{field}"), "missing; expected a string")),
    }
}

/// A count that older senders leave out.
pub(super) fn count(object: &Object, field: &str) -> Result<u64, IntakeError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value
            .as_u64()
            .ok_or_else(|| IntakeError::at(format!("/{field}"), format!("expected a count, found {}", kind_of(value)))),
    }
}

/// Fields that are not used must still be what the format says: something else behind the same address should be
/// noticed at once.
pub(super) fn optional_objects(object: &Object, fields: &[&str]) -> Result<(), IntakeError> {
    for field in fields {
        match object.get(*field) {
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(other) => {
                let what = format!("expected an object, found {}", kind_of(other));
                return Err(IntakeError::at(format!("/{field}"), what));
            }
        }
    }
    Ok(())
}

/// Reads the alerts and makes the delivery.
pub(super) fn finish(
    object: &Object,
    sender: &str,
    kind: SenderKind,
    group_key: &str,
    decode: impl Fn(&Value) -> Result<Alert, String>,
) -> Result<Intake, IntakeError> {
    let items = match object.get("alerts") {
        Some(Value::Array(items)) => items,
        Some(other) => {
            return Err(IntakeError::at("/alerts", format!("expected a list, found {}", kind_of(other))));
        }
        None => return Err(IntakeError::at("/alerts", "missing; expected a list")),
    };
    let excess = items.len().saturating_sub(MAX_ALERTS) as u64;
    let truncated = count(object, "truncatedAlerts")?.saturating_add(excess);
    let (alerts, rejected, ignored) = read(items.iter().take(MAX_ALERTS), decode);
    let delivery = Delivery {
        id: delivery_id(sender, &alerts, truncated),
        sender: sender.to_owned(),
        kind,
        group_key: clean_text(group_key, MAX_GROUP_KEY),
        alerts,
        truncated,
    };
    Ok(Intake { delivery, rejected, ignored })
}

/// Decodes alerts one by one: those understood, those not, and how many are our own.
pub(super) fn read<'a>(
    items: impl Iterator<Item = &'a Value>,
    decode: impl Fn(&Value) -> Result<Alert, String>,
) -> (Vec<Alert>, Vec<Rejected>, usize) {
    let (mut alerts, mut rejected, mut ignored) = (Vec::new(), Vec::new(), 0);
    for (index, item) in items.enumerate() {
        match decode(item) {
            Ok(alert) if is_own(&alert.labels) => ignored += 1,
            Ok(alert) => alerts.push(alert),
            Err(reason) => rejected.push(Rejected { index, reason }),
        }
    }
    (alerts, rejected, ignored)
}

/// The same alerts in the same state from the same sender group are the same delivery, in whatever order: the two
/// halves of a highly available pair differ in that, and in nothing that matters. How many were left out counts as well.
fn delivery_id(sender: &str, alerts: &[Alert], truncated: u64) -> DeliveryId {
    let mut parts: Vec<_> =
        alerts.iter().map(|alert| (&alert.fingerprint, alert::status_text(alert.status), alert.starts_at)).collect();
    parts.sort();
    parts.dedup();
    DeliveryId::new(Digest::of_json(&(sender, parts, truncated)).as_str())
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

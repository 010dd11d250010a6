//! One alert of a body.

use super::envelope::kind_of;
use super::expression;
use crate::domain::{Alert, AlertStatus, Labels, Timestamp, clean_text};
use chrono::Datelike as _;
use serde_json::Value;

/// Real rules carry up to about thirty labels; more is a mistake or an attack.
const MAX_LABELS: usize = 100;
/// Label names are short words; Prometheus' own default limit is none.
const MAX_LABEL_NAME: usize = 256;
/// Labels identify; the longest real ones are file system paths and image references.
const MAX_LABEL_VALUE: usize = 2_048;
/// Annotations are for people: more than this is not read by any.
const MAX_ANNOTATIONS: usize = 64;
/// Some rules put a `{{ $labels }}` dump or a small query result here.
const MAX_ANNOTATION_VALUE: usize = 4_096;

pub(super) fn status_text(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::Firing => "firing",
        AlertStatus::Resolved => "resolved",
    }
}

/// What oncalld sends to Alertmanager comes back like any alert.
pub(super) fn is_own(labels: &Labels) -> bool {
    labels.get("oncalld").is_some_and(|value| value == "true")
        || labels.get("alertname").is_some_and(|name| name.starts_with("Oncalld"))
}

/// Decodes the fields that Alertmanager's and Grafana's alerts share. The error names the field, relative to the alert.
pub(super) fn decode(value: &Value) -> Result<Alert, String> {
    let Value::Object(fields) = value else {
        return Err(format!("expected an object, found {}", kind_of(value)));
    };
    let status = match fields.get("status") {
        Some(Value::String(text)) if text == "firing" => AlertStatus::Firing,
        Some(Value::String(text)) if text == "resolved" => AlertStatus::Resolved,
        Some(Value::String(text)) => {
            return Err(format!("/status: expected firing or resolved, found '{}'", clean_text(text, 40)));
        }
        Some(other) => return Err(format!("/status: expected firing or resolved, found {}", kind_of(other))),
        None => return Err("/status: missing; expected firing or resolved".into()),
    };
    alert_of(fields, status)
}

/// The same, with the status from elsewhere: Alertmanager's own API says it differently.
pub(super) fn alert_of(fields: &super::envelope::Object, status: AlertStatus) -> Result<Alert, String> {
    let labels = labels(fields.get("labels"))?;
    let starts_at = time(fields.get("startsAt"), "/startsAt")?.ok_or("/startsAt: missing; expected a time")?;
    let ends_at = match status {
        AlertStatus::Firing => None, // senders write the year 1, or when they would give up on it
        AlertStatus::Resolved => time(fields.get("endsAt"), "/endsAt")?,
    };
    let expression = fields.get("generatorURL").and_then(Value::as_str).and_then(expression::of_generator);
    Ok(Alert {
        fingerprint: Alert::fingerprint_of(&labels),
        status,
        annotations: annotations(fields.get("annotations"))?,
        labels,
        starts_at,
        ends_at,
        expression,
    })
}

/// Labels identify, so one that does not fit refuses the alert: a cut label would be another identity.
fn labels(value: Option<&Value>) -> Result<Labels, String> {
    let Some(Value::Object(fields)) = value else {
        return Err(format!("/labels: expected an object, found {}", value.map_or("nothing", kind_of)));
    };
    if fields.is_empty() {
        return Err("/labels: empty; an alert has at least an alertname".into());
    }
    if fields.len() > MAX_LABELS {
        return Err(format!("/labels: {} labels; at most {MAX_LABELS} are taken", fields.len()));
    }
    let mut labels = Labels::new();
    for (name, value) in fields {
        let shown = clean_text(name, 80);
        let Value::String(text) = value else {
            return Err(format!("/labels/{}: expected a string, found {}", pointer_part(&shown), kind_of(value)));
        };
        if name.chars().count() > MAX_LABEL_NAME {
            return Err(format!(
                "/labels/{}: the name is longer than {MAX_LABEL_NAME} characters",
                pointer_part(&shown)
            ));
        }
        if text.chars().count() > MAX_LABEL_VALUE {
            let part = pointer_part(&shown);
            return Err(format!("/labels/{part}: the value is longer than {MAX_LABEL_VALUE} characters"));
        }
        labels.insert(clean_text(name, MAX_LABEL_NAME), clean_text(text, MAX_LABEL_VALUE));
    }
    Ok(labels)
}

/// Annotations are free text, so they are cut to fit.
fn annotations(value: Option<&Value>) -> Result<Labels, String> {
    let fields = match value {
        None | Some(Value::Null) => return Ok(Labels::new()),
        Some(Value::Object(fields)) => fields,
        Some(other) => return Err(format!("/annotations: expected an object, found {}", kind_of(other))),
    };
    let texts = fields.iter().filter_map(|(name, value)| value.as_str().map(|text| (name, text)));
    Ok(texts
        .take(MAX_ANNOTATIONS)
        .map(|(name, text)| (clean_text(name, MAX_LABEL_NAME), clean_text(text, MAX_ANNOTATION_VALUE)))
        .collect())
}

/// A time; none if it is absent or Go's zero time, which is how both senders write "not yet".
fn time(value: Option<&Value>, pointer: &str) -> Result<Option<Timestamp>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(time) if time.year() <= 1 => Ok(None),
            Ok(time) => Ok(Some(time)),
            Err(_) => Err(format!("{pointer}: '{}' is not an RFC 3339 time", clean_text(text, 40))),
        },
        Some(other) => Err(format!("{pointer}: expected a time, found {}", kind_of(other))),
    }
}

fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

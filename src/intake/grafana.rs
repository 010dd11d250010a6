//! Grafana's alerting webhook, payload version 1, by POST or PUT.

use super::alert::decode;
use super::envelope;
use super::{Intake, IntakeError};
use crate::domain::{Alert, SenderKind, clean_text};
use serde_json::Value;

/// Grafana lists every reduced query of the rule here; a handful of numbers.
const MAX_VALUES: usize = 1_024;

/// Understands a webhook body. `sender` is the configured sender group.
///
/// # Errors
/// The body is not a payload of version 1, with a pointer to what is wrong.
pub fn grafana(body: &[u8], sender: &str) -> Result<Intake, IntakeError> {
    let object = envelope::parse(body)?;
    envelope::version(&object, "1")?;
    let key = envelope::text(&object, "groupKey")?;
    envelope::optional_objects(&object, &["groupLabels", "commonLabels", "commonAnnotations"])?;
    // Group keys are unique within an organisation only.
    let group_key = match envelope::count(&object, "orgId")? {
        0 | 1 => key.to_owned(),
        organisation => format!("org {organisation}: {key}"),
    };
    envelope::finish(&object, sender, SenderKind::Grafana, &group_key, decode_with_values)
}

/// Grafana says beside each alert what its queries returned; that is worth showing, as an annotation.
fn decode_with_values(value: &Value) -> Result<Alert, String> {
    let mut alert = decode(value)?;
    let measured = match value.get("values") {
        Some(Value::Object(values)) if !values.is_empty() => {
            values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
        }
        _ => value.get("valueString").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    if !measured.is_empty() {
        alert.annotations.entry("values".into()).or_insert_with(|| clean_text(&measured, MAX_VALUES));
    }
    Ok(alert)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AlertStatus;
    use proptest::prelude::*;
    use serde_json::json;

    fn wire() -> Value {
        json!({
            "receiver": "oncalld", "status": "firing", "orgId": 1, "version": "1", "groupKey": "{}:{alertname=\"Down\"}",
            "alerts": [{
                "status": "firing", "labels": {"alertname": "Down", "service": "api", "grafana_folder": "prod"},
                "annotations": {"summary": "api is down"}, "startsAt": "2026-11-21T00:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://grafana:3000/alerting/grafana/abc/view?orgId=1",
                "fingerprint": "1", "silenceURL": "", "dashboardURL": "", "panelURL": "", "imageURL": "", "ruleUID": "abc",
                "orgId": 1, "values": {"A": 1.5, "C": 0}, "valueString": "[ var='A' labels={} value=1.5 ]",
            }],
            "groupLabels": {"alertname": "Down"}, "commonLabels": {}, "commonAnnotations": {},
            "externalURL": "http://grafana:3000/", "truncatedAlerts": 0, "title": "[FIRING:1] Down", "state": "alerting",
            "message": "**Firing**", "appVersion": "12.3.0",
        })
    }

    fn take(body: &Value) -> Result<Intake, IntakeError> {
        grafana(body.to_string().as_bytes(), "grafana")
    }

    #[test]
    fn a_real_body_is_understood() {
        let delivery = take(&wire()).unwrap().delivery;
        assert_eq!((delivery.kind, delivery.alerts.len()), (SenderKind::Grafana, 1));
        let alert = &delivery.alerts[0];
        assert_eq!(alert.annotations["values"], "A=1.5, C=0");
        assert_eq!((alert.status, alert.expression.as_ref()), (AlertStatus::Firing, None));
    }

    #[test]
    fn values_may_be_absent_or_null() {
        let mut body = wire();
        body["alerts"][0]["values"] = Value::Null;
        let alert = take(&body).unwrap().delivery.alerts.remove(0);
        assert_eq!(alert.annotations["values"], "[ var='A' labels={} value=1.5 ]");
    }

    #[test]
    fn a_resolution_has_its_end() {
        let mut body = wire();
        body["alerts"][0]["status"] = json!("resolved");
        body["alerts"][0]["endsAt"] = json!("2026-11-21T00:07:00+02:00");
        let alert = take(&body).unwrap().delivery.alerts.remove(0);
        assert_eq!(alert.ends_at.unwrap().to_rfc3339(), "2026-11-20T22:07:00+00:00");
    }

    #[test]
    fn alertmanagers_version_is_refused_here() {
        let mut body = wire();
        body["version"] = json!("4");
        assert_eq!(
            take(&body).unwrap_err().to_string(),
            "/version: version \"4\" is not known; this route takes version \"1\""
        );
    }

    #[test]
    fn organisations_have_groups_of_their_own() {
        let mut body = wire();
        let one = take(&body).unwrap().delivery.group_key;
        body["orgId"] = json!(2);
        assert_ne!(take(&body).unwrap().delivery.group_key, one);
    }

    proptest! {
        #[test]
        fn a_damaged_body_never_panics(at in 0usize..1_500, byte in any::<u8>()) {
            let mut body = wire().to_string().into_bytes();
            let at = at % body.len();
            body[at] = byte;
            let _ = grafana(&body, "grafana");
        }
    }
}

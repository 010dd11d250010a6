//! Alertmanager's webhook, payload version 4, and its API's list of alerts.

use super::alert::{alert_of, decode};
use super::envelope::{self, kind_of};
use super::{Intake, IntakeError, Rejected};
use crate::domain::{Alert, AlertStatus, SenderKind};
use serde_json::Value;

/// Understands a webhook body. `sender` is the configured sender group.
///
/// # Errors
/// The body is not a payload of version 4, with a pointer to what is wrong.
pub fn alertmanager(body: &[u8], sender: &str) -> Result<Intake, IntakeError> {
    let object = envelope::parse(body)?;
    envelope::version(&object, "4")?;
    let group_key = envelope::text(&object, "groupKey")?;
    envelope::optional_objects(&object, &["groupLabels", "commonLabels", "commonAnnotations", "routeLabels"])?;
    envelope::finish(&object, sender, SenderKind::Alertmanager, group_key, decode)
}

/// Understands the answer of `GET /api/v2/alerts`, which is where the alerts are that a truncated body left out. Only
/// what fires is in it.
///
/// # Errors
/// The answer is not a list.
pub fn further_alerts(body: &[u8]) -> Result<(Vec<Alert>, Vec<Rejected>), IntakeError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| IntakeError::at("", format!("not JSON: {error}")))?;
    let Value::Array(items) = value else {
        return Err(IntakeError::at("", format!("expected a list of alerts, found {}", kind_of(&value))));
    };
    let decode = |item: &Value| match item {
        Value::Object(fields) => alert_of(fields, AlertStatus::Firing),
        other => Err(format!("expected an object, found {}", kind_of(other))),
    };
    let (alerts, rejected, _) = envelope::read(items.iter(), decode);
    Ok((alerts, rejected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;

    /// As Alertmanager 0.30 posts it.
    pub fn wire() -> Value {
        json!({
            "receiver": "oncalld", "status": "firing",
            "alerts": [{
                "status": "firing",
                "labels": {"alertname": "ContainerKilled", "severity": "warning", "name": "api",
                    "instance": "host1:8080", "job": "cadvisor"},
                "annotations": {"summary": "Container killed (instance host1:8080)"},
                "startsAt": "2026-11-21T00:00:00.000Z", "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prom:9090/graph?g0.expr=time%28%29+-+container_last_seen+%3E+60&g0.tab=1",
                "fingerprint": "b3a1f0c2d4e5f607",
            }],
            "notification_reason": "first notification",
            "groupLabels": {"alertname": "ContainerKilled"}, "commonLabels": {"alertname": "ContainerKilled"},
            "commonAnnotations": {}, "routeLabels": {}, "externalURL": "http://am:9093", "version": "4",
            "groupKey": "{}:{alertname=\"ContainerKilled\"}", "truncatedAlerts": 0,
        })
    }

    fn take(body: &Value) -> Result<Intake, IntakeError> {
        alertmanager(body.to_string().as_bytes(), "prod")
    }

    #[test]
    fn a_real_body_is_understood() {
        let intake = take(&wire()).unwrap();
        assert!(intake.rejected.is_empty() && intake.ignored == 0);
        let delivery = intake.delivery;
        assert_eq!((delivery.group_key.as_str(), delivery.truncated), ("{}:{alertname=\"ContainerKilled\"}", 0));
        let alert = &delivery.alerts[0];
        assert_eq!((alert.name(), alert.severity(), alert.ends_at), ("ContainerKilled", "warning", None));
        assert_eq!(alert.starts_at, "2026-11-21T00:00:00Z".parse::<Timestamp>().unwrap());
        assert_eq!(alert.expression.as_deref(), Some("time() - container_last_seen > 60"));
        assert_ne!(alert.fingerprint.as_str(), "b3a1f0c2d4e5f607", "the sender's fingerprint is not trusted");
    }

    #[test]
    fn an_error_of_the_envelope_has_a_pointer() {
        for (field, value, pointer) in [
            ("version", json!("3"), "/version"),
            ("version", json!(4), "/version"),
            ("groupKey", json!(7), "/groupKey"),
            ("alerts", json!({}), "/alerts"),
            ("truncatedAlerts", json!(-1), "/truncatedAlerts"),
            ("routeLabels", json!([]), "/routeLabels"),
        ] {
            let mut body = wire();
            body[field] = value;
            assert_eq!(take(&body).unwrap_err().pointer, pointer);
        }
        for missing in ["version", "groupKey", "alerts"] {
            let mut body = wire();
            body.as_object_mut().unwrap().remove(missing);
            assert_eq!(take(&body).unwrap_err().pointer, format!("/{missing}"));
        }
        for unreadable in [&b""[..], b"{", b"[]", b"null", b"{\"version\": \"\xff\xfe\"}"] {
            assert_eq!(alertmanager(unreadable, "prod").unwrap_err().pointer, "");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert!(alertmanager(deep.as_bytes(), "prod").unwrap_err().what.contains("recursion limit"));
    }

    #[test]
    fn a_bad_alert_is_quarantined_and_the_others_are_taken() {
        let mut body = wire();
        let good = body["alerts"][0].clone();
        let mut spoiled = vec![json!(7)];
        for (field, value) in [
            ("status", json!("suppressed")),
            ("labels", json!({})),
            ("labels", json!({"alertname": 7})),
            ("labels", json!({"alertname": "x".repeat(3_000)})),
            ("startsAt", json!("yesterday")),
            ("startsAt", json!("0001-01-01T00:00:00Z")),
            ("annotations", json!([])),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            spoiled.push(bad);
        }
        let count = spoiled.len();
        spoiled.push(good);
        body["alerts"] = json!(spoiled);
        let intake = take(&body).unwrap();
        assert_eq!(intake.delivery.alerts.len(), 1);
        assert_eq!(intake.rejected.iter().map(|one| one.index).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
        assert!(intake.rejected[3].reason.starts_with("/labels/alertname: "), "{:?}", intake.rejected[3]);
    }

    #[test]
    fn our_own_alerts_are_ignored_and_counted() {
        let mut body = wire();
        body["alerts"][0]["labels"]["oncalld"] = json!("true");
        let intake = take(&body).unwrap();
        assert_eq!((intake.delivery.alerts.len(), intake.ignored), (0, 1));
        let mut body = wire();
        body["alerts"][0]["labels"]["alertname"] = json!("OncalldApprovalNeeded");
        assert_eq!(take(&body).unwrap().ignored, 1);
    }

    #[test]
    fn a_repeat_has_the_same_identity_and_a_change_another() {
        let mut body = wire();
        let mut second = body["alerts"][0].clone();
        second["labels"]["name"] = json!("web");
        let first = body["alerts"][0].clone();
        body["alerts"] = json!([first.clone(), second.clone()]);
        let id = take(&body).unwrap().delivery.id;
        body["alerts"] = json!([second, first]);
        body["notification_reason"] = json!("repeat interval elapsed");
        body["externalURL"] = json!("http://am-2:9093");
        assert_eq!(take(&body).unwrap().delivery.id, id, "the other half of a pair, in another order");
        assert_ne!(alertmanager(body.to_string().as_bytes(), "other").unwrap().delivery.id, id);
        body["truncatedAlerts"] = json!(1);
        assert_ne!(take(&body).unwrap().delivery.id, id, "the head is not the whole");
        body["truncatedAlerts"] = json!(0);
        body["alerts"][0]["status"] = json!("resolved");
        assert_ne!(take(&body).unwrap().delivery.id, id);
    }

    #[test]
    fn hostile_text_is_cleaned() {
        let mut body = wire();
        body["alerts"][0]["annotations"]["summary"] = json!("all\u{202e}fine\u{200b}\u{1b}[2J");
        body["alerts"][0]["labels"]["name"] = json!("a\u{200b}pi");
        let alert = take(&body).unwrap().delivery.alerts.remove(0);
        assert_eq!(alert.annotations["summary"], "allfine[2J");
        assert_eq!(alert.labels["name"], "api");
        assert_eq!(alert.fingerprint, Alert::fingerprint_of(&alert.labels));
    }

    #[test]
    fn the_api_says_what_a_truncated_body_left_out() {
        let body = json!([{
            "labels": {"alertname": "Down", "service": "api"}, "annotations": {}, "startsAt": "2026-11-21T00:00:00.000Z",
            "endsAt": "2026-11-21T00:05:00.000Z", "updatedAt": "2026-11-21T00:01:00.000Z", "fingerprint": "1",
            "receivers": [{"name": "oncalld"}], "status": {"state": "active", "inhibitedBy": [], "silencedBy": []},
            "generatorURL": "",
        }, 7]);
        let (alerts, rejected) = further_alerts(body.to_string().as_bytes()).unwrap();
        assert_eq!((alerts.len(), alerts[0].status, alerts[0].ends_at), (1, AlertStatus::Firing, None));
        assert_eq!(rejected[0].index, 1);
        assert!(further_alerts(b"{}").is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = alertmanager(&body, "prod");
            let _ = further_alerts(&body);
        }

        #[test]
        fn a_damaged_body_never_panics(at in 0usize..1_100, byte in any::<u8>()) {
            let mut body = wire().to_string().into_bytes();
            let at = at % body.len();
            body[at] = byte;
            let _ = alertmanager(&body, "prod");
        }
    }
}

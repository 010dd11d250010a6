//! Paging through Alertmanager: whoever is paged today is paged by us, by the routes that exist.

use super::{Message, Notifier, NotifyError, classified};
use crate::{
    config::Credentials,
    domain::{TimeSpan, Timestamp},
    execute::{alertmanager::Alertmanager, endpoint::EndpointError, matcher::Matcher},
};
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};

/// An escalation that is not renewed in this time ends in Alertmanager: longer than the usual pause between escalations,
/// so that an incident stays one page until it is settled.
const ESCALATION_LASTS: TimeSpan = TimeSpan::from_secs(1_800);

/// What is told once ends by itself.
const NOTICE_LASTS: TimeSpan = TimeSpan::from_secs(300);

/// An Alertmanager that our own alerts go to.
#[derive(Debug)]
pub struct AlertmanagerNotifier {
    channel: String,
    alertmanager: Alertmanager,
}

impl AlertmanagerNotifier {
    /// The Alertmanager at an address from the configuration.
    ///
    /// # Errors
    /// The address or the token cannot be one.
    pub fn new(
        channel: &str,
        address: &str,
        credentials: Option<&Credentials>,
        timeout: TimeSpan,
    ) -> Result<Self, String> {
        let alertmanager = Alertmanager::new(address, credentials, timeout);
        let alertmanager = alertmanager.map_err(|problem| format!("channel {channel}: {problem}"))?;
        Ok(Self { channel: channel.to_owned(), alertmanager })
    }
}

/// The alert that says a message. Its labels are what makes it one alert, so nothing that changes is among them;
/// `oncalld="true"` lets our own intake ignore it.
fn alert(message: &Message, now: Timestamp) -> Value {
    let (name, ends_at) = match (&message.approval, message.subject.split(':').next()) {
        (Some(approval), _) => ("OncalldApprovalPending", approval.expires_at),
        (None, Some("escalation")) => ("OncalldEscalation", now + ESCALATION_LASTS.as_chrono()),
        (None, _) => ("OncalldNotice", now + NOTICE_LASTS.as_chrono()),
    };
    let mut labels = json!({
        "alertname": name, "oncalld": "true", "incident": message.incident, "environment": message.environment,
        "severity": message.severity,
    });
    let mut annotations = json!({"summary": message.title, "description": message.body});
    if !message.service.is_empty() {
        labels["service"] = json!(message.service); // Alertmanager refuses empty values
    }
    if let Some(approval) = &message.approval {
        labels["approval"] = json!(approval.id);
        annotations["command"] = json!(approval.command);
    }
    // Of a renewed alert, Alertmanager keeps the earlier start.
    let mut alert = json!({"labels": labels, "annotations": annotations, "startsAt": now, "endsAt": ends_at});
    if let Some(link) = &message.link {
        alert["generatorURL"] = json!(link);
    }
    alert
}

impl AlertmanagerNotifier {
    async fn post(&self, message: &Message, now: Timestamp) -> Result<(), EndpointError> {
        if message.subject != "closed" {
            return self.alertmanager.post_alerts(&json!([alert(message, now)])).await;
        }
        // It is over: what it was called for resolves, and nobody is paged anew.
        let ours = [Matcher::equal("incident", message.incident.as_str()), Matcher::equal("oncalld", "true")];
        let held = self.alertmanager.labels_of(&ours).await?;
        if held.is_empty() {
            return Ok(());
        }
        let ended: Vec<Value> = held.iter().map(|labels| json!({"labels": labels, "endsAt": now})).collect();
        self.alertmanager.post_alerts(&json!(ended)).await
    }
}

impl Notifier for AlertmanagerNotifier {
    fn channel(&self) -> &str {
        &self.channel
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), NotifyError>> {
        async move { self.post(message, chrono::Utc::now()).await.map_err(|error| classified(&self.channel, &error)) }
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::message, *};
    use crate::execute::endpoint::tests::serve;
    use axum::{Json, Router, routing::get};
    use std::sync::{Arc, Mutex};

    fn now() -> Timestamp {
        Timestamp::from_timestamp_millis(1_700_000_000_000).unwrap()
    }

    #[test]
    fn an_escalation_is_one_alert_however_often_it_is_renewed() {
        let mut message = message();
        let first = alert(&message, now());
        let labels = json!({"alertname": "OncalldEscalation", "oncalld": "true", "incident": "inc_1",
            "environment": "shop", "service": "api", "severity": "page"});
        assert_eq!((&first["labels"], &first["endsAt"]), (&labels, &json!("2023-11-14T22:43:20Z")));
        assert_eq!(first["generatorURL"], "http://oncalld/#/incidents/inc_1");
        (message.subject, message.body) = ("escalation:2".into(), "still".into());
        assert_eq!(alert(&message, now())["labels"], labels);
    }

    #[test]
    fn other_messages_are_notices_and_empty_labels_are_left_out() {
        let message = Message { subject: "operation:s".into(), service: String::new(), link: None, ..message() };
        let notice = alert(&message, now());
        assert_eq!(notice["labels"]["alertname"], "OncalldNotice");
        assert!(notice["labels"].get("service").is_none() && notice.get("generatorURL").is_none());
    }

    #[tokio::test]
    async fn a_closure_ends_what_the_incident_was_called_for() {
        let posted: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = posted.clone();
        let held = || async {
            Json(json!([{"labels": {"alertname": "OncalldEscalation", "incident": "inc_1"},
                "startsAt": "2023-11-14T22:00:00Z", "status": {"state": "active"}}]))
        };
        let keep = move |Json(alerts): Json<Value>| async move { kept.lock().unwrap().push(alerts) };
        let address = serve(Router::new().route("/api/v2/alerts", get(held).post(keep))).await;
        let notifier = AlertmanagerNotifier::new("pager", &address, None, TimeSpan::from_secs(2)).unwrap();
        notifier.post(&Message { subject: "closed".into(), ..message() }, now()).await.unwrap();
        let expected = json!([{"labels": {"alertname": "OncalldEscalation", "incident": "inc_1"},
            "endsAt": "2023-11-14T22:13:20Z"}]);
        assert_eq!(*posted.lock().unwrap(), [expected]);
    }
}

//! A POST request to a configured address, signed where a secret is set.

use super::{Message, Notifier, NotifyError, classified};
use crate::{
    config::BodyTemplate,
    domain::{Digest, Timestamp, Values},
    execute::endpoint::{Endpoint, send},
};
use futures_util::future::{BoxFuture, FutureExt};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::{fmt::Write as _, time::Duration};

/// When a webhook was sent, in seconds since 1970; it is signed with the body, so that an old one cannot be sent again.
pub const TIMESTAMP_HEADER: &str = "X-Oncalld-Timestamp";

/// `sha256=` and the HMAC-SHA256 of timestamp, colon and body, in hexadecimal digits.
pub const SIGNATURE_HEADER: &str = "X-Oncalld-Signature";

/// The same for every attempt at one message, so that a receiver can drop what it has.
pub const KEY_HEADER: &str = "Idempotency-Key";

/// A webhook.
#[derive(Debug)]
pub struct WebhookNotifier {
    channel: String,
    endpoint: Endpoint,
    template: Option<BodyTemplate>,
    key: Option<Hmac<Sha256>>,
}

impl WebhookNotifier {
    /// A webhook at an address from the configuration.
    ///
    /// # Errors
    /// The address cannot be one, or an expression of the template is wrong.
    pub fn new(
        channel: &str,
        address: &str,
        template: Option<&str>,
        secret: Option<&str>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let endpoint =
            Endpoint::new(address, None, timeout).map_err(|problem| format!("channel {channel}: {problem}"))?;
        let template = template.map(BodyTemplate::compile).transpose();
        let template = template.map_err(|problem| format!("channel {channel}: its template: {problem}"))?;
        let key = secret.map(|secret| Hmac::<Sha256>::new_from_slice(secret.as_bytes())).transpose();
        let key = key.map_err(|error| format!("channel {channel}: its secret: {error}"))?;
        Ok(Self { channel: channel.to_owned(), endpoint, template, key })
    }

    /// The body and its media type.
    fn body(&self, message: &Message) -> Result<(String, &'static str), String> {
        let value = serde_json::to_value(message).map_err(|error| error.to_string())?;
        let Some(template) = &self.template else { return Ok((value.to_string(), "application/json")) };
        let fields = value.as_object().cloned().unwrap_or_else(Values::new);
        let media = if template.is_json() { "application/json" } else { "text/plain; charset=utf-8" };
        Ok((template.render(&fields)?, media))
    }

    async fn post(&self, message: &Message, now: Timestamp) -> Result<(), NotifyError> {
        let (body, media) = self.body(message).map_err(|problem| NotifyError {
            channel: self.channel.clone(),
            problem: format!("its template: {problem}"),
            transient: false,
        })?;
        let key = Digest::of(format!("{}\n{}", message.incident, message.subject).as_bytes());
        let mut request = self.endpoint.post("").header("content-type", media).header(KEY_HEADER, key.short());
        if let Some(hmac) = &self.key {
            let timestamp = now.timestamp().to_string();
            let signature = signature(hmac.clone(), &timestamp, &body);
            request = request.header(TIMESTAMP_HEADER, timestamp).header(SIGNATURE_HEADER, signature);
        }
        send(request.body(body)).await.map(drop).map_err(|error| classified(&self.channel, &error))
    }
}

fn signature(mut hmac: Hmac<Sha256>, timestamp: &str, body: &str) -> String {
    for part in [timestamp, ":", body] {
        hmac.update(part.as_bytes());
    }
    hmac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

impl Notifier for WebhookNotifier {
    fn channel(&self) -> &str {
        &self.channel
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), NotifyError>> {
        self.post(message, chrono::Utc::now()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use crate::execute::endpoint::tests::{free_port, install_tls, serve};
    use axum::{
        Router,
        http::{HeaderMap, StatusCode},
        routing::post,
    };
    use std::sync::{Arc, Mutex};

    type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

    async fn receiver(status: StatusCode) -> (String, Received) {
        let received = Received::default();
        let kept = received.clone();
        let keep = move |headers: HeaderMap, body: String| async move {
            kept.lock().unwrap().push((headers, body));
            status
        };
        (format!("{}/hook?key=x", serve(Router::new().route("/hook", post(keep))).await), received)
    }

    fn webhook(address: &str, template: Option<&str>, secret: Option<&str>) -> WebhookNotifier {
        WebhookNotifier::new("ops", address, template, secret, Duration::from_secs(2)).unwrap()
    }

    #[tokio::test]
    async fn a_message_is_posted_as_json_and_signed() {
        let (address, received) = receiver(StatusCode::OK).await;
        let webhook = webhook(&address, None, Some("key"));
        webhook.post(&message(), Timestamp::from_timestamp_millis(1_700_000_000_000).unwrap()).await.unwrap();
        webhook.send(&message()).await.unwrap();
        let received = received.lock().unwrap();
        let (headers, body) = &received[0];
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), serde_json::to_value(message()).unwrap());
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers[KEY_HEADER], received[1].0[KEY_HEADER], "a repeat is known");
        let mut hmac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
        hmac.update(format!("1700000000:{body}").as_bytes());
        let hex: String = hmac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(headers[TIMESTAMP_HEADER], "1700000000");
        assert_eq!(headers[SIGNATURE_HEADER], format!("sha256={hex}"));
    }

    #[tokio::test]
    async fn a_template_shapes_the_body() {
        let (address, received) = receiver(StatusCode::NO_CONTENT).await;
        webhook(&address, Some(r#"{"text": "${{ title }}"}"#), None).send(&message()).await.unwrap();
        webhook(&address, Some("${{ incident }}"), None).send(&message()).await.unwrap();
        let failed = webhook(&address, Some("${{ approval.id }}"), None).send(&message()).await.unwrap_err();
        assert!(!failed.transient && failed.problem.starts_with("its template: "), "{failed}");
        let received = received.lock().unwrap();
        assert_eq!(received[0].1, r#"{"text":"api needs a person"}"#);
        assert!(!received[0].0.contains_key(SIGNATURE_HEADER));
        assert_eq!(received[1].1, "inc_1");
        assert_eq!(received[1].0["content-type"], "text/plain; charset=utf-8");
    }

    #[tokio::test]
    async fn errors_say_whether_trying_again_helps() {
        for (status, transient) in [
            (StatusCode::SERVICE_UNAVAILABLE, true),
            (StatusCode::TOO_MANY_REQUESTS, true),
            (StatusCode::NOT_FOUND, false),
            (StatusCode::FOUND, false),
        ] {
            let (address, _) = receiver(status).await;
            let error = webhook(&address, None, None).send(&message()).await.unwrap_err();
            assert_eq!(error.transient, transient, "{error}");
        }
        install_tls();
        let error =
            webhook(&format!("http://127.0.0.1:{}", free_port()), None, None).send(&message()).await.unwrap_err();
        assert!(error.transient, "{error}");
        assert!(WebhookNotifier::new("ops", "x", None, None, Duration::from_secs(1)).is_err());
    }
}

//! One model's API over HTTP: one address, one key, no redirects, no second try, a cap on what is read.
//!
//! What a vendor says of itself (a status, a message, when to come again) is read here for all of them, however oddly it
//! is written. No error shows the address or the key.

use super::{LARGEST_ANSWER, ModelError};
use crate::config::{ModelConfig, Provider};
use crate::domain::{TimeSpan, clean_text};
use reqwest::{
    Client, Request, Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde_json::Value;
use std::time::Duration;

/// How much of a refusal is kept for the error's text.
const LONGEST_REFUSAL: usize = 300;

/// How much of a refusal is read to find what it says.
const REFUSAL_READ: usize = 64 << 10;

/// Connecting to something that is there takes milliseconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The status by which Anthropic says that it has too much to do.
const OVERLOADED: u16 = 529;

/// The header in which Azure wants its key.
const AZURE_KEY: HeaderName = HeaderName::from_static("api-key");

/// An API and who asks it.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: Client,
    /// Marked as sensitive, so that nothing prints it.
    credential: Option<(HeaderName, HeaderValue)>,
}

impl Api {
    /// For a configured model.
    ///
    /// # Errors
    /// The key cannot stand in a header, or there is no TLS; in words that do not show it.
    pub fn of(config: &ModelConfig) -> Result<Self, String> {
        let credential = config.key.as_ref().map(|key| {
            let key = key.expose().trim();
            let (name, text) = match config.provider {
                Provider::Azure => (AZURE_KEY, key.to_owned()),
                Provider::Anthropic => (HeaderName::from_static("x-api-key"), key.to_owned()),
                Provider::OpenAi | Provider::Compatible | Provider::Ollama => (AUTHORIZATION, format!("Bearer {key}")),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| "'key' has characters that no header may have")?;
            value.set_sensitive(true);
            Ok::<_, &str>((name, value))
        });
        let client = Client::builder()
            .redirect(Policy::none()) // an address that was not configured is not contacted, nor told the key
            .connect_timeout(CONNECT_WITHIN) // of the answer as a whole, see `reading::within`
            .user_agent(concat!("oncalld/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no HTTP client: {}", reason(error)))?;
        Ok(Self { client, credential: credential.transpose()? })
    }

    /// For building requests.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request with the key in place of any other; answers with the JSON of a success.
    ///
    /// # Errors
    /// Everything else.
    pub async fn send(&self, mut request: Request) -> Result<Vec<u8>, ModelError> {
        // What a client of another's makes of no key.
        for name in [AUTHORIZATION, AZURE_KEY] {
            request.headers_mut().remove(name);
        }
        if let Some((name, value)) = &self.credential {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let response = self.client.execute(request).await.map_err(lost)?;
        let (status, again_in) = (response.status(), again_in(response.headers()));
        if !status.is_success() {
            // What a refusal says helps people, but is not worth another error.
            let body = read(response, REFUSAL_READ).await.unwrap_or_default();
            return Err(self.without_key(refusal(status.as_u16(), &body, again_in)));
        }
        let body = read(response, LARGEST_ANSWER).await?;
        match serde_json::from_slice::<Value>(&body) {
            // Some gateways refuse with a success.
            Ok(answer) if !answer["error"].is_null() => {
                let code = answer["error"]["code"].as_u64().and_then(|code| u16::try_from(code).ok());
                let status = code.filter(|code| (400..600).contains(code)).unwrap_or(StatusCode::BAD_GATEWAY.as_u16());
                Err(self.without_key(refusal(status, &body, again_in)))
            }
            Ok(_) => Ok(body),
            Err(error) => Err(ModelError::Unreadable(format!("no JSON: {error}"))),
        }
    }

    /// An error in which a server repeats the key that it was shown says it no more.
    fn without_key(&self, error: ModelError) -> ModelError {
        let shown = self.credential.as_ref().and_then(|(_, value)| value.to_str().ok()).unwrap_or_default();
        let key = shown.strip_prefix("Bearer ").unwrap_or(shown);
        let hide = |text: String| if key.is_empty() { text } else { text.replace(key, "[redacted]") };
        let short = |text: String| clean_text(hide(text).trim(), LONGEST_REFUSAL);
        match error {
            ModelError::Limited { message, again_in } => ModelError::Limited { message: short(message), again_in },
            ModelError::Unauthorized(message) => ModelError::Unauthorized(short(message)),
            ModelError::Declined(message) => ModelError::Declined(short(message)),
            ModelError::Rejected { status, message } => ModelError::Rejected { status, message: short(message) },
            ModelError::Broken { status, message } => ModelError::Broken { status, message: short(message) },
            other => other,
        }
    }
}

/// The whole body, unless it is larger than `most`; then no more of it is read.
async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, ModelError> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(ModelError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > most {
            return Err(ModelError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a refusal means.
fn refusal(status: u16, body: &[u8], again_in: Option<TimeSpan>) -> ModelError {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = message(&answer, body);
    match status {
        // Azure's filter of what is asked.
        400 if answer["error"]["code"] == "content_filter" => ModelError::Declined(message),
        401 | 403 => ModelError::Unauthorized(message),
        402 | 429 | OVERLOADED => ModelError::Limited { message, again_in },
        503 if again_in.is_some() => ModelError::Limited { message, again_in },
        408 | 500.. => ModelError::Broken { status, message },
        _ => ModelError::Rejected { status, message },
    }
}

/// What a refusal says: `{error: {message}}` as OpenAI, Azure and Anthropic write it, a plain text for `error` (Ollama),
/// `message` (vLLM), `detail` (FastAPI), or whatever else the body begins with.
fn message(answer: &Value, body: &[u8]) -> String {
    let told = ["/error/message", "/error", "/message", "/detail"].iter().filter_map(|place| answer.pointer(place));
    let mut told =
        told.filter(|told| !told.is_null()).map(|told| told.as_str().map_or_else(|| told.to_string(), str::to_owned));
    if let Some(told) = told.find(|told| !told.is_empty()) {
        return told;
    }
    let text = String::from_utf8_lossy(body);
    match text.trim() {
        "" => "it says nothing".to_owned(),
        page if page.starts_with('<') => match page.split_once("<title>").and_then(|(_, rest)| rest.split_once('<')) {
            Some((title, _)) => format!("a web page: {}", title.trim()),
            None => "a web page".to_owned(),
        },
        text => text.to_owned(),
    }
}

/// When to come again: seconds. The other form, a date, nobody here writes; it is left out rather than believed.
fn again_in(headers: &HeaderMap) -> Option<TimeSpan> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| TimeSpan::from_secs(seconds.ceil() as u64))
}

/// There was no answer, or not a whole one.
fn lost(error: reqwest::Error) -> ModelError {
    if error.is_connect() { ModelError::Away(reason(error)) } else { ModelError::Lost(reason(error)) }
}

/// The innermost cause, which is what people can act on, without the address.
fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no connection within {} s", CONNECT_WITHIN.as_secs());
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_understood_however_they_are_written() {
        let rejected = |message: &str| ModelError::Rejected { status: 400, message: message.into() };
        for (body, wanted) in [
            (r#"{"error":{"message":"no such model","type":"x","param":null,"code":null}}"#, "no such model"),
            (r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens"}}"#, "max_tokens"),
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found"),
            (r#"{"object":"error","message":"too long","type":"BadRequestError","code":400}"#, "too long"),
            (r#"{"error":{"message":"too long","code":400}}"#, "too long"),
            (r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#, r#"[{"loc":["body"],"msg":"field required"}]"#),
            ("<html><head><title>400 Bad Request</title></head></html>", "a web page: 400 Bad Request"),
            ("<html>", "a web page"),
            ("no healthy upstream\n", "no healthy upstream"),
            ("", "it says nothing"),
        ] {
            assert_eq!(refusal(400, body.as_bytes(), None), rejected(wanted), "{body}");
        }
    }

    #[test]
    fn only_a_sensible_retry_after_is_believed() {
        for (text, wanted) in [
            ("7", Some(7)),
            (" 1.2 ", Some(2)),
            ("0", Some(0)),
            ("-1", None),
            ("inf", None),
            ("soon", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(again_in(&headers), wanted.map(TimeSpan::from_secs), "{text}");
        }
        assert_eq!(again_in(&HeaderMap::new()), None);
    }
}

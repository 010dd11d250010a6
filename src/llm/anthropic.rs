//! Anthropic's messages, natively: its OpenAI-compatible address ignores the form that is asked for.
//!
//! As Anthropic documents it in November 2026 ("Structured outputs", "Versions", "Errors" at platform.claude.com/docs), and as
//! its Python clients 0.121 and 2.12 have it (`OutputConfigParam`, `StopReason`, `RefusalStopDetails`, `Usage`):
//!
//! - The form is `output_config: {format: {type: json_schema, schema}}`. It needs no beta header; the `output_format` of 2025
//!   and its header `structured-outputs-2025-11-13` are on their way out.
//! - Its schemas are a subset: objects allow no other properties; no recursion, no `minimum`, `maxLength` or other bounds.
//!   OpenAI's strict subset, without recursion, is inside it. But a schema is compiled to a grammar, and one that is too large
//!   ("The compiled grammar is too large", anthropics/anthropic-sdk-python#1185) or has more than 16 properties that are unions
//!   ("too many parameters with union types", vercel/ai#17268) is refused with status 400. So a question that is refused for
//!   its schema is asked once more with the schema as text, as are those of its form from then on; what is answered is
//!   checked in any case.
//! - A version keeps its parameters. 2023-06-01 is known to all gateways and clouds; 2026-10-21 is not, and has no
//!   `temperature`. Before, a temperature ends at 1.

use super::wire::Api;
use super::{Answer, Message, Model, ModelError, Question, Unanswered, estimate, reading};
use crate::config::ModelConfig;
use crate::domain::{Ordered, TimeSpan};
use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use serde::Serialize;
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// The version of the API, unless the configuration says another.
const VERSION: &str = "2023-06-01";

/// A request.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    system: Cow<'a, str>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Output<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct Output<'a> {
    format: Format<'a>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'a Ordered,
}

/// A model that speaks it.
pub struct Anthropic {
    api: Api,
    address: String,
    version: HeaderValue,
    model: String,
    max_output_tokens: u32,
    temperature: Option<f64>,
    timeout: TimeSpan,
    /// Forms whose schema was refused, by name, of which there are three: they are not sent a second time.
    refused: Mutex<BTreeSet<String>>,
}

impl Anthropic {
    /// A configured model.
    ///
    /// # Errors
    /// The key or the version cannot stand in a header, or there is no TLS; in words that do not show it.
    pub fn new(config: &ModelConfig) -> Result<Self, String> {
        let version = config.api_version.as_deref().unwrap_or(VERSION);
        let temperature = config.temperature.filter(|_| version == VERSION);
        Ok(Self {
            api: Api::of(config)?,
            address: format!("{}/v1/messages", config.base_url.trim_end_matches('/')),
            version: version.parse().map_err(|_| "'api_version' has characters that no header may have")?,
            model: config.model.clone(),
            max_output_tokens: config.max_output_tokens,
            temperature: temperature.map(|temperature| reading::decimal(temperature).min(1.0)),
            timeout: config.timeout,
            refused: Mutex::default(),
        })
    }

    /// A question with its form enforced, or, where its schema was refused, described.
    fn body<'a>(&'a self, question: &'a Question, enforced: bool) -> Body<'a> {
        let format = Format { kind: "json_schema", schema: &question.schema };
        let system = if enforced {
            Cow::Borrowed(question.system.as_str())
        } else {
            Cow::Owned(format!(
                "{}\n\nAnswer with one JSON value and nothing else. It has this JSON Schema:\n{}",
                question.system, question.schema
            ))
        };
        Body {
            model: &self.model,
            max_tokens: self.max_output_tokens,
            system,
            messages: question.turns.iter().map(Message::from).collect(),
            output_config: enforced.then_some(Output { format }),
            temperature: self.temperature,
        }
    }

    async fn post(&self, body: &Body<'_>) -> Result<Vec<u8>, ModelError> {
        let request =
            self.api.client().post(&self.address).header("anthropic-version", self.version.clone()).json(body).build();
        let request = request.map_err(|error| ModelError::Unreadable(error.without_url().to_string()))?;
        self.api.send(request).await
    }

    fn enforces(&self, form: &str) -> bool {
        !self.refused().contains(form)
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        // Nothing can be half done under it.
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn message(&self, question: &Question) -> Result<Answer, Unanswered> {
        let answered = match self.post(&self.body(question, self.enforces(&question.form))).await {
            Err(error) if self.enforces(&question.form) && is_of_the_schema(&error) => {
                self.refused().insert(question.form.clone());
                self.post(&self.body(question, false)).await
            }
            answered => answered,
        };
        let body = answered.map_err(|error| Unanswered::by(error, question, self.max_output_tokens))?;
        let message: Value = serde_json::from_slice(&body).map_err(|error| {
            Unanswered::by(ModelError::Unreadable(error.to_string()), question, self.max_output_tokens)
        })?;
        read(&message, question, self.max_output_tokens)
    }
}

impl Model for Anthropic {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(reading::within(self.timeout, question, self.max_output_tokens, self.message(question)))
    }
}

/// Whether a question was refused because its schema is too much to enforce.
fn is_of_the_schema(error: &ModelError) -> bool {
    let ModelError::Rejected { status: 400, message } = error else { return false };
    let message = message.to_ascii_lowercase();
    ["grammar", "schema"].iter().any(|word| message.contains(word))
}

/// What a message says. Of what it may hold, only what is needed is looked at.
fn read(message: &Value, question: &Question, most_output: u32) -> Result<Answer, Unanswered> {
    let blocks = message["content"].as_array();
    let blocks = blocks.ok_or_else(|| ModelError::Unreadable("there is no content in it".into()))?;
    let text: String =
        blocks.iter().filter(|block| block["type"] == "text").filter_map(|block| block["text"].as_str()).collect();
    let count = |name: &str| message["usage"][name].as_u64();
    // What was read from a cache or put into one is not among the input.
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"].into_iter().filter_map(count).sum::<u64>();
    let input = count("input_tokens").map(|input| input.saturating_add(cached));
    let usage = estimate::usage((input, count("output_tokens")), question, &text, most_output);
    let error = match message["stop_reason"].as_str() {
        Some("max_tokens" | "model_context_window_exceeded") => ModelError::CutOff,
        Some("refusal") => {
            reading::declined(message["stop_details"]["explanation"].as_str().unwrap_or("it says no more"))
        }
        _ if text.trim().is_empty() => ModelError::Empty,
        _ => return Ok(Answer { text: reading::unfenced(&text).to_owned(), usage }),
    };
    Err(Unanswered { error, usage })
}

//! OpenAI's chat completions: of OpenAI itself, on Azure, of vLLM, LiteLLM, Ollama and whatever is compatible.
//!
//! The crate makes the requests; [`Api`] sends them and reads what comes back. Why, says
//! `docs/decisions/0014-async-openai-makes-requests-only.md`.

use super::wire::Api;
use super::{Answer, Message, Model, ModelError, Question, Unanswered, estimate, reading};
use crate::config::{ModelConfig, Provider};
use crate::domain::{Ordered, TimeSpan};
use async_openai::{
    Client,
    config::{AzureConfig, Config, OpenAIConfig},
    error::OpenAIError,
    middleware::HttpRequestFactory,
};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A request. Its schema keeps its order on the wire.
#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    response_format: Format<'a>,
    #[serde(flatten)]
    limit: BTreeMap<&'static str, u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: Form<'a>,
}

#[derive(Serialize)]
struct Form<'a> {
    name: &'a str,
    strict: bool,
    schema: &'a Ordered,
}

/// A model that speaks it.
pub struct OpenAi {
    client: Client<Box<dyn Config>>,
    model: String,
    /// What the most tokens of an answer are called: the old name fails on OpenAI's newer models, the new one is not known
    /// to Ollama and older servers.
    limit: &'static str,
    max_output_tokens: u32,
    temperature: Option<f64>,
    timeout: TimeSpan,
}

impl OpenAi {
    /// A configured model.
    ///
    /// # Errors
    /// The key cannot stand in a header, or there is no TLS; in words that do not show it.
    pub fn new(config: &ModelConfig) -> Result<Self, String> {
        let api = Api::of(config)?;
        let base = config.base_url.trim_end_matches('/');
        // The crate would take key, organisation and project from the environment where they are not set. The key is put
        // into requests by the API alone, so that the crate can neither print it nor fail on it.
        let addresses: Box<dyn Config> = match config.provider {
            Provider::Azure => Box::new(
                AzureConfig::new()
                    .with_api_base(base)
                    .with_deployment_id(&config.model)
                    .with_api_version(config.api_version.as_deref().unwrap_or_default())
                    .with_api_key(""),
            ),
            _ => Box::new(OpenAIConfig::new().with_api_base(base).with_api_key("").with_org_id("").with_project_id("")),
        };
        let http = api.client().clone();
        let send = tower::service_fn(move |request: HttpRequestFactory| {
            let api = api.clone();
            async move {
                let sent = api.send(request.build().await?).await;
                let body = sent.map_err(|error| OpenAIError::Boxed(Box::new(error)))?;
                Ok::<_, OpenAIError>(reqwest::Response::from(hyper::Response::new(body)))
            }
        });
        Ok(Self {
            client: Client::build(http, addresses).with_http_service(send),
            model: config.model.clone(),
            limit: match config.provider {
                Provider::OpenAi | Provider::Azure => "max_completion_tokens",
                _ => "max_tokens",
            },
            max_output_tokens: config.max_output_tokens,
            temperature: config.temperature.map(reading::decimal),
            timeout: config.timeout,
        })
    }

    fn body<'a>(&'a self, question: &'a Question) -> Body<'a> {
        let system = Message { role: "system", content: &question.system };
        Body {
            model: &self.model,
            messages: std::iter::once(system).chain(question.turns.iter().map(Message::from)).collect(),
            response_format: Format {
                kind: "json_schema",
                json_schema: Form { name: &question.form, strict: true, schema: &question.schema },
            },
            limit: BTreeMap::from([(self.limit, self.max_output_tokens)]),
            temperature: self.temperature,
        }
    }

    async fn completion(&self, question: &Question) -> Result<Answer, Unanswered> {
        let answered: Result<Value, OpenAIError> = self.client.chat().create_byot(self.body(question)).await;
        match answered {
            Ok(answer) => read(&answer, question, self.max_output_tokens),
            Err(error) => Err(failure(error, question, self.max_output_tokens)),
        }
    }
}

impl Model for OpenAi {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Answer, Unanswered>> {
        Box::pin(reading::within(self.timeout, question, self.max_output_tokens, self.completion(question)))
    }
}

/// What the API found comes out of the crate as it went in; the crate itself can only fail to make a request.
fn failure(error: OpenAIError, question: &Question, most_output: u32) -> Unanswered {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<ModelError>() {
            Ok(error) => Unanswered::by(*error, question, most_output),
            Err(error) => ModelError::Unreadable(error.to_string()).into(),
        },
        OpenAIError::Reqwest(error) => ModelError::Away(error.without_url().to_string()).into(),
        error => ModelError::Unreadable(error.to_string()).into(),
    }
}

/// What a completion says. Of what it may hold, only what is needed is looked at.
fn read(completion: &Value, question: &Question, most_output: u32) -> Result<Answer, Unanswered> {
    let choice = &completion["choices"][0];
    let message = &choice["message"];
    let text = content(&message["content"]);
    let count = |name: &str| completion["usage"][name].as_u64();
    let usage = estimate::usage((count("prompt_tokens"), count("completion_tokens")), question, &text, most_output);
    let refused = message["refusal"].as_str().filter(|refusal| !refusal.is_empty());
    let error = match (refused, choice["finish_reason"].as_str()) {
        (Some(refusal), _) => reading::declined(refusal),
        (None, Some("length")) => ModelError::CutOff,
        (None, Some("content_filter")) => reading::declined("its vendor's filter holds the answer back"),
        _ if !message.is_object() => ModelError::Unreadable("there is no message in it".into()),
        _ if text.trim().is_empty() => ModelError::Empty,
        _ => return Ok(Answer { text: reading::unfenced(&text).to_owned(), usage }),
    };
    Err(Unanswered { error, usage })
}

/// The text of a message: a string, or, with some gateways, parts.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

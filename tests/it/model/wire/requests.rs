//! What goes over the wire is what each vendor documents: nothing missing, nothing else.

use super::{KEY, config, model, question};
use crate::model::asked::Asked;
use crate::model::scripted::{Reply, Scripted};
use oncalld::config::{ModelConfig, Provider, Secret};
use serde_json::{Value, json};

async fn sent(provider: Provider, change: impl FnOnce(&mut ModelConfig)) -> Asked {
    let server = Scripted::with(|_, asked| Reply::to(asked, &json!({})));
    let mut config = config(provider, server.address());
    change(&mut config);
    let answer = model(&config).ask(&question()).await.expect("an answer");
    assert_eq!((answer.text.as_str(), answer.usage.input, answer.usage.output), ("{}", 1000, 100));
    let mut asked = server.asked();
    assert_eq!(asked.len(), 1);
    asked.remove(0)
}

/// The headers that say something; the rest are those of any client.
fn headers(asked: &Asked) -> Vec<(&str, &str)> {
    let of_any = ["accept", "content-length", "host", "user-agent"];
    let said = asked.headers.iter().filter(|(name, _)| !of_any.contains(&name.as_str()));
    said.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The body that OpenAI documents, with the name of the limit.
fn completion(limit: &str) -> Value {
    let mut body = json!({
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "You plan a diagnosis."},
            {"role": "user", "content": "api is down"},
            {"role": "assistant", "content": "{\"step\":\"rm -rf\"}"},
            {"role": "user", "content": "there is no operation 'rm -rf'"},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "proposal", "strict": true, "schema": question().schema},
        },
    });
    body[limit] = json!(4096);
    body
}

#[tokio::test]
async fn openai_and_what_is_compatible_get_a_completion_with_a_strict_form() {
    let bearer = format!("Bearer {KEY}");
    for (provider, limit) in [
        (Provider::OpenAi, "max_completion_tokens"),
        (Provider::Compatible, "max_tokens"),
        (Provider::Ollama, "max_tokens"),
    ] {
        let asked = sent(provider, |_| {}).await;
        assert_eq!(asked.line, "POST /v1/chat/completions", "{provider:?}");
        assert_eq!(asked.body, completion(limit), "{provider:?}");
        assert_eq!(headers(&asked), [("authorization", bearer.as_str()), ("content-type", "application/json")]);
    }
}

#[tokio::test]
async fn azure_gets_it_at_its_deployment() {
    let asked = sent(Provider::Azure, |_| {}).await;
    assert_eq!(asked.line, "POST /openai/deployments/some-model/chat/completions?api-version=2024-10-21");
    assert_eq!(headers(&asked), [("api-key", KEY), ("content-type", "application/json")]);
    assert_eq!(asked.body, completion("max_completion_tokens"));
}

#[tokio::test]
async fn anthropic_gets_a_message_with_an_output_format() {
    let asked = sent(Provider::Anthropic, |_| {}).await;
    assert_eq!(asked.line, "POST /v1/messages");
    let wanted = [("anthropic-version", "2023-06-01"), ("content-type", "application/json"), ("x-api-key", KEY)];
    assert_eq!(headers(&asked), wanted);
    let body = json!({
        "model": "some-model",
        "max_tokens": 4096,
        "system": "You plan a diagnosis.",
        "messages": [
            {"role": "user", "content": "api is down"},
            {"role": "assistant", "content": "{\"step\":\"rm -rf\"}"},
            {"role": "user", "content": "there is no operation 'rm -rf'"},
        ],
        "output_config": {"format": {"type": "json_schema", "schema": question().schema}},
    });
    assert_eq!(asked.body, body);
}

/// Its later version knows no temperature.
#[tokio::test]
async fn anthropic_is_asked_in_the_version_that_is_configured() {
    let asked = sent(Provider::Anthropic, |config| {
        config.api_version = Some("2026-10-21".into());
        config.temperature = Some(0.2);
    });
    let asked = asked.await;
    assert_eq!(asked.header("anthropic-version"), Some("2026-10-21"));
    assert!(asked.body["temperature"].is_null());
}

/// A key file ends with a newline, an address with a slash, and a temperature is a decimal.
#[tokio::test]
async fn what_people_write_is_sent_as_they_mean_it() {
    for (provider, line, temperature) in [
        (Provider::OpenAi, "POST /v1/chat/completions", "1.3"),
        (Provider::Azure, "POST /openai/deployments/some-model/chat/completions?api-version=2024-10-21", "1.3"),
        (Provider::Anthropic, "POST /v1/messages", "1.0"), // it has no higher one
    ] {
        let asked = sent(provider, |config| {
            config.key = Some(Secret::new(format!("{KEY}\r\n")));
            config.base_url.push_str("//");
            config.temperature = Some(1.3);
        })
        .await;
        assert_eq!(asked.line, line);
        assert_eq!(asked.body["temperature"].to_string(), temperature);
        let keys = ["authorization", "api-key", "x-api-key"].map(|name| asked.header(name));
        let keys: Vec<&str> = keys.into_iter().flatten().collect();
        assert_eq!(keys.len(), 1, "one proof, not two");
        assert!(keys[0].ends_with(KEY), "{}", keys[0]);
    }
}

#[tokio::test]
async fn where_no_key_is_configured_none_is_sent() {
    for provider in [Provider::Ollama, Provider::Compatible, Provider::Azure, Provider::Anthropic] {
        let asked = sent(provider, |config| config.key = None).await;
        let said: Vec<_> = headers(&asked).into_iter().filter(|(name, _)| *name != "anthropic-version").collect();
        assert_eq!(said, [("content-type", "application/json")], "{provider:?}");
    }
}

#[test]
fn a_key_that_no_header_may_have_is_refused_without_being_shown() {
    crate::support::http::install_tls();
    for provider in [Provider::OpenAi, Provider::Azure, Provider::Anthropic] {
        let mut config = config(provider, "http://127.0.0.1:1");
        config.key = Some(Secret::new("sk-t0p\ns3cret"));
        let error = oncalld::llm::chains(&super::agents(&[("mini", config)], oncalld::domain::TimeSpan::from_secs(1)));
        let error = error.err().expect("a refusal");
        assert_eq!(error, "agents.yml: the model mini: 'key' has characters that no header may have");
    }
}

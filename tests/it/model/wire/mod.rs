//! Models over the wire, each against a server that answers as a script says.

mod chain;
mod documents;
mod requests;
mod secrets;
mod troubles;

use oncalld::{
    config::{Agent, Agents, Config, ModelConfig, Prices, Provider, Secret, Sources},
    domain::{AgentRole, TimeSpan},
    llm::{Anthropic, Chain, Model, OpenAi, Question, Turn, chains},
};
use serde_json::json;
use std::collections::BTreeMap;

/// What no error, log or other vendor may ever see.
const KEY: &str = "sk-t0p-s3cret";

/// A model at an address, for as long as a machine that is slow may take.
fn config(provider: Provider, address: &str) -> ModelConfig {
    ModelConfig {
        provider,
        model: "some-model".into(),
        base_url: match provider {
            Provider::Anthropic | Provider::Azure => address.to_owned(),
            _ => format!("{address}/v1"),
        },
        key: Some(Secret::new(KEY)),
        api_version: (provider == Provider::Azure).then(|| "2024-10-21".into()),
        temperature: None,
        max_input_tokens: 32_000,
        max_output_tokens: 4_096,
        timeout: TimeSpan::from_secs(60),
        prices: Prices { input: 2.0, output: 10.0 },
    }
}

/// A model as the configuration has it.
fn model(config: &ModelConfig) -> Box<dyn Model> {
    crate::support::http::install_tls();
    match config.provider {
        Provider::Anthropic => Box::new(Anthropic::new(config).expect("a client")),
        _ => Box::new(OpenAi::new(config).expect("a client")),
    }
}

/// Something that has been asked, answered badly and asked again.
fn question() -> Question {
    Question {
        system: "You plan a diagnosis.".into(),
        turns: vec![
            Turn::Told("api is down".into()),
            Turn::Said("{\"step\":\"rm -rf\"}".into()),
            Turn::Told("there is no operation 'rm -rf'".into()),
        ],
        form: "proposal".into(),
        schema: json!({
            "type": "object",
            "properties": {"step": {"type": "string"}, "tail": {"type": ["integer", "null"]}},
            "required": ["step", "tail"],
            "additionalProperties": false,
        })
        .into(),
    }
}

/// The shipped agents with these models, all of which the planner asks within so much time.
fn agents(models: &[(&str, ModelConfig)], timeout: TimeSpan) -> Agents {
    let shipped = Config::load(Sources::built_in(), &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"));
    let named = models.iter().map(|(name, _)| (*name).to_owned()).collect();
    let planner = Agent { models: named, timeout, ..shipped.agents.planner.clone() };
    let models = models.iter().map(|(name, config)| ((*name).to_owned(), config.clone())).collect();
    Agents { models, planner, ..shipped.agents.clone() }
}

/// The planner's chain of these models.
fn chain(models: &[(&str, ModelConfig)], timeout: TimeSpan) -> Chain {
    crate::support::http::install_tls();
    let mut chains = chains(&agents(models, timeout)).expect("clients");
    assert_eq!(chains.len(), 1, "the others have no models");
    chains.remove(&AgentRole::Planner).expect("the planner's")
}

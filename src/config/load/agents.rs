//! agents.yml and the prompts.

use super::secrets::Files;
use super::urls;
use crate::config::{Agent, Agents, ModelConfig, PROMPTS, Prices, Provider, Sources, ThinkingBudgets, prompt_scope};
use crate::document::{Decode as _, Fields, Node, Place, Problem, Reports, choices};
use crate::domain::{AgentRole, Spent, TimeSpan, nearest};
use crate::expr::Template;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

choices! {
    Provider:
        "openai" => Provider::OpenAi,
        "azure" => Provider::Azure,
        "compatible" => Provider::Compatible,
        "ollama" => Provider::Ollama,
        "anthropic" => Provider::Anthropic,
}

pub(super) fn read(settings: &Node, sources: &Sources, secrets: &Files<'_>, reports: &Reports) -> Option<Agents> {
    let fields = Fields::of(settings.get("agents")?, reports)?;
    let models: Vec<Option<(String, ModelConfig)>> = fields
        .entries("models")
        .iter()
        .map(|(key, node)| Some((key.name.clone(), model(node, secrets, reports)?)))
        .collect();
    let names: Vec<&str> = fields.entries("models").iter().map(|(key, _)| key.name.as_str()).collect();
    unknown_prompts(sources, reports);
    let [planner, analyst, reporter] = PROMPTS.map(|role| {
        let prompt = prompt(role, sources, reports);
        agent(fields.required_raw(role)?, &names, prompt, reports)
    });
    let budgets = fields.required_raw("budgets").and_then(|node| budgets(node, reports));
    let (questions, remember) = (fields.required("questions"), fields.required("remember"));
    let roles = [AgentRole::Planner, AgentRole::Analyst, AgentRole::Reporter];
    let nodes = roles.map(|role| (role, fields.raw(role.as_str())));
    fields.finish();
    let agents = Agents {
        models: models.into_iter().collect::<Option<BTreeMap<_, _>>>()?,
        planner: planner?,
        analyst: analyst?,
        reporter: reporter?,
        budgets: budgets?,
        questions: questions?,
        remember: remember?,
    };
    for (role, node) in nodes {
        check_budgets(&agents, role, node?, reports);
    }
    Some(agents)
}

/// Refuses agents one question of which may cost more than there is: nobody would ever be asked.
fn check_budgets(agents: &Agents, role: AgentRole, node: &Node, reports: &Reports) {
    let (nothing, question) = (Spent::default(), agents.dearest(agents.agent(role)));
    let Spent { tokens, money } = question;
    for (has_room, whose) in [
        (agents.budgets.incident_has_room(nothing, question), "incident"),
        (agents.budgets.day_has_room(nothing, question), "day"),
    ] {
        let what =
            format!("one question may take {tokens} tokens and cost {money}, more than the budgets of one {whose}");
        let fix = "raise 'budgets', name fewer models, or lower their max_input_tokens and max_output_tokens";
        if !has_room {
            reports.at(node, what, fix);
        }
    }
}

fn model(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<ModelConfig> {
    let fields = Fields::of(node, reports)?;
    let provider: Option<Provider> = fields.required("provider");
    let model: Option<String> = fields.required("model");
    let base_url = urls::optional(&fields, "base_url", &["http", "https"]);
    let key = secrets.secret(&fields, "key", "key_file");
    let api_version: Option<String> = fields.optional("api_version");
    let temperature = match fields.raw("temperature") {
        Some(node) => temperature(node, reports).map(Some),
        None => Some(None),
    };
    let max_input_tokens = at_least(&fields, "max_input_tokens", 32_000, LEAST_INPUT);
    let max_output_tokens = at_least(&fields, "max_output_tokens", 4_096, LEAST_OUTPUT);
    let timeout = patience(&fields);
    let prices = match fields.raw("prices") {
        Some(node) => prices(node, reports),
        None => Some(Prices::default()),
    };
    fields.finish();
    let (provider, base_url) = (provider?, base_url?);
    let Some(base_url) = base_url.or_else(|| provider.base_url().map(str::to_owned)) else {
        reports.at(node, "'base_url' is missing", "say where this model is served: https://host/v1");
        return None;
    };
    if provider == Provider::Azure && api_version.is_none() {
        reports.at(node, "'api_version' is missing", "say which version of Azure's API to use, for example 2024-10-21");
        return None;
    }
    Some(ModelConfig {
        provider,
        model: model?,
        base_url,
        key: key?,
        api_version,
        temperature: temperature?,
        max_input_tokens: max_input_tokens?,
        max_output_tokens: max_output_tokens?,
        timeout: timeout?,
        prices: prices?,
    })
}

/// Fewest tokens of a question that make sense: the form of a proposal takes nearly half of them.
const LEAST_INPUT: u32 = 12_000;
/// Fewest tokens of an answer: a plan of a few steps.
const LEAST_OUTPUT: u32 = 512;

fn at_least(fields: &Fields<'_>, name: &'static str, default: u32, least: u32) -> Option<u32> {
    let number = fields.or(name, default)?;
    if number < least {
        let node = fields.raw(name)?;
        fields.reports.at(
            node,
            format!("{number} tokens are too few to think with"),
            format!("write at least {least}"),
        );
        return None;
    }
    Some(number)
}

/// How long an answer may take.
fn patience(fields: &Fields<'_>) -> Option<TimeSpan> {
    let time = fields.or("timeout", TimeSpan::from_secs(30))?;
    if time.as_millis() == 0 {
        fields.reports.at(fields.raw("timeout")?, "nothing answers within no time", "write a time such as 30s");
        return None;
    }
    Some(time)
}

fn temperature(node: &Node, reports: &Reports) -> Option<f32> {
    let value = f64::decode(node, reports)?;
    if !(0.0..=2.0).contains(&value) {
        reports.at(node, format!("{value} is no temperature"), "write a number from 0 to 2");
        return None;
    }
    Some(value as f32)
}

fn prices(node: &Node, reports: &Reports) -> Option<Prices> {
    let fields = Fields::of(node, reports)?;
    let (input, output) = (money(&fields, "input"), money(&fields, "output"));
    fields.finish();
    Some(Prices { input: input?, output: output? })
}

/// An amount of money.
fn money(fields: &Fields<'_>, name: &'static str) -> Option<f64> {
    let node = fields.required_raw(name)?;
    let value = f64::decode(node, fields.reports)?;
    if !value.is_finite() || value < 0.0 {
        fields.reports.at(node, format!("{value} is no amount of money"), "write a number that is not negative");
        return None;
    }
    Some(value)
}

fn budgets(node: &Node, reports: &Reports) -> Option<ThinkingBudgets> {
    let fields = Fields::of(node, reports)?;
    let (tokens_per_incident, tokens_per_day) =
        (fields.required("tokens_per_incident"), fields.required("tokens_per_day"));
    let (money_per_incident, money_per_day) = (money(&fields, "money_per_incident"), money(&fields, "money_per_day"));
    fields.finish();
    Some(ThinkingBudgets {
        tokens_per_incident: tokens_per_incident?,
        tokens_per_day: tokens_per_day?,
        money_per_incident: money_per_incident?,
        money_per_day: money_per_day?,
    })
}

fn agent(node: &Node, known: &[&str], prompt: Option<Template>, reports: &Reports) -> Option<Agent> {
    let fields = Fields::of(node, reports)?;
    let mut named = BTreeSet::new();
    let models: Vec<Option<String>> = fields
        .elements("models")
        .iter()
        .map(|node| {
            let name = String::decode(node, reports)?;
            if !named.insert(name.clone()) {
                reports.at(
                    node,
                    format!("'{name}' is named twice"),
                    "a model is asked once for an answer; name it once",
                );
                return None;
            }
            if known.contains(&name.as_str()) {
                return Some(name);
            }
            let fix = match nearest(&name, known.iter().copied()).first() {
                Some(near) => format!("did you mean {near}?"),
                None => "declare it under 'models'".to_owned(),
            };
            reports.at(node, format!("there is no model '{name}'"), fix);
            None
        })
        .collect();
    if let Some(node) = fields.raw("provider") {
        let fix = "write 'models: []' for the runbooks alone, or the names of models; see docs/models.md";
        reports.at(node, "an agent has no provider; its models have", fix);
    }
    let timeout = patience(&fields);
    fields.finish();
    Some(Agent { models: models.into_iter().collect::<Option<_>>()?, timeout: timeout?, prompt: prompt? })
}

/// Refuses prompts that no agent has: they would not be read.
fn unknown_prompts(sources: &Sources, reports: &Reports) {
    for path in sources.0.keys() {
        let Some((folder, name)) = path.rsplit_once('/') else { continue };
        let Some(name) = name.strip_suffix(".md").filter(|_| folder.ends_with("prompts")) else { continue };
        if !PROMPTS.contains(&name) {
            let fix = match nearest(name, PROMPTS.iter().copied()).first() {
                Some(near) => format!("did you mean {near}.md?"),
                None => format!("there are {}", PROMPTS.map(|role| format!("{role}.md")).join(", ")),
            };
            let place = Place { file: path.as_str().into(), line: 1, column: 1 };
            reports.add(Problem::new(&place, format!("there is no agent '{name}'"), fix));
        }
    }
}

/// The prompt of an agent: the user's if there is one, else the compiled-in one.
fn prompt(role: &str, sources: &Sources, reports: &Reports) -> Option<Template> {
    let file = format!("prompts/{role}.md");
    let own = |path: &&String| !path.starts_with(super::FOLDER);
    let mut found: Vec<&String> = sources.0.keys().filter(|path| path.ends_with(&file)).collect();
    found.sort_by_key(|path| !own(path));
    let path = found.first()?;
    let text = sources.0.get(*path)?;
    match Template::compile(&Value::String(text.clone()), &prompt_scope()) {
        Ok(template) => Some(template),
        Err(errors) => {
            for (_, error) in errors {
                let before = text.get(..error.offset).unwrap_or_default();
                let (line, column) =
                    (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
                let place = Place { file: path.as_str().into(), line, column };
                reports.add(Problem::new(&place, error.message, "see docs/models.md for what a prompt may use"));
            }
            None
        }
    }
}

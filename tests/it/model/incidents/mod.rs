//! Whole incidents with a model: the real daemon, real faults, and a server that answers as a script says.

mod budgets;
mod crash;
mod docker;
mod endless;
mod quick;
mod reloads;
mod storm;
mod troubles;
mod without;

use super::scripted::Scripted;
use crate::support::cache;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::calls;
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough on a machine that does other things as well.
const WAIT: Duration = Duration::from_secs(180);

/// Everybody who may ask.
const ALL: [&str; 3] = ["planner", "analyst", "reporter"];

/// agents.yml: one model, `scripted`, at this address, whom these agents ask. A question and its answer of 1,000 and 100
/// tokens cost 0.003.
fn agents(address: &str, roles: &[&str]) -> Value {
    let prices = json!({"input": 2.0, "output": 10.0});
    let model = json!({
        "provider": "compatible", "model": "some-model", "base_url": format!("{address}/v1"), "prices": prices,
    });
    let mut agents = json!({"models": {"scripted": model}});
    for role in roles {
        agents[*role] = json!({"models": ["scripted"], "timeout": "60s"});
    }
    agents
}

/// The same settings with this agents.yml.
fn thinking(settings: &Settings, agents: &Value) -> Settings {
    let mut files = settings.files.clone();
    files.retain(|(path, _)| path != "config/agents.yml");
    files.push(("config/agents.yml".to_owned(), agents.to_string()));
    Settings {
        platform: settings.platform.clone(),
        environments: settings.environments.clone(),
        policies: settings.policies.clone(),
        files,
        variables: settings.variables.clone(),
        port: settings.port,
        token: settings.token.clone(),
    }
}

/// One service that may be killed and started again as often as a test likes, without anybody being asked.
fn settings() -> Settings {
    let mut settings = cache::settings("auto");
    let many = json!({"per_target": 1000, "per_environment": 1000});
    settings.policies = Some(json!({"budgets": many, "flap": {"times": 1000}}));
    // Models are on this machine, whatever it needs to reach others.
    settings.variables = vec![("NO_PROXY", "*".to_owned())];
    settings
}

/// Kills the service, and follows the incident to its end: the one that the runbooks alone come to.
fn resolved(daemon: &Daemon, round: usize) -> Value {
    let id = cache::killed_again(daemon, round);
    closed(daemon, &id)
}

/// Waits for that end.
fn closed(daemon: &Daemon, id: &str) -> Value {
    let end = daemon.wait_for(id, "closed", WAIT, |incident| incident["state"] == "closed");
    let story = || daemon.story(id);
    assert_eq!(end["cause"]["code"], "killed_externally", "{}", story());
    assert_eq!(end["verdict"], "resolved", "{}", story());
    assert_eq!(calls(&daemon.journal(id)), ["process.start"], "{}", story());
    let report = daemon.http.get(&format!("/api/v1/incidents/{id}/report")).expect("an answer");
    assert!(report.status == 200 && report.text.contains("killed_externally"), "{}", report.text);
    end
}

fn id(incident: &Value) -> &str {
    incident["id"].as_str().expect("an id")
}

fn exchanges(incident: &Value) -> &[Value] {
    incident["exchanges"].as_array().map_or(&[], Vec::as_slice)
}

/// Why answers were not used, in order.
fn unused(incident: &Value) -> Vec<&str> {
    exchanges(incident).iter().filter_map(|exchange| exchange["unused"].as_str()).collect()
}

/// What of an incident does not depend on its time, its ids, or on models.
fn course(daemon: &Daemon, id: &str) -> Vec<Value> {
    let journal = daemon.journal(id);
    // What models cost is among the circumstances.
    let of_models =
        |kind: &str| kind.starts_with("exchange_") || ["models_not_asked", "circumstances_noted"].contains(&kind);
    let told = journal.iter().filter(|event| !of_models(event["kind"].as_str().unwrap_or_default()));
    told.map(|event| {
        let phases = event["plan"]["phases"].as_array().into_iter().flatten();
        let steps: Vec<Value> = phases
            .flat_map(|phase| phase["steps"].as_array().into_iter().flatten())
            .map(|step| json!([step["name"], step["operation"], step["target"], step["arguments"]]))
            .collect();
        let (kind, decision, verdict) = (&event["kind"], &event["decision"], &event["verdict"]);
        json!([kind, steps, event["phase"], event["finding"]["id"], decision, verdict, event["call"]["call"]])
    })
    .collect()
}

/// Milliseconds from an incident's first event to its last.
fn lasted(daemon: &Daemon, id: &str) -> i64 {
    let journal = daemon.journal(id);
    let at =
        |event: &Value| event["at"].as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>().expect("a time");
    let (first, last) = (journal.first().expect("an event"), journal.last().expect("an event"));
    (at(last) - at(first)).num_milliseconds()
}

/// The value of a line of `/metrics`, by everything before it; 0 where there is no such line.
fn metric(daemon: &Daemon, line: &str) -> f64 {
    let text = daemon.http.get("/metrics").expect("an answer").text;
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    found.map_or(0.0, |value| value.parse().expect("a number"))
}

/// Incidents that questions were about, each once, in order.
fn asked_about(server: &Scripted) -> Vec<String> {
    let text = |asked: &super::asked::Asked| asked.text();
    let heads = server.asked().iter().map(text).collect::<Vec<_>>();
    let ids = heads.iter().filter_map(|text| text.split("# Incident ").nth(1)?.split_whitespace().next());
    let mut about: Vec<String> = Vec::new();
    for id in ids {
        if about.last().is_none_or(|last| last != id) {
            about.push(id.to_owned());
        }
    }
    about
}

//! `oncalld history`: what changed of a service's configuration.

use super::{
    Ask, Failure,
    client::segment,
    diagnose::ended,
    print, print_json,
    style::{Tone, one_line},
};
use crate::domain::{IncidentId, Values};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Which service.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the service.
    service: String,
    /// Its environment, where several have a service of this name.
    #[arg(long)]
    environment: Option<String>,
}

/// Lists configuration changes, newest first: the result of the operation `get_history`, run by hand.
pub(super) async fn run(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    let body = json!({"environment": arguments.environment, "target": arguments.service});
    let path = format!("/api/v1/operations/{}", segment("get_history"));
    let begun = ask.client.change(Method::POST, &path, &body).await?;
    let id = IncidentId::new(begun.get("incident").and_then(Value::as_str).unwrap_or_default());
    let incident = ended(ask, &id, false).await?;
    let record = incident.steps.last();
    let Some(evidence) = record.and_then(|record| record.evidence.as_ref()) else {
        let error = record.and_then(|record| record.error.clone()).unwrap_or_else(|| incident.verdict_reason.clone());
        return Err(Failure::failed(error));
    };
    if ask.json {
        print_json(&evidence.facts)?;
    } else {
        print(&render(ask, &evidence.facts).join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render(ask: &Ask, facts: &Values) -> Vec<String> {
    let changes = facts.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
    if changes.is_empty() {
        return vec!["no change was seen since oncalld watches this service".into()];
    }
    let text = |change: &Value, name: &str| one_line(change.get(name).and_then(Value::as_str).unwrap_or("-"));
    changes
        .iter()
        .map(|change| {
            let at = text(change, "at").parse().map_or_else(|_| text(change, "at"), |at| ask.style.date_time(at));
            let what = ask.style.paint(Tone::Strong, &text(change, "what"));
            format!("{at}  {what}  {} → {}", text(change, "from"), text(change, "to"))
        })
        .collect()
}

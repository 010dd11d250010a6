//! `oncalld diagnose`.

use super::{
    Ask, Failure,
    client::segment,
    follow::Follow,
    ids,
    live::Feed,
    print, print_json,
    style::{Tone, one_line},
    watch,
};
use crate::domain::{Event, EventBody, Incident, IncidentId, IncidentState, Verdict};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// What to diagnose.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the service.
    service: String,
    /// Its environment, where several have a service of this name.
    #[arg(long)]
    environment: Option<String>,
    /// Why.
    #[arg(long, default_value = "")]
    note: String,
    /// Follow it to its end.
    #[arg(long)]
    watch: bool,
    /// Wait for its end without a word.
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
}

/// Starts a diagnosis.
pub(super) async fn run(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    let body = json!({"environment": arguments.environment, "note": arguments.note});
    let path = format!("/api/v1/diagnose/{}", segment(&arguments.service));
    let begun = ask.client.change(Method::POST, &path, &body).await?;
    begun_run(ask, &begun, arguments.watch, arguments.wait).await
}

/// Follows, waits for, or names the incident that began.
pub(super) async fn begun_run(ask: &Ask, begun: &Value, watch: bool, wait: bool) -> Result<ExitCode, Failure> {
    let id = begun.get("incident").and_then(Value::as_str).unwrap_or_default();
    if !watch && !wait {
        if ask.json {
            print_json(begun)?;
        } else {
            print(&format!("{id}\nfollow it with: oncalld watch {id}"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let incident = ended(ask, &IncidentId::new(id), watch).await?;
    conclude(ask, &incident, watch)
}

/// Follows an incident until it is concluded, or only people can go on. What was so before it was diagnosed anew is no
/// end of it.
pub(super) async fn ended(ask: &Ask, id: &IncidentId, show: bool) -> Result<Incident, Failure> {
    let mut feed = Feed::new(ask.style);
    let mut follow = Follow::new(&ask.client, Some(id.clone()), Some(0));
    loop {
        let event = follow.next().await?;
        if show {
            watch::show(ask, &mut feed, &event)?;
            hint(ask, &event)?;
        }
        use EventBody::{IncidentClosed, IncidentEscalated, IncidentTakenOver, VerdictReached};
        if !matches!(
            event.body,
            IncidentClosed { .. } | IncidentEscalated { .. } | IncidentTakenOver { .. } | VerdictReached { .. }
        ) {
            continue;
        }
        let incident: Incident = ask.client.get(&ids::incident_path(id.as_str(), "")).await?;
        // What is watched stays open for its alerts alone.
        use IncidentState::{Closed, Escalated, TakenOver, Watching};
        if matches!(incident.state, Closed | Escalated | TakenOver | Watching) {
            return Ok(incident);
        }
    }
}

fn hint(ask: &Ask, event: &Event) -> Result<(), Failure> {
    match &event.body {
        EventBody::ApprovalRequested { approval } if !ask.json => {
            let text =
                format!("          decide in another terminal: oncalld approve {0}, or oncalld deny {0}", approval.id);
            print(&ask.style.paint(Tone::Warning, &text))
        }
        _ => Ok(()),
    }
}

/// 0 if nothing is wrong any more.
fn conclude(ask: &Ask, incident: &Incident, shown: bool) -> Result<ExitCode, Failure> {
    if ask.json && !shown {
        print_json(incident)?;
    } else if !ask.json {
        let verdict = incident.verdict.map_or("no verdict yet", Verdict::as_str);
        let cause = incident.cause.as_ref().map_or_else(String::new, |cause| format!("  cause {}", cause.code));
        print(&format!("{}  {verdict}{cause}  {}", incident.id, one_line(&incident.verdict_reason)))?;
        if incident.state == IncidentState::Escalated {
            print("a person must look: oncalld report gives the whole story")?;
        }
    }
    Ok(if incident.verdict.is_some_and(Verdict::is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! `oncalld watch`.

use super::{Ask, Failure, follow::Follow, ids, live::Feed, print};
use crate::domain::{Event, IncidentId};
use std::process::ExitCode;

/// What to follow.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only this incident (or how its id begins), from its first event on.
    id: Option<String>,
    /// Begin after this event.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
}

/// Follows what happens until interrupted. After a restart of the daemon it goes on where it was.
pub(super) async fn run(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    let incident = match &arguments.id {
        Some(given) => Some(IncidentId::new(ids::incident(&ask.client, given).await?)),
        None => None,
    };
    let after = arguments.after.or(incident.as_ref().map(|_| 0));
    let mut feed = if incident.is_some() { Feed::new(ask.style) } else { Feed::of_all(ask.style) };
    let mut follow = Follow::new(&ask.client, incident, after);
    loop {
        let event = follow.next().await?;
        show(ask, &mut feed, &event)?;
    }
}

/// Prints one event: as lines, or as one line of JSON.
pub(super) fn show(ask: &Ask, feed: &mut Feed, event: &Event) -> Result<(), Failure> {
    if ask.json {
        return print(&serde_json::to_string(event).map_err(Failure::failed)?);
    }
    let lines = feed.render(event);
    if lines.is_empty() { Ok(()) } else { print(&lines.join("\n")) }
}

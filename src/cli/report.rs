//! `oncalld report`.

use super::{Ask, Failure, ids, print};
use crate::domain::clean_text;
use std::process::ExitCode;

/// Which incident.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Id of the incident, or how it begins.
    id: String,
}

/// Prints the report, in Markdown or as JSON.
pub(super) async fn run(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    let id = ids::incident(&ask.client, &arguments.id).await?;
    let media = if ask.json { "application/json" } else { "text/markdown" };
    let text = ask.client.get_text(&ids::incident_path(&id, "/report"), media).await?;
    // It quotes logs: nothing in it may drive the terminal.
    print(&clean_text(&text, usize::MAX - 1))?;
    Ok(ExitCode::SUCCESS)
}

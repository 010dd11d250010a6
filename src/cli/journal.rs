//! `oncalld journal verify`: whether anything in the journal was changed, left out or cut off.

use super::{ConfigFolder, Failure, Output, block_on, configuration, print, print_json};
use crate::app;
use std::process::ExitCode;

/// What to do with the journal.
#[derive(Debug, clap::Subcommand)]
pub enum Arguments {
    /// Check the whole hash chain. The daemon may be running.
    Verify(ConfigFolder),
}

/// Verifies the journal that the configuration names.
pub(super) fn run(arguments: &Arguments, output: Output) -> Result<ExitCode, Failure> {
    let Arguments::Verify(folder) = arguments;
    let config = configuration::load(folder.config.as_deref())?;
    let found = block_on(async { app::verify_journal(&config).await.map_err(Failure::failed) })?;
    if output.json {
        print_json(&found)?;
    } else {
        let head = found.head.as_ref().map_or_else(String::new, |head| format!("; the last one's hash is {head}"));
        print(&format!("{} events, each as it was written{head}", found.events))?;
    }
    Ok(ExitCode::SUCCESS)
}

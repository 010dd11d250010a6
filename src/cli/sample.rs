//! `oncalld sample NAME`, hidden: one of the services that the demo watches over.

use crate::demo::sample::{self, Sample};
use std::process::ExitCode;

/// Which.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The service.
    name: Sample,
}

/// Runs it until it is killed, or fails.
pub fn run(arguments: &Arguments) -> ExitCode {
    sample::run(arguments.name)
}

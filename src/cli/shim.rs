//! `oncalld shim FOLDER`, hidden: the daemon starts it for each instance of a service.

use std::{path::PathBuf, process::ExitCode};

/// Where the instance's files are.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folder of the instance.
    folder: PathBuf,
}

/// Watches over one instance until its program has ended for good.
pub fn run(arguments: &Arguments) -> ExitCode {
    crate::shim::run(&arguments.folder)
}

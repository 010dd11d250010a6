//! oncalld's command: argv to exit code.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The one TLS provider, before anything can ask for another. An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    oncalld::cli::run(oncalld::cli::Cli::parse())
}

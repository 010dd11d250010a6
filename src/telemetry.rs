//! Logs: one line an event, for people or machines, on standard error. Incident ids are fields.

use crate::config::{LogFormat, Telemetry};
use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, fmt, prelude::*, util::TryInitError};

/// Installs the log for the whole process.
///
/// # Errors
/// A log is installed already.
pub fn install(telemetry: &Telemetry) -> Result<(), TryInitError> {
    let filter = EnvFilter::try_new(&telemetry.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    match telemetry.log {
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Human => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let layer = fmt::layer().with_ansi(colours).with_target(false).with_writer(std::io::stderr);
            registry.with(layer).try_init()
        }
    }
}

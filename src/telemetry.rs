//! Logs: one line an event, for people or machines, on standard error. Incident ids are fields.

use crate::config::{LogFormat, Telemetry};
use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, prelude::*, reload, util::TryInitError};

/// The log of this process, once it is installed.
#[derive(Debug)]
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Installs the log for the whole process.
///
/// # Errors
/// A log is installed already.
pub fn install(telemetry: &Telemetry) -> Result<Log, TryInitError> {
    let filter = EnvFilter::try_new(&telemetry.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    match telemetry.log {
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()?;
        }
        LogFormat::Human => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let layer = fmt::layer().with_ansi(colours).with_target(false).with_writer(std::io::stderr);
            registry.with(layer).try_init()?;
        }
    }
    Ok(Log { filter: handle })
}

impl Log {
    /// Writes more or less from now on.
    ///
    /// # Errors
    /// That is no level and no filter; nothing changes.
    pub fn set_level(&self, level: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(level).map_err(|error| format!("'{level}' is no filter: {error}"))?;
        self.filter.reload(filter).map_err(|error| error.to_string())
    }
}

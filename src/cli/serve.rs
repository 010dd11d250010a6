//! `oncalld serve`: the daemon.

use super::{ConfigFolder, Failure, configuration};
use crate::app::{self, App, Changes};
use crate::config::read::{self, Loaded};
use crate::telemetry;
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs until SIGTERM or SIGINT; SIGHUP puts a changed configuration in force.
pub(super) fn run(folder: &ConfigFolder) -> Result<ExitCode, Failure> {
    let Loaded { config, variables } = configuration::load_with_variables(folder.config.as_deref())?;
    let log = telemetry::install(&config.platform.telemetry).map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (hangups, stop) = (signal(SignalKind::hangup())?, stopped()?);
        let app = App::build(Arc::new(config), app::loader(variables)).await.map_err(Failure::failed)?;
        tracing::info!(address = %app.address(), "oncalld listens");
        app.run(stop, changes(folder.config.clone(), hangups), Some(log)).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Resolves when it is time to stop.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A configuration at every SIGHUP, read and checked whole. Those that come while one is taken over are one.
fn changes(folder: Option<PathBuf>, hangups: Signal) -> Changes {
    Box::pin(futures_util::stream::unfold((folder, hangups), |(folder, mut hangups)| async move {
        hangups.recv().await?;
        let from = folder.clone();
        let read = tokio::task::spawn_blocking(move || read::load(from.as_deref())).await;
        let change = match read {
            Ok(Ok(loaded)) => Ok(loaded.config),
            Ok(Err(error)) => Err(configuration::told(&error)),
            Err(error) => Err(error.to_string()),
        };
        Some((change, (folder, hangups)))
    }))
}

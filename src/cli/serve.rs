//! `oncalld serve`: the daemon.

use super::{ConfigFolder, Failure, configuration};
use crate::app::{self, App};
use crate::config::read::{self, Loaded};
use crate::engine::Engine;
use crate::telemetry;
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs until SIGTERM or SIGINT; SIGHUP puts a changed configuration in force.
pub(super) fn run(folder: &ConfigFolder) -> Result<ExitCode, Failure> {
    let Loaded { config, variables } = configuration::load_with_variables(folder.config.as_deref())?;
    telemetry::install(&config.platform.telemetry).map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (hangups, stop) = (signal(SignalKind::hangup())?, stopped()?);
        let app = App::build(Arc::new(config), app::loader(variables)).await.map_err(Failure::failed)?;
        tracing::info!(address = %app.address(), "oncalld listens");
        let reloading = tokio::spawn(reload(app.engine(), folder.config.clone(), hangups));
        app.run(stop).await;
        reloading.abort();
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

/// Checks a changed configuration whole, then puts it in force, or leaves the old one serving.
async fn reload(engine: Engine, folder: Option<PathBuf>, mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        let folder = folder.clone();
        let read = tokio::task::spawn_blocking(move || read::load(folder.as_deref())).await;
        let outcome = match read {
            Ok(Ok(loaded)) => engine.reload(Arc::new(loaded.config)).await.map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(configuration::told(&error)),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(()) => tracing::info!("the changed configuration is in force"),
            Err(problem) => {
                tracing::error!(problem, "the changed configuration is refused; the old one stays in force")
            }
        }
    }
}

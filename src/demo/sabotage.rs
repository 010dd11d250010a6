//! Breaking a service for real, behind the daemon's back: through the files of its shim, as another tool on the same
//! machine would, by signals, or by a request that the sample takes badly.

use super::{Fault, Stage, sample, stage::BACKLOG};
use crate::{
    domain::ExitReason,
    shim::{
        Launch, ServiceFolder,
        control::{self, Command, OrderError},
    },
};
use rustix::process::Signal;
use std::{
    io,
    time::{Duration, Instant},
};

/// How long a fault may take to show.
const SHOWS: Duration = Duration::from_secs(20);

/// How long a service may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// Breaks what the fault says, and returns when it shows.
///
/// # Errors
/// It could not be broken.
pub async fn sabotage(fault: Fault, stage: &Stage) -> io::Result<()> {
    match fault {
        Fault::CrashOnSetting => {
            deploy(stage, "api", |launch| drop(launch.environment.insert("API_WORKERS".into(), "many".into()))).await?;
        }
        Fault::MissingSetting => deploy(stage, "api", |launch| drop(launch.environment.remove("API_TOKEN"))).await?,
        Fault::Hang => ask_api(stage, "POST /fault/hang".into()).await?,
        Fault::Leak => ask_api(stage, format!("POST /fault/backlog/{BACKLOG}")).await?,
        Fault::DependencyDown => order(stage, "cache", Command::stop(GRACE)).await?,
        Fault::PortTaken => {
            order(stage, "api", Command::stop(GRACE)).await?;
            let port = stage.api.port().to_string();
            deploy(stage, "api-next", |launch| drop(launch.environment.insert("PORT".into(), port))).await?;
            until(|| stage.api_answers()).await?;
            order(stage, "api", Command::start()).await?;
        }
        Fault::Paused => signal(stage, "api", Signal::STOP)?,
        Fault::Killed => signal(stage, "api", Signal::KILL)?,
        Fault::None => return Ok(()),
    }
    match fault {
        // The port of a service whose place another one took answers; it is the service that is gone.
        Fault::CrashOnSetting | Fault::MissingSetting | Fault::Leak | Fault::Killed | Fault::PortTaken => {
            until(|| failed(stage, "api")).await
        }
        _ => until(|| !stage.api_answers()).await,
    }
}

/// Puts another configuration in force, as a deployment does that asks nobody.
async fn deploy(stage: &Stage, service: &str, change: impl FnOnce(&mut Launch)) -> io::Result<()> {
    let folder = folder(stage, service);
    let mut launch = folder.launch()?.ok_or_else(|| io::Error::other(format!("{service} was never started")))?;
    change(&mut launch);
    folder.set_launch(&launch)?;
    order(stage, service, Command::restart(GRACE)).await
}

async fn order(stage: &Stage, service: &str, command: Command) -> io::Result<()> {
    let instance = folder(stage, service).instance(1);
    control::order(&stage.program, &instance, command).await.map(drop).map_err(|error| match error {
        OrderError::NotGiven(error) => error,
        OrderError::Unknown(_) => io::Error::other(error),
    })
}

fn signal(stage: &Stage, service: &str, signal: Signal) -> io::Result<()> {
    let state = folder(stage, service).instance(1).state()?.unwrap_or_default();
    let sent = state.program.is_some_and(|program| program.signal(signal));
    if sent { Ok(()) } else { Err(io::Error::other(format!("{service} does not run"))) }
}

async fn ask_api(stage: &Stage, request: String) -> io::Result<()> {
    let address = stage.api.to_string();
    let asked = tokio::task::spawn_blocking(move || sample::send(&address, &request, GRACE)).await;
    asked.map_err(io::Error::other)?.map(drop)
}

fn folder(stage: &Stage, service: &str) -> ServiceFolder {
    ServiceFolder::new(&stage.services, service)
}

/// Whether the service's last run came to a bad end.
fn failed(stage: &Stage, service: &str) -> bool {
    let state = folder(stage, service).instance(1).state().ok().flatten();
    state.is_some_and(|state| matches!(state.exit_reason, ExitReason::Error | ExitReason::Oom | ExitReason::Killed))
}

/// Waits until this is so. The question may block for a moment.
async fn until(shows: impl Fn() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + SHOWS;
    while !tokio::task::block_in_place(&shows) {
        if Instant::now() >= deadline {
            return Err(io::Error::other("the fault does not show"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

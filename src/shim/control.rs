//! Giving orders to shims, and starting shims to carry them out.

use super::{InstanceFolder, Order, ProcessRef, State, Want};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a shim may take beyond the grace period of a stop. It takes milliseconds, unless the machine is overloaded.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often to look whether an order was carried out.
const POLL: Duration = Duration::from_millis(20);

/// A shim that has not shown itself after this long is started again: it may have ended just when the order came.
const SHIM_START: Duration = Duration::from_secs(2);

/// The log of a shim's complaints is begun anew when it is larger than this.
const SHIM_LOG_LIMIT: u64 = 64 << 10;

/// Variables of the daemon that programs get as well. No others: they may hold the daemon's secrets.
const PASSED_ON: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// The few variables of the daemon that every program of the environment gets.
pub fn base_environment() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}

/// What is asked of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// What it should be doing.
    pub want: Want,
    /// Whether the program is started anew, even if it runs.
    pub new_run: bool,
    /// How long it may take to end by itself.
    pub grace: Duration,
}

impl Command {
    /// Start it, if need be by ending what runs.
    pub fn start() -> Self {
        Self { want: Want::Running, new_run: true, grace: Duration::from_secs(10) }
    }

    /// Start it anew.
    pub fn restart(grace: Duration) -> Self {
        Self { want: Want::Running, new_run: true, grace }
    }

    /// End it.
    pub fn stop(grace: Duration) -> Self {
        Self { want: Want::Stopped, new_run: false, grace }
    }

    /// Freeze or thaw it, or look at its configuration again.
    pub fn go_on(want: Want) -> Self {
        Self { want, new_run: false, grace: Duration::ZERO }
    }
}

/// Why an order was not, or not certainly, carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It was not given: the disk refused.
    #[error("the order cannot be given: {0}")]
    NotGiven(#[source] io::Error),
    /// It was given, and nobody knows what came of it.
    #[error("{0}")]
    Unknown(String),
}

/// Gives an order and waits until it is carried out. `program` is what has the `shim` subcommand.
///
/// # Errors
/// It was not given, or not carried out in time.
pub async fn order(program: &Path, instance: &InstanceFolder, command: Command) -> Result<State, OrderError> {
    let given = give(instance, command).map_err(OrderError::NotGiven)?;
    carry_out(program, instance, &given, PATIENCE + command.grace).await.map_err(OrderError::Unknown)
}

fn give(instance: &InstanceFolder, command: Command) -> io::Result<Order> {
    instance.create()?;
    let last = instance.order()?.unwrap_or_default();
    let state = instance.state()?.unwrap_or_default();
    let order = Order {
        generation: last.generation.max(state.generation) + 1,
        run: last.run.max(state.run) + u64::from(command.new_run),
        want: command.want,
        grace_ms: u64::try_from(command.grace.as_millis()).unwrap_or(u64::MAX),
    };
    instance.set_order(&order)?;
    Ok(order)
}

async fn carry_out(
    program: &Path,
    instance: &InstanceFolder,
    order: &Order,
    patience: Duration,
) -> Result<State, String> {
    let deadline = Instant::now() + patience;
    let mut start_shim_at = Instant::now();
    let mut told = None;
    loop {
        let state = instance.state().map_err(|error| error.to_string())?.unwrap_or_default();
        if state.generation >= order.generation {
            return Ok(state);
        }
        match state.shim.filter(|shim| shim.alive().is_some()) {
            Some(shim) if told.as_ref() != Some(&shim) => {
                shim.signal(rustix::process::Signal::HUP);
                told = Some(shim);
            }
            Some(_) => {}
            None if Instant::now() >= start_shim_at => {
                start_shim(program, instance).map_err(|error| format!("its shim cannot be started: {error}"))?;
                start_shim_at = Instant::now() + SHIM_START;
            }
            None => {}
        }
        if Instant::now() >= deadline {
            return Err(format!("its shim did not carry out the order within {} s", patience.as_secs()));
        }
        sleep(POLL).await;
    }
}

/// Starts a shim. Two at once do no harm: the second finds the lock taken and ends.
///
/// # Errors
/// It cannot be started.
pub fn start_shim(program: &Path, instance: &InstanceFolder) -> io::Result<()> {
    let log = instance.shim_log();
    let full = fs::metadata(&log).is_ok_and(|metadata| metadata.len() > SHIM_LOG_LIMIT);
    let log = OpenOptions::new().create(true).write(true).append(!full).truncate(full).mode(0o600).open(log)?;
    let shim = tokio::process::Command::new(program)
        .arg("shim")
        .arg(instance.path())
        .env_clear()
        .envs(base_environment())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    // It is to outlive the daemon; should it end before, tokio reaps it.
    drop(shim);
    Ok(())
}

/// Makes sure that a shim watches over a program that lives without one, as after a `kill -9` of the shim. Says
/// whether there was one.
///
/// # Errors
/// The state cannot be read, or no shim can be started.
pub fn adopt(program: &Path, instance: &InstanceFolder) -> io::Result<bool> {
    let Some(state) = instance.state()? else { return Ok(false) };
    let alive = |process: &Option<ProcessRef>| process.as_ref().is_some_and(|process| process.alive().is_some());
    let orphaned = alive(&state.program) && !alive(&state.shim);
    if orphaned {
        start_shim(program, instance)?;
    }
    Ok(orphaned)
}

/// Tells all shims below this folder to end. They take their programs along, and whoever starts next starts what they
/// left. Says whether all have ended.
pub async fn end_all(services: &Path, patience: Duration) -> bool {
    let shims: Vec<ProcessRef> = folders(services)
        .iter()
        .flat_map(|service| folders(service))
        .filter_map(|instance| InstanceFolder::at(instance).state().ok()??.shim)
        .collect();
    for shim in &shims {
        shim.signal(rustix::process::Signal::TERM);
    }
    let deadline = Instant::now() + patience;
    while shims.iter().any(|shim| shim.alive().is_some()) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL).await;
    }
    true
}

fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

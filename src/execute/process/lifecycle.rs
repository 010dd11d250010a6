//! Starting, stopping, freezing, limiting and scaling.

use super::{
    ProcessConfig,
    act::{acted, reconfigure},
    control,
    service::{MOST_REPLICAS, Managed, blocking},
    snapshot::instances,
};
use crate::{
    domain::{ByteSize, ExitReason, Values},
    execute::ExecuteError,
    shim::{RunState, State, Want, control::Command, folder::write_json},
};
use std::{sync::Arc, time::Duration};

type Acted = Result<Values, ExecuteError>;

/// Restarts one instance after the other.
pub(super) async fn restart(call: &str, config: &ProcessConfig, managed: &Arc<Managed>, grace: Duration) -> Acted {
    let mut some_done = false;
    for instance in instances(call, managed).await? {
        let restarted = async {
            let state = control::order(call, config, &instance.folder, Command::restart(grace)).await?;
            // What ran was stopped, so this is no longer "not done".
            has_started(call, &instance.name, &state).map_err(|error| error.after_others(true))
        };
        restarted.await.map_err(|error| error.after_others(some_done))?;
        some_done = true;
    }
    Ok(acted(true, "restarted".into()))
}

/// Starts what does not run.
pub(super) async fn start(call: &str, config: &ProcessConfig, managed: &Arc<Managed>) -> Acted {
    let mut started = Vec::new();
    for instance in instances(call, managed).await? {
        if instance.paused() {
            let problem = format!("{} is paused; unpause it", instance.name);
            return Err(ExecuteError::permanent(call, problem).after_others(!started.is_empty()));
        }
        if instance.main.is_none() {
            let start = async {
                let state = control::order(call, config, &instance.folder, Command::start()).await?;
                has_started(call, &instance.name, &state)
            };
            start.await.map_err(|error| error.after_others(!started.is_empty()))?;
            started.push(instance.name);
        }
    }
    let detail = if started.is_empty() { "it was running".into() } else { format!("started {}", started.join(", ")) };
    Ok(acted(!started.is_empty(), detail))
}

/// The shim did what it was told; whether there is a program to show for it is another question.
fn has_started(call: &str, instance: &str, state: &State) -> Result<(), ExecuteError> {
    if state.status == RunState::Created && state.exit_reason == ExitReason::StartFailed {
        return Err(ExecuteError::permanent(call, format!("{instance} could not be started: {}", state.error)));
    }
    Ok(())
}

/// Stops what runs.
pub(super) async fn stop(call: &str, config: &ProcessConfig, managed: &Arc<Managed>, grace: Duration) -> Acted {
    let mut stopped = Vec::new();
    for instance in instances(call, managed).await? {
        if instance.main.is_some() || instance.order.want != Want::Stopped {
            let order = control::order(call, config, &instance.folder, Command::stop(grace)).await;
            order.map_err(|error| error.after_others(!stopped.is_empty()))?;
        }
        if instance.main.is_some() {
            stopped.push(instance.name);
        }
    }
    let detail =
        if stopped.is_empty() { "it was not running".into() } else { format!("stopped {}", stopped.join(", ")) };
    Ok(acted(!stopped.is_empty(), detail))
}

/// Freezes what runs.
pub(super) async fn pause(call: &str, config: &ProcessConfig, managed: &Arc<Managed>) -> Acted {
    let instances = instances(call, managed).await?;
    if let Some(down) = instances.iter().find(|instance| instance.main.is_none()) {
        return Err(ExecuteError::permanent(call, format!("{} is {}", down.name, down.state_name())));
    }
    let awake: Vec<_> = instances.iter().filter(|instance| !instance.paused()).collect();
    for (done, instance) in awake.iter().enumerate() {
        let order = control::order(call, config, &instance.folder, Command::go_on(Want::Paused)).await;
        order.map_err(|error| error.after_others(done > 0))?;
    }
    Ok(acted(!awake.is_empty(), "paused".into()))
}

/// Lets what is frozen go on, whoever froze it.
pub(super) async fn unpause(call: &str, config: &ProcessConfig, managed: &Arc<Managed>) -> Acted {
    let instances = instances(call, managed).await?;
    let frozen: Vec<_> = instances.iter().filter(|instance| instance.paused()).collect();
    if frozen.is_empty() {
        return Err(ExecuteError::permanent(call, format!("{} is not paused", managed.name)));
    }
    for (done, instance) in frozen.into_iter().enumerate() {
        let order = control::order(call, config, &instance.folder, Command::go_on(Want::Running)).await;
        order.map_err(|error| error.after_others(done > 0))?;
    }
    Ok(acted(true, "unpaused".into()))
}

/// Changes limits of what runs and of what will.
pub(super) async fn update(
    call: &str,
    config: &ProcessConfig,
    managed: &Arc<Managed>,
    memory: Option<u64>,
    cpus: Option<f64>,
    pids: Option<i64>,
) -> Acted {
    if cpus.is_some_and(|cpus| cpus != 0.0) || pids.is_some_and(|pids| pids != 0) {
        let problem = "processes are limited in memory only; for limits of processors or process counts, run the \
                       service in containers";
        return Err(ExecuteError::permanent(call, problem));
    }
    let Some(memory) = memory else { return Ok(acted(false, "nothing was given to change".into())) };
    let limit = (memory > 0).then_some(memory);
    let changed = reconfigure(call, config, managed, move |launch| launch.memory = limit).await?;
    let detail =
        limit.map_or_else(|| "memory limit lifted".into(), |limit| format!("memory limit {}", ByteSize(limit)));
    Ok(acted(changed, detail))
}

/// Changes what happens when it ends by itself.
pub(super) async fn set_restart_policy(
    call: &str,
    config: &ProcessConfig,
    managed: &Arc<Managed>,
    policy: &str,
    retries: i64,
) -> Acted {
    if !["no", "always", "unless-stopped", "on-failure"].contains(&policy) {
        let problem = format!("'{policy}' is no restart policy; use no, always, unless-stopped or on-failure");
        return Err(ExecuteError::permanent(call, problem));
    }
    let retries = u32::try_from(retries).unwrap_or(0);
    let detail = format!("restart policy {policy}");
    let policy = policy.to_owned();
    let changed = reconfigure(call, config, managed, move |launch| {
        launch.restart = policy;
        launch.retries = retries;
    })
    .await?;
    Ok(acted(changed, detail))
}

/// Brings the service to this many instances.
pub(super) async fn scale(call: &str, config: &ProcessConfig, managed: &Arc<Managed>, replicas: i64) -> Acted {
    let wanted = u32::try_from(replicas).ok().filter(|wanted| *wanted <= MOST_REPLICAS);
    let Some(wanted) = wanted else {
        let problem = format!("{replicas} instances cannot be; from 0 to {MOST_REPLICAS} can");
        return Err(ExecuteError::permanent(call, problem));
    };
    let before = blocking(call, managed, |managed| managed.replicas()).await?;
    // Written first: after a crash in between, the next daemon starts what is missing, and what is too many is seen.
    blocking(call, managed, move |managed| write_json(&managed.folder.path().join("replicas.json"), &wanted, true))
        .await?;
    let scaled = async {
        for n in (wanted + 1..=before).rev() {
            control::order(call, config, &managed.folder.instance(n), Command::stop(GRACE)).await?;
        }
        for n in before + 1..=wanted {
            let state = control::order(call, config, &managed.folder.instance(n), Command::start()).await?;
            has_started(call, &managed.instance_name(n), &state)?;
        }
        Ok::<_, ExecuteError>(())
    };
    scaled.await.map_err(|error| error.after_others(true))?;
    Ok(acted(before != wanted, format!("{before} → {wanted} instances")))
}

/// How long an instance may take to end that is one too many.
const GRACE: Duration = Duration::from_secs(10);

//! What may be done, by call.

use super::{
    ProcessEnvironment, clear, command, control, effective,
    events::values,
    lifecycle, logs, not_ours, ownership, recreate,
    service::{Managed, blocking},
};
use crate::{
    domain::{ActCall, Values},
    execute::ExecuteError,
};
use serde_json::json;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
    time::Duration,
};

/// What is kept of a log that is emptied.
const KEPT_TAIL: u64 = 1 << 20;

/// The result of an acting call.
pub(super) fn acted(changed: bool, detail: String) -> Values {
    values(json!({"changed": changed, "detail": detail, "id": ""}))
}

impl ProcessEnvironment {
    /// Carries out what the gate has cleared. Services are acted on one call at a time.
    pub(super) async fn perform(&self, act: &ActCall) -> Result<Values, ExecuteError> {
        let call = act.name();
        let (service, managed) = match service_of(act) {
            Some(service) => (service, self.managed(call, service)?),
            None => return Err(not_ours(call)),
        };
        let _acting = managed.acting.lock().await;
        let result = self.carry_out(call, act, managed).await.map_err(|error| match error {
            // Of several orders some may have been carried out before one could not be given.
            ExecuteError::Transient { call, problem } if !is_one_order(act, managed) => {
                ExecuteError::Unknown { call, problem }
            }
            error => error,
        });
        if let Err(error) = effective::note_changes(managed) {
            tracing::warn!(service, %error, "a change of its configuration could not be noted");
        }
        result
    }

    async fn carry_out(&self, call: &str, act: &ActCall, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
        let config = &self.inner.config;
        match act {
            ActCall::ProcessRestart { stop_timeout, force, .. } => {
                let grace = if *force { Duration::ZERO } else { stop_timeout.as_std() };
                lifecycle::restart(call, config, managed, grace).await
            }
            ActCall::ProcessStart { .. } => lifecycle::start(call, config, managed).await,
            ActCall::ProcessStop { stop_timeout, .. } => {
                lifecycle::stop(call, config, managed, stop_timeout.as_std()).await
            }
            ActCall::ProcessPause { .. } => lifecycle::pause(call, config, managed).await,
            ActCall::ProcessUnpause { .. } => lifecycle::unpause(call, config, managed).await,
            ActCall::ProcessUpdate { memory, cpus, pids, .. } => {
                lifecycle::update(call, config, managed, *memory, *cpus, *pids).await
            }
            ActCall::ProcessSetRestartPolicy { policy, retries, .. } => {
                lifecycle::set_restart_policy(call, config, managed, policy, *retries).await
            }
            ActCall::ProcessScale { replicas, .. } => lifecycle::scale(call, config, managed, *replicas).await,
            ActCall::ProcessRecreate { key, image, command_from, restore, set, remove, from, .. } => {
                let change = recreate::Change { image, command_from, restore, set, remove, from };
                recreate::recreate(call, config, managed, key, &change).await
            }
            ActCall::ProcessRestore { key, .. } => recreate::restore(call, config, managed, key).await,
            ActCall::ProcessExec { argv, timeout, .. } => command::exec(call, managed, argv, *timeout).await,
            ActCall::ProcessClearPath { path, older_than, .. } => {
                clear::clear_path(call, managed, path, *older_than).await
            }
            ActCall::ProcessRotateLogs { .. } => self.rotate_logs(call, managed).await,
            ActCall::ProcessSetOwnership { path, owner, .. } => {
                ownership::set_ownership(call, managed, path, owner).await
            }
            ActCall::ProcessSetParameter { engine, name, value, .. } => {
                command::set_parameter(call, managed, engine, name, value).await
            }
            ActCall::ProcessTerminateSession { engine, session, .. } => {
                command::terminate_session(call, managed, engine, session).await
            }
            _ => Err(not_ours(call)),
        }
    }

    /// Empties the logs after their tails are kept. The shims append, so they go on at the beginning.
    async fn rotate_logs(&self, call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
        let tails = blocking(call, managed, |managed| {
            logs::log_files(managed)?.into_iter().map(|(_, log)| Ok((tail(&log)?, log))).collect::<io::Result<Vec<_>>>()
        })
        .await?;
        let mut freed = 0;
        let mut kept = Vec::new();
        for (tail, log) in tails.into_iter().filter_map(|(tail, log)| Some((tail?, log))) {
            let some_done = !kept.is_empty();
            let digest = self.inner.config.store.put(tail).await;
            let digest = digest.map_err(|error| ExecuteError::transient(call, error).after_others(some_done))?;
            kept.push(digest.short().to_owned());
            freed += blocking(call, managed, move |_| {
                let mut freed = super::settings::missing_is_none(std::fs::metadata(crate::shim::rotated(&log)))?
                    .map_or(0, |metadata| metadata.len());
                super::settings::missing_is_none(std::fs::remove_file(crate::shim::rotated(&log)))?;
                let file = File::options().write(true).open(&log)?;
                freed += file.metadata()?.len();
                file.set_len(0)?;
                Ok(freed)
            })
            .await
            .map_err(|error| error.after_others(some_done))?;
        }
        let detail = format!("{freed} bytes freed; tails kept as {}", kept.join(", "));
        Ok(acted(freed > 0, detail))
    }
}

/// Whether one order to one shim does it all: what could not be given was then not done at all.
fn is_one_order(act: &ActCall, managed: &Managed) -> bool {
    let simple = matches!(
        act,
        ActCall::ProcessRestart { .. }
            | ActCall::ProcessStart { .. }
            | ActCall::ProcessStop { .. }
            | ActCall::ProcessPause { .. }
            | ActCall::ProcessUnpause { .. }
    );
    simple && managed.instances().is_ok_and(|instances| instances.len() == 1)
}

fn tail(log: &std::path::Path) -> io::Result<Option<Vec<u8>>> {
    let Some(mut file) = super::settings::missing_is_none(File::open(log))? else { return Ok(None) };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(KEPT_TAIL)))?;
    let mut bytes = Vec::new();
    file.take(KEPT_TAIL).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The service that a call of this family names.
pub(super) fn service_of(act: &ActCall) -> Option<&str> {
    match act {
        ActCall::ProcessRestart { service, .. }
        | ActCall::ProcessStart { service }
        | ActCall::ProcessStop { service, .. }
        | ActCall::ProcessPause { service }
        | ActCall::ProcessUnpause { service }
        | ActCall::ProcessUpdate { service, .. }
        | ActCall::ProcessSetRestartPolicy { service, .. }
        | ActCall::ProcessScale { service, .. }
        | ActCall::ProcessRecreate { service, .. }
        | ActCall::ProcessRestore { service, .. }
        | ActCall::ProcessExec { service, .. }
        | ActCall::ProcessClearPath { service, .. }
        | ActCall::ProcessRotateLogs { service }
        | ActCall::ProcessSetOwnership { service, .. }
        | ActCall::ProcessSetParameter { service, .. }
        | ActCall::ProcessTerminateSession { service, .. } => Some(service),
        _ => None,
    }
}

/// Replaces the effective configuration and tells the shims, whose programs go on.
pub(super) async fn reconfigure(
    call: &str,
    config: &super::ProcessConfig,
    managed: &Arc<Managed>,
    change: impl FnOnce(&mut crate::shim::Launch) + Send + 'static,
) -> Result<bool, ExecuteError> {
    let changed = blocking(call, managed, move |managed| {
        let before = managed.launch()?;
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok(false);
        }
        managed.folder.set_launch(&after)?;
        Ok(true)
    })
    .await?;
    if changed {
        control::tell(call, config, managed).await.map_err(|error| error.after_others(true))?;
    }
    Ok(changed)
}

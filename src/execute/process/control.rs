//! Orders to shims, as native calls see them.

use super::{ProcessConfig, service::Managed};
use crate::{
    execute::ExecuteError,
    shim::{
        InstanceFolder, State,
        control::{self, Command, OrderError},
    },
};

/// Gives the order and waits until it is carried out.
pub(super) async fn order(
    call: &str,
    config: &ProcessConfig,
    instance: &InstanceFolder,
    command: Command,
) -> Result<State, ExecuteError> {
    control::order(&config.shim, instance, command).await.map_err(|error| match error {
        OrderError::NotGiven(_) => ExecuteError::transient(call, error),
        OrderError::Unknown(_) => ExecuteError::unknown(call, error),
    })
}

/// Tells the shims of a service that its configuration has changed, without touching its programs.
pub(super) async fn tell(call: &str, config: &ProcessConfig, managed: &Managed) -> Result<(), ExecuteError> {
    let instances = managed.instances().map_err(|error| ExecuteError::transient(call, error))?;
    for (_, instance) in instances {
        let want = instance.order().map_err(|error| ExecuteError::transient(call, error))?.unwrap_or_default().want;
        order(call, config, &instance, Command::go_on(want)).await?;
    }
    Ok(())
}

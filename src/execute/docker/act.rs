//! The calls that act, each on one container, by its id.

use super::{
    DockerEnvironment,
    connect::{DEADLINE, check_name},
    error::{Answer, EngineError, within},
    inspect::Container,
    recreate::Recreate,
};
use crate::domain::{ActCall, TimeSpan, Values};
use bollard::{
    models::{
        ContainerUpdateBody, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest, RestartPolicy,
        RestartPolicyNameEnum,
    },
    query_parameters::{KillContainerOptionsBuilder, RestartContainerOptionsBuilder, StopContainerOptionsBuilder},
};
use serde_json::{Value, json};
use std::time::Duration;

/// How often, and how long apart, an update waits for a container that is just ending: five seconds in all, for an engine
/// that has much else to do.
const ENDING_TRIES: u32 = 50;
const ENDING_PAUSE: Duration = Duration::from_millis(100);

/// The result of a call that acts.
pub(super) fn acted(changed: bool, detail: &str, id: &str) -> Values {
    Values::from_iter([
        ("changed".to_owned(), json!(changed)),
        ("detail".to_owned(), json!(detail)),
        ("id".to_owned(), json!(id)),
    ])
}

fn done(changed: bool, detail: impl AsRef<str>) -> Values {
    acted(changed, detail.as_ref(), "")
}

/// Whether one request does it all, after others that only read: what could not be sent was then not done at all.
pub(super) fn is_one_request(call: &ActCall) -> bool {
    matches!(
        call,
        ActCall::ContainerRestart { .. }
            | ActCall::ContainerStart { .. }
            | ActCall::ContainerStop { .. }
            | ActCall::ContainerKill { .. }
            | ActCall::ContainerPause { .. }
            | ActCall::ContainerUnpause { .. }
            | ActCall::ContainerUpdate { .. }
            | ActCall::ContainerSetRestartPolicy { .. }
            | ActCall::ContainerConnectNetwork { .. }
            | ActCall::ContainerDisconnectNetwork { .. }
    )
}

impl DockerEnvironment {
    pub(super) async fn perform_act(&self, call: &ActCall) -> Answer<Values> {
        match call {
            ActCall::ContainerRestart { container, stop_timeout } => self.restart(container, *stop_timeout).await,
            ActCall::ContainerStart { container } => {
                let container = self.container(container).await?;
                if container.is_running() {
                    return Ok(done(false, "it ran already"));
                }
                self.start_alone(container.id()).await?;
                Ok(done(true, "started"))
            }
            ActCall::ContainerStop { container, stop_timeout } => {
                let container = self.container(container).await?;
                if !matches!(container.state(), "running" | "paused" | "restarting") {
                    return Ok(done(false, "it did not run"));
                }
                self.stop(container.id(), stop_timeout.as_secs()).await?;
                Ok(done(true, "stopped"))
            }
            ActCall::ContainerKill { container, signal } => self.kill(container, signal).await,
            ActCall::ContainerPause { container } => self.pause(container, true).await,
            ActCall::ContainerUnpause { container } => self.pause(container, false).await,
            ActCall::ContainerUpdate { container, memory, memory_swap, cpus, pids } => {
                self.update(container, &Limits { memory: *memory, swap: *memory_swap, cpus: *cpus, pids: *pids }).await
            }
            ActCall::ContainerSetRestartPolicy { container, policy, retries } => {
                let container = self.container(container).await?;
                self.set_policy(container.id(), policy, *retries).await?;
                Ok(done(container.restart_policy() != (policy.as_str(), *retries), format!("restart policy {policy}")))
            }
            ActCall::ContainerConnectNetwork { container, network, aliases } => {
                self.connect_network(container, network, aliases).await
            }
            ActCall::ContainerDisconnectNetwork { container, network } => {
                self.disconnect_network(container, network).await
            }
            ActCall::ContainerExec { container, argv, timeout } => {
                let (code, detail) = self.exec(container, argv, *timeout).await?;
                let mut did = done(true, detail);
                did.insert("exit_code".into(), json!(code));
                Ok(did)
            }
            ActCall::ContainerSetParameter { container, engine, name, value } => {
                let changed = self.set_parameter(container, engine, name, value).await?;
                Ok(done(changed.0, changed.1))
            }
            ActCall::ContainerTerminateSession { container, engine, session } => {
                let changed = self.terminate_session(container, engine, session).await?;
                Ok(done(changed, if changed { "the session was ended" } else { "there is no such session" }))
            }
            other => self.perform_composite(other).await,
        }
    }

    async fn perform_composite(&self, call: &ActCall) -> Answer<Values> {
        match call {
            ActCall::ContainerRecreate { container, key, image, command_from, restore, set, remove, from } => {
                let wanted = Recreate {
                    container,
                    key,
                    image: image.as_deref(),
                    command_from: command_from.as_deref(),
                    restore,
                    set,
                    remove,
                    from: from.as_deref(),
                };
                self.recreate(&wanted).await
            }
            ActCall::ContainerRestore { container, key } => self.restore(container, key).await,
            ActCall::ContainerScale { service, replicas, key } => self.scale(service, *replicas, key).await,
            ActCall::ContainerClearPath { container, service, path, older_than } => {
                self.clear_path(container, service, path, *older_than).await
            }
            ActCall::ContainerRotateLogs { container } => self.rotate_logs(container).await,
            ActCall::ContainerSetOwnership { container, service, path, owner } => {
                self.set_ownership(container, service, path, owner).await
            }
            ActCall::ContainerPrune {} => self.prune().await,
            other => Err(EngineError::declined(format!("{} is not a call of a Docker environment", other.name()))),
        }
    }

    async fn restart(&self, id: &str, stop_timeout: TimeSpan) -> Answer<Values> {
        let container = self.container(id).await?;
        let patience = stop_timeout.as_std();
        let docker = self.shared.engine.patient(patience)?;
        let options = RestartContainerOptionsBuilder::default().t(seconds(stop_timeout.as_secs())).build();
        within(DEADLINE + patience, docker.restart_container(container.id(), Some(options))).await?;
        Ok(done(true, "restarted"))
    }

    /// Starts; what runs goes on.
    pub(super) async fn start(&self, id: &str) -> Answer<()> {
        let docker = self.shared.engine.docker()?;
        let options = None::<bollard::query_parameters::StartContainerOptions>;
        within(DEADLINE, docker.start_container(id, options)).await
    }

    /// Starts, and looks what became of it where the engine fails: a port that is taken is the usual reason, and then
    /// nothing was done.
    async fn start_alone(&self, id: &str) -> Answer<()> {
        let Err(error) = self.start(id).await else { return Ok(()) };
        let refused = matches!(error, EngineError::Refused { .. });
        match self.container(id).await {
            Ok(now) if refused && !matches!(now.state(), "running" | "restarting" | "paused") => {
                Err(EngineError::declined(error))
            }
            _ => Err(error),
        }
    }

    /// Stops; what does not run stays so.
    pub(super) async fn stop(&self, id: &str, stop_timeout: u64) -> Answer<()> {
        let patience = Duration::from_secs(stop_timeout);
        let docker = self.shared.engine.patient(patience)?;
        let options = StopContainerOptionsBuilder::default().t(seconds(stop_timeout)).build();
        within(DEADLINE + patience, docker.stop_container(id, Some(options))).await
    }

    async fn kill(&self, id: &str, signal: &str) -> Answer<Values> {
        if signal.is_empty()
            || signal.len() > 12
            || !signal.chars().all(|c| c.is_ascii_alphanumeric() || "+-".contains(c))
        {
            return Err(EngineError::declined(format!("'{}' is not a signal", signal.escape_debug())));
        }
        let container = self.container(id).await?;
        let docker = self.shared.engine.docker()?;
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        within(DEADLINE, docker.kill_container(container.id(), Some(options))).await?;
        Ok(done(true, format!("sent {signal}")))
    }

    async fn pause(&self, id: &str, freeze: bool) -> Answer<Values> {
        let container = self.container(id).await?;
        if (container.state() == "paused") == freeze {
            return Ok(done(false, if freeze { "it was paused already" } else { "it was not paused" }));
        }
        let docker = self.shared.engine.docker()?;
        if freeze {
            within(DEADLINE, docker.pause_container(container.id())).await?;
        } else {
            within(DEADLINE, docker.unpause_container(container.id())).await?;
        }
        Ok(done(true, if freeze { "paused" } else { "unpaused" }))
    }

    async fn update(&self, id: &str, wanted: &Limits) -> Answer<Values> {
        let container = self.container(id).await?;
        let body = match wanted.lifts() {
            true => {
                let docker = self.shared.engine.docker()?;
                let info = within(DEADLINE, docker.info()).await?;
                wanted.lifted(info.mem_total.unwrap_or(0), info.ncpu.unwrap_or(1)).body(&container)?
            }
            false => wanted.body(&container)?,
        };
        self.update_settled(container.id(), body).await?;
        Ok(done(true, "limits changed"))
    }

    /// Changes the restart policy.
    pub(super) async fn set_policy(&self, id: &str, policy: &str, retries: i64) -> Answer<()> {
        let name = match policy {
            "no" | "" => RestartPolicyNameEnum::NO,
            "always" => RestartPolicyNameEnum::ALWAYS,
            "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
            "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
            other => {
                let problem =
                    format!("'{other}' is not a restart policy; use no, always, unless-stopped or on-failure");
                return Err(EngineError::declined(problem));
            }
        };
        // The engine refuses a number of retries for any other policy.
        let retries = if name == RestartPolicyNameEnum::ON_FAILURE { retries } else { 0 };
        let restart_policy = Some(RestartPolicy { name: Some(name), maximum_retry_count: Some(retries) });
        let body = ContainerUpdateBody { restart_policy, ..ContainerUpdateBody::default() };
        self.update_settled(id, body).await
    }

    /// Updates a container. One that is just ending runs for the engine and not for what carries it out: then it is
    /// refused, and a moment later it is not.
    async fn update_settled(&self, id: &str, body: ContainerUpdateBody) -> Answer<()> {
        let docker = self.shared.engine.docker()?;
        for _ in 0..ENDING_TRIES {
            match within(DEADLINE, docker.update_container(id, body.clone())).await {
                Err(EngineError::Refused { status: 500 | 409, message })
                    if ["stopped container", "is not running"].iter().any(|ending| message.contains(ending)) => {}
                answer => return answer,
            }
            tokio::time::sleep(ENDING_PAUSE).await;
        }
        within(DEADLINE, docker.update_container(id, body)).await
    }

    async fn connect_network(&self, id: &str, network: &str, aliases: &[String]) -> Answer<Values> {
        let container = self.container(id).await?;
        if container.networks().contains(network) {
            return Ok(done(false, format!("it was attached to {network} already")));
        }
        // Only networks of the user's own have a DNS that knows aliases.
        let aliases = if network == "bridge" { &[] } else { aliases };
        for alias in aliases {
            check_name(alias)?;
        }
        self.join(container.id(), network, json!({"Aliases": aliases})).await?;
        Ok(done(true, format!("attached to {network}")))
    }

    /// Attaches a container to a network.
    pub(super) async fn join(&self, id: &str, network: &str, settings: Value) -> Answer<()> {
        check_name(network)?;
        let settings: EndpointSettings = serde_json::from_value(settings)
            .map_err(|error| EngineError::declined(format!("settings of network {network}: {error}")))?;
        let request = NetworkConnectRequest { container: id.to_owned(), endpoint_config: Some(settings) };
        let docker = self.shared.engine.docker()?;
        within(DEADLINE, docker.connect_network(network, request)).await
    }

    async fn disconnect_network(&self, id: &str, network: &str) -> Answer<Values> {
        check_name(network)?;
        let container = self.container(id).await?;
        if !container.networks().contains(network) {
            return Ok(done(false, format!("it was not attached to {network}")));
        }
        let request = NetworkDisconnectRequest { container: container.id().to_owned(), force: Some(false) };
        let docker = self.shared.engine.docker()?;
        within(DEADLINE, docker.disconnect_network(network, request)).await?;
        Ok(done(true, format!("detached from {network}")))
    }
}

fn seconds(seconds: u64) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// Limits to set; none is "as it is", 0 lifts one.
#[derive(Clone, Copy, Debug)]
struct Limits {
    memory: Option<u64>,
    swap: Option<i64>,
    cpus: Option<f64>,
    pids: Option<i64>,
}

impl Limits {
    fn lifts(&self) -> bool {
        self.memory == Some(0) || self.cpus.is_some_and(|cpus| cpus <= 0.0)
    }

    /// The engine takes 0 for "as it is", and nothing for "no limit": all that the machine has is as good.
    fn lifted(self, memory: i64, cpus: i64) -> Self {
        Self {
            memory: self.memory.map(|wanted| if wanted == 0 { memory.unsigned_abs() } else { wanted }),
            swap: if self.memory == Some(0) { Some(-1) } else { self.swap },
            cpus: self.cpus.map(|wanted| if wanted <= 0.0 { cpus as f64 } else { wanted }),
            pids: self.pids,
        }
    }

    fn body(&self, container: &Container) -> Answer<ContainerUpdateBody> {
        let mut body = ContainerUpdateBody::default();
        if let Some(memory) = self.memory {
            let memory = i64::try_from(memory).map_err(|_| EngineError::declined("that much memory no machine has"))?;
            body.memory = Some(memory);
            let swap = self.swap.unwrap_or_else(|| swap_for(container, memory));
            // An engine cannot lift a limit of swap that is set, and would refuse memory above it.
            let lifts_swap = swap == -1 && container.memory_swap() > 0;
            body.memory_swap = Some(if lifts_swap { memory.saturating_mul(2) } else { swap });
        } else {
            body.memory_swap = self.swap;
        }
        if let Some(cpus) = self.cpus {
            if !(cpus.is_finite() && cpus > 0.0 && cpus <= 100_000.0) {
                return Err(EngineError::declined(format!("{cpus} is not a number of CPUs")));
            }
            if container.has_cpu_quota() {
                // The two ways to say it exclude each other.
                body.cpu_period = Some(container.cpu_period());
                body.cpu_quota = Some((cpus * container.cpu_period() as f64).round() as i64);
            } else {
                body.nano_cpus = Some((cpus * 1e9).round() as i64);
            }
        }
        body.pids_limit = self.pids.map(|pids| if pids <= 0 { -1 } else { pids });
        Ok(body)
    }
}

/// Memory and swap together are limited by one number, which must not fall below the memory's: it moves along.
fn swap_for(container: &Container, memory: i64) -> i64 {
    match (container.memory_limit(), container.memory_swap()) {
        (_, -1) => -1,
        (Some(old), swap) if swap >= old => memory + (swap - old),
        _ => memory.saturating_mul(2), // the engine's own rule where nothing is said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(host: Value) -> Container {
        Container::new(json!({"HostConfig": host}))
    }

    #[test]
    fn swap_moves_along_with_memory() {
        let mib = |n: i64| n << 20;
        for (host, expected) in [
            (json!({"Memory": mib(16), "MemorySwap": mib(16)}), mib(64)),
            (json!({"Memory": mib(16), "MemorySwap": mib(32)}), mib(80)),
            (json!({"Memory": mib(16), "MemorySwap": -1}), -1),
            (json!({}), mib(128)),
        ] {
            assert_eq!(swap_for(&container(host.clone()), mib(64)), expected, "{host}");
        }
    }

    #[test]
    fn nothing_lifts_a_limit_and_none_leaves_it() {
        let limits = Limits { memory: Some(0), swap: None, cpus: Some(0.0), pids: Some(0) };
        assert!(limits.lifts());
        let body = limits.lifted(1 << 30, 4).body(&container(json!({"Memory": 7}))).unwrap();
        assert_eq!((body.memory, body.memory_swap, body.nano_cpus), (Some(1 << 30), Some(-1), Some(4_000_000_000)));
        let swapless = container(json!({"Memory": 7, "MemorySwap": 7}));
        assert_eq!(limits.lifted(1 << 30, 4).body(&swapless).unwrap().memory_swap, Some(2 << 30));
        assert_eq!(body.pids_limit, Some(-1));
        let limits = Limits { memory: None, swap: None, cpus: Some(0.5), pids: None };
        let body = limits.body(&container(json!({"CpuQuota": 20_000}))).unwrap();
        assert_eq!((body.memory, body.cpu_quota, body.nano_cpus), (None, Some(50_000), None));
    }
}

//! `process.status`, `process.list` and the inventory.

use super::{
    ProcessEnvironment, disk, effective, ports,
    service::{Managed, blocking},
    settings,
    snapshot::{Snapshot, instances},
};
use crate::{
    domain::{ExitReason, Instance, Inventory, Labels, Service, TimeSpan, Values},
    execute::{
        ExecuteError,
        protection::{self, last_name},
    },
    shim::{Launch, StartError},
};
use chrono::Utc;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// How long the health endpoint may take to say whether the service is ready.
const PROBE: TimeSpan = TimeSpan::from_secs(2);

/// Everything that a status is made of, read off the runtime.
struct Read {
    instances: Vec<Snapshot>,
    launch: Launch,
    replicas: u32,
    image_id: String,
    usage: u64,
    conflict: Option<ports::Conflict>,
    mounts: Vec<Value>,
}

/// The health of a service as a word, and whether that makes it ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    None,
    Healthy,
    Starting,
    Unhealthy,
}

impl Health {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Healthy => "healthy",
            Self::Starting => "starting",
            Self::Unhealthy => "unhealthy",
        }
    }

    fn ready(self) -> bool {
        matches!(self, Self::None | Self::Healthy)
    }
}

impl ProcessEnvironment {
    pub(super) async fn status(&self, call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
        let state_root = self.inner.config.state.clone();
        let instances = instances(call, managed).await?;
        let read = blocking(call, managed, move |managed| {
            effective::note_changes(managed)?;
            let launch = managed.launch()?;
            Ok(Read {
                usage: instances.iter().flat_map(Snapshot::processes).map(|stat| stat.resident).sum(),
                conflict: ports::conflict(managed, &instances, &state_root),
                image_id: settings::program_id(&launch),
                replicas: managed.replicas()?,
                mounts: disk::seen(managed, &launch)?,
                launch,
                instances,
            })
        })
        .await?;
        let health = self.health_word(managed, &read.instances).await;
        Ok(result(managed, &read, health))
    }

    async fn health_word(&self, managed: &Managed, instances: &[Snapshot]) -> Health {
        let Some(endpoint) = &managed.declared.health else { return Health::None };
        let Some(started) = instances.iter().filter(|i| i.running()).filter_map(Snapshot::started_at).max() else {
            return Health::Unhealthy;
        };
        let answer = self.inner.prober.probe(endpoint, PROBE).await;
        managed.observed().looked(&answer);
        if answer.healthy {
            return Health::Healthy;
        }
        let young = Utc::now() - started < managed.declared.ready_after.as_chrono();
        if young { Health::Starting } else { Health::Unhealthy }
    }

    pub(super) async fn list(&self) -> Result<Values, ExecuteError> {
        let inventory = self.take_inventory().await?;
        let mut not_running = Vec::new();
        let services: Vec<Value> = inventory
            .services
            .values()
            .map(|service| {
                let up = service.instances.iter().filter(|instance| instance.state == "running").count();
                let worst = service.instances.iter().map(|instance| instance.state.as_str()).max_by_key(|s| rank(s));
                let state = worst.unwrap_or("missing");
                let finished = service.job && state == "exited";
                if (up < service.instances.len() || service.instances.is_empty()) && !finished {
                    not_running.push(service.name.clone());
                }
                let image = service.instances.first().map_or("", |instance| &instance.image);
                json!({
                    "name": service.name, "state": state, "instances": service.instances.len(), "image": image,
                    "depends_on": service.depends_on, "protected": service.protected.is_some(), "job": service.job,
                })
            })
            .collect();
        Ok(super::events::values(json!({"count": services.len(), "services": services, "not_running": not_running})))
    }

    pub(super) async fn take_inventory(&self) -> Result<Inventory, ExecuteError> {
        let mut services = BTreeMap::new();
        for (name, managed) in &self.inner.services {
            let (instances, launch) =
                blocking("process.list", managed, |managed| Ok((Snapshot::all(managed)?, managed.launch()?))).await?;
            services.insert(name.clone(), in_inventory(managed, &instances, &launch));
        }
        Ok(Inventory { services, read_at: Some(Utc::now()), stale: None })
    }
}

fn in_inventory(managed: &Managed, instances: &[Snapshot], launch: &Launch) -> Service {
    let declared = &managed.declared;
    let instance = |snapshot: &Snapshot| Instance {
        id: snapshot.name.clone(),
        name: snapshot.name.clone(),
        state: snapshot.state_name().to_owned(),
        image: effective::program(launch).to_owned(),
        ports: managed.ports().iter().map(|port| format!("{port}/tcp")).collect(),
        started_at: snapshot.main.as_ref().and(snapshot.started_at()),
    };
    Service {
        name: managed.name.clone(),
        aliases: declared.aliases.clone(),
        instances: instances.iter().map(instance).collect(),
        depends_on: declared.depends_on.clone(),
        addresses: managed.address().into_iter().collect(),
        health: declared.health.clone(),
        networks: vec!["host".into()],
        job: declared.job,
        protected: declared
            .protected
            .then(|| "declared as protected".to_owned())
            .or_else(|| protection::by_name(&[&managed.name, known_as(launch)], &[])),
        labels: Labels::default(),
    }
}

/// The name of its program. The demo's samples are subcommands of oncalld, and watch nobody.
fn known_as(launch: &Launch) -> &str {
    if launch.argv.get(1).is_some_and(|word| word == "sample") { "" } else { last_name(effective::program(launch)) }
}

/// The worse, the higher.
fn rank(state: &str) -> u8 {
    match state {
        "running" => 0,
        "paused" => 1,
        "restarting" => 2,
        "exited" => 3,
        "created" => 4,
        _ => 5,
    }
}

fn result(managed: &Managed, read: &Read, health: Health) -> Values {
    let nobody = Snapshot::nobody(managed);
    let worst = read.instances.iter().max_by_key(|i| (rank(i.state_name()), i.crash_looping())).unwrap_or(&nobody);
    let running = !read.instances.is_empty() && read.instances.iter().all(Snapshot::running);
    let ready = running && health.ready();
    let reason = worst.exit_reason();
    let conflict = read.conflict.as_ref();
    let error_kind = match worst.state.start_error {
        StartError::None if reason == ExitReason::Error && conflict.is_some() => "port_conflict",
        other => other.as_str(),
    };
    let up_since = worst.main.as_ref().and(worst.started_at());
    let up_instances = read.instances.iter().filter(|instance| instance.running()).count();
    super::events::values(json!({
        "state": worst.state_name(),
        "running": running,
        "ready": ready,
        "health": health.as_str(),
        "exit_code": worst.exit_code(),
        "exit_reason": reason,
        "error": worst.state.error,
        "error_kind": error_kind,
        "oom_events": read.instances.iter().map(|instance| instance.state.ooms).sum::<u64>(),
        "restart_count": worst.state.restarts,
        "crash_looping": read.instances.iter().any(Snapshot::crash_looping),
        "restart_policy": read.launch.restart,
        "restart_retries": read.launch.retries,
        "started_at": worst.started_at(),
        "finished_at": worst.state.finished_at,
        "uptime": up_since.map(|at| TimeSpan::from_secs((Utc::now() - at).num_seconds().unsigned_abs())),
        "paused": read.instances.iter().any(Snapshot::paused),
        "job": managed.declared.job,
        "image": effective::program(&read.launch),
        "image_id": read.image_id,
        "command": read.launch.argv,
        "memory_limit": read.launch.memory,
        "memory_swap_limit": null,
        "memory_usage": worst.main.is_some().then_some(read.usage),
        "cpu_limit": null,
        "pids_limit": null,
        "throttled": 0.0,
        "networks": ["host"],
        "ports": managed.ports().iter().map(|port| format!("{port}/tcp")).collect::<Vec<_>>(),
        "port_conflict": conflict.map(|c| json!({"port": c.port, "owner": c.owner, "owner_known": c.owner_known})),
        "mounts": read.mounts,
        "health_log": health_log(managed),
        "config_digest": read.launch.digest(),
        "desired_instances": read.replicas,
        "running_instances": up_instances,
        "instances": read.instances.iter().map(|instance| instance_result(instance, health)).collect::<Vec<_>>(),
    }))
}

fn health_log(managed: &Managed) -> Vec<Value> {
    let observed = managed.observed();
    let code = |healthy: bool| i32::from(!healthy);
    let looks = observed.looks.iter();
    looks.map(|look| json!({"at": look.at, "exit_code": code(look.healthy), "output": look.output})).collect()
}

fn instance_result(instance: &Snapshot, health: Health) -> Value {
    json!({
        "id": instance.name,
        "name": instance.name,
        "state": instance.state_name(),
        "ready": instance.running() && health.ready(),
        "exit_code": instance.exit_code(),
        "exit_reason": instance.exit_reason(),
        "started_at": instance.started_at(),
        "restart_count": instance.state.restarts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oncalld_watches_and_its_samples_do_not() {
        let name = |argv: &[&str]| {
            let argv = argv.iter().map(|word| (*word).to_owned()).collect();
            known_as(&Launch { argv, ..Launch::default() }).to_owned()
        };
        assert_eq!(name(&["/usr/local/bin/oncalld", "serve"]), "oncalld");
        assert_eq!(name(&["/usr/local/bin/oncalld", "sample", "api"]), "");
        assert_eq!(name(&["/usr/bin/prometheus"]), "prometheus");
    }
}

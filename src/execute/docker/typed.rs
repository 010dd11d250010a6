//! What a person would type for a call that makes a container anew, with its name, image, ports, mounts and limits as
//! they are; and for one that asks a data store, with what its client needs. Variables are named, and only those that the call itself gives have a value.

use super::{DockerEnvironment, inspect::Container, recreate::Recreate};
use crate::{
    domain::{ActCall, ByteSize, ReadCall, shell_word, shell_words},
    execute::{
        NativeCall,
        data_store::{DataStore, shown},
    },
};
use serde_json::Value;

impl DockerEnvironment {
    /// None where the call's own words say it all.
    pub(super) async fn typed(&self, call: NativeCall<'_>) -> Option<String> {
        match call {
            NativeCall::Act(ActCall::ContainerRecreate {
                container,
                key,
                image,
                command_from,
                restore,
                set,
                remove,
                from,
            }) => {
                let old = self.shared.engine.inspect(container).await.ok()?;
                let (image, command_from, from) = (image.as_deref(), command_from.as_deref(), from.as_deref());
                Some(anew(&old, &Recreate { container, key, image, command_from, restore, set, remove, from }))
            }
            NativeCall::Act(ActCall::ContainerRestore { container, key }) => {
                let name = self.shared.engine.inspect(container).await.ok()?.name().to_owned();
                let kept = shell_word(&format!("{name}-{key}"));
                let name = shell_word(&name);
                Some(format!("docker rm --force {name} && docker rename {kept} {name} && docker start {name}"))
            }
            NativeCall::Read(ReadCall::ContainerParameter { container, engine, name }) => {
                self.asks(container, engine, |store| store.read_parameter(name)).await
            }
            NativeCall::Read(ReadCall::ContainerSessions { container, engine }) => {
                self.asks(container, engine, |store| Ok(store.look_at_sessions())).await
            }
            NativeCall::Act(ActCall::ContainerSetParameter { container, engine, name, value }) => {
                self.asks(container, engine, |store| store.set_parameter(name, value)).await
            }
            NativeCall::Act(ActCall::ContainerTerminateSession { container, engine, session }) => {
                self.asks(container, engine, |store| store.terminate_session(session)).await
            }
            _ => None,
        }
    }

    /// A data store's own client in its container. Of a secret variable there is the name: `docker exec` takes the shell's
    /// own value.
    async fn asks(
        &self,
        container: &str,
        engine: &str,
        argv: impl Fn(DataStore) -> Result<Vec<String>, String>,
    ) -> Option<String> {
        let store: DataStore = engine.parse().ok()?;
        let argv = argv(store).ok()?;
        let container = self.shared.engine.inspect(container).await.ok()?;
        let (open, secret) = shown(&store.client_environment(&container.environment()));
        let variables: String = open.iter().chain(&secret).map(|variable| format!(" --env {variable}")).collect();
        Some(format!("docker exec{variables} {} {}", shell_word(container.name()), shell_words(&argv)))
    }
}

fn anew(old: &Container, wanted: &Recreate<'_>) -> String {
    let kept = shell_word(&format!("{}-{}", old.name(), wanted.key));
    let name = shell_word(old.name());
    let image = shell_word(wanted.image.unwrap_or_else(|| old.image()));
    let command = match wanted.command_from {
        Some(from) => format!("<its command as {}>", from.replace('_', " ")),
        None => shell_words(&super::inspect::strings(&old.config()["Cmd"])),
    };
    let mut remarks = Vec::new();
    let from = wanted.from.unwrap_or("last_good").replace('_', " ");
    if !wanted.restore.is_empty() {
        remarks.push(format!("{} as {from}", wanted.restore.join(" ")));
    }
    if !wanted.remove.is_empty() {
        remarks.push(format!("without {}", wanted.remove.join(" ")));
    }
    remarks.push(format!("all else as docker inspect {kept} has it"));
    let run = format!("docker run --detach --name {name}{}{} {image} {command}", options(old), variables(old, wanted));
    format!("docker rename {name} {kept} && docker stop {kept} && {} # {}", run.trim_end(), remarks.join(", "))
}

/// What a person would look for first in a command line.
fn options(old: &Container) -> String {
    let mut options = Vec::new();
    let (policy, retries) = old.restart_policy();
    match (policy, retries) {
        ("" | "no", _) => {}
        ("on-failure", retries) if retries > 0 => options.push(format!("--restart on-failure:{retries}")),
        (policy, _) => options.push(format!("--restart {policy}")),
    }
    options
        .extend(old.networks().iter().filter(|network| *network != "bridge").map(|name| format!("--network {name}")));
    options.extend(old.bindings().map(|(container, address, host)| {
        let address = if address.is_empty() { String::new() } else { format!("{address}:") };
        format!("--publish {address}{host}:{container}")
    }));
    let mounts = old.mounts().iter().filter_map(|mount| {
        let text = |name: &str| mount.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let source = text("Name").or_else(|| text("Source"))?;
        Some(format!("--volume {}", shell_word(&format!("{source}:{}", text("Destination")?))))
    });
    options.extend(mounts);
    let memory = old.memory_limit().and_then(|limit| u64::try_from(limit).ok());
    options.extend(memory.map(|limit| format!("--memory {}", ByteSize(limit))));
    options.extend(old.cpu_limit().map(|limit| format!("--cpus {limit}")));
    options.iter().map(|option| format!(" {option}")).collect()
}

/// ` --env NAME` of those that stay: the shell's own value, as `docker run` takes it.
fn variables(old: &Container, wanted: &Recreate<'_>) -> String {
    let set = wanted.set.iter().map(|(name, value)| format!(" --env {}", shell_word(&format!("{name}={value}"))));
    let environment = old.environment();
    let stays = |name: &&String| {
        *name != "PATH"
            && !wanted.remove.contains(name)
            && !wanted.set.contains_key(*name)
            && !wanted.restore.contains(name)
    };
    let kept = wanted.restore.iter().chain(environment.keys().filter(stays));
    set.chain(kept.map(|name| format!(" --env {}", shell_word(name)))).collect()
}

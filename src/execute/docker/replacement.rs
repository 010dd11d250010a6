//! What to ask the engine for, so that a new container is like an old one but for what is meant to differ. Pure.
//!
//! The configuration is carried over as JSON, whole: fields that we know nothing of come along. What is taken away or
//! added is what belongs to one container only (its own host name and alias), or what the engine would make anew (an
//! anonymous volume).

use super::{
    inspect::{Container, strings},
    inventory::LABEL_SERVICE,
    snapshot::{LABEL_KEY, LABEL_REPLACES},
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is meant to differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Reference or id of the image.
    pub image: String,
    /// Configuration of the old image, if the new one is another: what came from it must not hide what the new one says.
    pub old_defaults: Option<Value>,
    /// Entry point and arguments.
    pub command: Option<(Value, Value)>,
    /// Variables to have.
    pub set: BTreeMap<String, String>,
    /// Variables not to have.
    pub remove: Vec<String>,
    /// Makes the names of this recreation.
    pub key: String,
    /// Id of the container that this one stands in for; empty if there is none.
    pub replaces: String,
    /// Restart policy and retries, where the old container's was switched off to put it aside.
    pub policy: Option<(String, i64)>,
    /// It is one more of a service: with volumes and addresses of its own, and these labels.
    pub further: Option<BTreeMap<String, String>>,
}

/// A container to create, and the networks to attach it to before it starts: older engines take only one on creation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    pub body: Value,
    pub networks: Vec<(String, Value)>,
}

/// Makes the body of the request.
pub(super) fn replacement(old: &Container, changes: &Changes) -> Made {
    let mut config = object(old.config());
    let mut host = object(old.host_config());
    if let Some(defaults) = &changes.old_defaults {
        without_defaults(&mut config, defaults);
    }
    config.insert("Image".into(), json!(changes.image));
    let environment = environment(strings(config.get("Env").unwrap_or(&Value::Null)), changes);
    config.insert("Env".into(), json!(environment));
    if let Some((entry, arguments)) = &changes.command {
        config.insert("Entrypoint".into(), entry.clone());
        config.insert("Cmd".into(), arguments.clone());
    }
    own_name(&mut config, old);
    labels(&mut config, changes);
    if let Some((name, retries)) = &changes.policy {
        host.insert("RestartPolicy".into(), json!({"Name": name, "MaximumRetryCount": retries}));
    }
    if changes.further.is_none() {
        reattach_volumes(&mut host, old);
    }
    links(&mut host);
    let (first, networks) = endpoints(old, changes.further.is_some());
    config.insert("HostConfig".into(), Value::Object(host));
    config.insert("NetworkingConfig".into(), json!({"EndpointsConfig": first}));
    Made { body: Value::Object(config), networks }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Takes away what the old image gave, so that the new one gives its own.
fn without_defaults(config: &mut Map<String, Value>, defaults: &Value) {
    for name in ["Cmd", "Entrypoint", "WorkingDir", "User", "Healthcheck", "StopSignal", "Shell", "OnBuild"] {
        if config.get(name).is_some_and(|value| !value.is_null() && *value == defaults[name]) {
            config.remove(name);
        }
    }
    for name in ["Labels", "ExposedPorts", "Volumes"] {
        let given = object(&defaults[name]);
        if let Some(Value::Object(own)) = config.get_mut(name) {
            own.retain(|key, value| given.get(key) != Some(value));
        }
    }
    let given: BTreeSet<String> = strings(&defaults["Env"]).into_iter().collect();
    let own = strings(config.get("Env").unwrap_or(&Value::Null));
    config.insert("Env".into(), json!(own.into_iter().filter(|entry| !given.contains(entry)).collect::<Vec<_>>()));
}

/// Variables in their old order, new ones at the end.
fn environment(old: Vec<String>, changes: &Changes) -> Vec<String> {
    let name_of = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut left = changes.set.clone();
    let mut entries: Vec<String> = old
        .into_iter()
        .filter(|entry| !changes.remove.contains(&name_of(entry)))
        .map(|entry| {
            let name = name_of(&entry);
            left.remove(&name).map_or(entry, |value| format!("{name}={value}"))
        })
        .collect();
    entries.extend(left.into_iter().map(|(name, value)| format!("{name}={value}")));
    entries
}

/// A host name that the engine made of the old id is not carried over, nor one that belongs to another's network stack.
fn own_name(config: &mut Map<String, Value>, old: &Container) {
    let made = config.get("Hostname").and_then(Value::as_str).is_some_and(|name| old.id().starts_with(name));
    let mode = old.network_mode();
    if made || mode.starts_with("container:") || mode == "host" {
        config.remove("Hostname");
        config.remove("Domainname");
    }
    if mode.starts_with("container:") {
        config.remove("ExposedPorts");
    }
}

fn labels(config: &mut Map<String, Value>, changes: &Changes) {
    let mut labels = object(config.get("Labels").unwrap_or(&Value::Null));
    labels.insert(LABEL_KEY.into(), json!(changes.key));
    labels.insert(LABEL_REPLACES.into(), json!(changes.replaces));
    for (name, value) in changes.further.iter().flatten() {
        labels.insert(name.clone(), json!(value));
    }
    config.insert("Labels".into(), Value::Object(labels));
}

/// Volumes that were not named are, so that the new container has the old one's and not empty ones.
fn reattach_volumes(host: &mut Map<String, Value>, old: &Container) {
    let name_at = |destination: &str| {
        old.mounts()
            .iter()
            .find(|mount| mount["Type"] == "volume" && mount["Destination"] == destination)
            .and_then(|mount| mount["Name"].as_str())
    };
    let mut covered = BTreeSet::new();
    if let Some(Value::Array(mounts)) = host.get_mut("Mounts") {
        for mount in mounts {
            let target = mount["Target"].as_str().unwrap_or_default().to_owned();
            let unnamed = mount["Type"] == "volume" && mount["Source"].as_str().unwrap_or_default().is_empty();
            if let Some(name) = name_at(&target).filter(|_| unnamed) {
                mount["Source"] = json!(name);
            }
            covered.insert(target);
        }
    }
    let mut binds = strings(host.get("Binds").unwrap_or(&Value::Null));
    covered.extend(binds.iter().filter_map(|bind| bind.split(':').nth(1).map(str::to_owned)));
    for mount in old.mounts().iter().filter(|mount| mount["Type"] == "volume") {
        let (Some(name), Some(destination)) = (mount["Name"].as_str(), mount["Destination"].as_str()) else { continue };
        if covered.insert(destination.to_owned()) {
            let mode = if mount["RW"].as_bool() == Some(false) { ":ro" } else { "" };
            binds.push(format!("{name}:{destination}{mode}"));
        }
    }
    if !binds.is_empty() {
        host.insert("Binds".into(), json!(binds));
    }
}

/// Links are told as `/source:/container/alias` and asked for as `source:alias`.
fn links(host: &mut Map<String, Value>) {
    let told = strings(host.get("Links").unwrap_or(&Value::Null));
    if told.is_empty() {
        return;
    }
    let asked: Vec<String> = told
        .iter()
        .map(|link| {
            let (source, alias) = link.split_once(':').unwrap_or((link, link));
            format!("{}:{}", source.trim_start_matches('/'), alias.rsplit('/').next().unwrap_or(alias))
        })
        .collect();
    host.insert("Links".into(), json!(asked));
}

/// The network of creation, and the others.
fn endpoints(old: &Container, further: bool) -> (Map<String, Value>, Vec<(String, Value)>) {
    let mode = old.network_mode();
    let is_first = |name: &str, endpoint: &Value| {
        name == mode || endpoint["NetworkID"] == mode || (matches!(mode, "default" | "") && name == "bridge")
    };
    let (mut first, mut others) = (Map::new(), Vec::new());
    if mode == "host" || mode == "none" || mode.starts_with("container:") {
        return (first, others);
    }
    for (name, endpoint) in old.endpoints() {
        let settings = endpoint_settings(old, endpoint, further);
        if is_first(name, endpoint) {
            // The built-in bridge takes no settings, and is what it gets anyway.
            if name != "bridge" {
                first.insert(name.to_owned(), settings);
            }
        } else {
            others.push((name.to_owned(), settings));
        }
    }
    (first, others)
}

fn endpoint_settings(old: &Container, endpoint: &Value, further: bool) -> Value {
    let aliases: Vec<&str> = endpoint["Aliases"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|alias| !old.id().starts_with(alias) && (!further || *alias != old.name()))
        .collect();
    let mut settings = Map::new();
    settings.insert("Aliases".into(), json!(aliases));
    for name in ["IPAMConfig", "Links", "DriverOpts", "GwPriority"] {
        if further && name == "IPAMConfig" {
            continue; // an address is one container's
        }
        if !endpoint[name].is_null() {
            settings.insert(name.into(), endpoint[name].clone());
        }
    }
    Value::Object(settings)
}

/// Labels of one more container of a service.
pub(super) fn labels_of_further(first: &Container, service: &str, number: usize) -> BTreeMap<String, String> {
    if first.label("com.docker.compose.service").is_some() {
        BTreeMap::from([("com.docker.compose.container-number".to_owned(), number.to_string())])
    } else {
        BTreeMap::from([(LABEL_SERVICE.to_owned(), service.to_owned())])
    }
}

#[cfg(test)]
#[path = "replacement_tests.rs"]
mod tests;

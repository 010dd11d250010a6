//! What configurations services had: the engine keeps no history, so we do.
//!
//! A configuration is stored when it is first seen, values included, in the restore store; the document that lists them
//! holds digests. The newest one under which the service was seen ready is its last good one.

use super::inspect::Container;
use crate::domain::{Digest, TimeSpan, Timestamp};
use crate::execute::{
    comparison::{Source, compare},
    restore::RestoreStore,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

/// Good configurations kept per service: enough to go back over a few bad releases.
const GOOD: usize = 5;

/// Changes kept per service.
const CHANGES: usize = 50;

/// Services remembered; those unseen for longest are forgotten first.
const SERVICES: usize = 2_000;

/// Labels that a recreation adds. They are about the container's making, not its configuration.
pub(super) const LABEL_REPLACES: &str = "oncalld.replaces";
pub(super) const LABEL_KEY: &str = "oncalld.key";

/// One configuration of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Digest of what matters of it.
    pub configuration: Digest,
    /// Where the whole of it is.
    pub stored: Digest,
    /// First seen, or for a good one last seen ready.
    pub at: Timestamp,
    pub image: String,
    pub image_id: String,
    pub container: String,
}

/// A change between two of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    pub at: Timestamp,
    pub what: String,
    pub from: String,
    pub to: String,
    pub image: bool,
}

/// What is known of a service's past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    pub current: Option<Seen>,
    /// Newest last.
    pub good: Vec<Seen>,
    /// Newest last.
    pub changes: Vec<Change>,
    /// It restarts by itself, so that its absence is a fault rather than its end.
    pub lasting: bool,
    /// Why nothing might be done to it.
    pub protected: Option<String>,
    pub seen_at: Option<Timestamp>,
}

/// A container that was put aside: the way back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub service: String,
    pub key: String,
    /// Its name before.
    pub name: String,
    pub policy: String,
    pub retries: i64,
    pub was_running: bool,
    /// Put aside to have fewer, not to be replaced.
    pub scaled: bool,
    pub at: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Document {
    services: BTreeMap<String, Past>,
    kept: BTreeMap<String, Kept>,
}

/// The record of one environment.
#[derive(Debug)]
pub(super) struct Snapshots {
    store: RestoreStore,
    name: String,
    document: Document,
}

impl Snapshots {
    /// Reads the record, or begins one.
    pub async fn open(store: RestoreStore, environment: &str) -> io::Result<Self> {
        let plain: String = environment.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        // The digest keeps two names apart that differ in odd characters only.
        let digest = Digest::of(environment.as_bytes());
        let name = format!("docker-{}-{}", plain.chars().take(60).collect::<String>(), digest.short());
        let document = match store.read_document(&name).await? {
            Some(value) => serde_json::from_value(value).unwrap_or_else(|error| {
                tracing::warn!(document = name, %error, "the record of configurations is not understood; a new one begins");
                Document::default()
            }),
            None => Document::default(),
        };
        Ok(Self { store, name, document })
    }

    async fn save(&self) -> io::Result<()> {
        self.store.write_document(&self.name, &serde_json::to_value(&self.document)?).await
    }

    /// Takes note of a service's configuration now, and of its being ready.
    pub async fn observe(
        &mut self,
        service: &str,
        container: &Container,
        ready_after: TimeSpan,
        now: Timestamp,
    ) -> io::Result<()> {
        let configuration = digest(container);
        let before = self.document.services.get(service).cloned().unwrap_or_default();
        let mut past = before.clone();
        past.lasting = container.restart_policy().0 != "no";
        past.protected = super::inventory::protection_of(service, &[container], &[]);
        if past.current.as_ref().is_none_or(|seen| seen.configuration != configuration) {
            let stored = self.store.put(serde_json::to_vec(&whole(container))?).await?;
            let seen = Seen {
                configuration,
                stored,
                at: now,
                image: container.image().to_owned(),
                image_id: container.image_id().to_owned(),
                container: container.name().to_owned(),
            };
            if let Some(old) = past.current.take() {
                past.changes.push(self.change(&old, &seen, container, now).await?);
                let excess = past.changes.len().saturating_sub(CHANGES);
                past.changes.drain(..excess);
            }
            past.current = Some(seen);
        }
        if is_ready(container, ready_after, now)
            && let Some(current) = &past.current
            && past.good.last().is_none_or(|good| good.configuration != current.configuration)
        {
            past.good.retain(|good| good.configuration != current.configuration);
            past.good.push(Seen { at: now, ..current.clone() });
            let excess = past.good.len().saturating_sub(GOOD);
            past.good.drain(..excess);
        }
        let changed = past != before;
        past.seen_at = Some(now);
        self.document.services.insert(service.to_owned(), past);
        self.forget_oldest();
        if changed { self.save().await } else { Ok(()) }
    }

    async fn change(&self, old: &Seen, new: &Seen, container: &Container, now: Timestamp) -> io::Result<Change> {
        if old.image_id != new.image_id || old.image != new.image {
            let (from, to) = if old.image == new.image {
                (
                    format!("{} ({})", old.image, short_image(&old.image_id)),
                    format!("{} ({})", new.image, short_image(&new.image_id)),
                )
            } else {
                (old.image.clone(), new.image.clone())
            };
            return Ok(Change { at: now, what: "image".into(), from, to, image: true });
        }
        let words = match self.read(&old.stored).await? {
            Some(before) => compare(&container.configuration(), &before.configuration(), Source::LastGood).words(),
            None => String::new(),
        };
        let what = if words.is_empty() { "configuration".into() } else { format!("configuration: {words}") };
        let (from, to) = (old.configuration.short().to_owned(), new.configuration.short().to_owned());
        Ok(Change { at: now, what, from, to, image: false })
    }

    fn forget_oldest(&mut self) {
        while self.document.services.len() > SERVICES {
            let oldest =
                self.document.services.iter().min_by_key(|(_, past)| past.seen_at).map(|(name, _)| name.clone());
            let Some(name) = oldest else { return };
            self.document.services.remove(&name);
        }
    }

    /// What is known of a service.
    pub fn past(&self, service: &str) -> Option<&Past> {
        self.document.services.get(service)
    }

    /// Services that would be there by themselves, were nobody to have removed them, seen not longer ago than `age`.
    pub fn lasting(&self, age: chrono::Duration, now: Timestamp) -> impl Iterator<Item = (&String, &Past)> {
        self.document.services.iter().filter(move |(_, past)| {
            past.lasting && !past.good.is_empty() && past.seen_at.is_some_and(|seen| now - seen < age)
        })
    }

    /// A stored configuration.
    pub async fn read(&self, stored: &Digest) -> io::Result<Option<Container>> {
        let Some(bytes) = self.store.get(stored).await? else { return Ok(None) };
        Ok(Some(Container::new(serde_json::from_slice(&bytes)?)))
    }

    /// The last good configuration of a service.
    pub async fn last_good(&self, service: &str) -> io::Result<Option<(Seen, Container)>> {
        let Some(seen) = self.past(service).and_then(|past| past.good.last()) else { return Ok(None) };
        Ok(self.read(&seen.stored).await?.map(|container| (seen.clone(), container)))
    }

    /// The image of the newest good configuration with another image than this.
    pub fn previous_image(&self, service: &str, image_id: &str) -> Option<&Seen> {
        self.past(service)?.good.iter().rev().find(|good| good.image_id != image_id)
    }

    /// Remembers that a container is put aside, before it is.
    pub async fn keep(&mut self, id: &str, kept: Kept) -> io::Result<()> {
        self.document.kept.insert(id.to_owned(), kept);
        self.save().await
    }

    /// It is back, or gone.
    pub async fn forget(&mut self, id: &str) -> io::Result<()> {
        if self.document.kept.remove(id).is_some() { self.save().await } else { Ok(()) }
    }

    /// Containers put aside, by id.
    pub fn kept(&self) -> &BTreeMap<String, Kept> {
        &self.document.kept
    }

    /// Images of good configurations.
    pub fn images(&self) -> BTreeSet<String> {
        self.document.services.values().flat_map(|past| &past.good).map(|seen| seen.image_id.clone()).collect()
    }
}

/// Ready: healthy where the engine checks that, else up for a while.
pub(super) fn is_ready(container: &Container, ready_after: TimeSpan, now: Timestamp) -> bool {
    let up = container.started_at().is_some_and(|at| now - at >= ready_after.as_chrono());
    container.is_running() && (container.health() == "healthy" || (container.health() == "none" && up))
}

/// As much of an inspection as a container can be made of again.
fn whole(container: &Container) -> Value {
    json!({
        "Id": container.id(), "Name": container.name(), "Image": container.image_id(), "Config": container.config(),
        "HostConfig": container.host_config(), "NetworkSettings": {"Networks": container.endpoints()},
        "Mounts": container.mounts(),
    })
}

/// Digest of what somebody configured: without what changes by itself, and without what differs only in how nothing is
/// written. Values of variables enter as hashes.
pub(super) fn digest(container: &Container) -> Digest {
    let mut config = object(container.config());
    let mut host = object(container.host_config());
    for name in ["Hostname", "Env", "Volumes", "Labels"] {
        config.remove(name);
    }
    for name in ["Binds", "Mounts", "ConsoleSize", "ContainerIDFile"] {
        host.remove(name);
    }
    let hostname = container.config()["Hostname"].as_str().filter(|name| !container.id().starts_with(name));
    let variables: BTreeMap<String, Digest> =
        container.environment().into_iter().map(|(name, value)| (name, Digest::of(value.as_bytes()))).collect();
    let mut labels = container.labels();
    labels.retain(|name, _| name != LABEL_REPLACES && name != LABEL_KEY);
    let mut mounts: Vec<Value> = container
        .mounts()
        .iter()
        .map(|mount| json!([mount["Type"], mount["Name"], mount["Source"], mount["Destination"], mount["RW"]]))
        .collect();
    mounts.sort_by_key(Value::to_string);
    Digest::of_json(&pruned(json!({
        "config": config, "host": host, "hostname": hostname, "variables": variables, "labels": labels,
        "mounts": mounts, "networks": container.networks(), "image": container.image_id(),
    })))
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Without nulls, zeros, empty texts, lists and objects: engines write an absent setting in all these ways.
fn pruned(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, pruned(value)))
                .filter(|(_, value)| !is_nothing(value))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(pruned).collect()),
        other => other,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// `sha256:0123…` for people.
pub(super) fn short_image(id: &str) -> &str {
    let hash = id.strip_prefix("sha256:").unwrap_or(id);
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;

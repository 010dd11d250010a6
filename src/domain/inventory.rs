//! What runs in an environment, as last seen.

use super::{Labels, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
};
use utoipa::ToSchema;

/// The kinds of environment that steps can run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentKind {
    /// A Docker Engine, or Podman through its Docker-compatible API.
    Docker,
    /// Programs that the daemon itself starts under its shim.
    Process,
}

impl EnvironmentKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Docker, Self::Process];

    /// As in configuration, and the name of its translation file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }
}

impl fmt::Display for EnvironmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The services of one environment at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Inventory {
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// When it was read; none before the first success.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub read_at: Option<Timestamp>,
    /// Why the last reading failed, if it did; the services are then those of the last success.
    pub stale: Option<String>,
}

/// A target: a named thing that operations act on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Canonical name, unique in its environment.
    pub name: String,
    /// Other names that labels may use for it (container names, compose project/service, network aliases).
    pub aliases: Vec<String>,
    /// Containers, pods or processes.
    pub instances: Vec<Instance>,
    /// Names of services that it needs, declared or from Compose's labels.
    pub depends_on: Vec<String>,
    /// `host:port` addresses it can be reached at from here, most direct first.
    pub addresses: Vec<String>,
    /// Declared health endpoint (`http://…` or `tcp://…`), if any.
    pub health: Option<String>,
    /// Networks that it is attached to.
    pub networks: Vec<String>,
    /// A one-shot job, which may end with 0 and need nothing.
    pub job: bool,
    /// Why nothing may be done to it unless policy names it.
    pub protected: Option<String>,
    /// Labels of the service, for policies.
    pub labels: Labels,
}

/// One running or stopped piece of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Immutable identity: the container id, or the service name of a process.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `running`, `exited`, `created`, `paused`, `restarting`, `dead`.
    pub state: String,
    /// What it runs: an image reference, or a program.
    pub image: String,
    /// Ports published on the host, `port/protocol`.
    pub ports: Vec<String>,
    /// Start of this run.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
}

impl Inventory {
    /// Services whose canonical name or alias is `name`; more than one is an ambiguity that the caller must not guess away.
    pub fn named(&self, name: &str) -> Vec<&Service> {
        match self.services.get(name) {
            Some(service) => vec![service],
            None => self.services.values().filter(|s| s.aliases.iter().any(|alias| alias == name)).collect(),
        }
    }

    /// A service and what is around it, by who needs whom, nearest first until there are so many.
    pub fn around(&self, name: &str, most: usize) -> BTreeSet<&str> {
        let mut queue: VecDeque<&str> = VecDeque::from([name]);
        let mut found = BTreeSet::new();
        while let Some(name) = queue.pop_front() {
            let Some((name, service)) = self.services.get_key_value(name) else { continue };
            if found.len() >= most || !found.insert(name.as_str()) {
                continue;
            }
            queue.extend(service.depends_on.iter().map(String::as_str));
            let needed_by = self.services.values().filter(|other| other.depends_on.contains(name));
            queue.extend(needed_by.map(|other| other.name.as_str()));
        }
        found
    }

    /// Names nearest to `name`, for "did you mean".
    pub fn near(&self, name: &str) -> Vec<&str> {
        nearest(name, self.services.keys().map(String::as_str))
    }
}

/// Longest text that is compared, in characters: a name that is longer is none that somebody mistyped.
const LONGEST_NAME: usize = 100;

/// Up to three candidates within an edit distance of a third of the length, or that contain the text; nearest first.
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let length = text.chars().count();
    if length > LONGEST_NAME {
        return Vec::new();
    }
    let limit = length.div_ceil(3).max(1);
    let mut scored: Vec<(usize, &str)> = candidates
        .filter_map(|candidate| {
            let distance = edit_distance(text, candidate);
            (distance <= limit || (text.len() > 1 && candidate.contains(text))).then_some((distance, candidate))
        })
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

/// Environments by name.
pub type Inventories = BTreeMap<String, Inventory>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered() {
        let names = ["api", "web", "redis-main"];
        assert_eq!(nearest("apo", names.into_iter()), ["api"]);
        assert_eq!(nearest("redis", names.into_iter()), ["redis-main"]);
        assert!(nearest("postgres", names.into_iter()).is_empty());
    }
}

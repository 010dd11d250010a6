//! From an alert's labels to an environment and a target that the live inventory has.

use super::labels::{EXPORTED, Naming, PLAIN, PROJECT, Rank, host, host_and_port, ids, is_exporter};
use crate::config::EnvironmentConfig;
use crate::domain::{Alert, Inventories, Inventory, Labels, Service};
use std::collections::{BTreeMap, BTreeSet};

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// One service of one environment.
    Target {
        /// The environment.
        environment: String,
        /// Canonical name of a service of its inventory.
        service: String,
    },
    /// Nothing that the inventory has: the environment is diagnosed.
    Unknown {
        /// The environment; empty only if none is configured.
        environment: String,
        /// In words.
        why: String,
    },
    /// Two or more targets or environments: only reading is allowed.
    Ambiguous {
        /// The first of the environments.
        environment: String,
        /// What the labels may mean, as `environment/service`, or environments.
        candidates: Vec<String>,
        /// In words.
        why: String,
    },
}

/// An environment that alerts may belong to.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Label sets; an alert belongs here if it has all labels of one. None: it takes what no other claims.
    pub matches: &'a [Labels],
}

impl Resolution {
    /// The environment in which an incident for this is opened.
    pub fn environment(&self) -> &str {
        match self {
            Self::Target { environment, .. }
            | Self::Unknown { environment, .. }
            | Self::Ambiguous { environment, .. } => environment,
        }
    }

    /// The target, if there is exactly one.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Target { service, .. } => Some(service),
            _ => None,
        }
    }

    /// Why only reading is allowed, if so.
    pub fn read_only(&self) -> Option<&str> {
        match self {
            Self::Target { .. } => None,
            Self::Unknown { why, .. } | Self::Ambiguous { why, .. } => Some(why),
        }
    }
}

/// Resolves an alert against the configured environments and their inventories as last read.
pub fn resolve(
    alert: &Alert,
    environments: &BTreeMap<String, EnvironmentConfig>,
    inventories: &Inventories,
) -> Resolution {
    let candidates: Vec<Candidate<'_>> =
        environments.iter().map(|(name, environment)| Candidate { name, matches: &environment.matches }).collect();
    resolve_among(alert, &candidates, inventories)
}

/// The same, for environments given by what matters of them.
pub fn resolve_among(alert: &Alert, environments: &[Candidate<'_>], inventories: &Inventories) -> Resolution {
    let labels = &alert.labels;
    let claiming: Vec<&str> = environments
        .iter()
        .filter(|one| one.matches.iter().any(|wanted| has_all(labels, wanted)))
        .map(|one| one.name)
        .collect();
    match claiming.as_slice() {
        [only] => in_environment(labels, only, inventories),
        [first, ..] => Resolution::Ambiguous {
            environment: (*first).to_owned(),
            candidates: claiming.iter().map(|name| (*name).to_owned()).collect(),
            why: format!("the labels belong to the environments {}", claiming.join(", ")),
        },
        [] => {
            let defaults: Vec<&str> =
                environments.iter().filter(|one| one.matches.is_empty()).map(|one| one.name).collect();
            in_defaults(labels, &defaults, environments, inventories)
        }
    }
}

fn has_all(labels: &Labels, wanted: &Labels) -> bool {
    wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// No environment claims the alert: those without `matches` take it, if one of them has the target.
fn in_defaults(
    labels: &Labels,
    defaults: &[&str],
    environments: &[Candidate<'_>],
    inventories: &Inventories,
) -> Resolution {
    let mut found: Vec<Resolution> = defaults.iter().map(|name| in_environment(labels, name, inventories)).collect();
    let Some(first) = found.first().cloned() else {
        return Resolution::Unknown {
            environment: environments.first().map(|one| one.name.to_owned()).unwrap_or_default(),
            why: "no environment's `matches` fits the labels".into(),
        };
    };
    found.retain(|one| !matches!(one, Resolution::Unknown { .. }));
    if found.len() <= 1 {
        return found.pop().unwrap_or(first);
    }
    let mut candidates = Vec::new();
    for one in &found {
        match one {
            Resolution::Target { environment, service } => candidates.push(format!("{environment}/{service}")),
            Resolution::Ambiguous { candidates: several, .. } => candidates.extend(several.iter().cloned()),
            Resolution::Unknown { .. } => {}
        }
    }
    let why = format!("the labels fit {}; give the environments `matches`", candidates.join(" and "));
    Resolution::Ambiguous { environment: found[0].environment().to_owned(), candidates, why }
}

fn in_environment(labels: &Labels, environment: &str, inventories: &Inventories) -> Resolution {
    let environment = environment.to_owned();
    let Some(inventory) = inventories.get(&environment).filter(|inventory| inventory.read_at.is_some()) else {
        return Resolution::Unknown { why: "the environment's inventory was not read yet".into(), environment };
    };
    let found = services(labels, inventory);
    match found.len() {
        0 => {
            let why = format!("no label names a service of environment {environment}");
            Resolution::Unknown { environment, why }
        }
        // `services` returns names out of the inventory.
        1 => Resolution::Target { environment, service: found.into_iter().next().unwrap_or_default() },
        _ => {
            let why = format!("the labels fit {}", found.iter().cloned().collect::<Vec<_>>().join(" and "));
            let candidates = found.iter().map(|service| format!("{environment}/{service}")).collect();
            Resolution::Ambiguous { environment, candidates, why }
        }
    }
}

/// The services that the labels name: the most specific rank that names any decides, and all ranks that describe the
/// subject must agree with it.
fn services(labels: &Labels, inventory: &Inventory) -> BTreeSet<String> {
    for ranks in [EXPORTED, PLAIN] {
        let mut found = BTreeSet::new();
        for rank in ranks {
            if !found.is_empty() && !rank.subject {
                break;
            }
            found.extend(by_rank(labels, rank, inventory));
        }
        if !found.is_empty() {
            return found;
        }
    }
    BTreeSet::new()
}

fn by_rank(labels: &Labels, rank: &Rank, inventory: &Inventory) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (label, naming) in rank.labels {
        let Some(value) = labels.get(*label).filter(|value| !value.is_empty()) else { continue };
        let services = match naming {
            Naming::Name => by_name(value, inventory),
            Naming::Id => by_id(value, inventory),
            Naming::Address => by_address(value, inventory),
        };
        let services = of_project(services, labels, value);
        found.extend(
            services
                .into_iter()
                .filter(|service| !(rank.of_scrape && is_exporter_service(service)))
                .map(|service| service.name.clone()),
        );
    }
    found
}

fn is_exporter_service(service: &Service) -> bool {
    is_exporter(&service.name, service.instances.iter().map(|instance| instance.image.as_str()))
}

fn by_name<'a>(value: &str, inventory: &'a Inventory) -> Vec<&'a Service> {
    let value = value.trim_start_matches('/'); // Docker's API writes container names with a slash
    let plain = named(value, inventory);
    match value.strip_suffix(".service") {
        Some(unit) if plain.is_empty() => named(unit, inventory),
        _ => plain,
    }
}

fn named<'a>(value: &str, inventory: &'a Inventory) -> Vec<&'a Service> {
    let found = inventory.named(value);
    if !found.is_empty() {
        return found;
    }
    let has = |service: &&Service| service.instances.iter().any(|instance| instance.name == value);
    inventory.services.values().filter(has).collect()
}

fn by_id<'a>(value: &str, inventory: &'a Inventory) -> Vec<&'a Service> {
    let has =
        |service: &&Service| service.instances.iter().any(|instance| ids(value).any(|id| instance.id.starts_with(id)));
    inventory.services.values().filter(has).collect()
}

/// An address names a service if it is one of the service's, or if its host is the service's name.
fn by_address<'a>(value: &str, inventory: &'a Inventory) -> Vec<&'a Service> {
    let authority = host_and_port(value);
    let has = |service: &&Service| {
        service.addresses.iter().any(|address| host_and_port(address) == authority)
            || service.health.as_deref().is_some_and(|health| health == value)
    };
    let by_address: Vec<&Service> = inventory.services.values().filter(has).collect();
    if by_address.is_empty() { named(host(authority), inventory) } else { by_address }
}

/// Of services of one name, those of the Compose project that the labels tell.
fn of_project<'a>(services: Vec<&'a Service>, labels: &Labels, value: &str) -> Vec<&'a Service> {
    let project = PROJECT.iter().find_map(|label| labels.get(*label));
    let (Some(project), true) = (project, services.len() > 1) else { return services };
    let full = format!("{project}/{value}");
    let within: Vec<&Service> =
        services.iter().copied().filter(|service| service.name == full || service.aliases.contains(&full)).collect();
    if within.is_empty() { services } else { within }
}

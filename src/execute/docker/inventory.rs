//! Which containers make which service. Pure.

use super::{
    declared::DeclaredService,
    inspect::Container,
    snapshot::{Kept, Past},
};
use crate::domain::{Instance, Inventory, Service, Timestamp, Values};
use crate::execute::protection::{self, last_name};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const COMPOSE_SERVICE: &str = "com.docker.compose.service";
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// Containers that we made besides a single one carry the name of its service.
pub(super) const LABEL_SERVICE: &str = "oncalld.service";
const LABEL_PROTECT: &str = "oncalld.protect";
const LABEL_JOB: &str = "oncalld.job";

/// What is known besides the containers.
pub(super) struct Known<'a> {
    pub declared: &'a BTreeMap<String, DeclaredService>,
    pub protected: &'a [String],
    pub kept: &'a BTreeMap<String, Kept>,
    /// Services seen before that restart by themselves.
    pub lasting: Vec<(&'a String, &'a Past)>,
    /// Why services were protected when they were last seen.
    pub protected_before: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// Containers by the canonical name of their service, in order of their names. Those put aside belong to none.
pub(super) fn grouped<'a>(containers: &'a [Container], known: &Known<'_>) -> BTreeMap<String, Vec<&'a Container>> {
    let live: Vec<&Container> =
        containers.iter().filter(|container| !known.kept.contains_key(container.id())).collect();
    // A service of Compose has its own name if that is unique, else its project's before it.
    let mut projects: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in &live {
        if let Some(service) = container.label(COMPOSE_SERVICE) {
            projects.entry(service).or_default().insert(container.label(COMPOSE_PROJECT).unwrap_or_default());
        }
    }
    let single: BTreeSet<&str> = live.iter().filter(|c| c.label(COMPOSE_SERVICE).is_none()).map(|c| c.name()).collect();
    let mut groups: BTreeMap<String, Vec<&Container>> = BTreeMap::new();
    for container in live {
        let name = match container.label(COMPOSE_SERVICE) {
            Some(service) if projects[service].len() == 1 && !single.contains(service) => service.to_owned(),
            Some(service) => format!("{}-{service}", container.label(COMPOSE_PROJECT).unwrap_or_default()),
            None => single_name(container).to_owned(),
        };
        groups.entry(name).or_default().push(container);
    }
    for group in groups.values_mut() {
        group.sort_by_key(|container| (container.name().len(), container.name().to_owned())); // 2 before 10
    }
    groups
}

fn single_name(container: &Container) -> &str {
    [LABEL_SERVICE, "com.docker.swarm.service.name"]
        .iter()
        .find_map(|label| container.label(label))
        .unwrap_or(container.name())
}

/// The services.
pub(super) fn inventory(containers: &[Container], known: &Known<'_>, now: Timestamp) -> Inventory {
    let groups = grouped(containers, known);
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let mut declared_seen = BTreeSet::new();
    for (name, group) in &groups {
        let found = declaration(name, group, known.declared);
        declared_seen.extend(found.map(|(declared, _)| declared.clone()));
        // A declared name is the name, should Compose or the engine call it otherwise.
        let canonical = found.map_or(name, |(declared, _)| declared).clone();
        services.insert(canonical.clone(), service(canonical, name, group, found.map(|(_, facts)| facts), known));
    }
    for (name, facts) in known.declared.iter().filter(|(name, _)| !declared_seen.contains(*name)) {
        services.entry(name.clone()).or_insert_with(|| absent(name, Some(facts), facts.image.as_deref(), known));
    }
    for (name, past) in &known.lasting {
        let image = past.good.last().map(|seen| seen.image.as_str());
        services.entry((*name).clone()).or_insert_with(|| absent(name, known.declared.get(*name), image, known));
    }
    let renamed: BTreeMap<String, String> = compose_names(&services);
    for service in services.values_mut() {
        resolve_dependencies(service, &groups, &renamed);
    }
    Inventory { services, read_at: Some(now), stale: None }
}

/// What is declared of a service: by its name, or by the name of one of its containers.
pub(super) fn declaration<'a>(
    name: &str,
    group: &[&Container],
    declared: &'a BTreeMap<String, DeclaredService>,
) -> Option<(&'a String, &'a DeclaredService)> {
    declared
        .get_key_value(name)
        .or_else(|| group.iter().find_map(|container| declared.get_key_value(container.name())))
        .or_else(|| {
            declared.iter().find(|(_, facts)| {
                facts
                    .aliases
                    .iter()
                    .any(|alias| alias == name || group.iter().any(|container| container.name() == alias))
            })
        })
}

fn service(
    canonical: String,
    group_name: &str,
    group: &[&Container],
    declared: Option<&DeclaredService>,
    known: &Known<'_>,
) -> Service {
    let nothing = DeclaredService::default();
    let facts = declared.unwrap_or(&nothing);
    let networks: BTreeSet<String> = group.iter().flat_map(|container| container.networks()).collect();
    let mut addresses: Vec<String> = facts.address.iter().cloned().collect();
    for container in group {
        addresses.extend(reachable_at(container));
    }
    let mut seen = BTreeSet::new();
    addresses.retain(|address| seen.insert(address.clone())); // published for IPv4 and IPv6 is one address here
    let job = facts.job || group.iter().any(|container| container.label(LABEL_JOB) == Some("true"));
    Service {
        aliases: aliases(&canonical, group_name, group, facts),
        instances: group.iter().map(|container| instance(container)).collect(),
        depends_on: facts.depends_on.clone(),
        addresses,
        health: facts.health.clone(),
        networks: networks.into_iter().collect(),
        job,
        protected: declared_protection(facts).or_else(|| protection_of(&canonical, group, known.protected)),
        labels: group.first().map(|container| container.labels()).unwrap_or_default(),
        name: canonical,
    }
}

fn aliases(canonical: &str, group_name: &str, group: &[&Container], facts: &DeclaredService) -> Vec<String> {
    let mut names: BTreeSet<String> = facts.aliases.iter().cloned().collect();
    names.insert(group_name.to_owned());
    for container in group {
        names.insert(container.name().to_owned());
        if let (Some(project), Some(service)) = (container.label(COMPOSE_PROJECT), container.label(COMPOSE_SERVICE)) {
            names.insert(format!("{project}/{service}"));
            names.insert(service.to_owned());
        }
        for endpoint in container.endpoints().into_values() {
            let listed = endpoint["Aliases"].as_array().into_iter().flatten().filter_map(|alias| alias.as_str());
            names.extend(listed.filter(|alias| !container.id().starts_with(alias)).map(str::to_owned));
        }
    }
    names.remove(canonical);
    names.into_iter().collect()
}

fn instance(container: &Container) -> Instance {
    let mut ports: Vec<String> = container.bound().map(|(inside, _, port)| published_port(inside, port)).collect();
    ports.sort();
    ports.dedup();
    Instance {
        id: container.id().to_owned(),
        name: container.name().to_owned(),
        state: container.state().to_owned(),
        image: container.image().to_owned(),
        ports,
        started_at: container.started_at(),
    }
}

fn published_port(inside: &str, port: &str) -> String {
    format!("{port}/{}", inside.split_once('/').map_or("tcp", |(_, protocol)| protocol))
}

/// A service without containers keeps one instance under its name, so that what asks for it is told that it is missing.
fn absent(name: &str, declared: Option<&DeclaredService>, image: Option<&str>, known: &Known<'_>) -> Service {
    let nothing = DeclaredService::default();
    let facts = declared.unwrap_or(&nothing);
    Service {
        name: name.to_owned(),
        aliases: facts.aliases.clone(),
        instances: vec![Instance {
            id: name.to_owned(),
            name: name.to_owned(),
            state: "missing".into(),
            image: image.unwrap_or_default().to_owned(),
            ..Instance::default()
        }],
        depends_on: facts.depends_on.clone(),
        addresses: facts.address.iter().cloned().collect(),
        health: facts.health.clone(),
        job: facts.job,
        protected: declared_protection(facts)
            .or_else(|| (known.protected_before)(name))
            .or_else(|| protection::by_name(&[name, last_name(image.unwrap_or_default())], known.protected)),
        ..Service::default()
    }
}

/// Published on this host first, then its addresses on its networks, which a host of Linux reaches too.
fn reachable_at(container: &Container) -> Vec<String> {
    let published = container.bound().filter(|(inside, _, port)| inside.ends_with("/tcp") && !port.is_empty());
    let mut found: Vec<String> = published
        .map(|(_, address, port)| match address {
            "" | "0.0.0.0" | "::" => format!("127.0.0.1:{port}"),
            address if address.contains(':') => format!("[{address}]:{port}"),
            address => format!("{address}:{port}"),
        })
        .collect();
    for address in container.addresses().values() {
        found.extend(container.exposed_ports().iter().map(|port| format!("{address}:{port}")));
    }
    found
}

fn declared_protection(facts: &DeclaredService) -> Option<String> {
    facts.protected.then(|| "declared as protected".to_owned())
}

/// Why containers that make a service are protected, by what they are.
pub(super) fn protection_of(name: &str, group: &[&Container], protected: &[String]) -> Option<String> {
    group.iter().find_map(|container| {
        let names = [
            name,
            container.name(),
            last_name(container.image()),
            container.label(COMPOSE_SERVICE).unwrap_or_default(),
        ];
        if container.label(LABEL_PROTECT) == Some("true") {
            Some(format!("labelled {LABEL_PROTECT}=true"))
        } else if container.label("io.kubernetes.pod.name").is_some() || container.name().starts_with("k8s_") {
            Some("owned by a kubelet, which would undo what is done to it".into())
        } else if container.label("com.docker.swarm.service.id").is_some() {
            Some("owned by Swarm, which would undo what is done to it".into())
        } else if protection::is_own(container.id()) {
            Some("oncalld itself runs in it".into())
        } else {
            protection::by_name(&names, protected)
        }
    })
}

/// Compose's names of services to canonical ones.
fn compose_names(services: &BTreeMap<String, Service>) -> BTreeMap<String, String> {
    let pairs = services.values().filter_map(|service| {
        let project = service.labels.get(COMPOSE_PROJECT)?;
        let name = service.labels.get(COMPOSE_SERVICE)?;
        Some((format!("{project}/{name}"), service.name.clone()))
    });
    pairs.collect()
}

/// Adds what Compose says that a service needs: `redis:service_started:false,db:service_healthy:true`.
fn resolve_dependencies(
    service: &mut Service,
    groups: &BTreeMap<String, Vec<&Container>>,
    canonical: &BTreeMap<String, String>,
) {
    let own = service.name.clone();
    let id = service.instances.first().map(|instance| instance.id.clone()).unwrap_or_default();
    let first = groups.values().flatten().find(|container| container.id() == id);
    if let Some(container) = first
        && let (Some(project), Some(needed)) = (container.label(COMPOSE_PROJECT), container.label(COMPOSE_DEPENDS_ON))
    {
        for entry in needed.split(',').filter(|entry| !entry.is_empty()) {
            let name = entry.split(':').next().unwrap_or(entry);
            let name = canonical.get(&format!("{project}/{name}")).map_or(name, String::as_str);
            service.depends_on.push(name.to_owned());
        }
    }
    let mut seen = BTreeSet::from([own]);
    service.depends_on.retain(|name| seen.insert(name.clone()));
}

/// The result of `container.list`.
pub(super) fn listed(inventory: &Inventory) -> Values {
    let services: Vec<_> = inventory
        .services
        .values()
        .map(|service| {
            json!({
                "name": service.name, "state": state(service), "instances": present(service), "image": image(service),
                "depends_on": service.depends_on, "protected": service.protected.is_some(), "job": service.job,
            })
        })
        .collect();
    let stopped = inventory.services.values().filter(|service| !service.job && state(service) != "running");
    let not_running: Vec<&str> = stopped.map(|service| service.name.as_str()).collect();
    Values::from_iter([
        ("count".to_owned(), json!(services.len())),
        ("services".to_owned(), json!(services)),
        ("not_running".to_owned(), json!(not_running)),
    ])
}

fn state(service: &Service) -> &str {
    worst_state(service.instances.iter().map(|instance| instance.state.as_str()))
}

fn present(service: &Service) -> usize {
    service.instances.iter().filter(|instance| instance.state != "missing").count()
}

fn image(service: &Service) -> &str {
    service.instances.first().map_or("", |instance| instance.image.as_str())
}

/// The state that one should hear of first.
pub(super) fn worst_state<'a>(states: impl Iterator<Item = &'a str>) -> &'a str {
    const ORDER: [&str; 8] = ["dead", "missing", "restarting", "created", "exited", "removing", "paused", "running"];
    states.min_by_key(|state| ORDER.iter().position(|known| known == state).unwrap_or(0)).unwrap_or("missing")
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;

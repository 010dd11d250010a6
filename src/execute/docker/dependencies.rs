//! What a service needs, and how that is doing.

use super::{
    DockerEnvironment,
    error::{Answer, EngineError},
    inspect::Container,
    inventory::worst_state,
};
use crate::domain::{Inventory, Values};
use serde_json::{Value, json};

/// Dependencies looked at; more than a service of sense has.
const MOST: usize = 30;

/// Networks that every engine has; joining them helps nobody to find a name.
const BUILT_IN: [&str; 4] = ["bridge", "host", "none", "podman"];

/// One dependency.
struct Needed {
    name: String,
    state: String,
    ready: bool,
    reachable: bool,
    shares_network: bool,
    network: String,
}

impl Needed {
    fn runs(&self) -> bool {
        self.state == "running"
    }
}

impl DockerEnvironment {
    /// The result of `container.dependencies`.
    pub(super) async fn dependencies(&self, service: &str) -> Answer<Values> {
        let inventory = self.services().await?;
        let Some(own) = inventory.services.get(service) else {
            return Err(EngineError::Refused { status: 404, message: format!("there is no service {service}") });
        };
        let members = self.members(own).await?;
        let mut needed = Vec::new();
        for name in own.depends_on.iter().take(MOST) {
            needed.push(self.needed(&inventory, members.first(), name).await?);
        }
        Ok(result(&needed))
    }

    async fn needed(&self, inventory: &Inventory, from: Option<&Container>, name: &str) -> Answer<Needed> {
        let found = inventory.named(name);
        let [service] = found.as_slice() else {
            return Ok(Needed {
                name: name.to_owned(),
                state: "missing".into(),
                ready: false,
                reachable: false,
                shares_network: false,
                network: String::new(),
            });
        };
        let members = self.members(service).await?;
        let reach = self.reach(from, &members, None).await;
        let common = reach.networks_from.intersection(&reach.networks_to).next().cloned();
        let joinable = reach.networks_to.iter().find(|network| !BUILT_IN.contains(&network.as_str())).cloned();
        let ready = |container: &Container| container.is_running() && matches!(container.health(), "healthy" | "none");
        Ok(Needed {
            name: service.name.clone(),
            state: worst_state(members.iter().map(Container::state)).to_owned(),
            ready: !members.is_empty() && members.iter().all(ready),
            reachable: reach.reachable,
            shares_network: reach.shares_network,
            network: common.or(joinable).unwrap_or_default(),
        })
    }
}

fn result(needed: &[Needed]) -> Values {
    let names = |chosen: &dyn Fn(&Needed) -> bool| -> Vec<&str> {
        needed.iter().filter(|one| chosen(one)).map(|one| one.name.as_str()).collect()
    };
    let unshared = |one: &Needed| one.runs() && !one.shares_network;
    let join = needed.iter().find(|one| unshared(one)).map_or("", |one| one.network.as_str());
    let all: Vec<Value> = needed
        .iter()
        .map(|one| {
            json!({
                "name": one.name, "state": one.state, "ready": one.ready, "reachable": one.reachable,
                "shares_network": one.shares_network, "network": one.network,
            })
        })
        .collect();
    Values::from_iter([
        ("dependencies".to_owned(), json!(all)),
        ("down".to_owned(), json!(names(&|one| !one.runs()))),
        ("unreachable".to_owned(), json!(names(&|one| one.runs() && !one.reachable))),
        ("unshared".to_owned(), json!(names(&unshared))),
        ("join_network".to_owned(), json!(join)),
        ("all_ready".to_owned(), json!(needed.iter().all(|one| one.ready && one.reachable))),
    ])
}

//! `process.dependencies` and `process.connectivity`.

use super::{
    ProcessEnvironment,
    events::values,
    service::Managed,
    snapshot::{Snapshot, instances},
};
use crate::{
    domain::{TimeSpan, Values},
    execute::{ExecuteError, probe::Answer},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::sync::Arc;

/// How long a connection on this host may take.
const CONNECT: TimeSpan = TimeSpan::from_secs(2);

/// A dependency and how it is doing.
struct Seen {
    name: String,
    state: String,
    running: bool,
    ready: bool,
    reachable: bool,
}

impl ProcessEnvironment {
    pub(super) async fn dependencies(&self, call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
        let needed = managed.declared.depends_on.iter();
        let seen = join_all(needed.map(|name| self.dependency(call, name))).await;
        let seen: Vec<Seen> = seen.into_iter().collect::<Result<_, _>>()?;
        let names = |chosen: &dyn Fn(&Seen) -> bool| {
            seen.iter().filter(|seen| chosen(seen)).map(|seen| seen.name.clone()).collect::<Vec<_>>()
        };
        let listed: Vec<Value> = seen
            .iter()
            .map(|seen| {
                json!({
                    "name": seen.name, "state": seen.state, "ready": seen.ready, "reachable": seen.reachable,
                    "shares_network": true, "network": "host",
                })
            })
            .collect();
        Ok(values(json!({
            "dependencies": listed,
            "down": names(&|seen| !seen.running),
            "unreachable": names(&|seen| seen.running && !seen.reachable),
            "unshared": [],
            "join_network": "",
            "all_ready": seen.iter().all(|seen| seen.ready && seen.reachable),
        })))
    }

    async fn dependency(&self, call: &str, name: &str) -> Result<Seen, ExecuteError> {
        let Some(managed) = self.inner.services.get(name) else {
            // Declared without an argv, or not at all: known by its address only.
            let declared = self.inner.config.services.get(name);
            let address = declared.and_then(|declared| declared.address.clone());
            let reachable = match &address {
                Some(address) => self.connect(address).await.healthy,
                None => declared.is_some(),
            };
            let state = if reachable { "running" } else { "missing" }.to_owned();
            return Ok(Seen { name: name.into(), state, running: reachable, ready: reachable, reachable });
        };
        let status = self.status(call, managed).await?;
        let done = status["job"] == true && status["exit_reason"] == "completed";
        let running = status["running"] == true || done;
        let reachable = match managed.address() {
            Some(address) if running && !done => self.connect(&address).await.healthy,
            _ => running,
        };
        let state = status["state"].as_str().unwrap_or_default().to_owned();
        Ok(Seen { name: name.into(), state, running, ready: status["ready"] == true || done, reachable })
    }

    async fn connect(&self, address: &str) -> Answer {
        self.inner.prober.probe(&format!("tcp://{address}"), CONNECT).await
    }

    pub(super) async fn connectivity(
        &self,
        call: &str,
        from: &Arc<Managed>,
        to: &Arc<Managed>,
        port: Option<i64>,
    ) -> Result<Values, ExecuteError> {
        let to_running = instances(call, to).await?.iter().any(Snapshot::running);
        let address = match (to.address(), port) {
            (Some(address), Some(port)) => {
                let host = address.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
                Some(format!("{host}:{port}"))
            }
            (None, Some(port)) => Some(format!("127.0.0.1:{port}")),
            (address, None) => address,
        };
        let answer = match &address {
            Some(address) => self.connect(address).await,
            None => {
                Answer { error: format!("no address of {} is declared; name a port", to.name), ..Answer::default() }
            }
        };
        Ok(values(json!({
            "from": from.name,
            "to": to.name,
            "to_running": to_running,
            "address": address.unwrap_or_default(),
            "reachable": answer.healthy,
            "shares_network": true,
            "networks_from": ["host"],
            "networks_to": ["host"],
            "error": answer.error,
        })))
    }
}

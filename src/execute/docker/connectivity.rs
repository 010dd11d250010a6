//! Whether one service reaches another: tried from where the first one is, not from where we are.

use super::{
    DockerEnvironment, cgroup,
    error::{Answer, EngineError},
    exec::Program,
    inspect::Container,
};
use crate::domain::{Inventory, Service, Values};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs::File,
    net::{SocketAddr, TcpStream},
    os::fd::AsFd as _,
    path::Path,
    time::Duration,
};

/// Between two containers of one machine a connection is there at once, or it is not.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one service is to another.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    pub to_running: bool,
    pub address: String,
    pub reachable: bool,
    pub shares_network: bool,
    pub networks_from: BTreeSet<String>,
    pub networks_to: BTreeSet<String>,
    pub error: String,
}

/// What an attempt to connect told.
enum Attempt {
    Connected,
    Failed(String),
    /// It could not be made from there.
    Impossible,
}

impl DockerEnvironment {
    /// The result of `container.connectivity`. Both ends are services, or containers by name or id.
    pub(super) async fn connectivity(&self, from: &str, to: &str, port: Option<i64>) -> Answer<Values> {
        let port = match port.map(u16::try_from) {
            Some(Err(_)) => return Err(EngineError::declined("a port is a number from 1 to 65535")),
            Some(Ok(port)) => Some(port),
            None => None,
        };
        let inventory = self.services().await?;
        let (source, target) = (self.end(&inventory, from).await?, self.end(&inventory, to).await?);
        let reach = self.reach(source.first(), target.as_slice(), port).await;
        Ok(Values::from_iter([
            ("from".to_owned(), json!(from)),
            ("to".to_owned(), json!(to)),
            ("to_running".to_owned(), json!(reach.to_running)),
            ("address".to_owned(), json!(reach.address)),
            ("reachable".to_owned(), json!(reach.reachable)),
            ("shares_network".to_owned(), json!(reach.shares_network)),
            ("networks_from".to_owned(), json!(reach.networks_from)),
            ("networks_to".to_owned(), json!(reach.networks_to)),
            ("error".to_owned(), json!(reach.error)),
        ]))
    }

    /// The containers of one end, those that run first.
    async fn end(&self, inventory: &Inventory, name: &str) -> Answer<Vec<Container>> {
        match inventory.named(name).as_slice() {
            [service] => self.members(service).await,
            [] => Ok(vec![self.container(name).await?]),
            _ => Err(EngineError::declined(format!("'{name}' names more than one service; use the canonical name"))),
        }
    }

    /// A service's containers, those that run first.
    pub(super) async fn members(&self, service: &Service) -> Answer<Vec<Container>> {
        let ids: Vec<String> = service.instances.iter().map(|instance| instance.id.clone()).collect();
        let mut containers = self.some(&ids).await?;
        containers.sort_by_key(|container| !container.is_running());
        Ok(containers)
    }

    /// Tries to connect.
    pub(super) async fn reach(&self, from: Option<&Container>, to: &[Container], port: Option<u16>) -> Reach {
        let mut reach = Reach { networks_from: from.map(Container::networks).unwrap_or_default(), ..Reach::default() };
        reach.networks_to = to.iter().flat_map(|container| container.networks()).collect();
        reach.to_running = to.iter().any(Container::is_running);
        let same_space = from.zip(to.first()).is_some_and(|(from, to)| share_space(from, to));
        reach.shares_network = same_space || !reach.networks_from.is_disjoint(&reach.networks_to);
        let Some(target) = to.first() else {
            reach.error = "it has no container".into();
            return reach;
        };
        if !reach.to_running {
            reach.error = format!("{} is {}", target.name(), target.state());
            return reach;
        }
        if !reach.shares_network {
            reach.error = "they have no network in common".into();
            return reach;
        }
        let shared = target.addresses().into_iter().find(|(network, _)| reach.networks_from.contains(*network));
        let address = if same_space { Some("127.0.0.1") } else { shared.map(|(_, address)| address) };
        let port = port.or_else(|| target.exposed_ports().first().copied());
        let (Some(address), Some(port)) = (address, port) else {
            // Nothing to connect to is known: that it runs on a common network is all that can be said.
            reach.reachable = true;
            reach.error = "no port of it is known, so no connection was tried".into();
            return reach;
        };
        reach.address = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        match self.attempt(from, &reach.address, address, port).await {
            Attempt::Connected => reach.reachable = true,
            Attempt::Failed(error) => reach.error = error,
            Attempt::Impossible => {
                reach.reachable = true;
                reach.error = "no connection could be tried from there; they have a network in common".into();
            }
        }
        reach
    }

    async fn attempt(&self, from: Option<&Container>, socket: &str, address: &str, port: u16) -> Attempt {
        let Ok(socket) = socket.parse::<SocketAddr>() else { return Attempt::Impossible };
        let local = self.shared.engine.local;
        if let Some(container) = from.filter(|container| container.pid().is_some()) {
            if local && let Some(attempt) = connect_within(container, socket).await {
                return attempt;
            }
            if let attempt @ (Attempt::Connected | Attempt::Failed(_)) = self.ask_inside(container, address, port).await
            {
                return attempt;
            }
        }
        if !local {
            return Attempt::Impossible;
        }
        // A host of Linux is on all of its engine's networks.
        match tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect(socket)).await {
            Ok(Ok(_)) => Attempt::Connected,
            Ok(Err(error)) => Attempt::Failed(format!("{socket}: {error}")),
            Err(_) => Attempt::Failed(format!("{socket}: no answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// By the container's own netcat, if it has one. Not every one knows `-z`; without input, those that do not connect
    /// and end too.
    async fn ask_inside(&self, container: &Container, address: &str, port: u16) -> Attempt {
        let (wait, port) = (PATIENCE.as_secs().to_string(), port.to_string());
        let (scan, plain) = (["nc", "-z", "-w", &wait, address, &port], ["nc", "-w", &wait, address, &port]);
        for argv in [&scan[..], &plain[..]] {
            let argv = argv.iter().map(|word| (*word).to_owned()).collect();
            let program = Program { argv, timeout: PATIENCE * 2, ..Program::default() };
            let Ok(output) = self.run(container, &program).await else { return Attempt::Impossible };
            let said = output.stderr.to_ascii_lowercase();
            let misunderstood = ["option", "usage"].iter().any(|word| said.contains(word));
            match output.exit_code {
                Some(0) => return Attempt::Connected,
                Some(1) if !misunderstood => {
                    return Attempt::Failed(format!("{address}:{port}: no connection from {}", container.name()));
                }
                _ if misunderstood => {}
                _ => return Attempt::Impossible,
            }
        }
        Attempt::Impossible
    }
}

/// Whether two containers use one network stack: the host's, or one of them the other's.
fn share_space(from: &Container, to: &Container) -> bool {
    let uses = |one: &Container, other: &Container| one.network_mode().strip_prefix("container:") == Some(other.id());
    (from.network_mode() == "host" && to.network_mode() == "host") || uses(from, to) || uses(to, from)
}

/// Connects from inside the container's network name space. None where we may not enter it.
async fn connect_within(container: &Container, socket: SocketAddr) -> Option<Attempt> {
    let (pid, id) = (container.pid()?, container.id().to_owned());
    let (send, receive) = tokio::sync::oneshot::channel();
    // A thread of its own: it never leaves that name space again, so none of the runtime's can be used.
    let spawned = std::thread::Builder::new().name("connectivity".into()).spawn(move || {
        let _ = send.send(connect_in_space(pid, &id, socket)); // nobody waits any more, then
    });
    spawned.ok()?;
    receive.await.ok().flatten()
}

fn connect_in_space(pid: i32, id: &str, socket: SocketAddr) -> Option<Attempt> {
    let proc = Path::new("/proc");
    if !cgroup::belongs(proc, pid, id) {
        return None;
    }
    let space = File::open(proc.join(pid.to_string()).join("ns/net")).ok()?;
    let network = Some(rustix::thread::LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(space.as_fd(), network).ok()?;
    Some(match TcpStream::connect_timeout(&socket, PATIENCE) {
        Ok(_) => Attempt::Connected,
        Err(error) => Attempt::Failed(format!("{socket}: {error}")),
    })
}

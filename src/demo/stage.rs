//! Where the demo plays: a temporary folder, free ports, and a configuration like any other.

use super::{Fault, sample};
use regex::Regex;
use serde_json::{Value, json};
use std::{
    fs::{self, DirBuilder},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::Duration,
};

/// MiB of backlog that the fault `leak` leaves: more than [`MEMORY`] allows, and less than twice that.
pub(super) const BACKLOG: usize = 72;

/// The api's memory limit in MiB. A build without optimisation takes up to 30 of them for itself.
const MEMORY: usize = 64;

/// How long a remedy must hold, here: enough to see a service that ends at once again.
const SOAK: &str = "2s";

const OPERATIONS: &str = include_str!("../../config/operations.yml");

/// The environment's name.
pub const ENVIRONMENT: &str = "demo";

/// How long a service may take to answer that it is well.
const HEALTH: Duration = Duration::from_millis(500);

/// The demo's folder, addresses and programs.
#[derive(Debug)]
pub struct Stage {
    /// Everything is in here; removed when the demo ends.
    pub folder: PathBuf,
    /// Folder of the services' shims, as the process environment lays it out.
    pub services: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// Where the daemon listens.
    pub daemon: SocketAddr,
    /// Where the samples listen.
    pub cache: SocketAddr,
    /// The service that the alert is about.
    pub api: SocketAddr,
    /// The one in front.
    pub web: SocketAddr,
    /// A release that waits for its turn; only with the fault `port-taken`.
    next: SocketAddr,
}

impl Stage {
    /// Makes the folder, picks ports and writes the configuration.
    ///
    /// # Errors
    /// The folder or the ports cannot be had.
    pub fn set(fault: Fault) -> io::Result<Self> {
        let folder = temporary_folder()?;
        let [daemon, cache, api, web, next] = free_addresses()?;
        let services = folder.join("data/processes").join(ENVIRONMENT);
        let program = std::env::current_exe()?;
        let stage = Self { folder, services, program, daemon, cache, api, web, next };
        stage.write(fault).inspect_err(|_| stage.strike())?;
        Ok(stage)
    }

    /// The configuration's folder.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config")
    }

    fn write(&self, fault: Fault) -> io::Result<()> {
        fs::create_dir(self.config())?;
        // JSON is YAML.
        let write = |name: &str, value: Value| fs::write(self.config().join(name), format!("{value:#}\n"));
        write("platform.yml", json!({"listen": self.daemon, "data_dir": self.folder.join("data")}))?;
        write("environments.yml", self.environments(fault))?;
        fs::write(self.config().join("operations.yml"), quick_operations())
    }

    fn environments(&self, fault: Fault) -> Value {
        let sample = |name: &str| json!([self.program, "sample", name]);
        let port = |address: SocketAddr| address.port().to_string();
        let cache = json!({
            "argv": sample("cache"), "environment": {"PORT": port(self.cache)}, "restart": "on-failure",
            "address": self.cache, "health": format!("tcp://{}", self.cache),
        });
        let settings = json!({
            "PORT": port(self.api), "CACHE_ADDRESS": self.cache, "API_WORKERS": "4", "API_TOKEN": "demo-token-4711",
        });
        let api = json!({
            "argv": sample("api"), "environment": settings, "restart": fault.restart(), "memory": format!("{MEMORY}MiB"),
            "address": self.api, "health": format!("http://{}/health", self.api), "depends_on": ["cache"],
        });
        let web = json!({
            "argv": sample("web"), "environment": {"PORT": port(self.web), "API_ADDRESS": self.api},
            "restart": "on-failure", "address": self.web, "health": format!("http://{}/health", self.web),
            "depends_on": ["api"],
        });
        let mut services = json!({"cache": cache, "api": api.clone(), "web": web});
        if fault == Fault::PortTaken {
            let mut next = api;
            next["environment"]["PORT"] = port(self.next).into();
            next["address"] = json!(self.next);
            next["health"] = format!("http://{}/health", self.next).into();
            services["api-next"] = next;
        }
        json!({ENVIRONMENT: {
            "kind": "process", "autonomy": "approve", "inventory_every": "1s", "services": services,
        }})
    }

    /// Whether all services are well.
    pub fn all_well(&self) -> bool {
        let well = |address: SocketAddr| {
            sample::send(&address.to_string(), "GET /health", HEALTH).is_ok_and(|status| status == 200)
        };
        std::net::TcpStream::connect_timeout(&self.cache, HEALTH).is_ok() && well(self.api) && well(self.web)
    }

    /// Whether something answers at the api's address, and says that it is well.
    pub fn api_answers(&self) -> bool {
        sample::send(&self.api.to_string(), "GET /health", HEALTH).is_ok_and(|status| status == 200)
    }

    /// Removes the folder. The services must have ended.
    pub fn strike(&self) {
        // A temporary folder that cannot be removed is the system's to clean up.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The shipped operations with short soaks, so that a fault takes seconds.
pub fn quick_operations() -> String {
    static SOAKS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\bsoak: [0-9]+[a-z]+").ok());
    // The pattern is a constant, and a test sees it work.
    let soaks = SOAKS.as_ref();
    soaks.map_or_else(|| OPERATIONS.into(), |soaks| soaks.replace_all(OPERATIONS, format!("soak: {SOAK}")).into_owned())
}

/// A new folder for this user only.
fn temporary_folder() -> io::Result<PathBuf> {
    let base = std::env::temp_dir();
    let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    for attempt in 0..100 {
        let path = base.join(format!("oncalld-demo-{}-{attempt}", std::process::id()));
        match make(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
    Err(io::Error::other(format!("{} is full of folders of earlier demos", base.display())))
}

/// Where ports are looked for: below those that Linux gives to outgoing connections by default (32768 to 60999,
/// `ip_local_port_range`), so that no connection takes one between this look and the service's start.
const PORTS: Range<u16> = 10_000..32_000;

/// Addresses on the loopback interface that nothing listens on. All are held until the last is found, so that they
/// differ.
///
/// # Errors
/// There is no room, or the system has no random numbers.
pub fn free_addresses<const N: usize>() -> io::Result<[SocketAddr; N]> {
    let mut held = Vec::new();
    for _ in 0..1_000 {
        if held.len() == N {
            break;
        }
        let mut random = [0; 2];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let port = PORTS.start + u16::from_ne_bytes(random) % (PORTS.end - PORTS.start);
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    let found: Vec<SocketAddr> = held.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
    found.try_into().map_err(|_| io::Error::new(io::ErrorKind::AddrInUse, "hardly a port is free on 127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_differ_and_are_outside_the_range_of_connections() {
        let found: [SocketAddr; 8] = free_addresses().expect("free ports");
        let ports: std::collections::BTreeSet<u16> = found.iter().map(SocketAddr::port).collect();
        assert_eq!(ports.len(), 8);
        assert!(ports.iter().all(|port| PORTS.contains(port)), "{ports:?}");
    }

    #[test]
    fn soaks_are_shortened_and_nothing_else() {
        let quick = quick_operations();
        assert!(quick.contains("soak: 2s") && quick.contains("restart_service:"));
        assert!(!quick.contains("soak: 60s"));
    }
}

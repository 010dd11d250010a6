//! environments.yml: the places where steps run.

use super::{Credentials, Secret};
use crate::domain::{ByteSize, EnvironmentKind, Labels, TimeSpan};
use std::{collections::BTreeMap, path::PathBuf};

/// A place where steps run.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentConfig {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: KindSetting,
    /// What may be done without asking.
    pub autonomy: Autonomy,
    /// An alert is of this environment if all labels of one of these are among its own; none given: of the environment
    /// that is left over.
    pub matches: Vec<Labels>,
    /// How the engine of a Docker environment is reached.
    pub docker: DockerConfig,
    /// Its Prometheus.
    pub prometheus: Option<Endpoint>,
    /// Its Alertmanager.
    pub alertmanager: Option<Endpoint>,
    /// Commands that only read: the words that an argv begins with. A last word `*` allows more plain arguments.
    pub read_only_commands: Vec<Vec<String>>,
    /// What is declared of services, by name.
    pub services: BTreeMap<String, ServiceConfig>,
    /// How often the list of services is read.
    pub inventory_every: TimeSpan,
}

/// What an environment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindSetting {
    /// The first kind that answers: Docker, else processes.
    Auto,
    /// This one.
    Fixed(EnvironmentKind),
}

/// What may be done without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Autonomy {
    /// Diagnoses only.
    Observe,
    /// Reports what it would do.
    Suggest,
    /// Asks for everything that changes something.
    Approve,
    /// Does what can be changed back, asks for the rest.
    Auto,
}

impl Autonomy {
    /// As in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Approve => "approve",
            Self::Auto => "auto",
        }
    }
}

/// How a Docker Engine is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerConfig {
    /// `unix:///var/run/docker.sock`, `tcp://host:2376`; by default what `DOCKER_HOST` says, else the usual sockets.
    pub host: Option<String>,
    /// Folder with `ca.pem`, `cert.pem` and `key.pem`, for TLS.
    pub certificates: Option<PathBuf>,
}

/// An HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address, without a slash at the end.
    pub url: String,
    /// How oncalld proves there who it is.
    pub credentials: Option<Credentials>,
    /// How long an answer may take.
    pub timeout: TimeSpan,
}

/// What is declared of a service. A process environment starts what has an `argv`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceConfig {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Environment variables as they should be. Values may be secrets, so none is ever shown.
    pub environment: BTreeMap<String, Secret>,
    /// Folder that it runs in.
    pub working_dir: Option<PathBuf>,
    /// What to do when it ends.
    pub restart: RestartPolicy,
    /// Memory that it may use.
    pub memory: Option<ByteSize>,
    /// How many of it.
    pub replicas: u32,
    /// File that takes its output; by default one in the data folder.
    pub log_file: Option<PathBuf>,
    /// Services that it needs.
    pub depends_on: Vec<String>,
    /// Health endpoint: `http://…`, `https://…` or `tcp://host:port`.
    pub health: Option<String>,
    /// `host:port` where it serves.
    pub address: Option<String>,
    /// A one-shot job, which may end with 0.
    pub job: bool,
    /// Nothing may be done to it.
    pub protected: bool,
    /// Other names that labels use for it.
    pub aliases: Vec<String>,
    /// Paths inside it whose content may be deleted.
    pub clearable: Vec<String>,
    /// Paths inside it whose owner may be changed.
    pub ownable: Vec<String>,
    /// The data store that it is.
    pub data_store: Option<DataStore>,
    /// Image, for comparison with what runs.
    pub image: Option<String>,
    /// How long it may take until it is ready.
    pub ready_after: TimeSpan,
}

/// What to do when a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Nothing.
    No,
    /// Start it again.
    Always,
    /// Start it again unless a person stopped it.
    UnlessStopped,
    /// Start it again after a failure, at most so often in a row; 0 is without end.
    OnFailure(u32),
}

/// Data stores whose own clients oncalld knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataStore {
    /// Redis.
    Redis,
    /// PostgreSQL.
    Postgresql,
}

impl DataStore {
    /// As in configuration and in native calls.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgresql => "postgresql",
        }
    }
}

//! What a user declares of a service, and what an environment is made of.

use super::connect::Connection;
use crate::config::{EnvironmentConfig, Secret, ServiceConfig};
use crate::domain::{ByteSize, Redactor, TimeSpan};
use crate::execute::{comparison::Configuration, restore::RestoreStore};
use std::collections::{BTreeMap, BTreeSet};

/// What `environments.yml` says of one service. Everything may be left out: most is known from the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeclaredService {
    /// Names of services that it needs.
    pub depends_on: Vec<String>,
    /// Endpoint that tells whether it works: `http://…` or `tcp://…`.
    pub health: Option<String>,
    /// Where it can be reached from here, `host:port`.
    pub address: Option<String>,
    /// Image that it should run.
    pub image: Option<String>,
    /// Program and arguments that it should run; empty if not said.
    pub command: Vec<String>,
    /// Variables that it should have, with their values.
    pub environment: BTreeMap<String, String>,
    /// Memory that it should be limited to.
    pub memory: Option<ByteSize>,
    /// Paths whose content may be deleted.
    pub clearable: Vec<String>,
    /// Paths whose owner may be changed.
    pub ownable: Vec<String>,
    /// It ends by itself, which is no fault.
    pub job: bool,
    /// Nothing may be done to it unless policy names it.
    pub protected: bool,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// Up for this long counts as ready where nothing checks its health.
    pub ready_after: Option<TimeSpan>,
}

impl From<&ServiceConfig> for DeclaredService {
    fn from(service: &ServiceConfig) -> Self {
        let exposed = |(name, value): (&String, &Secret)| (name.clone(), value.expose().to_owned());
        Self {
            depends_on: service.depends_on.clone(),
            health: service.health.clone(),
            address: service.address.clone(),
            image: service.image.clone(),
            command: service.argv.clone(),
            environment: service.environment.iter().map(exposed).collect(),
            memory: service.memory,
            clearable: service.clearable.clone(),
            ownable: service.ownable.clone(),
            job: service.job,
            protected: service.protected,
            aliases: service.aliases.clone(),
            ready_after: Some(service.ready_after),
        }
    }
}

impl DockerConfig {
    /// Of what `environments.yml` says of an environment.
    pub fn of(
        environment: &EnvironmentConfig,
        store: RestoreStore,
        redactor: Redactor,
        protected: Vec<String>,
    ) -> Self {
        Self {
            name: environment.name.clone(),
            connection: Connection {
                host: environment.docker.host.clone(),
                certificates: environment.docker.certificates.clone(),
            },
            services: environment.services.iter().map(|(name, service)| (name.clone(), service.into())).collect(),
            read_only_commands: environment.read_only_commands.clone(),
            store,
            redactor,
            protected,
            refresh_every: environment.inventory_every,
        }
    }
}

impl DeclaredService {
    /// What comparisons look at; none where nothing of it is declared.
    pub(super) fn configuration(&self) -> Option<Configuration> {
        let memory = self.memory.and_then(|size| i64::try_from(size.0).ok());
        let configuration = Configuration {
            environment: self.environment.clone(),
            command: self.command.clone(),
            image: self.image.clone().unwrap_or_default(),
            limits: memory.map(|memory| ("memory".to_owned(), memory)).into_iter().collect(),
            networks: BTreeSet::new(),
            ports: BTreeSet::new(),
        };
        (configuration != Configuration::default()).then_some(configuration)
    }
}

/// What a Docker environment is made of.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// Its name.
    pub name: String,
    /// Its engine.
    pub connection: Connection,
    /// Declared services by name.
    pub services: BTreeMap<String, DeclaredService>,
    /// Commands that only read, as [`crate::execute::allow`] understands them.
    pub read_only_commands: Vec<Vec<String>>,
    /// Where configurations are kept.
    pub store: RestoreStore,
    /// Hides values.
    pub redactor: Redactor,
    /// Further names of containers, services or images that nothing may be done to unless policy names them.
    pub protected: Vec<String>,
    /// How often configurations are looked at; events make it look sooner.
    pub refresh_every: TimeSpan,
}

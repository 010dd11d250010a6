//! The configured environments, built: where services run, and what else their calls need.

use super::AppError;
use super::keeping::Keeping;
use crate::config::{Config, EnvironmentConfig, KindSetting};
use crate::domain::{EnvironmentKind, Inventories, Redactor};
use crate::engine::{Equipment, Place, Places};
use crate::execute::{
    Environment, Executor,
    alertmanager::Alertmanager,
    docker::{self, BuildError, DockerConfig, DockerEnvironment},
    process::{ProcessConfig, ProcessEnvironment},
    prometheus::Prometheus,
    restore::RestoreStore,
};
use crate::llm;
use crate::notify::{self, Notifier, NotifyExecutor};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// How long the first reading of a new environment may hold a reload up: its engine answers in milliseconds or is away.
const FIRST: Duration = Duration::from_secs(2);

/// The environments that were built, by name, and what every one of them is built with.
pub(super) struct Sites {
    store: RestoreStore,
    salt: String,
    /// Every secret that a configuration ever had in this run: evidence may show an old one.
    secrets: BTreeSet<String>,
    /// Also those that are not configured any more: what still works there shares its records with what comes back.
    built: BTreeMap<String, Site>,
    /// Those that are configured.
    in_force: BTreeSet<String>,
}

/// One environment, as it was built last.
#[derive(Clone)]
struct Site {
    setting: EnvironmentConfig,
    base: Base,
}

/// An environment whose kind is settled.
#[derive(Clone)]
enum Base {
    Docker(DockerEnvironment),
    Process(ProcessEnvironment),
}

/// What a configuration makes of the environments; nothing of it is in force or runs yet.
pub(super) struct Prepared {
    /// What the engine is given.
    pub equipment: Equipment,
    /// Environments that are new, or others than before, with the tasks that keep them.
    pub fresh: Vec<Fresh>,
    sites: BTreeMap<String, Site>,
    secrets: BTreeSet<String>,
}

/// An environment that is to begin.
pub(super) struct Fresh {
    pub name: String,
    base: Base,
    pub keeping: Keeping,
}

impl Sites {
    pub fn new(store: RestoreStore, salt: String) -> Self {
        Self { store, salt, secrets: BTreeSet::new(), built: BTreeMap::new(), in_force: BTreeSet::new() }
    }

    /// Builds what is new or another than before. Everything that can be wrong is found here, before anything changes.
    pub async fn prepare(&self, config: &Config) -> Result<Prepared, AppError> {
        let channels = config.platform.channels.iter();
        let notifiers: Vec<Arc<dyn Notifier>> =
            channels.map(notify::build).collect::<Result<_, _>>().map_err(AppError::Channel)?;
        let secrets: BTreeSet<String> = self.secrets.iter().cloned().chain(config.secrets()).collect();
        let redactor = Redactor::new(secrets.iter().cloned(), self.salt.as_str());
        let (mut places, mut sites, mut fresh) = (Places::new(), BTreeMap::new(), Vec::new());
        for (name, setting) in &config.environments {
            let failed = |problem: String| AppError::Environment { environment: name.clone(), problem };
            let before = self.built.get(name);
            let as_before =
                |site: &&Site| self.in_force.contains(name) && same(&site.setting, setting) && secrets == self.secrets;
            let site = match before.filter(as_before) {
                Some(site) => Site { setting: setting.clone(), base: site.base.clone() },
                None => {
                    let (base, keeping) = self.settled(config, setting, before, &redactor).await.map_err(failed)?;
                    fresh.push(Fresh { name: name.clone(), base: base.clone(), keeping });
                    Site { setting: setting.clone(), base }
                }
            };
            places.insert(name.clone(), place(name, &site, &notifiers).map_err(failed)?);
            sites.insert(name.clone(), site);
        }
        let models = Arc::new(llm::chains(&config.agents).map_err(AppError::Model)?);
        Ok(Prepared { equipment: Equipment { places, notifiers, models, redactor }, fresh, sites, secrets })
    }

    /// Remembers what is in force now. Environments that are gone stay known.
    fn commit(&mut self, sites: BTreeMap<String, Site>, secrets: BTreeSet<String>) {
        self.in_force = sites.keys().cloned().collect();
        self.built.extend(sites);
        self.secrets = secrets;
    }

    /// Says what goes on in an environment that is not configured any more.
    pub async fn leave(&self, name: &str) {
        tracing::warn!(environment = name, "it is not configured any more: nothing is read or done there");
        if let Some(Site { base: Base::Process(process), .. }) = self.built.get(name) {
            process.leave().await;
        }
    }

    /// Builds an environment. `auto` is Docker where its engine answers now, else processes; once settled it stays so.
    async fn settled(
        &self,
        config: &Config,
        setting: &EnvironmentConfig,
        before: Option<&Site>,
        redactor: &Redactor,
    ) -> Result<(Base, Keeping), String> {
        let auto = setting.kind == KindSetting::Auto;
        let known = before.filter(|site| site.setting.kind == setting.kind).map(|site| &site.base);
        let is_process = setting.kind == KindSetting::Fixed(EnvironmentKind::Process)
            || auto && matches!(known, Some(Base::Process(_)));
        if !is_process {
            let settings = DockerConfig::of(setting, self.store.clone(), redactor.clone(), Vec::new());
            let built = match before.map(|site| &site.base) {
                Some(Base::Docker(docker)) => docker.renewed(settings),
                _ => docker::build(settings).await,
            };
            match built {
                Ok((docker, watcher)) if !auto || known.is_some() || docker.answers().await => {
                    return Ok((Base::Docker(docker), Keeping::Docker(watcher)));
                }
                Ok(_) => {}
                // An address that cannot be used is no Docker: what was asked for is whatever is here.
                Err(error @ BuildError::Connect { .. }) if auto && known.is_none() => {
                    tracing::warn!(%error, "Docker cannot be used here, so the environment runs processes");
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        let settings = ProcessConfig::of(setting, &config.platform.data_dir, self.store.clone());
        let settings = settings.map_err(|error| error.to_string())?;
        let before = before.and_then(|site| match &site.base {
            Base::Process(process) => Some(process),
            Base::Docker(_) => None,
        });
        let process = ProcessEnvironment::prepare(settings, before).map_err(|error| error.to_string())?;
        let task = process.task();
        Ok((Base::Process(process), Keeping::Process(task)))
    }
}

impl Prepared {
    /// What is seen in the environments that are new or others than before, so that the next alert finds its target.
    pub async fn look(&self) -> Inventories {
        let readings = self.fresh.iter().map(|fresh| async {
            let place = self.equipment.places.get(&fresh.name)?;
            let read = tokio::time::timeout(FIRST, place.environment.inventory()).await;
            let mut inventory = read.ok()?.ok()?;
            inventory.read_at.get_or_insert_with(chrono::Utc::now);
            Some((fresh.name.clone(), inventory))
        });
        let mut seen: Inventories = join_all(readings).await.into_iter().flatten().collect();
        for fresh in &self.fresh {
            seen.entry(fresh.name.clone()).or_default(); // what was seen before is not what is there now
        }
        seen
    }

    /// Takes it apart: what the engine is given, what is to begin, and what is to be remembered.
    pub fn apart(self) -> (Equipment, Vec<Fresh>, impl FnOnce(&mut Sites)) {
        let Self { equipment, fresh, sites, secrets } = self;
        (equipment, fresh, move |all: &mut Sites| all.commit(sites, secrets))
    }
}

impl Fresh {
    /// Starts and adopts what should run there.
    pub async fn begin(&self) {
        let kind = self.base.kind();
        tracing::info!(environment = self.name, %kind, "environment");
        if let Base::Process(process) = &self.base {
            process.begin().await;
        }
    }
}

impl Base {
    fn kind(&self) -> EnvironmentKind {
        match self {
            Self::Docker(_) => EnvironmentKind::Docker,
            Self::Process(_) => EnvironmentKind::Process,
        }
    }

    fn environment(&self) -> Arc<dyn Environment> {
        match self {
            Self::Docker(docker) => Arc::new(docker.clone()),
            Self::Process(process) => Arc::new(process.clone()),
        }
    }
}

/// Whether an environment is built the same. How alerts are matched and what may be done are read where they matter.
fn same(one: &EnvironmentConfig, other: &EnvironmentConfig) -> bool {
    let built = |setting: &EnvironmentConfig| EnvironmentConfig {
        autonomy: other.autonomy,
        matches: Vec::new(),
        prometheus: None,
        alertmanager: None,
        ..setting.clone()
    };
    built(one) == built(other)
}

fn place(name: &str, site: &Site, notifiers: &[Arc<dyn Notifier>]) -> Result<Place, String> {
    let (mut executors, alertmanager) = queried(&site.setting)?;
    executors.push(Arc::new(NotifyExecutor::new(name, notifiers.iter().cloned())));
    Ok(Place {
        kind: site.base.kind(),
        environment: site.base.environment(),
        executors,
        alertmanager,
        inventory_every: site.setting.inventory_every.as_std(),
    })
}

/// Executors of what is only queried, and the Alertmanager among them.
type Queried = (Vec<Arc<dyn Executor>>, Option<Arc<Alertmanager>>);

/// What the environment's calls may need besides: its Prometheus and its Alertmanager.
fn queried(environment: &EnvironmentConfig) -> Result<Queried, String> {
    let mut executors: Vec<Arc<dyn Executor>> = Vec::new();
    if let Some(endpoint) = &environment.prometheus {
        executors.push(Arc::new(Prometheus::new(&endpoint.url, endpoint.credentials.as_ref(), endpoint.timeout)?));
    }
    let alertmanager = match &environment.alertmanager {
        Some(endpoint) => {
            let built = Arc::new(Alertmanager::new(&endpoint.url, endpoint.credentials.as_ref(), endpoint.timeout)?);
            executors.push(built.clone());
            Some(built)
        }
        None => None,
    };
    Ok((executors, alertmanager))
}

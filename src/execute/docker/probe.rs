//! How far a composite call got, told by the names that it gives. A simple call's own operation knows better.

use super::{DockerEnvironment, error::Answer, observed::present, snapshot::LABEL_KEY};
use crate::domain::ActCall;
use crate::execute::Probed;

impl DockerEnvironment {
    pub(super) async fn how_far(&self, call: &ActCall) -> Answer<Option<Probed>> {
        Ok(match call {
            ActCall::ContainerRecreate { container, key, .. } => Some(self.recreated(container, key).await?),
            ActCall::ContainerRestore { container, key } => Some(self.restored(container, key).await?),
            ActCall::ContainerScale { service, replicas, key } => Some(self.scaled(service, *replicas, key).await?),
            _ => None,
        })
    }

    async fn recreated(&self, container: &str, key: &str) -> Answer<Probed> {
        let aside = self.find_kept(container, key).await?;
        let made = match &aside {
            Some((_, kept)) => present(self.shared.engine.inspect(&kept.name).await)?,
            None => self.find_made(container, key).await?,
        };
        let made = made.filter(|made| made.label(LABEL_KEY) == Some(key));
        let started = made.as_ref().is_some_and(|made| made.started_at().is_some());
        if started {
            return Ok(Probed::Happened);
        }
        let Some((id, kept)) = aside else {
            return Ok(match made {
                Some(_) => Probed::Unknown("the new container was created and not started".into()),
                None => Probed::NotHappened,
            });
        };
        let old = present(self.shared.engine.inspect(&id).await)?;
        let untouched = old.as_ref().is_some_and(|old| {
            old.name() == kept.name && old.restart_policy().0 == kept.policy && old.is_running() == kept.was_running
        });
        if untouched && made.is_none() {
            return Ok(Probed::NotHappened); // noted, and nothing more
        }
        Ok(Probed::Unknown(format!(
            "the old container is {}, the new one {}",
            old.map_or_else(|| "gone".to_owned(), |old| format!("named {} and {}", old.name(), old.state())),
            made.map_or_else(|| "does not exist".to_owned(), |made| format!("is {}", made.state()))
        )))
    }

    async fn restored(&self, container: &str, key: &str) -> Answer<Probed> {
        let Some((id, kept)) = self.find_kept(container, key).await? else {
            // The note is dropped last; what is left of the recreation tells whether there was anything to restore.
            return Ok(match self.find_made(container, key).await? {
                Some(_) => Probed::NotHappened,
                None => Probed::Happened,
            });
        };
        let old = present(self.shared.engine.inspect(&id).await)?;
        let other = present(self.shared.engine.inspect(&kept.name).await)?.filter(|other| other.id() != id);
        let aside = old.as_ref().is_some_and(|old| old.name() == format!("{}-{key}", kept.name));
        if aside && other.as_ref().is_some_and(|other| other.is_running() && other.label(LABEL_KEY) == Some(key)) {
            return Ok(Probed::NotHappened);
        }
        Ok(Probed::Unknown(format!(
            "the old container is {}, and {} {}",
            old.map_or_else(|| "gone".to_owned(), |old| format!("named {} and {}", old.name(), old.state())),
            kept.name,
            other.map_or_else(|| "is nobody else".to_owned(), |other| format!("is another one, {}", other.state()))
        )))
    }

    async fn scaled(&self, service: &str, replicas: i64, key: &str) -> Answer<Probed> {
        let members = self.in_order(service).await?;
        let touched = members.iter().any(|container| container.label(LABEL_KEY) == Some(key))
            || self.shared.snapshots.lock().await.kept().values().any(|kept| kept.scaled && kept.key == key);
        let running = members.iter().filter(|container| container.is_running()).count();
        Ok(if usize::try_from(replicas) == Ok(members.len()) && running == members.len() {
            Probed::Happened
        } else if !touched {
            Probed::NotHappened
        } else {
            Probed::Unknown(format!("{service} has {} containers, {running} of them running", members.len()))
        })
    }
}

//! Exchanging two containers under one name, and the way back.
//!
//! ```text
//! note ─► old: policy no, renamed <name>-<key> ─► new: created as <name> ─► old: stopped ─► new: started
//! ```
//!
//! The note in the restore store comes first, so that the way back is known wherever this ends. An answer that says no
//! is followed by that way back at once; no answer at all is left as it is, for a probe to look at.

use super::{
    DockerEnvironment,
    act::acted,
    connect::{DEADLINE, check_name},
    error::{Answer, EngineError, within},
    inspect::Container,
    observed::present,
    replacement::Made,
    snapshot::{Kept, LABEL_KEY, LABEL_REPLACES},
};
use crate::domain::Values;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder};

impl DockerEnvironment {
    /// Exchanges the old container for one that is made so, or leaves it as it was.
    pub(super) async fn swap(&self, service: &str, old: &Container, key: &str, made: &Made) -> Answer<String> {
        let (policy, retries) = old.restart_policy();
        let kept = Kept {
            service: service.to_owned(),
            key: key.to_owned(),
            name: old.name().to_owned(),
            policy: policy.to_owned(),
            retries,
            was_running: matches!(old.state(), "running" | "paused" | "restarting"),
            scaled: false,
            at: chrono::Utc::now(),
        };
        self.remember(old.id(), kept.clone()).await?;
        let swapped = self.swap_steps(old, &kept, made).await;
        self.or_as_it_was(swapped, old, &kept).await
    }

    /// Takes the way back at once where a step was answered with no. What got no answer at all is left to a probe.
    pub(super) async fn or_as_it_was<T>(&self, done: Answer<T>, old: &Container, kept: &Kept) -> Answer<T> {
        match done {
            Ok(done) => Ok(done),
            Err(error @ (EngineError::Broken(_) | EngineError::Unreadable(_) | EngineError::Partly(_))) => Err(error),
            Err(error) => match self.put_back(old.id(), kept).await {
                Ok(()) => Err(EngineError::declined(format!("{error}; {} is as it was", old.name()))),
                Err(other) => Err(EngineError::Partly(format!("{error}; and putting {} back: {other}", old.name()))),
            },
        }
    }

    /// Removes what was created and did not start: then nothing was done. What got no answer is left to a probe.
    pub(super) async fn without(&self, id: &str, name: &str, error: EngineError) -> EngineError {
        if matches!(error, EngineError::Broken(_) | EngineError::Unreadable(_)) {
            return error;
        }
        match self.remove(id).await {
            Ok(()) => EngineError::declined(format!("{error}; {name} was removed again")),
            Err(other) => EngineError::Partly(format!("{error}; and removing {name} again: {other}")),
        }
    }

    async fn swap_steps(&self, old: &Container, kept: &Kept, made: &Made) -> Answer<String> {
        // What restarts over and over cannot be renamed in between: the engine may find no network of it to rename.
        let loops = old.state() == "restarting" || old.restart_count() > 0;
        if loops {
            self.switch_restarts_off(old, kept).await?;
            self.stop_fully(old).await?;
        }
        self.put_aside_name(old, kept).await?;
        let new = self.shared.engine.create(old.name(), &made.body).await?;
        self.attach(&new, made).await?;
        self.loses_nothing(old.name(), old, &new).await?;
        if !loops {
            self.stop_fully(old).await?;
        }
        self.start(&new).await?;
        Ok(new)
    }

    /// Refuses a container that lacks something of the one that it was made like.
    pub(super) async fn loses_nothing(&self, name: &str, old: &Container, new: &str) -> Answer<()> {
        let lost = self.shared.engine.lost(old.id(), new).await?;
        if lost.is_empty() {
            return Ok(());
        }
        Err(EngineError::declined(format!(
            "{name} would lose {}, which the engine's API cannot carry over; make it by hand",
            lost.join(", ")
        )))
    }

    /// Switches its restart policy off, and renames it.
    pub(super) async fn put_aside_name(&self, old: &Container, kept: &Kept) -> Answer<()> {
        self.switch_restarts_off(old, kept).await?;
        self.rename(old.id(), &format!("{}-{}", kept.name, kept.key)).await
    }

    async fn switch_restarts_off(&self, old: &Container, kept: &Kept) -> Answer<()> {
        // One that was stopped by request is not restarted either, before the machine is.
        if kept.policy == "no" || !self.shared.engine.dialect().await?.can_update() {
            return Ok(());
        }
        self.set_policy(old.id(), "no", 0).await
    }

    /// Attaches a container that does not run yet to its further networks.
    pub(super) async fn attach(&self, id: &str, made: &Made) -> Answer<()> {
        for (network, settings) in &made.networks {
            self.join(id, network, settings.clone()).await?;
        }
        Ok(())
    }

    /// Stops a container in its own time, thawing it first: what is frozen cannot obey.
    pub(super) async fn stop_fully(&self, old: &Container) -> Answer<()> {
        if old.state() == "paused" {
            let docker = self.shared.engine.docker()?;
            within(DEADLINE, docker.unpause_container(old.id())).await?;
        }
        self.stop(old.id(), old.stop_timeout()).await
    }

    /// The way back: whatever has the name goes, and the old container has it again.
    pub(super) async fn put_back(&self, old: &str, kept: &Kept) -> Answer<()> {
        let mut begun = false;
        self.put_back_steps(old, kept, &mut begun).await.map_err(|error| error.after_others(begun))
    }

    /// `begun` is set once anything was changed.
    async fn put_back_steps(&self, old: &str, kept: &Kept, begun: &mut bool) -> Answer<()> {
        if let Some(other) = present(self.shared.engine.inspect(&kept.name).await)?
            && other.id() != old
        {
            if other.label(LABEL_KEY) != Some(kept.key.as_str()) {
                return Err(EngineError::declined(format!(
                    "{} is now a container that this recreation did not make; put the old one back by hand",
                    kept.name
                )));
            }
            if other.is_running() {
                self.stop_fully(&other).await?;
                *begun = true;
            }
            self.remove(other.id()).await?;
            *begun = true;
        }
        let now = self.container(old).await?;
        if now.name() != kept.name {
            self.rename(old, &kept.name).await?;
            *begun = true;
        }
        if now.restart_policy().0 != kept.policy {
            self.set_policy(old, &kept.policy, kept.retries).await?;
            *begun = true;
        }
        if kept.was_running {
            self.start(old).await?;
        }
        self.unremember(old).await
    }

    /// `container.restore`.
    pub(super) async fn restore(&self, container: &str, key: &str) -> Answer<Values> {
        check_name(key)?;
        if let Some((id, kept)) = self.find_kept(container, key).await? {
            self.put_back(&id, &kept).await?;
            return Ok(acted(true, &format!("{} is the old container again", kept.name), &id));
        }
        // Nothing was put aside, because nothing was there: then what was made goes.
        match self.find_made(container, key).await? {
            Some(made) if made.label(LABEL_REPLACES) == Some("") => {
                let ran = made.is_running();
                if ran {
                    self.stop_fully(&made).await?;
                }
                self.remove(made.id()).await.map_err(|error| error.after_others(ran))?;
                Ok(acted(true, &format!("{} is gone again", made.name()), ""))
            }
            _ => Err(EngineError::declined(format!("no container was put aside for {container} under {key}"))),
        }
    }

    /// The container put aside for another, which is named by its id, or by the name that it had.
    pub(super) async fn find_kept(&self, container: &str, key: &str) -> Answer<Option<(String, Kept)>> {
        let snapshots = self.shared.snapshots.lock().await;
        let mut all = snapshots.kept().iter().filter(|(_, kept)| kept.key == key);
        let found = all.find(|(id, kept)| id.starts_with(container) || kept.name == container);
        Ok(found.map(|(id, kept)| (id.clone(), kept.clone())))
    }

    /// The container that a recreation made where there was none.
    pub(super) async fn find_made(&self, service: &str, key: &str) -> Answer<Option<Container>> {
        let name = self.last_good(service).await?.map_or_else(|| service.to_owned(), |(seen, _)| seen.container);
        let found = present(self.shared.engine.inspect(&name).await)?;
        Ok(found.filter(|container| container.label(LABEL_KEY) == Some(key)))
    }

    pub(super) async fn remember(&self, id: &str, kept: Kept) -> Answer<()> {
        let saved = self.shared.snapshots.lock().await.keep(id, kept).await;
        saved.map_err(|error| {
            EngineError::declined(format!("the way back cannot be noted, so nothing was done: {error}"))
        })
    }

    pub(super) async fn unremember(&self, id: &str) -> Answer<()> {
        if let Err(error) = self.shared.snapshots.lock().await.forget(id).await {
            // What is written then names a container that is back in its place: its next recreation writes it anew.
            tracing::warn!(environment = self.shared.config.name, %error, "a note of a container put aside cannot be dropped");
        }
        Ok(())
    }

    pub(super) async fn rename(&self, id: &str, name: &str) -> Answer<()> {
        check_name(name)?;
        let docker = self.shared.engine.docker()?;
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        within(DEADLINE, docker.rename_container(id, options)).await
    }

    /// Removes a container; its volumes stay.
    pub(super) async fn remove(&self, id: &str) -> Answer<()> {
        let docker = self.shared.engine.docker()?;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(false).build();
        match within(DEADLINE, docker.remove_container(id, Some(options))).await {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }
}

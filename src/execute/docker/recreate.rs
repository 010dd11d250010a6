//! Replacing a container by one that differs in what is meant to differ, and putting the old one back.
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
    replacement::{Changes, Made, replacement},
    snapshot::{Kept, LABEL_KEY, LABEL_REPLACES},
};
use crate::domain::{Values, clean_text};
use bollard::query_parameters::{RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The fields of the call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recreate<'a> {
    pub container: &'a str,
    pub key: &'a str,
    pub image: Option<&'a str>,
    pub command_from: Option<&'a str>,
    pub restore: &'a [String],
    pub set: &'a BTreeMap<String, String>,
    pub remove: &'a [String],
    pub from: Option<&'a str>,
}

impl DockerEnvironment {
    /// `container.recreate`.
    pub(super) async fn recreate(&self, wanted: &Recreate<'_>) -> Answer<Values> {
        check_name(wanted.key)?;
        let Some(old) = present(self.shared.engine.inspect(wanted.container).await)? else {
            return self.remake(wanted).await;
        };
        if old.removes_itself() {
            return Err(EngineError::declined(format!(
                "{} removes itself when it stops (--rm), so there would be no way back; recreate it by hand",
                old.name()
            )));
        }
        if self.shared.snapshots.lock().await.kept().contains_key(old.id()) {
            return Err(EngineError::declined(format!("{} was put aside already", old.name())));
        }
        let service = self.service_of(&old).await?;
        let made = self.made(&service, &old, wanted, old.short_id()).await?;
        let lost = self.layer_changes(&old).await?;
        let new = self.swap(&service, &old, wanted.key, &made).await?;
        let detail =
            format!("{} is a new container; the old one is kept as {}-{}{lost}", old.name(), old.name(), wanted.key);
        Ok(acted(true, &detail, &new))
    }

    /// Makes a container that is gone of the last configuration that it worked with.
    async fn remake(&self, wanted: &Recreate<'_>) -> Answer<Values> {
        let service = wanted.container;
        let Some((seen, stored)) = self.last_good(service).await? else {
            return Err(EngineError::declined(format!(
                "there is no container {service}, and no configuration is known that it worked with"
            )));
        };
        let made = self.made(service, &stored, wanted, "").await?;
        let id = self.shared.engine.create(&seen.container, &made.body).await?;
        let started = async {
            self.attach(&id, &made).await?;
            self.start(&id).await
        };
        if let Err(error) = started.await {
            return Err(self.without(&id, &seen.container, error).await);
        }
        let detail = format!("{} was made again as it was when it last worked", seen.container);
        Ok(acted(true, &detail, &id))
    }

    pub(super) async fn last_good(&self, service: &str) -> Answer<Option<(super::snapshot::Seen, Container)>> {
        let snapshots = self.shared.snapshots.lock().await;
        let unreadable = |error: std::io::Error| EngineError::declined(format!("the last good configuration: {error}"));
        snapshots.last_good(service).await.map_err(unreadable)
    }

    /// The new container's configuration. Everything that could be wrong with it is found here, before anything is done.
    async fn made(&self, service: &str, old: &Container, wanted: &Recreate<'_>, replaces: &str) -> Answer<Made> {
        let good = self.last_good(service).await?.map(|(_, container)| container);
        let mut set = wanted.set.clone();
        for name in wanted.restore {
            set.insert(name.clone(), self.value(service, good.as_ref(), wanted.from, name)?);
        }
        if let Some(name) = set.keys().chain(wanted.remove).find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(EngineError::declined(format!("'{}' is not the name of a variable", name.escape_debug())));
        }
        let (image, old_defaults) = self.image_for(old, wanted.image).await?;
        let command = self.command(service, good.as_ref(), wanted.command_from)?;
        let (policy, retries) = old.restart_policy();
        let changes = Changes {
            image,
            old_defaults,
            command,
            set,
            remove: wanted.remove.to_vec(),
            key: wanted.key.to_owned(),
            replaces: replaces.to_owned(),
            policy: Some((policy.to_owned(), retries)),
            further: None,
        };
        Ok(replacement(old, &changes))
    }

    /// The value of a variable that is to be restored.
    fn value(&self, service: &str, good: Option<&Container>, from: Option<&str>, name: &str) -> Answer<String> {
        let declared = || self.declared(service).and_then(|facts| facts.environment.get(name).cloned());
        let last_good = || good.and_then(|container| container.environment().remove(name));
        let found = match from {
            Some("declared") => declared(),
            Some("last_good") => last_good(),
            None => declared().or_else(last_good),
            Some(other) => return Err(EngineError::declined(format!("'{other}' is not declared or last_good"))),
        };
        found.ok_or_else(|| {
            EngineError::declined(format!(
                "no value of {name} is known: it is not in the {} configuration of {service}; set it by hand",
                from.unwrap_or("declared or last good")
            ))
        })
    }

    fn command(&self, service: &str, good: Option<&Container>, from: Option<&str>) -> Answer<Option<(Value, Value)>> {
        let declared =
            || self.declared(service).map(|facts| facts.command.clone()).filter(|command| !command.is_empty());
        match from {
            None => Ok(None),
            Some("declared") => match declared() {
                Some(command) => Ok(Some((json!(command[..1]), json!(command[1..])))),
                None => Err(EngineError::declined(format!("no command is declared of {service}"))),
            },
            Some("last_good") => match good {
                Some(container) => {
                    Ok(Some((container.config()["Entrypoint"].clone(), container.config()["Cmd"].clone())))
                }
                None => Err(EngineError::declined(format!("no configuration is known that {service} worked with"))),
            },
            Some(other) => Err(EngineError::declined(format!("'{other}' is not declared or last_good"))),
        }
    }

    /// The image to use, and what the old one gave to the configuration if it is another.
    pub(super) async fn image_for(&self, old: &Container, wanted: Option<&str>) -> Answer<(String, Option<Value>)> {
        let Some(reference) = wanted.filter(|reference| !reference.is_empty()) else {
            // The tag may have moved on since: then the image itself is named.
            let same = self.local_image(old.image()).await?.is_some_and(|image| image["Id"] == old.image_id());
            return Ok((if same { old.image() } else { old.image_id() }.to_owned(), None));
        };
        let Some(new) = self.local_image(reference).await? else {
            return Err(EngineError::declined(format!(
                "the engine has no image {}; pull it first",
                reference.escape_debug()
            )));
        };
        if new["Id"] == old.image_id() {
            return Ok((reference.to_owned(), None));
        }
        let defaults = self.local_image(old.image_id()).await?.map(|image| image["Config"].clone());
        Ok((reference.to_owned(), Some(defaults.unwrap_or_default())))
    }

    /// What the container changed in its own files, which the new one will not have.
    async fn layer_changes(&self, old: &Container) -> Answer<String> {
        let docker = self.shared.engine.docker()?;
        let changes = within(DEADLINE, docker.container_changes(old.id())).await?.unwrap_or_default();
        let mounted = |path: &str| super::paths::mount_of(old, path).is_some();
        let paths: Vec<&str> =
            changes.iter().map(|change| change.path.as_str()).filter(|path| !mounted(path)).collect();
        // A folder is listed with what changed in it: the innermost say it all.
        let within_folder =
            |path: &str| paths.iter().any(|other| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
        let inner: Vec<&str> = paths.iter().copied().filter(|path| !within_folder(path)).collect();
        if inner.is_empty() {
            return Ok(String::new());
        }
        let shown = inner.iter().take(10).copied().collect::<Vec<_>>().join(", ");
        let more = inner.len().saturating_sub(10);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Ok(clean_text(&format!("; only the old one has its changes in {shown}{more}"), 1_000))
    }

    async fn swap(&self, service: &str, old: &Container, key: &str, made: &Made) -> Answer<String> {
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
        if !loops {
            self.stop_fully(old).await?;
        }
        self.start(&new).await?;
        Ok(new)
    }

    /// Switches its restart policy off, and renames it.
    pub(super) async fn put_aside_name(&self, old: &Container, kept: &Kept) -> Answer<()> {
        self.switch_restarts_off(old, kept).await?;
        self.rename(old.id(), &format!("{}-{}", kept.name, kept.key)).await
    }

    async fn switch_restarts_off(&self, old: &Container, kept: &Kept) -> Answer<()> {
        if kept.policy == "no" {
            return Ok(());
        }
        match self.set_policy(old.id(), "no", 0).await {
            // Podman's API cannot; a container that was stopped by request does not restart there either.
            Err(EngineError::Refused { status: 404 | 405, .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
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
            match self.set_policy(old, &kept.policy, kept.retries).await {
                Err(EngineError::Refused { status: 404 | 405, .. }) | Ok(()) => *begun = true,
                Err(error) => return Err(error),
            }
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

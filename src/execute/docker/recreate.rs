//! What a container is replaced by, where something is meant to differ: everything that could be wrong with it is found
//! before anything is done.

use super::{
    DockerEnvironment,
    act::acted,
    connect::check_name,
    error::{Answer, EngineError},
    inspect::Container,
    observed::present,
    replacement::{Changes, Made, replacement},
};
use crate::domain::{Values, clean_text};
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
        if let Some(why) = self.shared.engine.dialect().await?.cannot_remake(service) {
            return Err(EngineError::declined(why));
        }
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
        let changes = self.shared.engine.changes(old.id()).await?;
        let mounted = |path: &str| super::paths::mount_of(old, path).is_some();
        let paths: Vec<&str> = changes.iter().map(String::as_str).filter(|path| !mounted(path)).collect();
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
}

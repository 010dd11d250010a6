//! A service's configuration against what is declared, or against the last one that worked. Values never leave.

use super::{
    DockerEnvironment,
    error::{Answer, EngineError},
    files,
    inspect::Container,
    snapshot::digest,
};
use crate::domain::{Timestamp, Values};
use crate::execute::comparison::{Configuration, Difference, Source, compare};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl DockerEnvironment {
    /// The result of `container.config`.
    pub(super) async fn configuration(&self, ids: &[String], service: &str) -> Answer<Values> {
        let containers = self.some(ids).await?;
        let container = containers.first();
        let (good, changed_at) = self.good_configuration(service).await?;
        let good_at = good.as_ref().map(|(at, _)| *at);
        let now = container.map(Container::configuration).unwrap_or_default();
        let declared = self.declared(service).and_then(|facts| facts.configuration());
        let good = good.map(|(_, configuration)| configuration);
        let (source, difference) = match container {
            Some(_) => against(&now, declared.as_ref(), good.as_ref()),
            None => (Source::Nothing, Difference::default()),
        };
        let environment: BTreeMap<&String, String> = now
            .environment
            .iter()
            .map(|(name, value)| (name, self.shared.config.redactor.placeholder(value)))
            .collect();
        let mounts = match container {
            Some(container) => self.mounts(container).await,
            None => Vec::new(),
        };
        let value = json!({
            "source": source.as_str(),
            "environment": environment,
            "missing": difference.missing,
            "changed": difference.changed,
            "added": difference.added,
            "command": now.command,
            "command_changed": difference.command_changed,
            "image": now.image,
            "image_changed": difference.image_changed,
            "limits_changed": difference.limits_changed,
            "networks_missing": difference.networks_missing,
            "ports_changed": difference.ports_changed,
            "last_good_at": good_at,
            "changed_at": changed_at,
            "config_digest": container.map(|container| digest(container).as_str().to_owned()).unwrap_or_default(),
            "mounts": mounts,
        });
        Ok(value.as_object().cloned().unwrap_or_default())
    }

    async fn good_configuration(
        &self,
        service: &str,
    ) -> Answer<(Option<(Timestamp, Configuration)>, Option<Timestamp>)> {
        let snapshots = self.shared.snapshots.lock().await;
        let unreadable = |error: std::io::Error| EngineError::declined(format!("the last good configuration: {error}"));
        let good = snapshots.last_good(service).await.map_err(unreadable)?;
        let changed_at = snapshots.past(service).and_then(|past| past.changes.last()).map(|change| change.at);
        Ok((good.map(|(seen, container)| (seen.at, container.configuration())), changed_at))
    }

    /// Where it keeps what; with the owner, where that can be seen.
    async fn mounts(&self, container: &Container) -> Vec<Value> {
        let mut mounts = Vec::new();
        for mut mount in container.mounted() {
            let path = mount["path"].as_str().unwrap_or_default().to_owned();
            let owner = match self.inside(container, &path).await {
                Some(place) => {
                    tokio::task::spawn_blocking(move || files::owner(&place)).await.ok().and_then(Result::ok)
                }
                None => None,
            };
            mount["owner"] = json!(owner);
            mounts.push(mount);
        }
        mounts
    }
}

/// What is declared counts first. What it does not speak of is compared with the last good configuration.
fn against(
    now: &Configuration,
    declared: Option<&Configuration>,
    good: Option<&Configuration>,
) -> (Source, Difference) {
    let nothing = Difference::default();
    let by_good = good.map_or(nothing.clone(), |good| compare(now, good, Source::LastGood));
    let Some(wanted) = declared else {
        return (good.map_or(Source::Nothing, |_| Source::LastGood), by_good);
    };
    let by_declared = compare(now, wanted, Source::Declared);
    let speaks_of_variables = !wanted.environment.is_empty();
    let variables = if speaks_of_variables || good.is_none() { &by_declared } else { &by_good };
    let difference = Difference {
        missing: variables.missing.clone(),
        changed: variables.changed.clone(),
        added: variables.added.clone(),
        command_changed: if wanted.command.is_empty() { by_good.command_changed } else { by_declared.command_changed },
        image_changed: if wanted.image.is_empty() { by_good.image_changed } else { by_declared.image_changed },
        limits_changed: if wanted.limits.is_empty() { by_good.limits_changed } else { by_declared.limits_changed },
        networks_missing: by_good.networks_missing,
        ports_changed: by_good.ports_changed,
    };
    let source = if speaks_of_variables || good.is_none() { Source::Declared } else { Source::LastGood };
    (source, difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_counts_first() {
        let with = |variables: &[&str], image: &str| Configuration {
            environment: variables.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect(),
            image: image.to_owned(),
            ..Configuration::default()
        };
        let now = with(&["A"], "v2");
        let good = with(&["A", "B"], "v1");
        let (source, difference) = against(&now, None, Some(&good));
        assert_eq!((source, difference.missing, difference.image_changed), (Source::LastGood, vec!["B".into()], true));
        let (source, difference) = against(&now, Some(&with(&["C"], "v2")), Some(&good));
        assert_eq!((source, difference.missing, difference.image_changed), (Source::Declared, vec!["C".into()], false));
        let (source, difference) = against(&now, Some(&with(&[], "v2")), Some(&good));
        assert_eq!((source, difference.missing, difference.image_changed), (Source::LastGood, vec!["B".into()], false));
        assert_eq!(against(&now, None, None), (Source::Nothing, Difference::default()));
    }
}

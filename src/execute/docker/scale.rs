//! More or fewer containers of a service. Those that are one too many are put aside, not removed.

use super::{
    DockerEnvironment,
    act::acted,
    connect::check_name,
    error::{Answer, EngineError},
    inspect::Container,
    observed::present,
    replacement::{Changes, labels_of_further, replacement},
    snapshot::Kept,
};
use crate::domain::Values;

/// More of one service than this is a mistake of whoever asks.
const MOST: i64 = 100;

impl DockerEnvironment {
    /// `container.scale`.
    pub(super) async fn scale(&self, service: &str, replicas: i64, key: &str) -> Answer<Values> {
        check_name(key)?;
        let wanted = match usize::try_from(replicas) {
            Ok(wanted) if (1..=MOST).contains(&replicas) => wanted,
            _ => {
                return Err(EngineError::declined(format!(
                    "{replicas} is not from 1 to {MOST}; stop a service to have none"
                )));
            }
        };
        let members = self.in_order(service).await?;
        let Some(first) = members.first() else {
            return Err(EngineError::declined(format!("{service} has no container that more could be made like")));
        };
        let had = members.len();
        for (aside, container) in members.iter().skip(wanted).rev().enumerate() {
            self.put_aside(service, container, key).await.map_err(|error| error.after_others(aside > 0))?;
        }
        let mut have = had.min(wanted);
        while have < wanted {
            let more = match self.bring_back(service).await? {
                true => Ok(()),
                false => self.add(service, first, &self.in_order(service).await?, key).await,
            };
            more.map_err(|error| error.after_others(have > had))?;
            have += 1;
        }
        Ok(acted(had != wanted, &format!("{had} before, {wanted} now"), ""))
    }

    /// A service's containers in the order of their numbers.
    pub(super) async fn in_order(&self, service: &str) -> Answer<Vec<Container>> {
        let inventory = self.services().await?;
        let Some(service) = inventory.services.get(service) else {
            return Err(EngineError::Refused { status: 404, message: format!("there is no service {service}") });
        };
        let ids: Vec<String> = service.instances.iter().map(|instance| instance.id.clone()).collect();
        self.some(&ids).await
    }

    async fn put_aside(&self, service: &str, container: &Container, key: &str) -> Answer<()> {
        let (policy, retries) = container.restart_policy();
        let kept = Kept {
            service: service.to_owned(),
            key: key.to_owned(),
            name: container.name().to_owned(),
            policy: policy.to_owned(),
            retries,
            was_running: container.is_running(),
            scaled: true,
            at: chrono::Utc::now(),
        };
        self.remember(container.id(), kept.clone()).await?;
        let aside = async {
            self.put_aside_name(container, &kept).await?;
            self.stop_fully(container).await
        };
        self.or_as_it_was(aside.await, container, &kept).await
    }

    /// Brings one back that was put aside to have fewer; false if there is none.
    async fn bring_back(&self, service: &str) -> Answer<bool> {
        let candidates: Vec<(String, Kept)> = {
            let snapshots = self.shared.snapshots.lock().await;
            let of_service = snapshots.kept().iter().filter(|(_, kept)| kept.scaled && kept.service == service);
            of_service.map(|(id, kept)| (id.clone(), kept.clone())).collect()
        };
        for (id, kept) in candidates {
            let exists = present(self.shared.engine.inspect(&id).await)?.is_some();
            let name_is_free = present(self.shared.engine.inspect(&kept.name).await)?.is_none();
            if !exists {
                self.unremember(&id).await?;
            } else if name_is_free {
                self.put_back(&id, &Kept { was_running: true, ..kept }).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn add(&self, service: &str, first: &Container, all: &[Container], key: &str) -> Answer<()> {
        if let Some((inside, _, port)) = first.bindings().find(|(_, _, port)| !port.is_empty() && *port != "0") {
            return Err(EngineError::declined(format!(
                "{service} publishes its port {inside} as {port}, which only one container of a machine can"
            )));
        }
        let (name, number) = next_name(first, all, key);
        let (image, _) = self.image_for(first, None).await?;
        let (policy, retries) = first.restart_policy();
        let changes = Changes {
            image,
            key: key.to_owned(),
            policy: Some((policy.to_owned(), retries)),
            further: Some(labels_of_further(first, service, number)),
            ..Changes::default()
        };
        let made = replacement(first, &changes);
        let id = self.shared.engine.create(&name, &made.body).await?;
        let started = async {
            self.attach(&id, &made).await?;
            self.loses_nothing(&name, first, &id).await?;
            self.start(&id).await
        };
        match started.await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.without(&id, &name, error).await),
        }
    }
}

/// `shop-api-1` is followed by the next free number; a single container's name is followed by key and number.
fn next_name(first: &Container, all: &[Container], key: &str) -> (String, usize) {
    let numbered = first.name().rfind(['-', '_']).filter(|at| {
        let digits = &first.name()[at + 1..];
        !digits.is_empty() && digits.len() < 6 && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let base = match numbered {
        Some(at) => first.name()[..=at].to_owned(),
        None => format!("{}-{key}-", first.name()),
    };
    let taken = |number: usize| all.iter().any(|container| container.name() == format!("{base}{number}"));
    let number = (all.len() + 1..).find(|number| !taken(*number)).unwrap_or(all.len() + 1);
    (format!("{base}{number}"), number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_go_on_counting() {
        let named = |name: &str| Container::new(json!({"Name": format!("/{name}")}));
        let all = [named("shop-api-1"), named("shop-api-3")];
        assert_eq!(next_name(&all[0], &all, "k"), ("shop-api-4".into(), 4));
        let single = [named("api")];
        assert_eq!(next_name(&single[0], &single, "k"), ("api-k-2".into(), 2));
    }
}

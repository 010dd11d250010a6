//! Images of a service: the one it has, the one it had, and what else changed.

use super::{
    DockerEnvironment,
    connect::{DEADLINE, check_reference},
    error::{Answer, within},
    inspect::{Container, time},
    snapshot::Seen,
};
use crate::domain::Values;
use serde_json::{Value, json};

impl DockerEnvironment {
    /// Whether the engine has an image.
    pub(super) async fn has_image(&self, reference: &str) -> Answer<bool> {
        Ok(self.local_image(reference).await?.is_some())
    }

    /// An image that the engine has.
    pub(super) async fn local_image(&self, reference: &str) -> Answer<Option<Value>> {
        if check_reference(reference).is_err() {
            return Ok(None); // what cannot be a reference is no image
        }
        match self.shared.engine.inspect_image(reference).await {
            Ok(image) => Ok(Some(image)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The result of `container.history`.
    pub(super) async fn history(&self, service: &str) -> Answer<Values> {
        let image_id = self.current_image_id(service).await?;
        let (past, previous) = {
            let snapshots = self.shared.snapshots.lock().await;
            (
                snapshots.past(service).cloned().unwrap_or_default(),
                snapshots.previous_image(service, &image_id).cloned(),
            )
        };
        let changes: Vec<Value> = past
            .changes
            .iter()
            .rev()
            .map(|change| json!({"at": change.at, "what": change.what, "from": change.from, "to": change.to}))
            .collect();
        let (reference, present) = self.previous(previous).await?;
        Ok(Values::from_iter([
            ("changes".to_owned(), json!(changes)),
            ("last_change_at".to_owned(), json!(past.changes.last().map(|change| change.at))),
            (
                "image_changed_at".to_owned(),
                json!(past.changes.iter().rev().find(|change| change.image).map(|change| change.at)),
            ),
            ("previous_image".to_owned(), json!(reference)),
            ("previous_present".to_owned(), json!(present)),
        ]))
    }

    /// The image that the service's containers have now; empty where there are none.
    async fn current_image_id(&self, service: &str) -> Answer<String> {
        let inventory = self.services().await?;
        let Some(service) = inventory.services.get(service) else { return Ok(String::new()) };
        Ok(self.members(service).await?.first().map(|container| container.image_id().to_owned()).unwrap_or_default())
    }

    /// How to name an earlier image so that exactly it is meant: a tag may have moved on.
    async fn previous(&self, seen: Option<Seen>) -> Answer<(String, bool)> {
        let Some(seen) = seen else { return Ok((String::new(), false)) };
        if let Some(image) = self.local_image(&seen.image).await?
            && image["Id"] == seen.image_id
        {
            return Ok((seen.image, true));
        }
        let present = self.has_image(&seen.image_id).await?;
        Ok((if present { seen.image_id } else { seen.image }, present))
    }

    /// The result of `container.image`.
    pub(super) async fn image(&self, ids: &[String], service: &str) -> Answer<Values> {
        let containers = self.some(ids).await?;
        let container = containers.first();
        let declared = self.declared(service).and_then(|facts| facts.image.clone());
        let id = container.map(Container::image_id).unwrap_or_default().to_owned();
        let previous = self.shared.snapshots.lock().await.previous_image(service, &id).cloned();
        let reference = match container {
            Some(container) => container.image().to_owned(),
            None => declared.or_else(|| previous.as_ref().map(|seen| seen.image.clone())).unwrap_or_default(),
        };
        let image = self.local_image(if id.is_empty() { &reference } else { &id }).await?;
        let (previous, previous_present) = self.previous(previous).await?;
        let info = within(DEADLINE, self.shared.engine.docker()?.info()).await?;
        let text = |name: &str| image.as_ref().and_then(|image| image[name].as_str()).unwrap_or_default().to_owned();
        Ok(Values::from_iter([
            ("reference".to_owned(), json!(reference)),
            ("id".to_owned(), json!(if id.is_empty() { text("Id") } else { id })),
            ("present".to_owned(), json!(image.is_some())),
            ("created".to_owned(), json!(time(&text("Created")))),
            ("architecture".to_owned(), json!(architecture(&text("Architecture")))),
            ("host_architecture".to_owned(), json!(architecture(&info.architecture.unwrap_or_default()))),
            ("size".to_owned(), json!(image.as_ref().and_then(|image| image["Size"].as_u64()))),
            ("previous".to_owned(), json!(previous)),
            ("previous_present".to_owned(), json!(previous_present)),
        ]))
    }
}

/// Images are named after Go's architectures, hosts after the kernel's.
fn architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i386" | "i686" => "386",
        other => other,
    }
}

//! Telling people, once: what did not arrive is in the journal, and is tried again until it is of no use any more.

use super::{EffectResult, Job, Runner, fact};
use crate::domain::EventBody;
use crate::flow;
use std::time::Duration;

/// The longest one attempt may take.
const DEADLINE: Duration = Duration::from_secs(15);

impl Runner {
    pub(super) async fn tell(&self, job: &Job, subject: &str, channel: &str) -> EffectResult {
        let error = self.told(job, subject, channel).await.err();
        if let Some(error) = &error {
            tracing::error!(incident = %job.incident.id, channel, subject, error, "people could not be told; trying again");
        }
        fact(EventBody::NotificationFinished { channel: channel.to_owned(), subject: subject.to_owned(), error })
    }

    async fn told(&self, job: &Job, subject: &str, channel: &str) -> Result<(), String> {
        let equipment = self.equipment();
        let found = equipment.notifiers.iter().find(|notifier| notifier.channel() == channel);
        let notifier = found.ok_or("the channel is not configured any more")?;
        let config = self.shared.config();
        let message = flow::message(&job.incident, subject, config.platform.public_url.as_deref());
        match tokio::time::timeout(DEADLINE, notifier.send(&message)).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        }
    }
}

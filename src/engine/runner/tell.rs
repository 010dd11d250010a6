//! Telling people, with retries.

use super::{EffectResult, Job, Runner, fact};
use crate::domain::EventBody;
use crate::flow::{self, backoff};
use std::time::Duration;

/// Attempts at one message through one channel: about half a minute in all. A channel that is away longer shows in
/// `/metrics`, and escalations come again.
const ATTEMPTS: u32 = 4;

/// The longest one attempt may take.
const DEADLINE: Duration = Duration::from_secs(15);

impl Runner {
    pub(super) async fn tell(&self, job: &Job, subject: &str, channel: &str) -> EffectResult {
        let error = self.told(job, subject, channel).await.err();
        if let Some(error) = &error {
            tracing::error!(incident = %job.incident.id, channel, subject, error, "people could not be told");
        }
        fact(EventBody::NotificationFinished { channel: channel.to_owned(), subject: subject.to_owned(), error })
    }

    async fn told(&self, job: &Job, subject: &str, channel: &str) -> Result<(), String> {
        let equipment = self.equipment();
        let found = equipment.notifiers.iter().find(|notifier| notifier.channel() == channel);
        let notifier = found.ok_or("the channel is not configured any more")?;
        let config = self.shared.config();
        let message = flow::message(&job.incident, subject, config.platform.public_url.as_deref());
        let mut attempt = 1;
        loop {
            let sent = tokio::time::timeout(DEADLINE, notifier.send(&message)).await;
            let (problem, transient) = match sent {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => (error.to_string(), error.transient),
                Err(_) => (format!("no answer within {} s", DEADLINE.as_secs()), true),
            };
            if !transient || attempt >= ATTEMPTS {
                return Err(problem);
            }
            tokio::time::sleep(backoff(attempt).as_std()).await;
            attempt += 1;
        }
    }
}

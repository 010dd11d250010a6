//! Telling people.
//!
//! ```text
//! engine ─► Notifier ─┬─ webhook        POST, templated, signed
//!                     └─ alertmanager   an alert of our own through the v2 API
//! notify.send ─► NotifyExecutor ─► Notifier
//! ```

mod alertmanager;
mod executor;
mod webhook;

pub use alertmanager::AlertmanagerNotifier;
pub use executor::NotifyExecutor;
pub use webhook::{KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookNotifier};

pub use crate::domain::Message;

use crate::{
    config::{Channel, ChannelKind, Credentials, Secret},
    domain::TimeSpan,
    execute::endpoint::EndpointError,
};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// How long a channel may take to answer: pages must not wait long for one that hangs.
const TIMEOUT: TimeSpan = TimeSpan::from_secs(10);

/// A channel that could not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel {channel}: {problem}")]
pub struct NotifyError {
    /// The channel.
    pub channel: String,
    /// What went wrong.
    pub problem: String,
    /// Whether trying again may help.
    pub transient: bool,
}

/// Sends messages through one channel.
pub trait Notifier: Send + Sync {
    /// The channel's name.
    fn channel(&self) -> &str;

    /// Sends one message, once: the engine decides on retries.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), NotifyError>>;
}

/// The notifier of a configured channel.
///
/// # Errors
/// The address, the secret or the template cannot be used; says which channel.
pub fn build(channel: &Channel) -> Result<Arc<dyn Notifier>, String> {
    let (name, address) = (channel.name.as_str(), channel.url.as_str());
    Ok(match channel.kind {
        ChannelKind::Webhook => {
            let (template, secret) = (channel.template.as_deref(), channel.secret.as_ref().map(Secret::expose));
            Arc::new(WebhookNotifier::new(name, address, template, secret, TIMEOUT.as_std())?)
        }
        ChannelKind::Alertmanager => {
            let token = channel.secret.clone().map(Credentials::Bearer);
            Arc::new(AlertmanagerNotifier::new(name, address, token.as_ref(), TIMEOUT)?)
        }
    })
}

fn classified(channel: &str, error: &EndpointError) -> NotifyError {
    NotifyError { channel: channel.to_owned(), problem: error.to_string(), transient: error.may_pass() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::IncidentId;

    /// An escalation.
    pub fn message() -> Message {
        Message {
            subject: "escalation:1".into(),
            incident: IncidentId::new("inc_1"),
            environment: "shop".into(),
            service: "api".into(),
            severity: "page".into(),
            title: "api needs a person".into(),
            body: "nobody decided".into(),
            link: Some("http://oncalld/#/incidents/inc_1".into()),
            approval: None,
        }
    }
}

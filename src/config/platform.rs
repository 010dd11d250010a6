//! platform.yml: the daemon itself.

use super::Secret;
use crate::domain::{ByteSize, Digest, SenderKind, TimeSpan};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use core::net::SocketAddr;
use std::path::PathBuf;

/// Addresses, authentication, limits, telemetry, senders and channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    /// Where the API, the page and the webhooks are served.
    pub listen: SocketAddr,
    /// Folder of journal, captured results and restore store.
    pub data_dir: PathBuf,
    /// `sqlite://PATH`.
    pub journal: String,
    /// Address under which people reach the page, for links.
    pub public_url: Option<String>,
    /// Values of `Host` that requests may have, besides the listen address and loopback names.
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` that requests may have, besides those of the allowed hosts.
    pub allowed_origins: Vec<String>,
    /// Who may use the API; none means anybody who reaches the loopback address.
    pub tokens: Vec<TokenConfig>,
    /// Who may send alerts.
    pub senders: Vec<SenderConfig>,
    /// Bounds.
    pub limits: Limits,
    /// Logs.
    pub telemetry: Telemetry,
    /// Where people are told.
    pub channels: Vec<Channel>,
    /// How long captured results and what undo needs are kept.
    pub retention: Retention,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// Who it is: the name in journal and reports.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the token.
    pub hash: Digest,
}

/// What a person may do; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Read everything.
    Viewer,
    /// Start diagnoses, take over, comment, close.
    Responder,
    /// Decide on requests.
    Approver,
    /// Everything: the kill switch, operations by hand.
    Admin,
}

impl Role {
    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Responder, Self::Approver, Self::Admin].into_iter().find(|role| role.as_str() == name)
    }

    /// As in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Responder => "responder",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// A sender of alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct SenderConfig {
    /// Its name.
    pub name: String,
    /// Senders of one group, such as an HA pair, report the same alerts.
    pub group: String,
    /// Which webhook it uses.
    pub kind: SenderKind,
    /// How it proves who it is.
    pub auth: SenderAuth,
    /// Address of its API, for alerts that it left out of a delivery; by default the environment's Alertmanager.
    pub external_url: Option<String>,
    /// How oncalld proves there who it is.
    pub external_auth: Option<Credentials>,
}

/// How oncalld proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
}

impl Credentials {
    /// The token or the password.
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Bearer(secret) | Self::Basic { password: secret, .. } => secret,
        }
    }

    /// The value of the `Authorization` header.
    pub fn header(&self) -> Secret {
        Secret::new(match self {
            Self::Bearer(token) => format!("Bearer {}", token.expose()),
            Self::Basic { user, password } => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
            }
        })
    }
}

/// How a sender proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderAuth {
    /// It does not.
    None,
    /// `Authorization: Bearer`.
    Bearer {
        /// SHA-256 of the token.
        hash: Digest,
    },
    /// `Authorization: Basic`.
    Basic {
        /// User name.
        user: String,
        /// SHA-256 of the password.
        hash: Digest,
    },
    /// Grafana's HMAC-SHA256 signature of the body.
    Hmac {
        /// The shared secret.
        secret: Secret,
    },
}

/// The most that `limits.queue` may be: more would only wait longer than webhook senders do.
pub const LARGEST_QUEUE: usize = 10_000;

/// Bounds on what the daemon takes and does at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request body.
    pub body: ByteSize,
    /// Longest time that a request may take.
    pub request_timeout: TimeSpan,
    /// Requests that may wait for the engine.
    pub queue: usize,
    /// Reading steps that run at once, over all incidents.
    pub concurrent_steps: usize,
    /// Facts of one step in the journal; more is cut.
    pub evidence: ByteSize,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// How lines look.
    pub log: LogFormat,
    /// Which are written: `info`, or a filter such as `oncalld=debug,info`.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// A JSON object a line.
    Json,
}

/// Where people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub kind: ChannelKind,
    /// Address.
    pub url: String,
    /// Body of a webhook, with `{{ title }}` and the like; by default the message as JSON.
    pub template: Option<String>,
    /// Signs webhooks, or authorizes at Alertmanager.
    pub secret: Option<Secret>,
    /// What it is told of.
    pub on: Vec<Notice>,
}

/// How a channel is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// A POST request, signed where a secret is set.
    Webhook,
    /// As an alert, through Alertmanager's v2 API.
    Alertmanager,
}

/// What people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// A decision is needed.
    Approval,
    /// Nobody decides, or nothing helps.
    Escalation,
    /// An incident is closed.
    Closed,
}

/// How long things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Captured results.
    pub blobs: TimeSpan,
    /// What undo needs.
    pub restore: TimeSpan,
}

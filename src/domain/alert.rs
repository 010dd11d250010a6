//! What a sender reported.

use super::{DeliveryId, Digest, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// Which webhook a delivery came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SenderKind {
    /// Prometheus' Alertmanager, webhook payload version 4.
    Alertmanager,
    /// Grafana's alerting, webhook payload version 1.
    Grafana,
}

/// Whether the sender says that the condition holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// The condition holds.
    Firing,
    /// The condition no longer holds, or its series is gone: evidence, not a verdict.
    Resolved,
}

/// One monitored condition as its sender reported it, cleaned of control and invisible characters and capped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Our own hash of the labels; a sender's is not trusted.
    pub fingerprint: Digest,
    /// Firing or resolved.
    pub status: AlertStatus,
    /// The identifying labels.
    pub labels: Labels,
    /// Free text of whoever wrote the rule. Never an argument of anything that mutates.
    pub annotations: Labels,
    /// Start of this episode.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// End of this episode; none while it fires (senders write the year 1).
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// The PromQL expression, where the generator's address carries it.
    pub expression: Option<String>,
}

impl Alert {
    /// The `alertname` label, or "unnamed".
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or("unnamed", String::as_str)
    }

    /// The `severity` label, or "none".
    pub fn severity(&self) -> &str {
        self.labels.get("severity").map_or("none", String::as_str)
    }

    /// The fingerprint that these labels have.
    pub fn fingerprint_of(labels: &Labels) -> Digest {
        Digest::of_json(labels)
    }
}

/// One webhook body that was understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Hash of sender group, alerts' labels, states and starts: a repeat has the same one.
    pub id: DeliveryId,
    /// The configured sender group (an HA pair of Alertmanagers is one).
    pub sender: String,
    /// Which webhook.
    pub kind: SenderKind,
    /// The sender's own group key.
    pub group_key: String,
    /// What was understood.
    pub alerts: Vec<Alert>,
    /// How many alerts the sender left out of the body.
    pub truncated: u64,
}

/// What is known of alerts that a sender left out of a delivery: where to look for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeftOut {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The configured sender group.
    pub sender: String,
    /// Which webhook.
    pub kind: SenderKind,
    /// The sender's own group key.
    pub group_key: String,
    /// How many.
    pub number: u64,
}

impl Delivery {
    /// What it left out, if it did.
    pub fn left_out(&self) -> Option<LeftOut> {
        (self.truncated > 0).then(|| LeftOut {
            delivery: self.id.clone(),
            sender: self.sender.clone(),
            kind: self.kind,
            group_key: self.group_key.clone(),
            number: self.truncated,
        })
    }
}

impl LeftOut {
    /// The delivery that fetched alerts make.
    pub fn brought(&self, alerts: Vec<Alert>) -> Delivery {
        let episodes: std::collections::BTreeSet<_> =
            alerts.iter().map(|alert| (alert.fingerprint.clone(), alert.starts_at)).collect();
        Delivery {
            id: DeliveryId::new(Digest::of_json(&("fetched", &self.sender, &episodes)).as_str()),
            sender: self.sender.clone(),
            kind: self.kind,
            group_key: self.group_key.clone(),
            alerts,
            truncated: 0,
        }
    }
}

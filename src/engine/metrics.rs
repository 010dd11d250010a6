//! Figures about the daemon's own work, in OpenMetrics. Most are counted from durable events, so that they agree with
//! the journal.

use crate::domain::{AlertStatus, ApprovalState, Event, EventBody, Incident, StepOutcome, Verdict};
use crate::journal::JournalGauges;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::{Arc, atomic::Ordering};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    sender: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    operation: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GateLabels {
    decision: &'static str,
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// Seconds from a second to a day: a diagnosis takes seconds, a person may take hours.
const BUCKETS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// All metrics, and the registry that prints them.
pub(super) struct Metrics {
    registry: Registry,
    alerts: Family<AlertLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    rejected: Counter,
    opened: Counter,
    closed: Family<VerdictLabels, Counter>,
    open: Family<StateLabels, Gauge>,
    steps: Family<StepLabels, Counter>,
    gate: Family<GateLabels, Counter>,
    approval_wait: Histogram,
    diagnosis: Histogram,
    resolution: Histogram,
    notifications: Family<ChannelLabels, Counter>,
    queue: Gauge,
    fsyncs: Counter,
    reloads: Family<OutcomeLabels, Counter>,
    reload_successful: Gauge,
    journal: Arc<JournalGauges>,
}

impl Metrics {
    pub(super) fn new(journal: Arc<JournalGauges>) -> Self {
        let mut registry = Registry::with_prefix("oncalld");
        let mut metrics = Self {
            alerts: Family::default(),
            refused: Family::default(),
            rejected: Counter::default(),
            opened: Counter::default(),
            closed: Family::default(),
            open: Family::default(),
            steps: Family::default(),
            gate: Family::default(),
            approval_wait: Histogram::new(BUCKETS),
            diagnosis: Histogram::new(BUCKETS),
            resolution: Histogram::new(BUCKETS),
            notifications: Family::default(),
            queue: Gauge::default(),
            fsyncs: Counter::default(),
            reloads: Family::default(),
            reload_successful: Gauge::default(),
            journal,
            registry: Registry::default(),
        };
        registry.register("alerts", "Alerts made durable, by sender and status", metrics.alerts.clone());
        registry.register("webhooks_refused", "Webhooks refused, by reason", metrics.refused.clone());
        registry.register(
            "alerts_rejected",
            "Alerts that could not be taken out of webhooks that could",
            metrics.rejected.clone(),
        );
        registry.register("incidents_opened", "Incidents opened", metrics.opened.clone());
        registry.register("incidents_closed", "Incidents closed, by verdict", metrics.closed.clone());
        registry.register("incidents_open", "Open incidents, by state", metrics.open.clone());
        registry.register("steps", "Steps ended, by operation and outcome", metrics.steps.clone());
        registry.register("gate_decisions", "Decisions of the gate, by rule", metrics.gate.clone());
        registry.register("approval_wait_seconds", "Time until a person decided", metrics.approval_wait.clone());
        registry.register("time_to_diagnosis_seconds", "From opening to a cause", metrics.diagnosis.clone());
        registry.register("time_to_resolution_seconds", "From opening to closing", metrics.resolution.clone());
        registry.register("notifications", "Messages to people, by outcome", metrics.notifications.clone());
        registry.register("queue_depth", "Appends waiting for the journal", metrics.queue.clone());
        registry.register(
            "journal_fsyncs",
            "Transactions and blobs made durable, an fsync each",
            metrics.fsyncs.clone(),
        );
        registry.register("config_reloads", "Changed configurations, by outcome", metrics.reloads.clone());
        registry.register(
            "config_last_reload_successful",
            "Whether the last changed configuration is in force (1) or was refused (0)",
            metrics.reload_successful.clone(),
        );
        metrics.reload_successful.set(1);
        metrics.registry = registry;
        metrics
    }

    pub(super) fn text(&self) -> String {
        let fsyncs = self.journal.commits() + self.journal.blobs();
        self.fsyncs.inner().store(fsyncs, Ordering::Relaxed);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(super) fn reloaded(&self, successful: bool) {
        let outcome = if successful { "applied" } else { "refused" };
        self.reloads.get_or_create(&OutcomeLabels { outcome }).inc();
        self.reload_successful.set(i64::from(successful));
    }

    pub(super) fn webhook_refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(super) fn alerts_rejected(&self, alerts: usize) {
        self.rejected.inc_by(alerts as u64);
    }

    pub(super) fn queue_depth(&self, depth: usize) {
        self.queue.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    pub(super) fn open_incidents(&self, incidents: &[Arc<Incident>]) {
        self.open.clear();
        for incident in incidents {
            self.open.get_or_create(&StateLabels { state: incident.state.as_str() }).inc();
        }
    }

    /// Counts a durable event; `incident` is what it was before.
    pub(super) fn observe(&self, event: &Event, incident: Option<&Incident>) {
        let since = |start: crate::domain::Timestamp| (event.at - start).as_seconds_f64().max(0.0);
        match &event.body {
            EventBody::AlertsReceived { sender, alerts, .. } => {
                for alert in alerts {
                    let status = if alert.status == AlertStatus::Firing { "firing" } else { "resolved" };
                    self.alerts.get_or_create(&AlertLabels { sender: sender.clone(), status }).inc();
                }
            }
            EventBody::IncidentOpened { .. } => {
                self.opened.inc();
            }
            EventBody::StepFinished { step, outcome, .. } => {
                let operation = incident
                    .and_then(|incident| incident.steps.iter().find(|record| record.step.id == *step))
                    .map_or_else(String::new, |record| record.step.operation.clone());
                let outcome = match outcome {
                    StepOutcome::Succeeded { .. } => "succeeded",
                    StepOutcome::Failed { transient: true, .. } => "retried",
                    StepOutcome::Failed { .. } => "failed",
                    StepOutcome::Skipped { .. } => "skipped",
                };
                self.steps.get_or_create(&StepLabels { operation, outcome }).inc();
            }
            EventBody::GateDecided { decision, rule, .. } => {
                self.gate.get_or_create(&GateLabels { decision: decision.as_str(), rule: rule.clone() }).inc();
            }
            EventBody::ApprovalDecided { approval, .. } => {
                let asked = incident.and_then(|incident| {
                    incident.approvals.iter().find(|a| a.id == *approval && a.state == ApprovalState::Pending)
                });
                if let Some(asked) = asked {
                    self.approval_wait.observe(since(asked.requested_at));
                }
            }
            EventBody::FindingMade { finding } if finding.cause.is_some() => {
                if let Some(incident) = incident.filter(|incident| incident.cause.is_none()) {
                    self.diagnosis.observe(since(incident.opened_at));
                }
            }
            EventBody::IncidentClosed { .. } => {
                if let Some(incident) = incident {
                    let verdict = incident.verdict.map_or("none", Verdict::as_str);
                    self.closed.get_or_create(&VerdictLabels { verdict }).inc();
                    self.resolution.observe(since(incident.opened_at));
                }
            }
            EventBody::NotificationFinished { channel, error, .. } => {
                let outcome = if error.is_none() { "sent" } else { "failed" };
                self.notifications.get_or_create(&ChannelLabels { channel: channel.clone(), outcome }).inc();
            }
            _ => {}
        }
    }
}

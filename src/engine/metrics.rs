//! Figures about the daemon's own work, in OpenMetrics. Most are counted from durable events, so that they agree with
//! the journal.

use super::thinking_metrics::ThinkingMetrics;
use crate::domain::{AlertStatus, ApprovalState, Event, EventBody, Incident, StepId, StepOutcome, Verdict};
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
struct SenderLabels {
    sender: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabels {
    cause: &'static str,
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
    rejected: Family<SenderLabels, Counter>,
    ignored: Family<SenderLabels, Counter>,
    duplicates: Family<SenderLabels, Counter>,
    left_out: Family<OutcomeLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    opened: Counter,
    closed: Family<VerdictLabels, Counter>,
    open: Family<StateLabels, Gauge>,
    steps: Family<StepLabels, Counter>,
    gate: Family<GateLabels, Counter>,
    approval_wait: Family<OutcomeLabels, Histogram>,
    diagnosis: Family<CauseLabels, Histogram>,
    resolution: Histogram,
    notifications: Family<ChannelLabels, Counter>,
    queue: Gauge,
    fsyncs: Counter,
    reloads: Family<OutcomeLabels, Counter>,
    reload_successful: Gauge,
    failures: Counter,
    thinking: ThinkingMetrics,
    journal: Arc<JournalGauges>,
}

impl Metrics {
    pub(super) fn new(journal: Arc<JournalGauges>) -> Self {
        let mut registry = Registry::with_prefix("oncalld");
        let mut metrics = Self {
            alerts: Family::default(),
            rejected: Family::default(),
            ignored: Family::default(),
            duplicates: Family::default(),
            left_out: Family::default(),
            refused: Family::default(),
            opened: Counter::default(),
            closed: Family::default(),
            open: Family::default(),
            steps: Family::default(),
            gate: Family::default(),
            approval_wait: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            diagnosis: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            resolution: Histogram::new(BUCKETS),
            notifications: Family::default(),
            queue: Gauge::default(),
            fsyncs: Counter::default(),
            failures: Counter::default(),
            thinking: ThinkingMetrics::default(),
            reloads: Family::default(),
            reload_successful: Gauge::default(),
            journal,
            registry: Registry::default(),
        };
        metrics.register(&mut registry);
        metrics.reload_successful.set(1);
        metrics.registry = registry;
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        self.thinking.register(registry);
        registry.register("alerts", "Alerts made durable, by sender and status", self.alerts.clone());
        registry.register("alerts_rejected", "Alerts that could not be understood, by sender", self.rejected.clone());
        registry.register("alerts_ignored", "Our own alerts that came back, by sender", self.ignored.clone());
        registry.register("deliveries_duplicate", "Deliveries known already, by sender", self.duplicates.clone());
        let left_out = "Fetchings of alerts that a sender had left out, by outcome";
        registry.register("alerts_left_out_fetched", left_out, self.left_out.clone());
        registry.register("webhooks_refused", "Webhooks refused, by reason", self.refused.clone());
        registry.register("incidents_opened", "Incidents opened", self.opened.clone());
        registry.register("incidents_closed", "Incidents closed, by verdict", self.closed.clone());
        registry.register("incidents_open", "Open incidents, by state", self.open.clone());
        registry.register("steps", "Steps ended, by operation and outcome", self.steps.clone());
        registry.register("gate_decisions", "Decisions of the gate, by rule", self.gate.clone());
        let wait = "Time until a person decided, or until it was too late, by outcome";
        registry.register("approval_wait_seconds", wait, self.approval_wait.clone());
        let diagnosis = "From opening to a cause, or to a verdict without one";
        registry.register("time_to_diagnosis_seconds", diagnosis, self.diagnosis.clone());
        registry.register("time_to_resolution_seconds", "From opening to closing", self.resolution.clone());
        registry.register("notifications", "Messages to people, by outcome", self.notifications.clone());
        registry.register("queue_depth", "Appends waiting for the journal", self.queue.clone());
        let fsyncs = "Transactions and blobs made durable, an fsync each";
        registry.register("journal_fsyncs", fsyncs, self.fsyncs.clone());
        registry.register("journal_failures", "Transactions that failed", self.failures.clone());
        registry.register("config_reloads", "Changed configurations, by outcome", self.reloads.clone());
        let last = "Whether the last changed configuration is in force (1) or was refused (0)";
        registry.register("config_last_reload_successful", last, self.reload_successful.clone());
    }

    pub(super) fn text(&self) -> String {
        let fsyncs = self.journal.commits() + self.journal.blobs();
        self.fsyncs.inner().store(fsyncs, Ordering::Relaxed);
        self.failures.inner().store(self.journal.failures(), Ordering::Relaxed);
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

    /// Counts alerts of a webhook that went no further.
    pub(super) fn left_aside(&self, sender: &str, rejected: usize, ignored: usize) {
        for (counter, count) in [(&self.rejected, rejected), (&self.ignored, ignored)] {
            if count > 0 {
                counter.get_or_create(&SenderLabels { sender: sender.to_owned() }).inc_by(count as u64);
            }
        }
    }

    pub(super) fn duplicate(&self, sender: &str) {
        self.duplicates.get_or_create(&SenderLabels { sender: sender.to_owned() }).inc();
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

    fn step_ended(&self, incident: Option<&Incident>, step: &StepId, outcome: &'static str) {
        let operation = incident
            .and_then(|incident| incident.steps.iter().find(|record| record.step.id == *step))
            .map_or_else(String::new, |record| record.step.operation.clone());
        self.steps.get_or_create(&StepLabels { operation, outcome }).inc();
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
                let outcome = match outcome {
                    StepOutcome::Succeeded { .. } => "succeeded",
                    StepOutcome::Failed { transient: true, .. } => "retried",
                    StepOutcome::Failed { .. } => "failed",
                    StepOutcome::Skipped { .. } => "skipped",
                };
                self.step_ended(incident, step, outcome);
            }
            // What acts has succeeded when its effect is seen, and failed when it was taken back or had to be.
            EventBody::VerifyFinished { step, held: true, .. } => self.step_ended(incident, step, "succeeded"),
            EventBody::UndoFinished { step, .. } => self.step_ended(incident, step, "failed"),
            EventBody::PrepareFailed { step, transient, .. } => {
                self.step_ended(incident, step, if *transient { "retried" } else { "failed" });
            }
            EventBody::GateDecided { decision, rule, .. } => {
                self.gate.get_or_create(&GateLabels { decision: decision.as_str(), rule: rule.clone() }).inc();
            }
            EventBody::ApprovalDecided { approval, .. } | EventBody::ApprovalExpired { approval } => {
                let asked = incident.and_then(|incident| {
                    incident.approvals.iter().find(|a| a.id == *approval && a.state == ApprovalState::Pending)
                });
                if let Some(asked) = asked {
                    let decided = matches!(event.body, EventBody::ApprovalDecided { .. });
                    let outcome = if decided { "decided" } else { "expired" };
                    self.approval_wait.get_or_create(&OutcomeLabels { outcome }).observe(since(asked.requested_at));
                }
            }
            EventBody::FindingMade { finding } if finding.cause.is_some() => {
                if let Some(incident) = incident.filter(|incident| incident.cause.is_none()) {
                    self.diagnosis.get_or_create(&CauseLabels { cause: "found" }).observe(since(incident.opened_at));
                }
            }
            EventBody::VerdictReached { .. } => {
                if let Some(incident) = incident.filter(|one| one.cause.is_none() && one.verdict.is_none()) {
                    self.diagnosis.get_or_create(&CauseLabels { cause: "none" }).observe(since(incident.opened_at));
                }
            }
            EventBody::ExchangeEnded { .. } | EventBody::ExchangeSettled { .. } => {
                self.thinking.observe(&event.body, incident);
            }
            EventBody::LeftOutFetched { error, .. } => {
                let outcome = if error.is_none() { "fetched" } else { "failed" };
                self.left_out.get_or_create(&OutcomeLabels { outcome }).inc();
            }
            EventBody::IncidentClosed { .. } => incident.into_iter().for_each(|incident| {
                let verdict = incident.verdict.map_or("none", Verdict::as_str);
                self.closed.get_or_create(&VerdictLabels { verdict }).inc();
                self.resolution.observe(since(incident.opened_at));
            }),
            EventBody::NotificationFinished { channel, error, .. } => {
                let (channel, outcome) = (channel.clone(), if error.is_none() { "sent" } else { "failed" });
                self.notifications.get_or_create(&ChannelLabels { channel, outcome }).inc();
            }
            _ => {}
        }
    }
}

//! Everything a report says, as data.

use super::actions::{self, ActionReport};
use super::evidence::{self, EvidenceReport};
use super::left_over::{self, NotDone};
use super::thinking::{self, ThinkingReport};
use super::timeline::{self, Moment};
use crate::domain::{
    Alert, AlertStatus, Cause, Event, Finding, Incident, IncidentId, Prose, StepId, TimeSpan, Timestamp, Trigger,
    Verdict,
};
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The report of one incident.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Report {
    /// The incident.
    pub incident: IncidentId,
    /// Its title.
    pub title: String,
    /// Where it stands: a report can be had before the end.
    pub state: String,
    /// Environment.
    pub environment: String,
    /// Target, where one resolved.
    pub service: Option<String>,
    /// Severity of the gravest alert.
    pub severity: String,
    /// Why it was opened.
    pub trigger: String,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Why that is the verdict.
    pub verdict_reason: String,
    /// The cause, where one was found.
    pub cause: Option<Cause>,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it was closed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// How long it was, or has been, open.
    #[schema(value_type = String)]
    pub duration: TimeSpan,
    /// The incident that this one follows up.
    pub follows: Option<IncidentId>,
    /// A model's words about the verdict. They are no facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prose: Option<Prose>,
    /// What alerted.
    pub alerts: Vec<AlertReport>,
    /// What happened, in order.
    pub timeline: Vec<Moment>,
    /// What was seen.
    pub evidence: Vec<EvidenceReport>,
    /// What it means.
    pub findings: Vec<FindingReport>,
    /// What was changed, and by whose decision.
    pub done: Vec<ActionReport>,
    /// What was not done, and why.
    pub not_done: Vec<NotDone>,
    /// What models were asked, where any was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<ThinkingReport>,
    /// What to change so that it does not happen again.
    pub prevention: Vec<String>,
    /// What is left for people to look at.
    pub loose_ends: Vec<String>,
    /// What people said.
    pub comments: Vec<String>,
}

/// An alert, for people.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AlertReport {
    /// Its name.
    pub name: String,
    /// Its severity.
    pub severity: String,
    /// Whether it still fires.
    pub status: AlertStatus,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// What its rule says.
    pub summary: String,
    /// Its expression, where it is known.
    pub expression: Option<String>,
}

/// A finding with what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FindingReport {
    /// Id in its runbook.
    pub id: String,
    /// The runbook; empty where a model claims it.
    pub runbook: String,
    /// The model that claims it; none where a rule of a runbook shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The claim.
    pub summary: String,
    /// The cause that it claims.
    pub cause: Option<String>,
    /// How sure it is of that, from 0 to 1.
    pub confidence: Option<f64>,
    /// Names of the steps that it cites, as the evidence lists them.
    pub cites: Vec<String>,
}

pub(super) fn report(incident: &Incident, events: &[Event]) -> Report {
    let end = incident.closed_at.unwrap_or(incident.updated_at);
    let seconds = u64::try_from((end - incident.opened_at).num_seconds()).unwrap_or(0);
    Report {
        incident: incident.id.clone(),
        title: incident.title.clone(),
        state: incident.state.as_str().to_owned(),
        environment: incident.environment.clone(),
        service: incident.service.clone(),
        severity: incident.severity.clone(),
        trigger: trigger(&incident.trigger),
        verdict: incident.verdict,
        verdict_reason: incident.verdict_reason.clone(),
        cause: incident.cause.clone(),
        opened_at: incident.opened_at,
        closed_at: incident.closed_at,
        duration: TimeSpan::from_secs(seconds),
        follows: incident.follows.clone(),
        prose: incident.prose.clone(),
        alerts: incident.alerts.iter().map(alert).collect(),
        timeline: timeline::moments(incident, events),
        evidence: evidence::all(incident),
        findings: incident.findings.iter().map(|finding| of_finding(incident, finding)).collect(),
        done: actions::all(incident, events),
        not_done: left_over::not_done(incident),
        thinking: thinking::of(incident),
        prevention: prevention(incident),
        loose_ends: left_over::loose_ends(incident, events),
        comments: incident.comments.iter().map(|one| format!("{}: {}", one.by, one.text)).collect(),
    }
}

fn trigger(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Alert => "an alert".into(),
        Trigger::Diagnose { name, note } if note.is_empty() => format!("a diagnosis that {name} asked for"),
        Trigger::Diagnose { name, note } => format!("a diagnosis that {name} asked for: {note}"),
        Trigger::Operation { name, operation, .. } => format!("{operation}, which {name} asked for"),
        Trigger::Storm { targets } => format!("a storm: {targets} targets alerted at once"),
    }
}

fn alert(alert: &Alert) -> AlertReport {
    let summary = ["summary", "description", "message"].iter().find_map(|name| alert.annotations.get(*name));
    AlertReport {
        name: alert.name().to_owned(),
        severity: alert.severity().to_owned(),
        status: alert.status,
        starts_at: alert.starts_at,
        ends_at: alert.ends_at,
        summary: summary.cloned().unwrap_or_default(),
        expression: alert.expression.clone(),
    }
}

fn of_finding(incident: &Incident, finding: &Finding) -> FindingReport {
    FindingReport {
        id: finding.id.clone(),
        runbook: finding.runbook.clone(),
        model: finding.model.clone(),
        summary: finding.summary.clone(),
        cause: finding.cause.as_ref().map(|cause| cause.code.clone()),
        confidence: finding.cause.as_ref().map(|cause| cause.confidence),
        cites: finding.cites.iter().map(|step| step_name(incident, step)).collect(),
    }
}

/// The name of a step for people, or its id where no plan has it.
pub(super) fn step_name(incident: &Incident, id: &StepId) -> String {
    let record = incident.steps.iter().find(|record| record.step.id == *id);
    record.map_or_else(|| id.as_str().to_owned(), |record| record.step.name.clone())
}

/// Of the cause first, then of other findings that claim one, each once.
fn prevention(incident: &Incident) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let of_findings = incident.findings.iter().filter_map(|finding| finding.cause.as_ref());
    incident
        .cause
        .iter()
        .chain(of_findings)
        .map(|cause| cause.prevention.trim())
        .filter(|text| !text.is_empty() && seen.insert(text.to_owned()))
        .map(str::to_owned)
        .collect()
}

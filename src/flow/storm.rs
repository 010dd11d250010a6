//! Storms: so many targets of an environment alert at once that the fault is likely in what they share.

use super::Snapshot;
use crate::config::Config;
use crate::domain::{AlertStatus, EventBody, Incident, Trigger, Verdict};
use crate::gate;
use std::collections::BTreeMap;

/// The group key of an environment's storm.
pub fn storm_key(environment: &str) -> String {
    format!("{environment}!storm")
}

/// The opening of an environment's incident when so many of its targets alert at once that the fault is likely shared.
pub fn storm(
    config: &Config,
    environment: &str,
    alerting: usize,
    targets: usize,
    open: &BTreeMap<String, &Incident>,
) -> Option<EventBody> {
    if !gate::is_storm(alerting, targets, &config.policies.storm) || open.contains_key(&storm_key(environment)) {
        return None;
    }
    Some(EventBody::IncidentOpened {
        environment: environment.to_owned(),
        target: None,
        group_key: storm_key(environment),
        title: format!("{alerting} of {targets} services of {environment} alert at once"),
        severity: "critical".into(),
        trigger: Trigger::Storm { targets: alerting },
        config: config.digest.clone(),
        follows: None,
        read_only: Some(format!("{alerting} of {targets} services alert at once: the fault is likely shared")),
    })
}

/// Whether an incident is that of a storm. It has no alerts of its own: those of its environment's services are what it
/// is about.
pub(super) fn is_storm(incident: &Incident) -> bool {
    matches!(incident.trigger, Trigger::Storm { .. })
}

/// Whether so many targets alert now. Those that do are targets, though they are gone since, or were not seen yet by a
/// process that has just begun.
fn rages(snapshot: &Snapshot<'_>) -> bool {
    gate::is_storm(snapshot.alerting, targets(snapshot), &snapshot.current.policies.storm)
}

fn targets(snapshot: &Snapshot<'_>) -> usize {
    snapshot.inventory.services.len().max(snapshot.alerting)
}

/// The end of a storm, once not so many targets alert any more. That everything runs does not end it: what targets share
/// may fail them all while they run.
pub(super) fn calm(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Vec<EventBody>> {
    if !is_storm(incident) || rages(snapshot) {
        return None;
    }
    let verdict = Verdict::Mitigated;
    let reason =
        format!("{} of {} services alert now, which is no storm any more", snapshot.alerting, targets(snapshot));
    Some(vec![
        EventBody::VerdictReached { verdict, reason, cites: Vec::new() },
        EventBody::IncidentClosed { by: None, reason: verdict.as_str().to_owned() },
    ])
}

/// Whether an incident that could be closed stays open. In a storm, that a target seems well says little while its alert
/// fires, and what is closed does not count as alerting.
pub(super) fn keeps_open(incident: &Incident, snapshot: &Snapshot<'_>) -> bool {
    rages(snapshot) && incident.alerts.iter().any(|alert| alert.status == AlertStatus::Firing)
}

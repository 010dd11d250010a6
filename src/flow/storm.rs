//! Storms: so many targets of an environment alert at once that the fault is likely in what they share.

use super::Snapshot;
use crate::config::Config;
use crate::domain::{Alerting, EventBody, Incident, Timestamp, Trigger, Verdict};

/// The group key of an environment's storm.
pub fn storm_key(environment: &str) -> String {
    format!("{environment}!storm")
}

/// The opening of an environment's incident when so many of its targets alert at once that the fault is likely shared.
pub fn storm(config: &Config, environment: &str, alerting: Alerting) -> Option<EventBody> {
    if alerting.in_storm || !alerting.is_storm(&config.policies.storm) {
        return None;
    }
    let Alerting { count, targets, .. } = alerting;
    Some(EventBody::IncidentOpened {
        environment: environment.to_owned(),
        target: None,
        group_key: storm_key(environment),
        title: format!("{count} of {targets} services of {environment} alert at once"),
        severity: "critical".into(),
        trigger: Trigger::Storm { targets: count },
        config: config.digest.clone(),
        follows: None,
        read_only: Some(format!("{count} of {targets} services alert at once: the fault is likely shared")),
    })
}

/// Whether an incident is that of a storm. It has no alerts of its own: those of its environment's services are what it
/// is about.
pub(super) fn is_storm(incident: &Incident) -> bool {
    matches!(incident.trigger, Trigger::Storm { .. })
}

/// The end of a storm, once far fewer targets alert. That everything runs does not end it: what targets share may fail
/// them all while they run.
pub(super) fn calm(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Vec<EventBody>> {
    let alerting = snapshot.alerting;
    if !is_storm(incident) || alerting.is_storm(&snapshot.current.policies.storm) {
        return None;
    }
    let verdict = Verdict::Mitigated;
    let Alerting { count, targets, .. } = alerting;
    let reason = format!("{count} of {targets} services alert now, which is no storm any more");
    Some(vec![
        EventBody::VerdictReached { verdict, reason, cites: Vec::new() },
        EventBody::IncidentClosed { by: None, reason: verdict.as_str().to_owned() },
    ])
}

/// Why an incident that could be closed stays open.
pub(super) enum Hold {
    /// Until its alerts or the storm are over. That a target seems well says little then.
    Storm,
    /// Until its alerts are over, or this time has come: they may be the first of a storm, and what is closed does not
    /// count as alerting.
    Until(Timestamp),
}

/// What keeps an incident open that could be closed, if anything does.
pub(super) fn hold(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Hold> {
    let policy = &snapshot.current.policies.storm;
    if incident.service.is_none() || !incident.fires() {
        return None;
    }
    if snapshot.alerting.is_storm(policy) {
        return Some(Hold::Storm);
    }
    let until = incident.opened_at + policy.window.as_chrono();
    let untouched = incident.steps.iter().all(|record| record.action.is_none());
    (untouched && snapshot.alerting.may_become_storm(policy) && until > snapshot.now).then_some(Hold::Until(until))
}

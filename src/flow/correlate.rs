//! Which incidents a delivery belongs to: one open incident per environment and target, further alerts join it.

use crate::catalog::Entry;
use crate::config::Config;
use crate::domain::{
    Alert, AlertStatus, Delivery, Digest, EnvironmentKind, EventBody, Incident, IncidentId, Inventories, Timestamp,
    Trigger, Values,
};
use crate::intake::{self, Resolution};
use std::collections::{BTreeMap, BTreeSet};

/// Episodes that an incident had: fingerprints of alerts, with their starts.
pub type Episodes = BTreeSet<(Digest, Timestamp)>;

/// What is known of incidents when a delivery arrives.
pub struct Known<'a> {
    /// Open incidents by group key.
    pub open: &'a BTreeMap<String, &'a Incident>,
    /// The last closed incident of a group key, and the episodes (fingerprint, start) that incidents of this key had.
    pub closed: &'a dyn Fn(&str) -> Option<(IncidentId, Episodes)>,
}

/// A delivery's alerts for one incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Correlated {
    /// The incident: an open one, or a new one with its opening as first event.
    pub incident: IncidentId,
    /// What becomes durable; empty if nothing is news.
    pub events: Vec<EventBody>,
    /// The group key.
    pub group_key: String,
}

/// Sorts a delivery's alerts into incidents. `new_id` supplies identifiers.
pub fn correlate(
    delivery: &Delivery,
    config: &Config,
    inventories: &Inventories,
    known: &Known<'_>,
    new_id: &mut dyn FnMut() -> IncidentId,
) -> Vec<Correlated> {
    let mut groups: BTreeMap<String, (Resolution, Vec<Alert>)> = BTreeMap::new();
    let reported = reported(known.open);
    for alert in &delivery.alerts {
        let resolution = intake::resolve(alert, &config.environments, inventories);
        let key = intake::group_key(&resolution, &delivery.sender, &delivery.group_key);
        for key in keys(alert, key, &resolution, known.open, reported.get(&alert.fingerprint)) {
            groups.entry(key).or_insert_with(|| (resolution.clone(), Vec::new())).1.push(alert.clone());
        }
    }
    groups
        .into_iter()
        .filter_map(|(key, (resolution, alerts))| join(delivery, config, known, new_id, key, &resolution, alerts))
        .collect()
}

/// Group keys of the open incidents that know an alert.
type Reported<'a> = BTreeMap<&'a Digest, BTreeSet<&'a str>>;

fn reported<'a>(open: &'a BTreeMap<String, &'a Incident>) -> Reported<'a> {
    let mut reported = Reported::new();
    for (key, incident) in open {
        for alert in &incident.alerts {
            reported.entry(&alert.fingerprint).or_default().insert(key);
        }
    }
    reported
}

/// The groups that an alert belongs to. What its labels mean now may differ from what they meant when it was first
/// reported: its target may be gone. So its end is told to every incident that knows it, and a repeat without a target
/// goes where it is known.
fn keys(
    alert: &Alert,
    key: String,
    resolution: &Resolution,
    open: &BTreeMap<String, &Incident>,
    reported: Option<&BTreeSet<&str>>,
) -> BTreeSet<String> {
    let known = || reported.into_iter().flatten().map(|key| (*key).to_owned());
    match alert.status {
        AlertStatus::Resolved => known().collect(),
        AlertStatus::Firing if open.contains_key(&key) || resolution.service().is_some() => BTreeSet::from([key]),
        AlertStatus::Firing => BTreeSet::from([known().next().unwrap_or(key)]),
    }
}

fn join(
    delivery: &Delivery,
    config: &Config,
    known: &Known<'_>,
    new_id: &mut dyn FnMut() -> IncidentId,
    group_key: String,
    resolution: &Resolution,
    alerts: Vec<Alert>,
) -> Option<Correlated> {
    if let Some(open) = known.open.get(&group_key) {
        let news: Vec<Alert> = alerts.into_iter().filter(|alert| is_news(open, alert)).collect();
        let events = if news.is_empty() { Vec::new() } else { vec![received(delivery, news)] };
        return Some(Correlated { incident: open.id.clone(), events, group_key });
    }
    let (follows, episodes) = match (known.closed)(&group_key) {
        Some((incident, episodes)) => (Some(incident), episodes),
        None => (None, BTreeSet::new()),
    };
    // An episode that has had its incident does not get another by being reported again.
    let firing: Vec<Alert> = alerts
        .into_iter()
        .filter(|alert| alert.status == AlertStatus::Firing)
        .filter(|alert| !episodes.contains(&(alert.fingerprint.clone(), alert.starts_at)))
        .collect();
    if firing.is_empty() {
        return None;
    }
    let environment = resolution.environment().to_owned();
    let target = resolution.service().map(str::to_owned);
    let opened = EventBody::IncidentOpened {
        title: intake::title(&firing, &environment, target.as_deref()),
        severity: intake::most_severe(&firing),
        environment,
        target,
        group_key: group_key.clone(),
        trigger: Trigger::Alert,
        config: config.digest.clone(),
        follows,
        read_only: resolution.read_only().map(str::to_owned),
    };
    Some(Correlated { incident: new_id(), events: vec![opened, received(delivery, firing)], group_key })
}

fn received(delivery: &Delivery, alerts: Vec<Alert>) -> EventBody {
    EventBody::AlertsReceived { delivery: delivery.id.clone(), sender: delivery.sender.clone(), alerts }
}

/// Whether an alert says something that the incident does not know: a repeat or a straggler does not.
fn is_news(incident: &Incident, alert: &Alert) -> bool {
    match incident.alerts.iter().find(|known| known.fingerprint == alert.fingerprint) {
        None => alert.status == AlertStatus::Firing,
        Some(known) if alert.starts_at < known.starts_at => false,
        Some(known) => known.status != alert.status || known.starts_at != alert.starts_at,
    }
}

/// The opening of a diagnosis that a person asked for.
pub fn diagnose_by_hand(config: &Config, environment: &str, service: &str, name: &str, note: &str) -> EventBody {
    let trigger = Trigger::Diagnose { name: name.to_owned(), note: note.to_owned() };
    let title = format!("Diagnosis of {service}, asked for by {name}");
    opened_by_hand(config, environment, Some(service), format!("{environment}/{service}"), title, trigger)
}

/// The opening of one operation that a person asked for, on an environment or a service of it. `reads` names the incident
/// of one that only reads.
pub fn operate_by_hand(
    config: &Config,
    (environment, service): (&str, Option<&str>),
    name: &str,
    operation: &str,
    arguments: Values,
    reads: Option<&IncidentId>,
) -> EventBody {
    let trigger = Trigger::Operation { name: name.to_owned(), operation: operation.to_owned(), arguments };
    let title = format!("{operation} on {}, asked for by {name}", service.unwrap_or(environment));
    // Apart from alerts, which never join it and never keep it from being run: what it changes, the gate serializes.
    let mut group_key = format!("{environment}/{}!{operation}", service.unwrap_or_default());
    // Two people may look at once, and what is seen now is not what somebody else began to look at before.
    if let Some(id) = reads {
        group_key = format!("{group_key}#{id}");
    }
    opened_by_hand(config, environment, service, group_key, title, trigger)
}

/// Whether an operation changes nothing in a kind of environment, whatever its arguments.
pub fn only_reads(config: &Config, kind: EnvironmentKind, operation: &str) -> bool {
    let translation = config.catalog.translations.get(&kind).and_then(|all| all.get(operation));
    !translation.is_some_and(|translation| translation.entries.iter().any(Entry::acts))
}

fn opened_by_hand(
    config: &Config,
    environment: &str,
    service: Option<&str>,
    group_key: String,
    title: String,
    trigger: Trigger,
) -> EventBody {
    EventBody::IncidentOpened {
        environment: environment.to_owned(),
        target: service.map(str::to_owned),
        group_key,
        title,
        severity: "none".into(),
        trigger,
        config: config.digest.clone(),
        follows: None,
        read_only: None,
    }
}

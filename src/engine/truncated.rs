//! Alerts that a sender left out of a delivery (`truncatedAlerts`): fetched from the sender's own address as configured,
//! or from the environments' Alertmanagers; never from an address in the body.

use super::inbox::Outcome;
use super::runner::Runner;
use crate::domain::{Alert, Delivery, DeliveryId, Digest, TimeSpan, Timestamp};
use crate::execute::alertmanager::Alertmanager;
use crate::flow::{MAX_ATTEMPTS, backoff};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::mpsc;

/// The longest one Alertmanager may take to answer.
const DEADLINE: TimeSpan = TimeSpan::from_secs(15);

/// Fetches what a delivery left out, and hands it in as a delivery of its own.
pub(super) async fn fetch(runner: Arc<Runner>, delivery: Delivery, results: mpsc::Sender<Outcome>) {
    for attempt in 1..=MAX_ATTEMPTS {
        match rest(&runner, &delivery).await {
            Ok(None) => return,
            Ok(Some(rest)) => {
                // The loop drains this queue to its end before it stops.
                let _ = results.send(Outcome::Fetched(rest)).await;
                return;
            }
            Err(problem) => {
                let left_out = delivery.truncated;
                tracing::warn!(
                    sender = delivery.sender,
                    left_out,
                    attempt,
                    problem,
                    "alerts that were left out cannot be fetched"
                );
                tokio::time::sleep(backoff(attempt).as_std()).await;
            }
        }
    }
}

async fn rest(runner: &Runner, delivery: &Delivery) -> Result<Option<Delivery>, String> {
    let mut problem =
        "no Alertmanager is configured; see `external_url` in platform.yml, or environments.yml".to_owned();
    for alertmanager in alertmanagers(runner, &delivery.sender)? {
        match tokio::time::timeout(DEADLINE.as_std(), alertmanager.fetch_group(&delivery.group_key)).await {
            Ok(Ok((alerts, _))) => return Ok(without(delivery, alerts)),
            Ok(Err(error)) => problem = error.to_string(),
            Err(_) => problem = format!("no answer within {} s", DEADLINE.as_secs()),
        }
    }
    Err(problem)
}

/// The sender's own, where their address is configured; else those of the environments.
fn alertmanagers(runner: &Runner, sender: &str) -> Result<Vec<Arc<Alertmanager>>, String> {
    let config = runner.config();
    let own: Vec<Arc<Alertmanager>> = config
        .platform
        .senders
        .iter()
        .filter(|one| one.group == sender)
        .filter_map(|one| one.external_url.as_deref())
        .map(|url| Alertmanager::new(url, None, DEADLINE).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let elsewhere = || runner.equipment().places.values().filter_map(|place| place.alertmanager.clone()).collect();
    Ok(if own.is_empty() { elsewhere() } else { own })
}

/// The fetched alerts that the delivery itself did not bring.
fn without(delivery: &Delivery, fetched: Vec<Alert>) -> Option<Delivery> {
    let episode = |alert: &Alert| -> (Digest, Timestamp) { (alert.fingerprint.clone(), alert.starts_at) };
    let brought: BTreeSet<_> = delivery.alerts.iter().map(episode).collect();
    let alerts: Vec<Alert> = fetched.into_iter().filter(|alert| !brought.contains(&episode(alert))).collect();
    let episodes: BTreeSet<_> = alerts.iter().map(episode).collect();
    let id = Digest::of_json(&("fetched", &delivery.sender, &episodes));
    (!alerts.is_empty()).then(|| Delivery {
        id: DeliveryId::new(id.as_str()),
        alerts,
        truncated: 0,
        ..delivery.clone()
    })
}

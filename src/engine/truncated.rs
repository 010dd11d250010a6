//! Alerts that a sender left out of a delivery (`truncatedAlerts`): fetched from the configured Alertmanagers, never
//! from an address in the body.

use super::inbox::Outcome;
use super::runner::Runner;
use crate::domain::{Alert, Delivery, DeliveryId, Digest, Timestamp};
use crate::flow::{MAX_ATTEMPTS, backoff};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// The longest one Alertmanager may take to answer.
const DEADLINE: Duration = Duration::from_secs(15);

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
    let mut problem = "no Alertmanager is configured; see environments.yml".to_owned();
    for alertmanager in runner.places().values().filter_map(|place| place.alertmanager.as_ref()) {
        match tokio::time::timeout(DEADLINE, alertmanager.fetch_group(&delivery.group_key)).await {
            Ok(Ok((alerts, _))) => return Ok(without(delivery, alerts)),
            Ok(Err(error)) => problem = error.to_string(),
            Err(_) => problem = format!("no answer within {} s", DEADLINE.as_secs()),
        }
    }
    Err(problem)
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

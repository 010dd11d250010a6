//! Alerts that a sender left out of a delivery (`truncatedAlerts`): fetched from the sender's own address as configured,
//! or from the environments' Alertmanagers; never from an address in the body.
//!
//! That they are wanted is in the journal before the delivery is answered, and that they were fetched together with what
//! they brought: a crash in between costs a second fetching, and no alert.

use super::inbox::Outcome;
use super::runner::Runner;
use crate::domain::{Alert, Event, EventBody, LeftOut, TimeSpan};
use crate::execute::ExecuteError;
use crate::execute::alertmanager::Alertmanager;
use crate::flow::backoff;
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The longest one Alertmanager may take to answer.
const DEADLINE: TimeSpan = TimeSpan::from_secs(15);

/// Attempts, most of them half a minute apart: about an hour. After that, the sender's next delivery asks again.
const ATTEMPTS: u32 = 120;

/// Kinds of the events that tell what is still to be fetched.
pub(super) const KINDS: &[&str] = &["alerts_left_out", "left_out_fetched"];

/// Why an attempt brought nothing.
struct Trouble {
    problem: String,
    may_pass: bool,
}

/// Fetches what a delivery left out, and tells the loop.
pub(super) async fn fetch(runner: Arc<Runner>, left_out: LeftOut, results: mpsc::Sender<Outcome>) {
    let mut attempt = 1;
    let result = loop {
        match rest(&runner, &left_out).await {
            Ok(alerts) => break Ok(alerts),
            Err(Trouble { problem, may_pass }) => {
                let (sender, number) = (&left_out.sender, left_out.number);
                tracing::warn!(sender, number, attempt, problem, "alerts that were left out cannot be fetched");
                if !may_pass || attempt >= ATTEMPTS {
                    break Err(problem);
                }
            }
        }
        tokio::time::sleep(backoff(attempt).as_std()).await;
        attempt += 1;
    };
    // The loop drains this queue to its end before it stops.
    let _ = results.send(Outcome::Fetched { left_out, result }).await;
}

/// What all that may hold them hold, each alert once.
async fn rest(runner: &Runner, left_out: &LeftOut) -> Result<Vec<Alert>, Trouble> {
    let asked = alertmanagers(runner, &left_out.sender)?;
    let answers = join_all(asked.iter().map(|alertmanager| ask(alertmanager, &left_out.group_key))).await;
    let mut alerts: Vec<Alert> = Vec::new();
    let mut trouble = None;
    for answer in answers {
        match answer {
            Ok(found) => {
                let new = |alert: &Alert| !alerts.iter().any(|known| known.fingerprint == alert.fingerprint);
                let found: Vec<Alert> = found.into_iter().filter(new).collect();
                alerts.extend(found);
            }
            Err(error) => trouble = Some(error),
        }
    }
    match trouble {
        // One half of a pair is enough; that one of several has nothing is not.
        Some(trouble) if alerts.is_empty() => Err(trouble),
        _ => Ok(alerts),
    }
}

async fn ask(alertmanager: &Alertmanager, group_key: &str) -> Result<Vec<Alert>, Trouble> {
    match tokio::time::timeout(DEADLINE.as_std(), alertmanager.fetch_group(group_key)).await {
        Ok(Ok((alerts, _))) => Ok(alerts),
        Ok(Err(error)) => {
            let may_pass = !matches!(error, ExecuteError::Permanent { .. });
            Err(Trouble { problem: error.to_string(), may_pass })
        }
        Err(_) => Err(Trouble { problem: format!("no answer within {} s", DEADLINE.as_secs()), may_pass: true }),
    }
}

/// The sender's own, where their address is configured; else those of the environments.
fn alertmanagers(runner: &Runner, sender: &str) -> Result<Vec<Arc<Alertmanager>>, Trouble> {
    let lasting = |problem: String| Trouble { problem, may_pass: false };
    let config = runner.config();
    let own: Vec<Arc<Alertmanager>> = config
        .platform
        .senders
        .iter()
        .filter(|one| one.group == sender)
        .filter_map(|one| Some((one.external_url.as_deref()?, one.external_auth.as_ref())))
        .map(|(url, credentials)| Alertmanager::new(url, credentials, DEADLINE).map(Arc::new))
        .collect::<Result<_, _>>()
        .map_err(lasting)?;
    if !own.is_empty() {
        return Ok(own);
    }
    let elsewhere: Vec<_> = runner.equipment().places.values().filter_map(|place| place.alertmanager.clone()).collect();
    if elsewhere.is_empty() {
        let problem = "no Alertmanager is configured; see `external_url` in platform.yml, or environments.yml";
        return Err(lasting(problem.to_owned()));
    }
    Ok(elsewhere)
}

/// What is wanted and was not fetched, according to events of [`KINDS`], newest first.
pub(super) fn outstanding(events: &[Event]) -> Vec<LeftOut> {
    let mut wanted: Vec<LeftOut> = Vec::new();
    for event in events.iter().rev() {
        match &event.body {
            EventBody::AlertsLeftOut { left_out } => {
                wanted.retain(|one| one.delivery != left_out.delivery);
                wanted.push(left_out.clone());
            }
            EventBody::LeftOutFetched { delivery, .. } => wanted.retain(|one| one.delivery != *delivery),
            _ => {}
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DeliveryId, Digest, SenderKind, Timestamp};

    #[test]
    fn what_was_not_fetched_is_still_wanted() {
        let wish = |name: &str| LeftOut {
            delivery: DeliveryId::new(name),
            sender: "am".into(),
            kind: SenderKind::Alertmanager,
            group_key: "{}".into(),
            number: 1,
        };
        let wanted = |name: &str| EventBody::AlertsLeftOut { left_out: wish(name) };
        let fetched =
            |name: &str, error: Option<String>| EventBody::LeftOutFetched { delivery: DeliveryId::new(name), error };
        let happened = [
            wanted("one"),
            wanted("two"),
            fetched("one", None),
            wanted("three"),
            fetched("three", Some("given up".into())),
            wanted("one"),
        ];
        let event = |body: &EventBody| {
            let body = body.clone();
            Event { seq: 1, at: Timestamp::default(), incident: None, body, hash: Digest::new("") }
        };
        let newest_first: Vec<Event> = happened.iter().rev().map(event).collect();
        assert_eq!(outstanding(&newest_first), [wish("two"), wish("one")]);
    }
}

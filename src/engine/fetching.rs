//! What the loop does about alerts that senders left out.

use super::inbox::Outcome;
use super::run::Loop;
use super::truncated;
use crate::domain::{Alert, EventBody, LeftOut};
use crate::journal::Append;
use std::collections::BTreeMap;

/// Groups whose rest is being fetched at once. Whoever leaves something out of a further one is told to come again.
const MOST: usize = 256;

/// Groups whose rest is being fetched, by sender and group key, with what came meanwhile.
#[derive(Default)]
pub(super) struct Fetching(BTreeMap<(String, String), Option<LeftOut>>);

impl Fetching {
    /// Whether there is room for what a delivery left out.
    pub fn has_room(&self, left_out: &LeftOut) -> bool {
        self.0.len() < MOST || self.0.contains_key(&key(left_out))
    }
}

fn key(left_out: &LeftOut) -> (String, String) {
    (left_out.sender.clone(), left_out.group_key.clone())
}

impl Loop {
    /// Begins to fetch what a sender left out; where that is under way for the group, once more afterwards.
    pub(super) fn fetch_rest(&mut self, left_out: LeftOut) {
        if let Some(next) = self.fetching.0.get_mut(&key(&left_out)) {
            *next = Some(left_out);
            return;
        }
        self.fetching.0.insert(key(&left_out), None);
        let (runner, results) = (self.runner.clone(), self.results.clone());
        self.tasks.spawn(truncated::fetch(runner, left_out, results));
    }

    /// What was fetched becomes durable together with the fact that it was.
    pub(super) fn fetched(&mut self, left_out: LeftOut, result: Result<Vec<Alert>, String>) {
        let fact = |error| vec![EventBody::LeftOutFetched { delivery: left_out.delivery.clone(), error }];
        let (brought, facts) = match &result {
            Ok(alerts) => (left_out.brought(alerts.clone()), fact(None)),
            Err(problem) => (left_out.brought(Vec::new()), fact(Some(problem.clone()))),
        };
        let correlated = self.correlated(&brought);
        if !self.has_room(&correlated) {
            tracing::error!(sender = left_out.sender, "too many incidents are open for the alerts that were left out");
            let facts = vec![EventBody::LeftOutFetched {
                delivery: left_out.delivery.clone(),
                error: Some("too many incidents are open".into()),
            }];
            self.ledger.push_daemon(Append { at: super::now(), events: facts, ..Append::default() });
        } else {
            let results = self.results.clone();
            let again = left_out.clone();
            self.take_in(&brought, correlated, facts).then(Box::new(move |stored, _| {
                // Not durable, so not fetched: it comes round again. The queue is full only where all is lost anyway,
                // and then the next process fetches it.
                if stored.is_err() {
                    let _ = results.try_send(Outcome::Fetched { left_out: again, result });
                }
            }));
        }
        if let Some(Some(next)) = self.fetching.0.remove(&key(&left_out)) {
            self.fetch_rest(next);
        }
    }
}

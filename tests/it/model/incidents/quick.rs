//! What oncalld adds to the time that a model takes.

use super::{agents, exchanges, id, resolved, settings, thinking};
use crate::model::asked::nothing_new;
use crate::model::scripted::{Reply, Scripted};
use crate::support::cache;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most that may be added to a planning call, in milliseconds: what is promised of the program as it is released, and
/// twenty times that of one that is not optimised, on a machine that does other things as well.
const MOST: i64 = if cfg!(debug_assertions) { 1_000 } else { 50 };

/// Incidents that are measured; each has several calls.
const ROUNDS: usize = 6;

/// From the moment at which a question is called for to the moment at which its answer is made use of: the question is
/// written, redacted, kept and sent, the answer is read, checked and kept. The model answers at once, on this machine.
#[test]
fn a_planning_call_takes_little_longer_than_its_model() {
    let server = Scripted::with(|_, asked| Reply::to(asked, &nothing_new(asked)));
    let daemon = cache::daemon(&thinking(&settings(), &agents(server.address(), &["planner"])));
    let (mut whole, mut asking) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let end = resolved(&daemon, round);
        whole.extend(calls(&daemon.journal(id(&end))));
        asking.extend(exchanges(&end).iter().filter_map(|exchange| exchange["end"]["milliseconds"].as_i64()));
    }
    assert_eq!(whole.len(), server.asked().len());
    assert!(whole.len() >= 2 * ROUNDS, "{whole:?}");
    whole.sort_unstable();
    asking.sort_unstable();
    let middle = |times: &[i64]| times[times.len() / 2];
    println!(
        "{} planning calls, median {} ms, of which {} ms to ask: {whole:?}",
        whole.len(),
        middle(&whole),
        middle(&asking)
    );
    assert!(middle(&whole) < MOST, "{whole:?}");
}

/// Milliseconds from each exchange's beginning to its end, as the journal has them.
fn calls(journal: &[Value]) -> Vec<i64> {
    let at = |event: &Value| event["at"].as_str().and_then(|at| at.parse::<chrono::DateTime<chrono::Utc>>().ok());
    let mut begun = BTreeMap::new();
    let mut calls = Vec::new();
    for event in journal {
        let (index, at) = (event["index"].as_u64(), at(event).expect("a time"));
        match event["kind"].as_str() {
            Some("exchange_begun") => drop(begun.insert(index, at)),
            Some("exchange_settled") => calls.push((at - begun[&index]).num_milliseconds()),
            _ => {}
        }
    }
    calls
}

//! What two histories of one incident differ in, in the end.

use super::words::{Told, What};
use crate::domain::Incident;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};

/// Something that is otherwise now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about.
    pub what: What,
    /// What was so; none if there was no such thing.
    pub then: Option<String>,
    /// What is so now; none if there is no such thing.
    pub now: Option<String>,
}

/// All differences. Where it is `unknown` how it would go on, what is missing of the end is none.
pub(super) fn differences(then: (&[Told], &Incident), now: (&[Told], &Incident), unknown: bool) -> Vec<Difference> {
    let (before, after) = (last_only(then.0), last_only(now.0));
    let mut left: BTreeMap<(What, &str), VecDeque<&str>> = BTreeMap::new();
    for told in &after {
        left.entry((told.what, &told.key)).or_default().push_back(&told.words);
    }
    let mut found = Vec::new();
    for told in &before {
        let now = left.get_mut(&(told.what, told.key.as_str())).and_then(VecDeque::pop_front);
        let is_missing = now.is_none() && !(unknown && comes_later(told.what));
        if is_missing || now.is_some_and(|now| now != told.words) {
            let (then, now) = (Some(told.words.clone()), now.map(str::to_owned));
            found.push(Difference { what: told.what, then, now });
        }
    }
    let more = left.into_iter().flat_map(|((what, _), words)| words.into_iter().map(move |words| (what, words)));
    found.extend(more.map(|(what, words)| Difference { what, then: None, now: Some(words.to_owned()) }));
    let cause = |incident: &Incident| incident.cause.as_ref().map(|cause| cause.code.clone());
    let (then, now) = (cause(then.1), cause(now.1));
    if then != now {
        found.push(Difference { what: What::Cause, then, now });
    }
    found.sort_by_key(|difference| difference.what);
    found
}

/// What comes after the diagnosis.
fn comes_later(what: What) -> bool {
    matches!(what, What::Model | What::Remedy | What::Gate | What::Approval | What::Verdict | What::Escalation)
}

/// Of verdicts and calls for people, the last one counts.
fn last_only(told: &[Told]) -> Vec<&Told> {
    let counts = |(position, one): &(usize, &Told)| {
        let replaced = matches!(one.what, What::Verdict | What::Escalation);
        !replaced || !told[position + 1..].iter().any(|later| later.what == one.what)
    };
    told.iter().enumerate().filter(counts).map(|(_, one)| one).collect()
}

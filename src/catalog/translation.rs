//! Translations: how an operation becomes native calls in a kind of environment.

use crate::{
    domain::Effect,
    expr::{Expression, Template},
};

/// The ways to carry an operation out; the first whose condition holds is taken, the last has none.
#[derive(Clone, Debug)]
pub struct Translation {
    /// In order, never empty.
    pub entries: Vec<Entry>,
}

/// One way.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it is taken.
    pub when: Option<Expression>,
    /// Whether the calls are made once or for each instance in turn.
    pub each: Each,
    /// Why it cannot be done at all in this case; then there are no calls.
    pub refuse: Option<String>,
    /// In order; reading calls come first. Empty only where it is refused.
    pub calls: Vec<CallTemplate>,
    /// The operation's result from the results of reading calls; without it, the last reading call's result is it, or
    /// what the last acting call did.
    pub returns: Option<Template>,
}

/// How often an entry's calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Each {
    /// Once.
    Once,
    /// For each instance in turn, stopping at the first that fails.
    Instance,
}

/// A native call with holes.
#[derive(Clone, Debug)]
pub struct CallTemplate {
    /// `family.verb`.
    pub name: String,
    /// Read or act.
    pub effect: Effect,
    /// The name under which later expressions see its result.
    pub bind: Option<String>,
    /// Its fields.
    pub with: Template,
    /// What takes it back: a native call and its fields.
    pub undo: Option<(String, Template)>,
}

impl Translation {
    /// Whether its result is what executors and engines measure, rather than what programs, people or senders of alerts
    /// wrote: whoever can write a line into a log would have a fact to offer.
    pub fn measures(&self) -> bool {
        let written = |name: &str| {
            let (family, verb) = name.split_once('.').unwrap_or((name, ""));
            match family {
                "container" | "process" => matches!(verb, "logs" | "query" | "exec"),
                "alertmanager" | "notify" => true,
                _ => false,
            }
        };
        !self.entries.iter().flat_map(|entry| &entry.calls).any(|call| written(&call.name))
    }
}

impl Entry {
    /// Whether any of its calls acts.
    pub fn acts(&self) -> bool {
        self.calls.iter().any(|call| matches!(call.effect, Effect::Act(_)))
    }
}

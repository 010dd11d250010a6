//! The operations that other documents can name.

use crate::{
    catalog::Operation,
    document::{Decode, Node, Place, Problem, Reports},
};
use std::collections::{BTreeMap, BTreeSet};

/// Operations by name, those with mistakes apart: what names one of these is not told that it does not exist.
pub(super) struct Known<'a> {
    sound: &'a BTreeMap<String, Operation>,
    /// All names; none if operations.yml cannot be read at all.
    written: Option<BTreeSet<&'a str>>,
}

impl<'a> Known<'a> {
    /// What came of a document.
    pub fn new(sound: &'a BTreeMap<String, Operation>, document: Option<&'a Node>, reports: &Reports) -> Self {
        let names = |node: &'a Node| node.entries(reports).iter().map(|(key, _)| key.name.as_str()).collect();
        Self { sound, written: document.map(names) }
    }

    /// The operation with this name, if it has no mistakes. Reports a name that nothing has.
    pub fn get(&self, name: &str, place: &Place, reports: &Reports) -> Option<&'a Operation> {
        if let Some(written) = &self.written
            && !written.contains(name)
        {
            let fix = super::suggestion(name, written.iter().copied());
            reports.add(Problem::new(place, format!("there is no operation '{name}'"), fix));
        }
        self.sound.get(name)
    }

    /// The operation that a value names.
    pub fn named(&self, node: &Node, reports: &Reports) -> Option<&'a Operation> {
        self.get(&String::decode(node, reports)?, &node.place, reports)
    }

    /// The names of those without mistakes.
    pub fn names(&self) -> impl Iterator<Item = &'a String> {
        self.sound.keys()
    }
}

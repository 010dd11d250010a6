//! Reading a map key by key.

use super::{Content, Decode, Key, Node, Problem, Reports};
use crate::domain::nearest;
use std::cell::RefCell;

/// The keys of a map that is being read. What is asked for is known; what is left at the end is a mistake.
pub struct Fields<'a> {
    node: &'a Node,
    entries: &'a [(Key, Node)],
    known: RefCell<Vec<&'static str>>,
    /// Where mistakes go.
    pub reports: &'a Reports,
}

impl<'a> Fields<'a> {
    /// Starts to read; anything but a map is a mistake.
    pub fn of(node: &'a Node, reports: &'a Reports) -> Option<Self> {
        match &node.content {
            Content::Fields(entries) => Some(Self { node, entries, known: RefCell::default(), reports }),
            _ => reports.expected(node, "a map"),
        }
    }

    /// The map itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The value of a key, as it is; an empty one counts as left out.
    pub fn raw(&self, name: &'static str) -> Option<&'a Node> {
        self.known.borrow_mut().push(name);
        let (_, value) = self.entries.iter().find(|(key, _)| key.name == name)?;
        (value.content != Content::Null).then_some(value)
    }

    /// The value of a key that may be left out.
    pub fn optional<T: Decode>(&self, name: &'static str) -> Option<T> {
        self.raw(name).and_then(|node| T::decode(node, self.reports))
    }

    /// The value of a key, or what it is when it is left out.
    pub fn or<T: Decode>(&self, name: &'static str, default: T) -> Option<T> {
        match self.raw(name) {
            Some(node) => T::decode(node, self.reports),
            None => Some(default),
        }
    }

    /// The value of a key that must be there.
    pub fn required<T: Decode>(&self, name: &'static str) -> Option<T> {
        T::decode(self.required_raw(name)?, self.reports)
    }

    /// As it is, the value of a key that must be there.
    pub fn required_raw(&self, name: &'static str) -> Option<&'a Node> {
        let node = self.raw(name);
        if node.is_none() {
            self.reports.at(self.node, format!("'{name}' is missing"), format!("add '{name}: …'"));
        }
        node
    }

    /// The elements of a list that may be left out.
    pub fn elements(&self, name: &'static str) -> &'a [Node] {
        self.raw(name).map(|node| node.elements(self.reports)).unwrap_or_default()
    }

    /// The entries of a map with keys of the user's choice, which may be left out.
    pub fn entries(&self, name: &'static str) -> &'a [(Key, Node)] {
        self.raw(name).map(|node| node.entries(self.reports)).unwrap_or_default()
    }

    /// Ends the reading: reports every key that nothing asked for.
    pub fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str())) {
            let fix = match nearest(&key.name, known.iter().copied()).first() {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("remove it, or use one of {}", known.join(", ")),
            };
            self.reports.add(Problem::new(&key.place, format!("there is no setting '{}' here", key.name), fix));
        }
    }
}

impl Node {
    /// Keys and values of a map with keys of the user's choice; anything but a map is a mistake.
    pub fn entries<'a>(&'a self, reports: &Reports) -> &'a [(Key, Self)] {
        match &self.content {
            Content::Fields(entries) => entries,
            _ => reports.expected(self, "a map").unwrap_or(&[]),
        }
    }

    /// The elements of a list; anything but a list is a mistake.
    pub fn elements<'a>(&'a self, reports: &Reports) -> &'a [Self] {
        match &self.content {
            Content::List(items) => items,
            _ => reports.expected(self, "a list").unwrap_or(&[]),
        }
    }
}

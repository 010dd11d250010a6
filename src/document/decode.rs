//! Typed values out of a tree.

use super::{Content, Node, Reports, parse};
use crate::domain::{ByteSize, TimeSpan, Timestamp, nearest};
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

/// A value that can be read from a tree.
pub trait Decode: Sized {
    /// Reads it; where that fails, notes every mistake and gives nothing.
    fn decode(node: &Node, reports: &Reports) -> Option<Self>;
}

impl Decode for String {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        match &node.content {
            Content::Text(text) => Some(text.clone()),
            // writing 0x10 or 1.10 as text again would change it
            Content::Number(_) | Content::Boolean(_) => reports.expected(node, "a text, in quotes"),
            _ => reports.expected(node, "a text"),
        }
    }
}

impl Decode for PathBuf {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        String::decode(node, reports).map(Self::from)
    }
}

impl Decode for bool {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        match &node.content {
            Content::Boolean(value) => Some(*value),
            Content::Text(text) if node.place.is_variable() && text == "true" => Some(true),
            Content::Text(text) if node.place.is_variable() && text == "false" => Some(false),
            _ => reports.expected(node, "true or false"),
        }
    }
}

/// A number, or in an environment variable a text that is one.
fn number<T: FromStr>(node: &Node, reports: &Reports, expected: &str) -> Option<T> {
    let text = match &node.content {
        Content::Number(number) => number.to_string(),
        Content::Text(text) if node.place.is_variable() => text.clone(),
        _ => return reports.expected(node, expected),
    };
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => reports.expected(node, expected),
    }
}

macro_rules! numbers {
    ($($type:ty => $expected:literal),*) => {
        $(impl Decode for $type {
            fn decode(node: &Node, reports: &Reports) -> Option<Self> {
                number(node, reports, $expected)
            }
        })*
    };
}

numbers! { i64 => "a whole number", u64 => "a whole number from 0 on", u32 => "a whole number from 0 on", usize => "a whole number from 0 on", f64 => "a number" }

/// Sizes and durations say themselves what they look like.
fn unit<T: FromStr<Err: ToString>>(text: &str, node: &Node, reports: &Reports) -> Option<T> {
    text.parse()
        .map_err(|error: T::Err| {
            let error = error.to_string();
            let (what, fix) = error.split_once("; ").unwrap_or((&error, "correct it"));
            reports.at(node, what, fix);
        })
        .ok()
}

impl Decode for TimeSpan {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        match &node.content {
            Content::Text(text) => unit(text, node, reports),
            Content::Number(number) => unit(&number.to_string(), node, reports),
            _ => reports.expected(node, "a duration such as 30s"),
        }
    }
}

impl Decode for ByteSize {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        match &node.content {
            Content::Text(text) => unit(text, node, reports),
            Content::Number(number) => unit(&number.to_string(), node, reports),
            _ => reports.expected(node, "a size such as 64MiB"),
        }
    }
}

impl Decode for Timestamp {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        match node.text().map(str::parse) {
            Some(Ok(at)) => Some(at),
            _ => reports.expected(node, "a time such as 2026-12-24T18:00:00Z"),
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        if let (Content::Text(text), true) = (&node.content, node.place.is_variable()) {
            return Self::decode(&in_variable(node, text, reports)?, reports);
        }
        let Content::List(items) = &node.content else { return reports.expected(node, "a list") };
        // every element is read before one that is wrong ends it
        let items: Vec<Option<T>> = items.iter().map(|item| T::decode(item, reports)).collect();
        items.into_iter().collect()
    }
}

/// In an environment variable, a list is written as in YAML, or with commas alone.
fn in_variable(node: &Node, text: &str, reports: &Reports) -> Option<Node> {
    let yaml = if text.trim_start().starts_with('[') { text.to_owned() } else { format!("[{text}]") };
    let mut list = parse(&node.place.file, &yaml, reports)?;
    list.place = node.place.clone();
    if let Content::List(items) = &mut list.content {
        items.iter_mut().for_each(|item| item.place = node.place.clone());
    }
    Some(list)
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        let Content::Fields(fields) = &node.content else { return reports.expected(node, "a map") };
        let fields: Vec<_> =
            fields.iter().map(|(key, value)| Some((key.name.clone(), T::decode(value, reports)?))).collect();
        fields.into_iter().collect()
    }
}

/// Reads an enumeration from its words: `choices! { Role: "viewer" => Role::Viewer, … }`.
macro_rules! choices {
    ($type:ty: $($word:literal => $value:expr),+ $(,)?) => {
        impl $crate::document::Decode for $type {
            fn decode(node: &$crate::document::Node, reports: &$crate::document::Reports) -> Option<Self> {
                match node.text() {
                    $(Some($word) => Some($value),)+
                    _ => node.no_choice(&[$($word),+], reports),
                }
            }
        }
    };
}
pub(crate) use choices;

impl Node {
    /// Reports a value that is none of these words.
    pub(crate) fn no_choice<T>(&self, words: &[&str], reports: &Reports) -> Option<T> {
        let choice = format!("one of {}", words.join(", "));
        let Some(text) = self.text() else { return reports.expected(self, &choice) };
        let fix = match nearest(text, words.iter().copied()).first() {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("write {choice}"),
        };
        reports.at(self, format!("'{text}' is not possible here"), fix);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Fields, Place};

    fn variable(text: &str) -> Node {
        Node::new(Place::variable("ONCALLD_X"), Content::Text(text.into()))
    }

    #[test]
    fn a_variable_is_what_its_setting_needs() {
        let reports = Reports::default();
        assert_eq!(String::decode(&variable("0123456"), &reports).as_deref(), Some("0123456"));
        assert_eq!(u32::decode(&variable("12"), &reports), Some(12));
        assert_eq!(bool::decode(&variable("false"), &reports), Some(false));
        let hosts = Vec::<String>::decode(&variable("a.example,b.example"), &reports);
        assert_eq!(hosts, Some(vec!["a.example".to_owned(), "b.example".to_owned()]));
        assert_eq!(u32::decode(&variable("many"), &reports), None);
        let problem = "ONCALLD_X: this is a text; write a whole number from 0 on";
        assert_eq!(reports.into_problems().to_string(), problem);
    }

    #[test]
    fn every_mistake_is_noted() {
        let reports = Reports::default();
        let node =
            parse("a.yml", "timeout: 30\nnaem: x\nsizes: [1XB, 2MiB, no]\nflag: yes\ntext: 12\n", &reports).unwrap();
        let fields = Fields::of(&node, &reports).unwrap();
        assert_eq!(fields.required::<TimeSpan>("timeout"), None);
        assert_eq!(fields.required::<String>("name"), None);
        assert_eq!(fields.optional::<Vec<ByteSize>>("sizes"), None);
        assert_eq!(fields.or("flag", false), None);
        assert_eq!(fields.optional::<String>("text"), None);
        fields.finish();
        insta::assert_snapshot!(reports.into_problems());
    }
}

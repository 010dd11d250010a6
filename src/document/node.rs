//! The tree.

use super::{Problem, Reports};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::{Location, Spanned};
use std::{fmt, sync::Arc};

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as people know it, or the name of an environment variable.
    pub file: Arc<str>,
    /// From 1; 0 in an environment variable.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Place {
    /// The value of an environment variable.
    pub fn variable(name: &str) -> Self {
        Self { file: name.into(), line: 0, column: 0 }
    }

    /// Whether it is an environment variable, whose values are texts whatever they mean.
    pub fn is_variable(&self) -> bool {
        self.line == 0
    }

    fn new(file: &Arc<str>, location: Location) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
        Self { file: Arc::clone(file), line: number(location.line()), column: number(location.column()) }
    }
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub content: Content,
    /// Characters from the place to the first one of a text, where the text stands there as it is, on one line.
    indent: Option<usize>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order in which they are written.
    Fields(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its text.
    pub name: String,
    /// Where it stands.
    pub place: Place,
}

impl Node {
    /// A value that no file shows.
    pub fn new(place: Place, content: Content) -> Self {
        Self { place, content, indent: None }
    }

    /// The place of a byte of the text; of the text where it is folded or has escapes.
    pub fn within(&self, offset: usize) -> Place {
        let mut place = self.place.clone();
        if let (Content::Text(text), Some(indent)) = (&self.content, self.indent) {
            place.column += indent + text.get(..offset).map_or(0, |before| before.chars().count());
        }
        place
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Content::Text(text) = &self.content { Some(text) } else { None }
    }

    /// The value of a key, if it has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Content::Fields(fields) = &self.content else { return None };
        fields.iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
    }

    /// As JSON, without places.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Boolean(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Content::Fields(fields) => {
                Value::Object(fields.iter().map(|(key, value)| (key.name.clone(), value.to_json())).collect())
            }
        }
    }

    /// The value at a path such as `labels.name` or `argv[2]`; as far as the path leads.
    pub fn at_path(&self, path: &str) -> &Self {
        let mut node = self;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let next = match (&node.content, part.strip_suffix(']')) {
                (Content::List(items), Some(index)) => index.parse().ok().and_then(|index: usize| items.get(index)),
                _ => node.get(part),
            };
            let Some(next) = next else { break };
            node = next;
        }
        node
    }

    /// In words, for problems.
    pub fn describe(&self) -> String {
        match &self.content {
            Content::Null => "nothing".to_owned(),
            Content::Boolean(value) => format!("the boolean {value}"),
            Content::Number(number) => format!("the number {number}"),
            Content::Text(_) => "a text".to_owned(), // it may be a secret
            Content::List(_) => "a list".to_owned(),
            Content::Fields(_) => "a map".to_owned(),
        }
    }
}

/// Reads one YAML document; an empty one is an empty map.
pub fn parse(file: &str, text: &str, reports: &Reports) -> Option<Node> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let file: Arc<str> = file.into();
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) if root.value == Raw::Null => {
            Some(Node::new(Place { file, line: 1, column: 1 }, Content::Fields(Vec::new())))
        }
        Ok(root) => Some(Placing { file, lines: text.lines().collect() }.place(root)),
        Err(error) => {
            let at = error
                .location()
                .map_or(Place { file: Arc::clone(&file), line: 1, column: 1 }, |at| Place::new(&file, at));
            let what = error.to_string();
            // the parser adds where it is, and speaks of its own options
            let what = what.split(" at line ").next().and_then(|what| what.split(", set ").next()).unwrap_or(&what);
            reports.add(Problem::new(&at, format!("is not YAML that can be read: {what}"), "correct the file"));
            None
        }
    }
}

/// What places are made of.
struct Placing<'a> {
    file: Arc<str>,
    lines: Vec<&'a str>,
}

impl Placing<'_> {
    fn place(&self, raw: Spanned<Raw>) -> Node {
        let place = Place::new(&self.file, raw.referenced);
        let mut indent = None;
        let content = match raw.value {
            Raw::Null => Content::Null,
            Raw::Boolean(value) => Content::Boolean(value),
            Raw::Number(number) => Content::Number(number),
            Raw::Text(text) => {
                indent = self.indent(&place, &text);
                Content::Text(text)
            }
            Raw::List(items) => Content::List(items.into_iter().map(|item| self.place(item)).collect()),
            Raw::Fields(fields) => {
                Content::Fields(fields.into_iter().map(|(name, value)| (self.key(name), self.place(value))).collect())
            }
        };
        Node { place, content, indent }
    }

    fn key(&self, key: Spanned<String>) -> Key {
        Key { place: Place::new(&self.file, key.referenced), name: key.value }
    }

    /// A text stands at its place bare, or after a quote.
    fn indent(&self, place: &Place, text: &str) -> Option<usize> {
        let line = self.lines.get(place.line - 1)?;
        let (at, _) = line.char_indices().nth(place.column - 1)?;
        let rest = &line[at..];
        [0, 1].into_iter().find(|quote| rest.get(*quote..).is_some_and(|rest| rest.starts_with(text)))
    }
}

/// A value as serde hands it over.
#[derive(PartialEq)]
enum Raw {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Fields(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        // `.inf` and `.nan` are no numbers in JSON
        Ok(Number::from_f64(number).map_or_else(|| Raw::Text(number.to_string()), Raw::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(Raw::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        let reports = Reports::default();
        parse("a.yml", text, &reports).ok_or_else(|| reports.into_problems().to_string())
    }

    #[test]
    fn every_value_knows_its_place() {
        let node = read("a:\n  b: [1, {c: \"x\"}]\n").unwrap();
        let inner = node.at_path("a.b[1].c");
        assert_eq!((inner.place.line, inner.place.column, inner.text()), (2, 14, Some("x")));
        assert_eq!((inner.within(0).column, node.at_path("a.b[1].d").place.column), (15, 10));
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        let node = read("a: no\nb: on\nc: true\nd: y\ne: 12\nf: 1.5\ng:\nh: ~\n").unwrap();
        let expected = r#"{"a":"no","b":"on","c":true,"d":"y","e":12,"f":1.5,"g":null,"h":null}"#;
        assert_eq!(node.to_json().to_string(), expected);
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused() {
        let problem = read("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert!(problem.starts_with("a.yml:3:1: is not YAML that can be read"), "{problem}");
        assert!(read("a: [1").is_err());
        assert_eq!(read("").unwrap().content, Content::Fields(Vec::new()));
    }
}

//! The layers of settings: compiled-in files, the user's files, environment variables; the last one wins.
//!
//! figment merges them and remembers which layer each value is from; the layer's own tree remembers where in it.

use super::{Parsed, built_in, empty, split};
use crate::document::{Content, Fields, Key, Node, Place, Reports, parse};
use figment::{
    Error, Figment, Metadata, Profile, Provider,
    value::{Dict, Empty, Map, Value},
};
use std::collections::BTreeMap;

/// What names of our environment variables begin with.
const PREFIX: &str = "ONCALLD_";

/// Variables that are not settings: for the command line, and for tests.
const NOT_SETTINGS: &[&str] = &["CONFIG", "URL", "CLIENT_TOKEN", "CLIENT_TOKEN_FILE", "TEST_HAS", "TEST_SKIPS"];

/// Files of settings. The content of each stands under its name; that of the first is the top.
pub(super) const NAMES: [&str; 4] = ["platform", "agents", "environments", "policies"];

/// Merges all layers into one tree.
pub(super) fn merge(documents: &Parsed<'_>, variables: &BTreeMap<String, String>, reports: &Reports) -> Node {
    let mut layers = Vec::new();
    let (compiled_in, files): (Vec<_>, Vec<_>) =
        documents.iter().partition(|(path, _)| path.starts_with(built_in::FOLDER));
    for (path, node) in compiled_in.into_iter().chain(files) {
        let name = split(path).1;
        // a file that is no map is told and left out
        if NAMES.contains(&name) && Fields::of(node, reports).is_some() {
            layers.push(Layer { name: (*path).to_owned(), root: under(name, node.clone()) });
        }
    }
    layers.extend(
        variables
            .iter()
            .filter(|(name, _)| is_setting(name, documents))
            .map(|(name, text)| variable(name, text, reports)),
    );
    let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
    let merged = figment.find_value("").unwrap_or_else(|_| Value::from(Dict::new()));
    let place = Place { file: "platform.yml".into(), line: 1, column: 1 };
    rebuild(&merged, &figment, &layers, &mut Vec::new()).unwrap_or_else(|| empty(place))
}

fn under(name: &str, node: Node) -> Node {
    if name == NAMES[0] {
        return node;
    }
    let place = node.place.clone();
    let key = Key { name: name.to_owned(), place: place.clone() };
    Node::new(place, Content::Fields(vec![(key, node)]))
}

/// Whether a variable is meant as a setting. Not: those of the command line, those that a file takes by `${…}`, and
/// those that Kubernetes sets in every pod beside a Service named `oncalld` (`ONCALLD_PORT=tcp://…`).
fn is_setting(name: &str, documents: &Parsed<'_>) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let of_kubernetes = rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_");
    let taken = || documents.values().any(|node| super::secrets::mentions(node, name));
    !NOT_SETTINGS.contains(&rest) && !of_kubernetes && !taken()
}

/// A layer of one value. It stays the text that it is, whatever it looks like; lists and maps may be written in YAML.
fn variable(name: &str, text: &str, reports: &Reports) -> Layer {
    let place = Place::variable(name);
    let mut root = Node::new(place.clone(), Content::Text(text.to_owned()));
    if text.trim_start().starts_with('{')
        && let Some(node) = parse(name, text, reports)
    {
        root = moved(node, &place);
    }
    let path = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
    for key in path.rsplit("__") {
        let key = Key { name: key.to_owned(), place: place.clone() };
        root = Node::new(place.clone(), Content::Fields(vec![(key, root)]));
    }
    Layer { name: name.to_owned(), root }
}

/// The same tree, all of it at one place.
fn moved(node: Node, place: &Place) -> Node {
    let content = match node.content {
        Content::List(items) => Content::List(items.into_iter().map(|item| moved(item, place)).collect()),
        Content::Fields(fields) => Content::Fields(
            fields
                .into_iter()
                .map(|(key, value)| (Key { name: key.name, place: place.clone() }, moved(value, place)))
                .collect(),
        ),
        scalar => scalar,
    };
    Node::new(place.clone(), content)
}

/// One layer, for figment.
struct Layer {
    name: String,
    root: Node,
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let dict = to_value(&self.root).into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

fn to_value(node: &Node) -> Value {
    match &node.content {
        Content::Null => Value::from(Empty::None),
        Content::Boolean(value) => Value::from(*value),
        Content::Number(number) => match number.as_i64() {
            Some(number) => Value::from(number),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        Content::Text(text) => Value::from(text.as_str()),
        Content::List(items) => Value::from(items.iter().map(to_value).collect::<Vec<_>>()),
        Content::Fields(fields) => {
            Value::from(fields.iter().map(|(key, value)| (key.name.clone(), to_value(value))).collect::<Dict>())
        }
    }
}

/// Finds every merged value again in the tree of the layer that it is from.
fn rebuild(value: &Value, figment: &Figment, layers: &[Layer], path: &mut Vec<String>) -> Option<Node> {
    let Value::Dict(_, dict) = value else {
        let from = &figment.get_metadata(value.tag())?.name;
        let layer = layers.iter().find(|layer| layer.name == *from)?;
        return find(&layer.root, path).map(|(_, node)| node.clone());
    };
    let mut fields = Vec::new();
    for (name, value) in dict {
        path.push(name.clone());
        let key = layers.iter().rev().find_map(|layer| find(&layer.root, path)).and_then(|(key, _)| key.cloned());
        let node = rebuild(value, figment, layers, path);
        path.pop();
        fields.extend(key.zip(node));
    }
    // a map is shown where the last layer that has it begins
    let place = layers.iter().rev().find_map(|layer| find(&layer.root, path)).map(|(_, node)| node.place.clone())?;
    Some(Node::new(place, Content::Fields(fields)))
}

fn find<'a>(root: &'a Node, path: &[String]) -> Option<(Option<&'a Key>, &'a Node)> {
    path.iter().try_fold((None, root), |(_, node), name| match &node.content {
        Content::Fields(fields) => {
            fields.iter().find(|(key, _)| key.name == *name).map(|(key, node)| (Some(key), node))
        }
        _ => None,
    })
}

//! The strict subset of JSON Schema, as vendors of models enforce it.
//!
//! Source: OpenAI, "Structured model outputs", supported schemas: objects list every property as required and allow no
//! others, the root is an object, at most ten levels, 5,000 properties, 1,000 values of enumerations, 120,000 characters
//! of names and values. Not in the guide, but in what its API answers: "Objects provided via 'anyOf' must not share
//! identical first keys". Anthropic: at most 16 properties that are unions (what its API answers: vercel/ai#17268).

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, fmt};

const KEYWORDS: [&str; 11] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "anyOf",
    "enum",
    "const",
    "description",
    "$ref",
    "$defs",
];

/// Everything in which a schema is outside of the subset; `text` is what it was sent in, in the order that it was sent.
pub fn violations(schema: &Value, text: &str) -> Vec<String> {
    let mut check = Check { root: schema, found: Vec::new(), properties: 0, unions: 0, values: 0, characters: 0 };
    if schema["type"] != "object" {
        check.found.push("the root is no object".into());
    }
    check.node(schema, "#", 1);
    for definition in schema["$defs"].as_object().into_iter().flat_map(Map::values) {
        check.node(definition, "#/$defs", 1);
    }
    for (what, counted, most) in [
        ("properties", check.properties, 5_000),
        ("properties that are unions", check.unions, 16),
        ("enum values", check.values, 1_000),
        ("characters", check.characters, 120_000),
    ] {
        if counted > most {
            check.found.push(format!("{counted} {what}; at most {most}"));
        }
    }
    match serde_json::from_str::<Written>(text) {
        Ok(written) => written.unions("#", &mut check.found),
        Err(error) => check.found.push(format!("no JSON: {error}")),
    }
    check.found
}

struct Check<'a> {
    root: &'a Value,
    found: Vec<String>,
    properties: usize,
    unions: usize,
    values: usize,
    characters: usize,
}

impl Check<'_> {
    fn node(&mut self, schema: &Value, path: &str, level: usize) {
        let Some(fields) = schema.as_object() else {
            self.found.push(format!("{path}: is no object"));
            return;
        };
        if level > 10 {
            self.found.push(format!("{path}: is more than ten levels deep"));
            return;
        }
        let unknown = fields.keys().filter(|key| !KEYWORDS.contains(&key.as_str()));
        self.found.extend(unknown.map(|key| format!("{path}: has the keyword {key}")));
        if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
            let known = name.strip_prefix("#/$defs/").is_some_and(|name| !self.root["$defs"][name].is_null());
            if !known || fields.len() > 1 {
                self.found.push(format!("{path}: refers to {name}, and has {} fields", fields.len()));
            }
            return;
        }
        if !fields.contains_key("type") && !fields.contains_key("anyOf") {
            self.found.push(format!("{path}: has no type"));
        }
        self.enumerated(fields, path);
        self.object(fields, path, level);
        if let Some(items) = fields.get("items") {
            self.node(items, &format!("{path}[]"), level + 1);
        } else if fields.get("type").is_some_and(|kind| kind == "array") {
            self.found.push(format!("{path}: a list without items"));
        }
        let variants = fields.get("anyOf").map(|all| all.as_array().map_or(&[][..], Vec::as_slice));
        if variants.is_some_and(|variants| variants.is_empty() || path == "#") {
            self.found.push(format!("{path}: anyOf of nothing, or at the root"));
        }
        for (index, variant) in variants.unwrap_or_default().iter().enumerate() {
            self.node(variant, &format!("{path}|{index}"), level);
        }
    }

    fn enumerated(&mut self, fields: &Map<String, Value>, path: &str) {
        let Some(values) = fields.get("enum") else { return };
        let values = values.as_array().map_or(&[][..], Vec::as_slice);
        if values.is_empty() {
            self.found.push(format!("{path}: an empty enum"));
        }
        self.values += values.len();
        self.characters += values.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
    }

    fn object(&mut self, fields: &Map<String, Value>, path: &str, level: usize) {
        if fields.get("type").is_none_or(|kind| kind != "object") {
            return;
        }
        let none = Map::new();
        let properties = fields.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let required: Vec<&str> =
            fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.found.push(format!("{path}: allows other properties"));
        }
        if required.len() != properties.len() || properties.keys().any(|name| !required.contains(&name.as_str())) {
            self.found.push(format!("{path}: not every property is required"));
        }
        self.properties += properties.len();
        self.characters += properties.keys().map(String::len).sum::<usize>();
        for (name, property) in properties {
            self.unions += usize::from(property.get("anyOf").is_some() || property["type"].is_array());
            self.node(property, &format!("{path}.{name}"), level + 1);
        }
    }
}

/// JSON in the order in which it was written.
enum Written {
    Object(Vec<(String, Written)>),
    List(Vec<Written>),
    Other(String),
}

impl Written {
    fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// What begins an answer of this variant: its first property, with its value where there is only one.
    fn beginning(&self) -> Option<String> {
        let Self::Object(properties) = self.field("properties")? else { return None };
        let (name, property) = properties.first()?;
        let value = match property.field("enum") {
            Some(Self::List(values)) => values.iter().map(Self::text).collect::<Vec<_>>().join(" "),
            _ => String::new(),
        };
        Some(format!("{name} {value}"))
    }

    fn text(&self) -> &str {
        if let Self::Other(text) = self { text } else { "" }
    }

    fn unions(&self, path: &str, found: &mut Vec<String>) {
        match self {
            Self::Object(fields) => {
                for (name, value) in fields {
                    if let (true, Self::List(variants)) = (name == "anyOf", value) {
                        let beginnings: Vec<String> = variants.iter().filter_map(Self::beginning).collect();
                        if beginnings.iter().collect::<BTreeSet<_>>().len() < beginnings.len() {
                            found.push(format!("{path}: variants begin alike: {beginnings:?}"));
                        }
                    }
                    value.unions(&format!("{path}.{name}"), found);
                }
            }
            Self::List(values) => values.iter().for_each(|value| value.unions(path, found)),
            Self::Other(_) => {}
        }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Written::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Written::List(values))
    }

    fn visit_str<E>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Other(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
        Ok(Written::Other(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Written, E> {
        Ok(Written::Other(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Written, E> {
        Ok(Written::Other(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Written, E> {
        Ok(Written::Other(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Written, E> {
        Ok(Written::Other("null".to_owned()))
    }
}

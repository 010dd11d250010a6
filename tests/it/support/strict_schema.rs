//! The strict subset of JSON Schema, as vendors of models enforce it.
//!
//! Source: OpenAI, "Structured model outputs", supported schemas: objects list every property as required and allow no
//! others, the root is an object, at most ten levels, 5,000 properties, 1,000 values of enumerations, 120,000 characters
//! of names and values.

use serde_json::{Map, Value};

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

/// Everything in which a schema is outside of the subset.
pub fn violations(schema: &Value) -> Vec<String> {
    let mut check = Check { root: schema, found: Vec::new(), properties: 0, values: 0, characters: 0 };
    if schema["type"] != "object" {
        check.found.push("the root is no object".into());
    }
    check.node(schema, "#", 1);
    for definition in schema["$defs"].as_object().into_iter().flat_map(Map::values) {
        check.node(definition, "#/$defs", 1);
    }
    for (what, counted, most) in [
        ("properties", check.properties, 5_000),
        ("enum values", check.values, 1_000),
        ("characters", check.characters, 120_000),
    ] {
        if counted > most {
            check.found.push(format!("{counted} {what}; at most {most}"));
        }
    }
    check.found
}

struct Check<'a> {
    root: &'a Value,
    found: Vec<String>,
    properties: usize,
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
            self.node(property, &format!("{path}.{name}"), level + 1);
        }
    }
}

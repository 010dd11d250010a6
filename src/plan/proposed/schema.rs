//! The form of a model's answer, as a JSON Schema in the strict subset that vendors enforce: every property required, no
//! others, what is optional in a union with null, no `allOf`, `not` or `if`, at most ten levels deep.
//!
//! Source: OpenAI, "Structured model outputs", supported schemas; Anthropic, "Structured outputs", JSON Schema limitations.

use super::offer::{Offer, OfferedRemedy, is_strict};
use crate::{
    catalog::{On, Operation, Parameter},
    domain::{PhaseName, Shape},
};
use serde_json::{Map, Value, json};

/// The form of a [`crate::domain::Proposal`].
pub fn proposal_schema(offer: &Offer<'_>) -> Value {
    let steps: Vec<Value> = offer.operations.values().map(|operation| step(operation, offer)).collect();
    let mut remedies: Vec<Value> = offer.remedies.iter().map(remedy).collect();
    remedies.push(json!({"type": "null"}));
    let mut schema = object([
        ("summary", text("What you think so far, in one or two sentences for the people on call.")),
        ("keep", list(kept(offer), "Names of planned steps that are still worth taking; the others are dropped.")),
        ("steps", list(any_of(steps), "What to look at next; empty if enough was seen.")),
        ("remedy", any_of(remedies)),
        ("windows", list(window(offer), "Parts of large results that you need to see first; usually empty.")),
    ]);
    let targets: Vec<&str> = offer.targets.iter().copied().collect();
    if let (Some(fields), false) = (schema.as_object_mut(), targets.is_empty()) {
        fields.insert("$defs".to_owned(), json!({"target": {"type": "string", "enum": targets}}));
    }
    schema
}

/// The form of [`crate::domain::Claims`].
pub fn claims_schema(offer: &Offer<'_>) -> Value {
    let causes: Vec<&str> = offer.causes.iter().copied().collect();
    let cause = object([
        ("code", json!({"type": "string", "enum": causes})),
        ("confidence", json!({"type": "number", "description": "From 0 to 1."})),
    ]);
    let claim = object([
        ("summary", text("The claim, in one sentence.")),
        ("cites", list(evidence(offer), "Evidence that shows it; at least one.")),
        ("cause", any_of(vec![cause, json!({"type": "null"})])),
    ]);
    object([
        ("summary", text("What you think so far, in one or two sentences for the people on call.")),
        ("findings", list(claim, "What the evidence shows; empty if nothing new.")),
    ])
}

fn step(operation: &Operation, offer: &Offer<'_>) -> Value {
    let target = match operation.on {
        On::Service => json!({"$ref": "#/$defs/target"}),
        On::Environment => json!({"type": "null"}),
    };
    let parameters = operation.parameters.iter().filter(|(_, parameter)| is_strict(&parameter.shape));
    let arguments = parameters.map(|(name, parameter)| (name.as_str(), argument(parameter)));
    let phases: Vec<&str> = PhaseName::ALL
        .iter()
        .filter(|phase| **phase >= offer.from && **phase < PhaseName::Resolution)
        .map(|phase| phase.as_str())
        .collect();
    object([
        ("operation", json!({"type": "string", "enum": [operation.name], "description": operation.description})),
        ("name", text("Unique among all steps; a letter, then letters, digits and _.")),
        ("phase", json!({"type": "string", "enum": phases})),
        ("target", target),
        ("arguments", object(arguments)),
        ("reason", text("Why this step.")),
        ("expects", expectation()),
    ])
}

fn expectation() -> Value {
    let meaning = object([
        ("result", text("A result: CEL over the results, as in success, where it can be written so; else in words.")),
        ("meaning", text("What it would mean.")),
    ]);
    object([
        ("when", optional("string", "CEL over the results of earlier steps: the step is skipped unless it is true.")),
        (
            "success",
            optional("string", "CEL over the results so far and this step's own: whether it is as it should be."),
        ),
        ("duration", optional("string", "How long it takes, such as 5s.")),
        ("meanings", list(meaning, "What each possible result would mean.")),
    ])
}

fn remedy(remedy: &OfferedRemedy<'_>) -> Value {
    let arguments = remedy.choices.iter().map(|(name, parameter)| (*name, open(argument(parameter))));
    let description = format!("For {}: {}", remedy.cause, remedy.operations.join(", "));
    object([
        ("id", json!({"type": "string", "enum": [remedy.id], "description": description})),
        ("arguments", object(arguments)),
        ("reason", text("Why this one first.")),
    ])
}

fn window(offer: &Offer<'_>) -> Value {
    object([
        ("evidence", evidence(offer)),
        ("first", json!({"type": "integer", "description": "The first line, from 1."})),
        ("lines", json!({"type": "integer", "description": "How many lines."})),
    ])
}

fn kept(offer: &Offer<'_>) -> Value {
    let names: Vec<&str> = offer.left.iter().map(|left| left.step.name.as_str()).collect();
    if names.is_empty() { json!({"type": "null"}) } else { json!({"type": "string", "enum": names}) }
}

fn evidence(offer: &Offer<'_>) -> Value {
    let ids: Vec<&str> = offer.evidence.iter().map(|evidence| evidence.step.as_str()).collect();
    if ids.is_empty() { json!({"type": "string"}) } else { json!({"type": "string", "enum": ids}) }
}

fn argument(parameter: &Parameter) -> Value {
    let mut schema = typed(parameter.shape.inner());
    if let (Some(fields), false) = (schema.as_object_mut(), parameter.options.is_empty()) {
        fields.insert("enum".to_owned(), Value::Array(parameter.options.clone()));
    }
    if let Some(fields) = schema.as_object_mut().filter(|fields| !fields.contains_key("$ref")) {
        fields.insert("description".to_owned(), described(parameter).into());
    }
    if parameter.required { schema } else { open(schema) }
}

/// What the strict subset has no word for, in words.
fn described(parameter: &Parameter) -> String {
    let mut said = vec![format!("{} ({})", parameter.description, parameter.shape.inner())];
    if let Some((least, most)) = &parameter.range {
        said.push(format!("from {least} to {most}"));
    }
    if let Some(pattern) = &parameter.pattern {
        said.push(format!("matches {pattern}"));
    }
    if let Some(default) = &parameter.default {
        said.push(format!("{default} by default"));
    }
    said.join(", ")
}

fn typed(shape: &Shape) -> Value {
    match shape {
        Shape::String | Shape::Duration | Shape::Timestamp => json!({"type": "string"}),
        Shape::Integer | Shape::Bytes => json!({"type": "integer"}),
        Shape::Number => json!({"type": "number"}),
        Shape::Boolean => json!({"type": "boolean"}),
        Shape::Target => json!({"$ref": "#/$defs/target"}),
        Shape::List(inner) => json!({"type": "array", "items": typed(inner)}),
        Shape::Object(fields) => object(fields.iter().map(|(name, shape)| (name.as_str(), typed(shape)))),
        Shape::Nullable(inner) => open(typed(inner)),
        // `is_strict` keeps these out.
        Shape::Any | Shape::Map(_) => json!({"type": "null"}),
    }
}

/// A type, or null.
fn open(schema: Value) -> Value {
    match &schema {
        Value::Object(fields) if fields.contains_key("anyOf") => schema,
        _ => any_of(vec![schema, json!({"type": "null"})]),
    }
}

fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let properties: Map<String, Value> =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "required": required, "additionalProperties": false, "properties": properties})
}

/// One of these; null where there is none of them.
fn any_of(variants: Vec<Value>) -> Value {
    if variants.is_empty() { json!({"type": "null"}) } else { json!({"anyOf": variants}) }
}

fn list(items: Value, description: &str) -> Value {
    json!({"type": "array", "items": items, "description": description})
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn optional(kind: &str, description: &str) -> Value {
    json!({"type": [kind, "null"], "description": description})
}

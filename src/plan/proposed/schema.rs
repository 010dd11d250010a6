//! The form of a model's answer, as a JSON Schema in the strict subset that vendors enforce: every property required, no
//! others, what is optional in a union with null, no `allOf`, `not` or `if`, at most ten levels deep.
//!
//! Properties come in the order in which a model should think of them, the one that tells the variants of a union apart
//! first: OpenAI refuses a union whose variants begin alike ("must not share identical first keys"). What texts leave out
//! is empty, not null: Anthropic takes 16 properties that are unions.
//!
//! Source: OpenAI, "Structured model outputs", supported schemas; Anthropic, "Structured outputs", JSON Schema limitations.

use super::offer::{Offer, OfferedRemedy, is_strict};
use crate::{
    catalog::{On, Operation, Parameter},
    domain::{Ordered, PhaseName, Shape},
};
use serde_json::json;

/// The form of a [`crate::domain::Proposal`].
pub fn proposal_schema(offer: &Offer<'_>) -> Ordered {
    let steps: Vec<Ordered> = offer.operations.values().map(|operation| step(operation, offer)).collect();
    let remedies = offer.remedies.iter().map(remedy).chain([null()]).collect();
    let schema = object([
        ("summary", text("What you think so far, in one or two sentences for the people on call.")),
        ("keep", list(kept(offer), "Names of planned steps that are still worth taking; the others are dropped.")),
        ("steps", list(any_of(steps), "What to look at next; empty if enough was seen.")),
        ("remedy", any_of(remedies)),
        ("windows", list(window(offer), "Parts of large results that you need to see first; usually empty.")),
    ]);
    let targets: Vec<&str> = offer.targets.iter().copied().collect();
    let target = (!targets.is_empty()).then(|| ("target", json!({"type": "string", "enum": targets}).into()));
    schema.with("$defs", Ordered::object(target.into_iter().chain([("expects", expectation())])))
}

/// The form of [`crate::domain::Claims`].
pub fn claims_schema(offer: &Offer<'_>) -> Ordered {
    let causes: Vec<&str> = offer.causes.iter().copied().collect();
    let cause = object([
        ("code", json!({"type": "string", "enum": causes}).into()),
        ("confidence", json!({"type": "number", "description": "From 0 to 1."}).into()),
    ]);
    let claimed = if causes.is_empty() { null() } else { any_of(vec![cause, null()]) };
    let claim = object([
        ("cites", list(evidence(offer), "Evidence that shows it; at least one.")),
        ("summary", text("The claim, in one sentence.")),
        ("cause", claimed),
    ]);
    object([
        ("summary", text("What you think so far, in one or two sentences for the people on call.")),
        ("findings", list(claim, "What the evidence shows; empty if nothing new.")),
    ])
}

fn step(operation: &Operation, offer: &Offer<'_>) -> Ordered {
    let target = match operation.on {
        On::Service => reference("target"),
        On::Environment => null(),
    };
    let parameters = operation.parameters.iter().filter(|(_, parameter)| is_strict(&parameter.shape));
    let arguments = parameters.map(|(name, parameter)| (name.as_str(), argument(parameter)));
    let phases: Vec<&str> = PhaseName::ALL
        .iter()
        .filter(|phase| **phase >= offer.from && **phase < PhaseName::Resolution)
        .map(|phase| phase.as_str())
        .collect();
    object([
        ("operation", json!({"type": "string", "enum": [operation.name], "description": operation.description}).into()),
        ("reason", text("Why this step.")),
        ("phase", json!({"type": "string", "enum": phases}).into()),
        ("name", text("Unique among all steps; a letter, then letters, digits and _.")),
        ("target", target),
        ("arguments", object(arguments)),
        ("expects", reference("expects")),
    ])
}

fn expectation() -> Ordered {
    let meaning = object([
        ("result", text("A result: CEL over the results, as in success, where it can be written so; else in words.")),
        ("meaning", text("What it would mean.")),
    ]);
    let when = "CEL over the results of earlier steps: the step is skipped unless it is true; empty for none.";
    let success = "CEL over the results so far and this step's own: whether it is as it should be; empty for none.";
    object([
        ("when", text(when)),
        ("success", text(success)),
        ("duration", text("How long it takes, such as 5s; empty if it is not known.")),
        ("meanings", list(meaning, "What each possible result would mean.")),
    ])
}

fn remedy(remedy: &OfferedRemedy<'_>) -> Ordered {
    let arguments = remedy.choices.iter().map(|(name, parameter)| (*name, open(argument(parameter))));
    let description = format!("For {}: {}", remedy.cause, remedy.operations.join(", "));
    object([
        ("id", json!({"type": "string", "enum": [remedy.id], "description": description}).into()),
        ("reason", text("Why this one first.")),
        ("arguments", object(arguments)),
    ])
}

fn window(offer: &Offer<'_>) -> Ordered {
    object([
        ("evidence", evidence(offer)),
        ("first", json!({"type": "integer", "description": "The first line, from 1."}).into()),
        ("lines", json!({"type": "integer", "description": "How many lines."}).into()),
    ])
}

fn kept(offer: &Offer<'_>) -> Ordered {
    let names: Vec<&str> = offer.left.iter().map(|left| left.step.name.as_str()).collect();
    if names.is_empty() { null() } else { json!({"type": "string", "enum": names}).into() }
}

fn evidence(offer: &Offer<'_>) -> Ordered {
    let ids: Vec<&str> = offer.evidence.iter().map(|evidence| evidence.step.as_str()).collect();
    if ids.is_empty() { null() } else { json!({"type": "string", "enum": ids}).into() }
}

fn argument(parameter: &Parameter) -> Ordered {
    let mut schema = typed(parameter.shape.inner());
    if !parameter.options.is_empty() {
        schema = schema.with("enum", parameter.options.clone());
    }
    if schema.field("$ref").is_none() {
        schema = schema.with("description", described(parameter));
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

fn typed(shape: &Shape) -> Ordered {
    match shape {
        Shape::String | Shape::Duration | Shape::Timestamp => json!({"type": "string"}).into(),
        Shape::Integer | Shape::Bytes => json!({"type": "integer"}).into(),
        Shape::Number => json!({"type": "number"}).into(),
        Shape::Boolean => json!({"type": "boolean"}).into(),
        Shape::Target => reference("target"),
        Shape::List(inner) => Ordered::object([("type", "array".into()), ("items", typed(inner))]),
        Shape::Object(fields) => object(fields.iter().map(|(name, shape)| (name.as_str(), typed(shape)))),
        Shape::Nullable(inner) => open(typed(inner)),
        // `is_strict` keeps these out.
        Shape::Any | Shape::Map(_) => null(),
    }
}

/// A type, or null.
fn open(schema: Ordered) -> Ordered {
    if schema.field("anyOf").is_some() { schema } else { any_of(vec![schema, null()]) }
}

fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Ordered)>) -> Ordered {
    let properties: Vec<(&str, Ordered)> = properties.into_iter().collect();
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    Ordered::from(json!({"type": "object", "required": required, "additionalProperties": false}))
        .with("properties", Ordered::object(properties))
}

/// One of these; null where there is none of them.
fn any_of(variants: Vec<Ordered>) -> Ordered {
    if variants.is_empty() { null() } else { Ordered::object([("anyOf", Ordered::List(variants))]) }
}

fn list(items: Ordered, description: &str) -> Ordered {
    Ordered::object([("type", "array".into()), ("items", items), ("description", description.into())])
}

fn text(description: &str) -> Ordered {
    json!({"type": "string", "description": description}).into()
}

fn reference(definition: &str) -> Ordered {
    json!({"$ref": format!("#/$defs/{definition}")}).into()
}

fn null() -> Ordered {
    json!({"type": "null"}).into()
}

//! JSON values whose texts may hold `${{ expressions }}`.

use super::{Bindings, EvalError, ExprError, Expression, Scope, guard::string_length};
use crate::domain::Shape;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A value with holes. A text that is one whole `${{ … }}` keeps the expression's type; inside a longer text a value is
/// written as people read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    node: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Literal(Value),
    Whole(Expression),
    Text(Vec<Part>),
    List(Vec<Template>),
    Object(BTreeMap<String, Template>),
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(String),
    Hole(Expression),
}

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

impl Template {
    /// Compiles every expression inside a value.
    ///
    /// # Errors
    /// Each one that is wrong, with the path of its text inside the value (`labels.name`, `argv[2]`) and the offset
    /// inside that text.
    pub fn compile(value: &Value, scope: &Scope) -> Result<Self, Vec<(String, ExprError)>> {
        let mut errors = Vec::new();
        let node = compile(value, scope, "", &mut errors);
        if errors.is_empty() { Ok(Self { node }) } else { Err(errors) }
    }

    /// The value with its holes filled.
    ///
    /// # Errors
    /// An expression has no value.
    pub fn render(&self, bindings: &Bindings) -> Result<Value, EvalError> {
        Ok(match &self.node {
            Node::Literal(value) => value.clone(),
            Node::Whole(expression) => expression.evaluate(bindings)?,
            Node::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Literal(literal) => text.push_str(literal),
                        Part::Hole(expression) => text.push_str(&spoken(&expression.evaluate(bindings)?)),
                    }
                }
                Value::String(text)
            }
            Node::List(items) => {
                Value::Array(items.iter().map(|item| item.render(bindings)).collect::<Result<_, _>>()?)
            }
            Node::Object(fields) => {
                let fields = fields.iter().map(|(name, field)| Ok((name.clone(), field.render(bindings)?)));
                Value::Object(fields.collect::<Result<_, _>>()?)
            }
        })
    }

    /// The text that it was made of, where it is text.
    pub fn text(&self) -> Option<String> {
        let hole = |expression: &Expression| format!("{OPEN} {} {CLOSE}", expression.source());
        match &self.node {
            Node::Literal(value) => value.as_str().map(str::to_owned),
            Node::Whole(expression) => Some(hole(expression)),
            Node::Text(parts) => {
                let part = |part: &Part| match part {
                    Part::Literal(literal) => literal.clone(),
                    Part::Hole(expression) => hole(expression),
                };
                Some(parts.iter().map(part).collect())
            }
            Node::List(_) | Node::Object(_) => None,
        }
    }

    /// The declared variables that it mentions.
    pub fn references(&self) -> BTreeSet<String> {
        self.expressions().into_iter().flat_map(|expression| expression.references().iter().cloned()).collect()
    }

    /// Everything that it reads, from the variable on: `logs.lines[].text`.
    pub fn paths(&self) -> BTreeSet<String> {
        self.expressions().into_iter().flat_map(|expression| expression.paths().iter().cloned()).collect()
    }

    /// The value, where it has no holes.
    pub fn literal(&self) -> Option<&Value> {
        match &self.node {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The fields, where it is an object.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Self)> {
        let fields = if let Node::Object(fields) = &self.node { Some(fields) } else { None };
        fields.into_iter().flatten().map(|(name, field)| (name.as_str(), field))
    }

    /// The type of what it renders to, as far as it is known at load.
    pub fn shape(&self) -> Shape {
        match &self.node {
            Node::Literal(value) => super::convert::natural(value),
            Node::Whole(expression) => expression.shape().clone(),
            Node::Text(_) => Shape::String,
            Node::List(items) => {
                items.iter().fold(Shape::Any.list(), |shape, item| super::infer::join(&shape, &item.shape().list()))
            }
            Node::Object(fields) => {
                Shape::Object(fields.iter().map(|(name, field)| (name.clone(), field.shape())).collect())
            }
        }
    }

    fn expressions(&self) -> Vec<&Expression> {
        match &self.node {
            Node::Literal(_) => Vec::new(),
            Node::Whole(expression) => vec![expression],
            Node::Text(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Literal(_) => None,
                    Part::Hole(expression) => Some(expression),
                })
                .collect(),
            Node::List(items) => items.iter().flat_map(Self::expressions).collect(),
            Node::Object(fields) => fields.values().flat_map(Self::expressions).collect(),
        }
    }
}

fn compile(value: &Value, scope: &Scope, path: &str, errors: &mut Vec<(String, ExprError)>) -> Node {
    match value {
        Value::String(text) if text.contains(OPEN) => compile_text(text, scope).unwrap_or_else(|error| {
            errors.push((path.to_owned(), error));
            Node::Literal(Value::Null)
        }),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            Node::List(
                items
                    .map(|(index, item)| Template { node: compile(item, scope, &format!("{path}[{index}]"), errors) })
                    .collect(),
            )
        }
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .iter()
                .map(|(name, field)| {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    (name.clone(), Template { node: compile(field, scope, &path, errors) })
                })
                .collect();
            Node::Object(fields)
        }
        other => Node::Literal(other.clone()),
    }
}

fn compile_text(text: &str, scope: &Scope) -> Result<Node, ExprError> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(OPEN) {
        if found > 0 {
            parts.push(Part::Literal(text[at..at + found].to_owned()));
        }
        let start = at + found + OPEN.len();
        let Some(length) = hole_length(&text[start..]) else {
            let message = "'${{' is not closed by '}}'".to_owned();
            return Err(ExprError { offset: at + found, message });
        };
        let hole = &text[start..start + length];
        let blank = hole.len() - hole.trim_start().len();
        let expression = Expression::compile(hole.trim(), scope)
            .map_err(|error| ExprError { offset: start + blank + error.offset, message: error.message })?;
        parts.push(Part::Hole(expression));
        at = start + length + CLOSE.len();
    }
    if at < text.len() {
        parts.push(Part::Literal(text[at..].to_owned()));
    }
    Ok(match <[Part; 1]>::try_from(parts) {
        Ok([Part::Hole(expression)]) => Node::Whole(expression),
        Ok(parts) => Node::Text(parts.into()),
        Err(parts) => Node::Text(parts),
    })
}

/// Length of the expression that `text` begins with, up to the `}}` that is in no string and closes no map.
fn hole_length(text: &str) -> Option<usize> {
    let mut at = 0;
    let mut open = 0usize;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '}' if open == 0 && text[at..].starts_with(CLOSE) => return Some(at),
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        at += if c == '\'' || c == '"' { string_length(&text[at..], false) } else { c.len_utf8() };
    }
    None
}

/// A value as people read it inside a sentence.
fn spoken(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(spoken).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

//! The types of arguments and results, as `operations.yml` declares them and as native calls return them.
//!
//! Written in YAML as `string`, `integer?` (may be null), `[string]` (a list), `{name: string}` (an object) or
//! `map<integer>` (an object with any keys).

use super::{ByteSize, TimeSpan, Timestamp};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything; fields of it are not checked.
    Any,
    /// Text.
    String,
    /// A whole number that fits 64 bits with sign.
    Integer,
    /// A whole or broken number.
    Number,
    /// True or false.
    Boolean,
    /// `30s`; in JSON a string, in CEL a duration.
    Duration,
    /// A size in bytes; in JSON and CEL an integer, accepted as `64MiB` too.
    Bytes,
    /// RFC 3339; in JSON a string, in CEL a timestamp.
    Timestamp,
    /// The name of a service in the inventory.
    Target,
    /// A list of one type.
    List(Box<Shape>),
    /// An object with any keys and values of one type.
    Map(Box<Shape>),
    /// An object with exactly these fields.
    Object(BTreeMap<String, Shape>),
    /// The type, or null.
    Nullable(Box<Shape>),
}

/// Where and how a value differs from its declared type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}expected {expected}, found {found}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct ShapeError {
    /// Dotted path inside the value; empty for the value itself.
    pub path: String,
    /// The declared type.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl Shape {
    /// A list of this shape.
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }

    /// This shape or null.
    pub fn nullable(self) -> Self {
        Self::Nullable(Box::new(self))
    }

    /// An object, from `(name, shape)` pairs.
    pub fn object<const N: usize>(fields: [(&str, Shape); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect())
    }

    /// The shape without its outer `Nullable`.
    pub fn inner(&self) -> &Self {
        match self {
            Self::Nullable(inner) => inner.inner(),
            other => other,
        }
    }

    /// Checks a value and brings it into canonical form: sizes become integers, durations their shortest text.
    ///
    /// # Errors
    /// The first difference, with its path.
    pub fn coerce(&self, value: Value) -> Result<Value, ShapeError> {
        self.coerce_at(value, "")
    }

    fn coerce_at(&self, value: Value, path: &str) -> Result<Value, ShapeError> {
        let wrong =
            |value: &Value| ShapeError { path: path.into(), expected: self.to_string(), found: describe(value) };
        match (self, value) {
            (Self::Any, value) => Ok(value),
            (Self::Nullable(_), Value::Null) => Ok(Value::Null),
            (Self::Nullable(inner), value) => inner.coerce_at(value, path),
            (Self::String | Self::Target, value @ Value::String(_)) => Ok(value),
            (Self::Integer, value) if value.is_i64() => Ok(value),
            (Self::Number, value @ Value::Number(_)) => Ok(value),
            (Self::Boolean, value @ Value::Bool(_)) => Ok(value),
            (Self::Duration, Value::String(text)) => {
                text.parse::<TimeSpan>().map(|span| span.to_string().into()).map_err(|_| wrong(&Value::String(text)))
            }
            (Self::Bytes, value) if value.as_i64().is_some_and(|bytes| bytes >= 0) => Ok(value),
            (Self::Bytes, Value::String(text)) => {
                match text.parse::<ByteSize>().ok().and_then(|s| i64::try_from(s.0).ok()) {
                    Some(bytes) => Ok(bytes.into()),
                    None => Err(wrong(&Value::String(text))),
                }
            }
            (Self::Timestamp, Value::String(text)) => match text.parse::<Timestamp>() {
                Ok(_) => Ok(Value::String(text)),
                Err(_) => Err(wrong(&Value::String(text))),
            },
            (Self::List(inner), Value::Array(items)) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| inner.coerce_at(item, &format!("{path}[{index}]")))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            (Self::Map(inner), Value::Object(fields)) => fields
                .into_iter()
                .map(|(name, item)| Ok((name.clone(), inner.coerce_at(item, &join(path, &name))?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
            (Self::Object(shapes), Value::Object(mut fields)) => {
                let mut result = serde_json::Map::new();
                for (name, shape) in shapes {
                    let item = fields.remove(name).unwrap_or(Value::Null);
                    result.insert(name.clone(), shape.coerce_at(item, &join(path, name))?);
                }
                match fields.into_iter().next() {
                    None => Ok(Value::Object(result)),
                    Some((name, item)) => Err(ShapeError {
                        path: join(path, &name),
                        expected: "no such field".into(),
                        found: describe(&item),
                    }),
                }
            }
            (_, value) => Err(wrong(&value)),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(text) => format!("the text '{}'", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::String => f.write_str("string"),
            Self::Integer => f.write_str("integer"),
            Self::Number => f.write_str("number"),
            Self::Boolean => f.write_str("boolean"),
            Self::Duration => f.write_str("duration"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Target => f.write_str("target"),
            Self::List(inner) => write!(f, "[{inner}]"),
            Self::Map(inner) => write!(f, "map<{inner}>"),
            Self::Nullable(inner) => write!(f, "{inner}?"),
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, shape)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {shape}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(inner) = text.strip_suffix('?') {
            return inner.parse().map(Self::nullable);
        }
        if let Some(inner) = text.strip_prefix("map<").and_then(|rest| rest.strip_suffix('>')) {
            return inner.parse().map(|inner| Self::Map(Box::new(inner)));
        }
        Ok(match text {
            "any" => Self::Any,
            "object" => Self::Map(Box::new(Self::Any)),
            "array" => Self::Any.list(),
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "duration" => Self::Duration,
            "bytes" => Self::Bytes,
            "timestamp" => Self::Timestamp,
            "target" => Self::Target,
            _ => {
                return Err(format!(
                    "'{text}' is not a type; use string, integer, number, boolean, array, object, duration, bytes, \
                     timestamp, target, any, map<type>, [type] or {{field: type}}, with ? if it may be null"
                ));
            }
        })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        shape_of(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

fn shape_of(value: &Value) -> Result<Shape, String> {
    match value {
        Value::String(text) => text.parse(),
        Value::Array(items) => match items.as_slice() {
            [item] => shape_of(item).map(Shape::list),
            _ => Err("a list type has exactly one element type: [string]".into()),
        },
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| Ok((name.clone(), shape_of(field)?)))
            .collect::<Result<_, String>>()
            .map(Shape::Object),
        _ => Err("a type is a name, a list with one type, or an object of types".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape(value: Value) -> Shape {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn values_are_checked_and_made_canonical() {
        let declared = shape(json!({"memory": "bytes", "wait": "duration?", "lines": [{"text": "string"}]}));
        let given = json!({"memory": "64MiB", "wait": "90s", "lines": [{"text": "x"}]});
        let canonical = json!({"memory": 67_108_864, "wait": "1m30s", "lines": [{"text": "x"}]});
        assert_eq!(declared.coerce(given), Ok(canonical));
    }

    #[test]
    fn each_type_of_a_parameter_takes_what_it_names_and_nothing_else() {
        let size = json!(67_108_864);
        for (name, takes, refuses) in [
            ("string", vec![(json!("7"), json!("7"))], vec![json!(7), json!(null), json!(["a"])]),
            ("integer", vec![(json!(-7), json!(-7))], vec![json!(7.5), json!("7"), json!(u64::MAX)]),
            ("number", vec![(json!(7), json!(7)), (json!(0.5), json!(0.5))], vec![json!("0.5"), json!(true)]),
            ("boolean", vec![(json!(false), json!(false))], vec![json!("false"), json!(0)]),
            ("array", vec![(json!([1, "a"]), json!([1, "a"]))], vec![json!("a"), json!({"a": 1})]),
            ("object", vec![(json!({"a": [1]}), json!({"a": [1]}))], vec![json!(7), json!("a"), json!(["a"])]),
            ("duration", vec![(json!("90s"), json!("1m30s"))], vec![json!(90), json!("soon")]),
            ("bytes", vec![(json!("64MiB"), size.clone()), (size.clone(), size)], vec![json!(-1), json!("much")]),
            (
                "timestamp",
                vec![(json!("2026-11-21T03:00:00Z"), json!("2026-11-21T03:00:00Z"))],
                vec![json!("today"), json!(0)],
            ),
            ("target", vec![(json!("api"), json!("api"))], vec![json!(7), json!({"name": "api"})]),
        ] {
            let declared: Shape = name.parse().unwrap();
            for (given, canonical) in takes {
                assert_eq!(declared.coerce(given.clone()), Ok(canonical), "{name} takes {given}");
            }
            for given in refuses {
                assert!(declared.coerce(given.clone()).is_err(), "{name} refuses {given}");
            }
            assert!(declared.nullable().coerce(Value::Null).is_ok(), "{name}?");
        }
    }

    #[test]
    fn a_difference_names_its_path() {
        let declared = shape(json!({"lines": [{"text": "string"}]}));
        let error = declared.coerce(json!({"lines": [{"text": "a"}, {"text": 7}]})).unwrap_err();
        assert_eq!(error.to_string(), "lines[1].text: expected string, found the number 7");
        let error = declared.coerce(json!({"lines": [], "extra": 1})).unwrap_err();
        assert_eq!(error.path, "extra");
    }
}

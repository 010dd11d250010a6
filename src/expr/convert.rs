//! JSON to CEL by declared type, and CEL back to JSON.

use super::MAX_LIST;
use crate::domain::{Shape, TimeSpan, Timestamp};
use cel::Value as Cel;
use chrono::SecondsFormat;
use serde_json::Value;
use std::sync::Arc;

/// Converts by declared type. Integers are always signed: CEL does not mix signed and unsigned ones.
///
/// # Errors
/// The value is not of the declared type, or has a list that is too long to loop over.
pub(super) fn to_cel(value: &Value, shape: &Shape) -> Result<Cel, String> {
    let wrong = || format!("is not of its declared type {shape}");
    Ok(match (shape, value) {
        (Shape::Nullable(_) | Shape::Any, Value::Null) => Cel::Null,
        (Shape::Nullable(inner), value) => to_cel(value, inner)?,
        (Shape::Any, value) => to_cel(value, &natural(value))?,
        (Shape::String | Shape::Target, Value::String(text)) => Cel::from(text.as_str()),
        (Shape::Integer | Shape::Bytes, Value::Number(number)) => Cel::Int(number.as_i64().ok_or_else(wrong)?),
        (Shape::Number, Value::Number(number)) => Cel::Float(number.as_f64().ok_or_else(wrong)?),
        (Shape::Boolean, Value::Bool(value)) => Cel::Bool(*value),
        (Shape::Duration, Value::String(text)) => {
            Cel::Duration(text.parse::<TimeSpan>().map_err(|error| error.to_string())?.as_chrono())
        }
        (Shape::Timestamp, Value::String(text)) => {
            Cel::Timestamp(text.parse::<Timestamp>().map_err(|_| wrong())?.fixed_offset())
        }
        (Shape::List(_), Value::Array(items)) if items.len() > MAX_LIST => {
            return Err(format!("has a list of {} elements, more than {MAX_LIST}", items.len()));
        }
        (Shape::List(inner), Value::Array(items)) => {
            Cel::List(Arc::new(items.iter().map(|item| to_cel(item, inner)).collect::<Result<_, _>>()?))
        }
        (Shape::Map(inner), Value::Object(fields)) => map(fields.iter().map(|(name, field)| (name, field, &**inner)))?,
        (Shape::Object(shapes), Value::Object(fields)) => {
            map(shapes.iter().map(|(name, shape)| (name, fields.get(name).unwrap_or(&Value::Null), shape)))?
        }
        _ => return Err(wrong()),
    })
}

fn map<'a>(fields: impl Iterator<Item = (&'a String, &'a Value, &'a Shape)>) -> Result<Cel, String> {
    let fields = fields.map(|(name, value, shape)| Ok((name.clone().into(), to_cel(value, shape)?)));
    Ok(Cel::Map(cel::objects::Map { map: Arc::new(fields.collect::<Result<_, String>>()?) }))
}

/// The type that a value of undeclared type has by itself.
pub(super) fn natural(value: &Value) -> Shape {
    match value {
        Value::Null => Shape::Any.nullable(),
        Value::Bool(_) => Shape::Boolean,
        Value::Number(number) if number.is_i64() => Shape::Integer,
        Value::Number(_) => Shape::Number,
        Value::String(_) => Shape::String,
        Value::Array(_) => Shape::Any.list(),
        Value::Object(_) => Shape::Map(Box::new(Shape::Any)),
    }
}

/// Converts a result: durations and timestamps become their canonical text.
///
/// # Errors
/// JSON, or a type of ours, has nothing for it: a negative duration, an optional that was not unwrapped.
pub(super) fn to_json(value: &Cel) -> Result<Value, String> {
    Ok(match value {
        Cel::Null => Value::Null,
        Cel::Bool(value) => Value::Bool(*value),
        Cel::Int(number) => (*number).into(),
        Cel::UInt(number) => i64::try_from(*number).map_err(|_| format!("{number} is out of range"))?.into(),
        Cel::Float(number) => serde_json::Number::from_f64(*number).ok_or("the number is not finite")?.into(),
        Cel::String(text) => Value::String(text.to_string()),
        Cel::Duration(span) => match span.to_std() {
            Ok(span) => TimeSpan::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).to_string().into(),
            Err(_) => return Err("the duration is negative".into()),
        },
        Cel::Timestamp(at) => at.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true).into(),
        Cel::List(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Cel::Map(fields) => Value::Object(
            fields
                .map
                .iter()
                .map(|(name, field)| Ok((name.to_string(), to_json(field)?)))
                .collect::<Result<_, String>>()?,
        ),
        Cel::Opaque(_) => return Err("an optional value has to end in .orValue(…)".into()),
        other => return Err(format!("a {} is not a result", other.type_of())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9f64..1e9).prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn undeclared_values_survive_the_way_there_and_back(value in json_value()) {
            prop_assert_eq!(to_json(&to_cel(&value, &Shape::Any).unwrap()).unwrap(), value);
        }
    }

    #[test]
    fn declared_types_decide() {
        assert_eq!(to_cel(&json!(7), &Shape::Integer), Ok(Cel::Int(7)));
        assert_eq!(to_cel(&json!(7), &Shape::Number), Ok(Cel::Float(7.0)));
        assert!(matches!(to_cel(&json!("90s"), &Shape::Duration), Ok(Cel::Duration(_))));
        assert!(to_cel(&json!("x"), &Shape::Integer).is_err());
        assert!(to_cel(&json!(vec![0; 1_001]), &Shape::Integer.list()).unwrap_err().contains("1001 elements"));
        for (text, shape) in [("1m30s", Shape::Duration), ("2026-11-21T03:00:00Z", Shape::Timestamp)] {
            assert_eq!(to_json(&to_cel(&json!(text), &shape).unwrap()), Ok(json!(text)));
        }
        assert_eq!(to_json(&Cel::UInt(7)), Ok(json!(7)));
        assert!(to_json(&Cel::UInt(u64::MAX)).is_err());
        assert!(to_json(&Cel::Duration(chrono::Duration::seconds(-1))).is_err());
    }
}

//! JSON whose objects keep the order in which they were written.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Value;
use std::fmt;

/// JSON in the order in which it was written, which [`Value`] does not keep. Of a schema the order matters: models fill in
/// properties in it, and OpenAI tells the variants of a union by their first one.
#[derive(Clone, Debug, PartialEq)]
pub enum Ordered {
    /// An object.
    Object(Vec<(String, Ordered)>),
    /// A list.
    List(Vec<Ordered>),
    /// Anything in which no order matters.
    Value(Value),
}

impl Ordered {
    /// An object of these fields.
    pub fn object<'f>(fields: impl IntoIterator<Item = (&'f str, Self)>) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// This object with one more field at its end; what is no object stays as it is.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Self>) -> Self {
        if let Self::Object(fields) = &mut self {
            fields.push((name.to_owned(), value.into()));
        }
        self
    }

    /// A field of an object.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl<T: Into<Value>> From<T> for Ordered {
    /// Objects in it become ordered ones, in the order of their names.
    fn from(value: T) -> Self {
        match value.into() {
            Value::Object(fields) => {
                Self::Object(fields.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
            Value::Array(values) => Self::List(values.into_iter().map(Self::from).collect()),
            value => Self::Value(value),
        }
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl fmt::Display for Ordered {
    /// As JSON, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_writing_is_kept() {
        let written =
            Ordered::object([("zone", json!(1).into()), ("area", Ordered::object([("b", json!([{"d": 1}]).into())]))])
                .with("name", "x");
        assert_eq!(written.to_string(), r#"{"zone":1,"area":{"b":[{"d":1}]},"name":"x"}"#);
        assert_eq!(written.field("name"), Some(&Ordered::Value("x".into())));
        assert_eq!(written.field("d"), None);
    }
}

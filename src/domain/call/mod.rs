//! Native calls: what executors are asked to do, each typed, each with its own effect, never a shell string.
//!
//! Every call declares its name, fields, effect, result and command line once, in [`read`] and [`act`]; decoding,
//! `oncalld check`, approvals and the documentation derive from that.

mod act;
mod read;
mod result;

pub use act::ActCall;
pub use read::ReadCall;

use super::{Risk, Shape, TimeSpan};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a native call does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Read,
    /// It acts, with this intrinsic risk.
    Act(Risk),
}

/// One field of a native call.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldSpec {
    /// Name.
    pub name: &'static str,
    /// Type; a nullable field may be left out.
    pub shape: Shape,
}

/// The declaration of a native call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSpec {
    /// `family.verb`.
    pub name: &'static str,
    /// Fields in order.
    pub fields: Vec<FieldSpec>,
    /// Read or act.
    pub effect: Effect,
    /// The type of its result.
    pub returns: Shape,
}

/// A native call that cannot be made of what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No call has this name.
    #[error("there is no native call '{0}'")]
    Unknown(String),
    /// A field is missing, unknown or of the wrong type.
    #[error("native call {call}: {problem}")]
    Field {
        /// The call.
        call: String,
        /// What is wrong with which field.
        problem: String,
    },
}

/// The declaration of the call with this name.
pub fn spec_of(name: &str) -> Option<CallSpec> {
    ReadCall::spec(name).or_else(|| ActCall::spec(name))
}

/// Rust types that a field of a native call may have, and the shape of each.
trait FieldType {
    fn shape() -> Shape;
}

macro_rules! field_types {
    ($($type:ty => $shape:expr),* $(,)?) => {
        $(impl FieldType for $type { fn shape() -> Shape { $shape } })*
    };
}

field_types! {
    String => Shape::String,
    bool => Shape::Boolean,
    i64 => Shape::Integer,
    u64 => Shape::Bytes,
    f64 => Shape::Number,
    TimeSpan => Shape::Duration,
    super::Timestamp => Shape::Timestamp,
    Vec<String> => Shape::String.list(),
    BTreeMap<String, String> => Shape::Map(Box::new(Shape::String)),
}

impl<T: FieldType> FieldType for Option<T> {
    fn shape() -> Shape {
        T::shape().nullable()
    }
}

fn family(name: &str) -> &str {
    name.split_once('.').map_or(name, |(family, _)| family)
}

/// A word as a shell would need it written. A container's id is cut to the twelve digits that Docker shows and takes.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if word.len() == 64 && word.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
        word[..12].to_owned()
    } else if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Words as a shell would need them written.
pub fn words(argv: &[String]) -> String {
    argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// ` --name value`, or nothing.
fn option<T: std::fmt::Display>(name: &str, value: &Option<T>) -> String {
    value.as_ref().map_or_else(String::new, |value| format!(" {name} {}", quoted(&value.to_string())))
}

fn decode_error(call: &str, error: &serde_json::Error) -> CallError {
    CallError::Field { call: call.to_owned(), problem: error.to_string() }
}

/// Coerces the fields to their declared shapes and wraps them as serde's adjacently tagged form.
fn tagged(spec: &CallSpec, with: super::Values) -> Result<Value, CallError> {
    let shape = Shape::Object(spec.fields.iter().map(|field| (field.name.to_owned(), field.shape.clone())).collect());
    let with = shape
        .coerce(Value::Object(with))
        .map_err(|error| CallError::Field { call: spec.name.to_owned(), problem: error.to_string() })?;
    Ok(serde_json::json!({"call": spec.name, "with": with}))
}

macro_rules! native_calls {
    (
        $(#[$enum_doc:meta])*
        $vis:vis enum $enum:ident {
            $(
                $(#[$doc:meta])*
                $name:literal $variant:ident { $($field:ident : $type:ty),* $(,)? }
                $effect:expr, $returns:expr, $command:expr;
            )*
        }
    ) => {
        $(#[$enum_doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "call", content = "with", deny_unknown_fields)]
        $vis enum $enum {
            $($(#[$doc])* #[serde(rename = $name)] $variant {
                $(#[doc = concat!("`", stringify!($field), "` as in the translation.")] $field: $type),*
            },)*
        }

        impl $enum {
            /// Names of all calls.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// `family.verb`.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)* }
            }

            /// Which executor serves it: the part before the dot.
            pub fn family(&self) -> &'static str {
                super::family(self.name())
            }

            /// The declaration of the call with this name.
            pub fn spec(name: &str) -> Option<super::CallSpec> {
                match name {
                    $($name => Some(super::CallSpec {
                        name: $name,
                        fields: vec![$(super::FieldSpec {
                            name: stringify!($field),
                            shape: <$type as super::FieldType>::shape(),
                        }),*],
                        effect: $effect,
                        returns: $returns,
                    }),)*
                    _ => None,
                }
            }

            /// Makes a call of a name and fields.
            ///
            /// # Errors
            /// The name is unknown, or a field is missing, unknown or of the wrong type.
            pub fn decode(name: &str, with: crate::domain::Values) -> Result<Self, super::CallError> {
                let spec = Self::spec(name).ok_or_else(|| super::CallError::Unknown(name.to_owned()))?;
                serde_json::from_value(super::tagged(&spec, with)?).map_err(|error| super::decode_error(name, &error))
            }

            /// The command that a person would type.
            #[allow(unused_variables)] // not every field shows in the command
            pub fn command(&self) -> String {
                match self { $(Self::$variant { $($field),* } => $command,)* }
            }
        }
    };
}
use native_calls;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> super::super::Values {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_name_has_a_spec_and_is_unique() {
        let mut names: Vec<_> = ReadCall::NAMES.iter().chain(ActCall::NAMES).collect();
        let count = names.len();
        assert!(names.iter().all(|name| spec_of(name).is_some()));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_call_decodes_coerces_and_prints() {
        let call =
            ActCall::decode("container.restart", fields(json!({"container": "abc", "stop_timeout": "30s"}))).unwrap();
        assert_eq!(call.command(), "docker restart -t 30 abc");
        let call = ActCall::decode("container.update", fields(json!({"container": "abc", "memory": "32MiB"}))).unwrap();
        assert_eq!(call.command(), "docker update --memory 32MiB abc");
    }

    #[test]
    fn a_wrong_call_is_refused() {
        assert!(matches!(ActCall::decode("container.rm", fields(json!({}))), Err(CallError::Unknown(_))));
        let error = ActCall::decode("container.start", fields(json!({"container": 7}))).unwrap_err();
        assert_eq!(error.to_string(), "native call container.start: container: expected string, found the number 7");
        assert!(ActCall::decode("container.start", fields(json!({"container": "a", "force": true}))).is_err());
    }

    #[test]
    fn a_hostile_word_is_quoted() {
        assert_eq!(quoted("a b;$(rm)"), "'a b;$(rm)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}

//! Operations: environment-neutral verbs with typed parameters and results.

use super::scope::target_shape;
use crate::{
    domain::{Risk, Shape, TimeSpan, Values, nearest},
    expr::{Expression, Scope, Template},
};
use regex::Regex;
use serde_json::Value;
use std::{cmp::Ordering, collections::BTreeMap};

/// A verb of the catalogue.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Name.
    pub name: String,
    /// One line for people and models.
    pub description: String,
    /// What it can do to the world, at least.
    pub risk: Risk,
    /// What lifts the risk.
    pub raise: Vec<Raise>,
    /// What it takes, besides the target.
    pub parameters: BTreeMap<String, Parameter>,
    /// The type of its result.
    pub returns: Shape,
    /// Longest time one attempt may take.
    pub timeout: TimeSpan,
    /// What it acts on.
    pub on: On,
    /// Fields of the status whose change voids an approval.
    pub guard: Vec<String>,
    /// Field of the status to its value after the operation, for differences. Sees [`Operation::acting_scope`].
    pub changes: BTreeMap<String, Expression>,
    /// Whether it happened. Sees `before` and `now` (status) and the parameters.
    pub probe: Option<Expression>,
    /// How to see whether it helped.
    pub verify: Option<Verify>,
    /// Whether and how it is taken back.
    pub undo: Undo,
}

/// A risk that arguments bring.
#[derive(Clone, Debug)]
pub struct Raise {
    /// The risk then.
    pub to: Risk,
    /// Sees [`Operation::scope`].
    pub when: Expression,
}

/// What an operation acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A service of the inventory.
    Service,
    /// The environment as a whole.
    Environment,
}

/// Whether an operation is taken back when it did not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// At once.
    Auto,
    /// After asking.
    Ask,
    /// There is nothing to take back.
    None,
}

/// How to see whether an operation helped.
#[derive(Clone, Debug)]
pub struct Verify {
    /// The operation that looks; it only reads.
    pub operation: String,
    /// Its arguments.
    pub with: Template,
    /// Sees `evidence` (the looking operation's result), `before` (status) and the parameters.
    pub expect: Expression,
    /// The same for people, as half a sentence: `it is ready and was started anew`. Sees `before` and the parameters.
    pub says: Option<Template>,
    /// How long it has to hold.
    pub soak: TimeSpan,
    /// How long it may take until it holds.
    pub within: TimeSpan,
}

/// A parameter of an operation.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its type.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given, in canonical form.
    pub default: Option<Value>,
    /// Smallest and greatest value, both allowed, in canonical form.
    pub range: Option<(Value, Value)>,
    /// The only values allowed; none given means any.
    pub options: Vec<Value>,
    /// What a text has to match as a whole.
    pub pattern: Option<Regex>,
    /// One line for people and models.
    pub description: String,
}

/// An argument that an operation does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {message}")]
pub struct ArgumentError {
    /// The parameter.
    pub parameter: String,
    /// What is wrong with its value, and what to do.
    pub message: String,
}

impl Operation {
    /// Whether it changes anything.
    pub fn mutates(&self) -> bool {
        self.risk > Risk::ReadOnly
    }

    /// What expressions over its arguments see: the parameters, and `target` where it acts on a service.
    pub fn scope(&self) -> Scope {
        let parameters = self.parameters.iter().map(|(name, parameter)| (name, parameter.bound_shape()));
        let scope = parameters.fold(Scope::new(), |scope, (name, shape)| scope.with(name, shape));
        match self.on {
            On::Service => scope.with("target", target_shape()),
            On::Environment => scope,
        }
    }

    /// Brings arguments into canonical form and fills in defaults. The target is not among them. A parameter that is
    /// neither given nor has a default is null.
    ///
    /// # Errors
    /// Everything that is wrong with them, one error a parameter.
    pub fn check_arguments(&self, mut given: Values) -> Result<Values, Vec<ArgumentError>> {
        let mut checked = Values::new();
        let mut errors = Vec::new();
        for (name, parameter) in &self.parameters {
            match parameter.check(given.remove(name)) {
                Ok(value) => drop(checked.insert(name.clone(), value)),
                Err(message) => errors.push(ArgumentError { parameter: name.clone(), message }),
            }
        }
        for name in given.keys() {
            let message = match nearest(name, self.parameters.keys().map(String::as_str)).first() {
                Some(near) => format!("{} takes no such argument; did you mean '{near}'?", self.name),
                None => format!("{} takes no such argument; leave it out", self.name),
            };
            errors.push(ArgumentError { parameter: name.clone(), message });
        }
        if errors.is_empty() { Ok(checked) } else { Err(errors) }
    }
}

impl Parameter {
    /// The type under which expressions see it: null where it is left out.
    pub fn bound_shape(&self) -> Shape {
        let optional = !self.required && self.default.is_none();
        if optional { self.shape.inner().clone().nullable() } else { self.shape.clone() }
    }

    /// Whether it has a handful of values, each of which stands in the catalogue.
    pub fn is_enumerated(&self) -> bool {
        !self.options.is_empty() || *self.shape.inner() == Shape::Boolean
    }

    fn check(&self, given: Option<Value>) -> Result<Value, String> {
        match given {
            None | Some(Value::Null) => match &self.default {
                Some(default) => Ok(default.clone()),
                None if self.required => Err(format!("is missing; give a {}", self.shape)),
                None => Ok(Value::Null),
            },
            Some(value) => self.accept(value),
        }
    }

    /// Checks a value that is given, against type, options, range and pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn accept(&self, value: Value) -> Result<Value, String> {
        let value = self.shape.coerce(value).map_err(|error| error.to_string())?;
        if !self.options.is_empty() && !self.options.contains(&value) {
            let options: Vec<_> = self.options.iter().map(plain).collect();
            return Err(format!("{} is not one of {}", plain(&value), options.join(", ")));
        }
        if let Some((least, most)) = &self.range
            && (compare(&value, least) == Some(Ordering::Less) || compare(&value, most) == Some(Ordering::Greater))
        {
            return Err(format!("{} is not between {} and {}", plain(&value), plain(least), plain(most)));
        }
        if let (Some(pattern), Value::String(text)) = (&self.pattern, &value)
            && !pattern.is_match(text)
        {
            return Err(format!("'{text}' does not match {pattern}"));
        }
        Ok(value)
    }
}

/// A value as people write it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Orders numbers, durations and timestamps in canonical form.
pub(super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::String(left), Value::String(right)) => match (left.parse::<TimeSpan>(), right.parse::<TimeSpan>()) {
            (Ok(left), Ok(right)) => Some(left.cmp(&right)),
            _ => {
                let (left, right): (crate::domain::Timestamp, _) = (left.parse().ok()?, right.parse().ok()?);
                Some(left.cmp(&right))
            }
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        catalog::{Catalog, Documents, Operation},
        document::{Reports, parse},
        domain::Values,
    };
    use serde_json::{Value, json};

    const YAML: &str = r"
poke:
  description: Pokes
  risk: reversible
  returns: container.restart
  parameters:
    target: {type: target, required: true}
    name: {type: string, required: true, pattern: '[a-z]+'}
    wait: {type: duration, default: 90s, range: [5s, 5m]}
    memory: {type: bytes, range: [1MiB, 1GiB]}
    mode: {type: string, options: [soft, hard], default: soft}
    since: {type: timestamp?}
";

    fn operation() -> Operation {
        let reports = Reports::default();
        let documents = Documents { operations: parse("operations.yml", YAML, &reports), ..Documents::default() };
        let operation = Catalog::read(&documents, &reports).operations.remove("poke").unwrap();
        assert_eq!(reports.into_problems().to_string(), "");
        operation
    }

    fn check(given: Value) -> Result<Value, Vec<String>> {
        let given: Values = serde_json::from_value(given).unwrap();
        let checked = operation().check_arguments(given).map(Value::Object);
        checked.map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn arguments_become_canonical_and_defaults_are_filled_in() {
        let given = json!({"name": "x", "memory": "64MiB", "wait": "1m"});
        let whole = json!({"name": "x", "memory": 67_108_864, "wait": "1m", "mode": "soft", "since": null});
        assert_eq!(check(given), Ok(whole.clone()));
        assert_eq!(check(whole.clone()), Ok(whole), "what was checked stays as it is");
        assert_eq!(check(json!({"name": "x"})).unwrap()["wait"], json!("1m30s"));
    }

    #[test]
    fn every_wrong_argument_is_told() {
        let given = json!({"name": "x; rm", "memory": "2GiB", "wait": "1s", "mode": "firm", "since": "now", "nmae": 1});
        assert_eq!(
            check(given).unwrap_err(),
            [
                "memory: 2147483648 is not between 1048576 and 1073741824",
                "mode: firm is not one of soft, hard",
                "name: 'x; rm' does not match ^(?:[a-z]+)$",
                "since: expected timestamp, found the text 'now'",
                "wait: 1s is not between 5s and 5m",
                "nmae: poke takes no such argument; did you mean 'name'?",
            ]
        );
        assert_eq!(check(json!({})).unwrap_err(), ["name: is missing; give a string"]);
    }
}

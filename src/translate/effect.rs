//! What a mutating step means for people and for the gate: its risk, what changes, and what must not drift.

use crate::{
    catalog::{Operation, status_shape, target_shape, target_value},
    domain::{ByteSize, PreparedCall, Risk, Service, Shape, Values},
    expr::{Bindings, Truth},
};
use serde_json::Value;

/// The highest of the declared risk, what the arguments raise it to, and the calls' own. A condition that cannot be told
/// raises.
pub fn raised_risk(operation: &Operation, arguments: &Values, service: &Service, calls: &[PreparedCall]) -> Risk {
    let bindings = bindings(operation, arguments, service, None);
    let raised = operation.raise.iter().filter(|raise| raise.when.holds(&bindings) != Truth::False);
    let intrinsic = calls.iter().map(|prepared| prepared.call.risk());
    raised.map(|raise| raise.to).chain(intrinsic).fold(operation.risk, Risk::max)
}

/// What would change, a line a field: `memory_limit: 16MiB → 32MiB`. What stays as it is, or cannot be told, is left out.
pub fn diff(operation: &Operation, arguments: &Values, service: &Service, before: &Values) -> Vec<String> {
    let Shape::Object(fields) = status_shape() else { return Vec::new() };
    let bindings = bindings(operation, arguments, service, Some(before));
    let change = |(name, after): (&String, &crate::expr::Expression)| {
        let (shape, old) = (fields.get(name)?, before.get(name).unwrap_or(&Value::Null));
        let new = after.evaluate(&bindings).ok().filter(|new| !new.is_null() && new != old)?;
        Some(format!("{name}: {} → {}", shown(old, shape), shown(&new, shape)))
    };
    operation.changes.iter().filter_map(change).collect()
}

/// The fields of a status whose change voids an approval of this operation.
pub fn guard(operation: &Operation, status: &Values) -> Values {
    let field = |name: &String| (name.clone(), status.get(name).cloned().unwrap_or(Value::Null));
    operation.guard.iter().map(field).collect()
}

fn bindings(operation: &Operation, arguments: &Values, service: &Service, before: Option<&Values>) -> Bindings {
    let mut bindings = operation.bindings(arguments, before);
    bindings.set("target", &target_value(Some(service)), &target_shape());
    bindings
}

fn shown(value: &Value, shape: &Shape) -> String {
    match (value, shape.inner()) {
        (Value::Null, _) => "none".into(),
        (Value::Number(bytes), Shape::Bytes) => {
            bytes.as_u64().map_or_else(|| bytes.to_string(), |b| ByteSize(b).to_string())
        }
        (Value::String(text), _) => text.clone(),
        (Value::Array(items), _) => items.iter().map(|item| shown(item, &Shape::Any)).collect::<Vec<_>>().join(", "),
        (other, _) => other.to_string(),
    }
}

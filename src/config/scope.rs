//! What the conditions of `policies.yml` see.

use crate::{domain::Shape, expr::Scope};

/// The variables of a policy rule: where, what, why and when something is about to be changed.
pub fn policy_scope() -> Scope {
    let call = Shape::object([("name", Shape::String), ("risk", Shape::String), ("command", Shape::String)]);
    Scope::new()
        .with(
            "environment",
            Shape::object([("name", Shape::String), ("kind", Shape::String), ("autonomy", Shape::String)]),
        )
        .with(
            "target",
            Shape::object([
                ("name", Shape::String),
                ("labels", Shape::Map(Box::new(Shape::String))),
                ("protected", Shape::Boolean),
                ("job", Shape::Boolean),
                ("instances", Shape::Integer),
            ]),
        )
        .with("operation", Shape::object([("name", Shape::String), ("risk", Shape::String), ("arguments", Shape::Any)]))
        .with(
            "incident",
            Shape::object([
                ("severity", Shape::String),
                ("cause", Shape::String),
                ("confidence", Shape::Number),
                ("claimed", Shape::Boolean),
                ("alerts", Shape::String.list()),
            ]),
        )
        .with("calls", call.list())
        .with("now", Shape::Timestamp)
}

//! What expressions of the catalogue can see.

use super::{Operation, Runbook};
use crate::{
    domain::{
        Shape::{self, Boolean, Integer, String as Text},
        spec_of,
    },
    expr::Scope,
};
use std::collections::BTreeMap;

/// The state of a service: what `get_status` returns in every kind of environment.
pub fn status_shape() -> Shape {
    spec_of("container.status").map_or(Shape::Any, |spec| spec.returns)
}

/// `target`: the service that a step acts on.
pub fn target_shape() -> Shape {
    Shape::object([
        ("name", Text),
        ("containers", Text.list()),
        ("depends_on", Text.list()),
        ("addresses", Text.list()),
        ("health", Text.nullable()),
        ("networks", Text.list()),
        ("job", Boolean),
        ("protected", Boolean),
        ("replicas", Integer),
    ])
}

/// `instance`: one container or process of the target.
pub fn instance_shape() -> Shape {
    Shape::object([("id", Text), ("name", Text), ("state", Text), ("image", Text)])
}

/// `step`: the step that is carried out. `key` is unique and safe in names of containers.
pub fn step_shape() -> Shape {
    Shape::object([("key", Text), ("reason", Text)])
}

/// `service`: what environments.yml declares of the target.
pub fn declared_shape() -> Shape {
    Shape::object([("data_store", Text.nullable()), ("clearable", Text.list())])
}

/// `alert`: the alert that opened the incident.
pub fn alert_shape() -> Shape {
    let labels = || Shape::Map(Box::new(Text));
    Shape::object([("name", Text), ("severity", Text), ("labels", labels()), ("annotations", labels())])
}

impl Operation {
    /// What an entry of its translation sees, before the results of its own calls. `before` is there where it acts.
    pub fn translation_scope(&self, acts: bool) -> Scope {
        let mut scope = self.scope().with("step", step_shape()).with("service", declared_shape());
        if self.parameters.contains_key("argv") {
            scope = scope.with("allowed", Boolean);
        }
        if acts { scope.with("before", status_shape()) } else { scope }
    }

    /// What `changes` sees: `before` (status) and the parameters.
    pub fn acting_scope(&self) -> Scope {
        self.scope().with("before", status_shape())
    }

    /// What `verify.expect` sees: `evidence` (the result of the operation that looks), `result` (what the last acting call
    /// said that it did), `before` and the parameters.
    pub fn verify_scope(&self, looks: &Self) -> Scope {
        self.acting_scope().with("evidence", looks.returns.clone()).with("result", acted_shape())
    }

    /// What `probe` sees: `before` and `now` (status) and the parameters.
    pub fn probe_scope(&self) -> Scope {
        self.acting_scope().with("now", status_shape())
    }
}

/// What an acting call says that it did; only a command has an exit code.
pub fn acted_shape() -> Shape {
    let Some(Shape::Object(mut fields)) = spec_of("container.exec").map(|spec| spec.returns) else { return Shape::Any };
    fields.insert("exit_code".to_owned(), Shape::Integer.nullable());
    Shape::Object(fields)
}

impl Runbook {
    /// What conditions and templates of any runbook see: `alert`, `target`, and the evidence of all steps by their id.
    pub fn scope(evidence: &BTreeMap<String, Shape>) -> Scope {
        let scope = Scope::new().with("alert", alert_shape()).with("target", target_shape());
        evidence.iter().fold(scope, |scope, (step, shape)| scope.with(step, shape.clone()))
    }
}

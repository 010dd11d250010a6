//! What the target of the tests looks like.

use super::world::World;
use crate::domain::Shape;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Identity of the one instance that there is.
pub fn identity() -> BTreeMap<String, String> {
    BTreeMap::from([("api".into(), "v1".into())])
}

/// The value of a type when all is well.
pub fn well(shape: &Shape) -> Value {
    match shape {
        Shape::Nullable(_) => Value::Null,
        Shape::String | Shape::Target | Shape::Any => json!(""),
        Shape::Integer | Shape::Bytes => json!(0),
        Shape::Number => json!(0.0),
        Shape::Boolean => json!(false),
        Shape::Duration => json!("0s"),
        Shape::Timestamp => json!("2026-11-21T02:00:00Z"),
        Shape::List(_) => json!([]),
        Shape::Map(_) => json!({}),
        Shape::Object(fields) => fields.iter().map(|(name, shape)| (name.clone(), well(shape))).collect(),
    }
}

/// What is seen of a service with which nothing is wrong.
pub fn all_well() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("get_status", json!({"state": "running", "running": true, "ready": true})),
        ("check_health", json!({"healthy": true, "source": "process"})),
        ("get_dependencies", json!({"all_ready": true})),
    ])
}

/// A service that someone killed, and that starting brings back.
pub fn killed() -> World {
    let dead = json!({"state": "exited", "exit_code": 137, "exit_reason": "killed", "health": "none"});
    let mut world = World::new(BTreeMap::from([
        ("get_status", dead),
        ("get_events", json!({"deaths": 1, "external_kills": 1})),
        ("get_dependencies", json!({"all_ready": true})),
    ]));
    world.on_act = |facts, _| {
        facts
            .insert("get_status", json!({"state": "running", "running": true, "ready": true, "exit_reason": "killed"}));
        facts.insert("check_health", json!({"healthy": true, "source": "endpoint"}));
    };
    world
}

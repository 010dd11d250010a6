//! What is known of types at load: enough to refuse what can only fail later.

use crate::domain::Shape;

/// Types that CEL's operators tell apart.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Text,
    Integer,
    Number,
    Boolean,
    Duration,
    Timestamp,
    List,
    Fields,
}

fn class(shape: &Shape) -> Option<Class> {
    Some(match shape.inner() {
        Shape::Any | Shape::Nullable(_) => return None,
        Shape::String | Shape::Target => Class::Text,
        Shape::Integer | Shape::Bytes => Class::Integer,
        Shape::Number => Class::Number,
        Shape::Boolean => Class::Boolean,
        Shape::Duration => Class::Duration,
        Shape::Timestamp => Class::Timestamp,
        Shape::List(_) => Class::List,
        Shape::Map(_) | Shape::Object(_) => Class::Fields,
    })
}

/// Whether values of these types can be equal, or one before the other.
pub(super) fn comparable(left: &Shape, right: &Shape) -> bool {
    match (class(left), class(right)) {
        (Some(Class::Integer | Class::Number), Some(Class::Integer | Class::Number)) => true,
        (Some(left), Some(right)) => left == right,
        _ => true,
    }
}

/// The type of `left operator right`, or nothing if CEL has no such operation.
pub(super) fn arithmetic(operator: &str, left: &Shape, right: &Shape) -> Option<Shape> {
    use Class::{Duration, Integer, List, Number, Text, Timestamp};
    let (Some(l), Some(r)) = (class(left), class(right)) else { return Some(Shape::Any) };
    match (operator, l, r) {
        ("+", Timestamp, Duration) | ("+", Duration, Timestamp) | ("-", Timestamp, Duration) => Some(Shape::Timestamp),
        ("-", Timestamp, Timestamp) => Some(Shape::Duration),
        ("+" | "-", Duration, Duration) => Some(Shape::Duration),
        ("+", Text, Text) => Some(Shape::String),
        ("+", List, List) => Some(join(left.inner(), right.inner())),
        ("+" | "-" | "*" | "/", Number, Number) => Some(Shape::Number),
        (_, Integer, Integer) => Some(Shape::Integer),
        _ => None,
    }
}

/// The type of a value that is either of these.
pub(super) fn join(left: &Shape, right: &Shape) -> Shape {
    match (left, right) {
        (left, right) if left == right => left.clone(),
        (Shape::Nullable(left), Shape::Nullable(right)) => nullable(join_null(left, right)),
        (Shape::Nullable(inner), other) | (other, Shape::Nullable(inner)) => nullable(join_null(inner, other)),
        // the empty list has elements of no type yet
        (Shape::List(left), Shape::List(right)) => join_null(left, right).list(),
        (left, right) if class(left).is_some() && class(left) == class(right) && class(left) != Some(Class::Fields) => {
            class(left).map_or(Shape::Any, natural_of)
        }
        _ => Shape::Any,
    }
}

/// As [`join`], where `any` stands for the content of an empty list or of null.
fn join_null(left: &Shape, right: &Shape) -> Shape {
    match (left, right) {
        (Shape::Any, other) | (other, Shape::Any) => other.clone(),
        (left, right) => join(left, right),
    }
}

fn nullable(shape: Shape) -> Shape {
    if matches!(shape, Shape::Nullable(_)) { shape } else { shape.nullable() }
}

fn natural_of(class: Class) -> Shape {
    match class {
        Class::Text => Shape::String,
        Class::Integer => Shape::Integer,
        _ => Shape::Any,
    }
}

/// Whether a value of type `from` may be given where `to` is declared. What only the value can tell is let through here
/// and checked when it is there: text that has to be a duration, a nullable that has to be something.
pub fn assignable(from: &Shape, to: &Shape) -> bool {
    match (from.inner(), to.inner()) {
        (Shape::Any, _) | (_, Shape::Any) => true,
        (Shape::String | Shape::Target, to) => {
            matches!(to, Shape::String | Shape::Target | Shape::Duration | Shape::Timestamp | Shape::Bytes)
        }
        (Shape::Integer | Shape::Bytes, to) => matches!(to, Shape::Integer | Shape::Bytes | Shape::Number),
        (Shape::Duration | Shape::Timestamp, Shape::String) => true,
        (Shape::List(from), Shape::List(to)) | (Shape::Map(from), Shape::Map(to)) => assignable(from, to),
        (Shape::Object(fields), Shape::Map(to)) => fields.values().all(|from| assignable(from, to)),
        (Shape::Map(from), Shape::Object(fields)) => fields.values().all(|to| assignable(from, to)),
        (Shape::Object(from), Shape::Object(to)) => {
            from.keys().all(|name| to.contains_key(name))
                && to.iter().all(|(name, to)| match from.get(name) {
                    Some(from) => assignable(from, to),
                    None => matches!(to, Shape::Nullable(_) | Shape::Any),
                })
        }
        (from, to) => from == to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_know_their_types() {
        assert_eq!(arithmetic("-", &Shape::Timestamp, &Shape::Timestamp), Some(Shape::Duration));
        assert_eq!(arithmetic("*", &Shape::Bytes, &Shape::Integer), Some(Shape::Integer));
        assert_eq!(arithmetic("*", &Shape::Bytes.nullable(), &Shape::Number), None);
        assert_eq!(arithmetic("+", &Shape::Any, &Shape::Number), Some(Shape::Any));
        assert!(!comparable(&Shape::String, &Shape::Integer));
        assert!(comparable(&Shape::Integer.nullable(), &Shape::Number));
    }

    #[test]
    fn an_empty_list_takes_the_type_of_the_other() {
        assert_eq!(join(&Shape::Any.list(), &Shape::String.list()), Shape::String.list());
        assert_eq!(join(&Shape::Any.nullable(), &Shape::String), Shape::String.nullable());
        assert_eq!(join(&Shape::String, &Shape::Integer), Shape::Any);
    }

    #[test]
    fn what_may_be_given() {
        assert!(assignable(&Shape::Integer.nullable(), &Shape::Bytes));
        assert!(assignable(&Shape::String, &Shape::Duration));
        assert!(!assignable(&Shape::Number, &Shape::Integer));
        assert!(!assignable(&Shape::String, &Shape::String.list()));
        let wider = Shape::object([("a", Shape::String), ("b", Shape::String.nullable())]);
        assert!(assignable(&Shape::object([("a", Shape::String)]), &wider));
        assert!(!assignable(&wider, &Shape::object([("a", Shape::String)])));
    }
}

//! Conditions that strangers write: what they may use, so that none takes much time or memory, whatever it says.
//!
//! No value ever grows, since nothing joins, replaces or collects; and the body of a loop sees its element only, which
//! has no loop inside. So the work is at most the length of the source times the size of what is seen.

use super::ExprError;
use cel::common::ast::{Expr, IdedExpr, LiteralValue, SourceInfo, operators as op};

/// What such conditions may use, for whoever writes them.
pub const USABLE: &str = "comparisons, &&, ||, !, in, -, *, /, %, has, size, contains, startsWith, endsWith, int, double, \
                          duration, timestamp, and one loop at a time, all or exists, which looks at its element only";

/// Operators and functions whose results are no larger than what they look at.
const CALLS: [&str; 23] = [
    op::EQUALS,
    op::NOT_EQUALS,
    op::LESS,
    op::LESS_EQUALS,
    op::GREATER,
    op::GREATER_EQUALS,
    op::LOGICAL_AND,
    op::LOGICAL_OR,
    op::LOGICAL_NOT,
    op::NOT_STRICTLY_FALSE,
    op::IN,
    op::INDEX,
    op::NEGATE,
    op::SUBSTRACT,
    op::MULTIPLY,
    op::DIVIDE,
    op::MODULO,
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "int",
    "double",
];

/// The same, of texts that are written as they are: what they make of one costs more than its letters.
const OF_LITERALS: [&str; 2] = ["duration", "timestamp"];

/// Refuses what is not [`USABLE`]. The expression was checked already, so that it is not deep.
pub(super) fn check(node: &IdedExpr, source: &SourceInfo) -> Result<(), ExprError> {
    Bounds { source, own: None }.check(node)
}

struct Bounds<'a> {
    source: &'a SourceInfo,
    /// Inside a loop, its element and its result.
    own: Option<[&'a str; 2]>,
}

impl<'a> Bounds<'a> {
    fn check(&self, node: &'a IdedExpr) -> Result<(), ExprError> {
        let is_literal = |node: &IdedExpr| matches!(node.expr, Expr::Literal(_));
        match &node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) if self.own.is_none_or(|own| own.contains(&name.as_str())) => Ok(()),
            Expr::Ident(name) => Err(self.error(node, &format!("inside a loop, '{name}' cannot be looked at"))),
            Expr::Select(select) => self.check(&select.operand),
            Expr::List(list) if list.elements.iter().all(is_literal) => Ok(()),
            Expr::List(_) => Err(self.error(node, "a list has plain texts and numbers only")),
            Expr::Call(call) if CALLS.contains(&call.func_name.as_str()) => {
                call.target.as_deref().into_iter().chain(&call.args).try_for_each(|node| self.check(node))
            }
            Expr::Call(call) if OF_LITERALS.contains(&call.func_name.as_str()) && call.args.iter().all(is_literal) => {
                Ok(())
            }
            Expr::Call(call) => {
                let name = call.func_name.trim_matches(['_', '@']);
                Err(self.error(node, &format!("'{name}' cannot be used here")))
            }
            Expr::Comprehension(each) if self.own.is_some() => {
                Err(self.error(&each.iter_range, "a loop has no other loop inside"))
            }
            Expr::Comprehension(each) if matches!(each.accu_init.expr, Expr::Literal(LiteralValue::Boolean(_))) => {
                self.check(&each.iter_range)?;
                let inside = Self { source: self.source, own: Some([&each.iter_var, &each.accu_var]) };
                [&each.loop_cond, &each.loop_step, &each.result].into_iter().try_for_each(|node| inside.check(node))
            }
            Expr::Comprehension(each) => Err(self.error(&each.iter_range, "this loop cannot be used here")),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => Err(self.error(node, "no map can be made here")),
        }
    }

    fn error(&self, at: &IdedExpr, problem: &str) -> ExprError {
        let offset = self.source.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        ExprError { offset, message: format!("{problem}; there are {USABLE}") }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        domain::Shape,
        expr::{Bindings, Expression, MAX_LIST, Scope, Truth},
    };
    use serde_json::json;

    fn scope() -> Scope {
        let line = Shape::object([("text", Shape::String), ("at", Shape::Timestamp)]);
        Scope::new()
            .with("logs", Shape::object([("lines", line.list()), ("matched", Shape::Integer)]))
            .with("labels", Shape::Map(Box::new(Shape::String)))
            .with("state", Shape::String)
    }

    /// As much as a variable may hold.
    fn bindings() -> Bindings {
        let line = json!({"text": "connection refused ".repeat(10), "at": "2026-11-21T03:00:00Z"});
        let mut bindings = Bindings::new();
        for (name, value) in [
            ("logs", json!({"lines": vec![line; MAX_LIST], "matched": 1_000})),
            ("labels", json!({"team": "shop"})),
            ("state", json!("exited")),
        ] {
            bindings.set(name, &value, scope().shape(name).unwrap());
        }
        bindings
    }

    fn refused(source: &str) -> String {
        Expression::condition(source, &scope()).unwrap_or_else(|error| panic!("{source}: {error}"));
        Expression::bounded(source, &scope()).expect_err(source).message
    }

    #[test]
    fn what_tells_causes_apart_can_be_asked() {
        for source in [
            "state == 'exited' && !(state in ['running', 'paused']) || state.startsWith('x')",
            "size(logs.lines) > 3 && logs.lines.size() >= 1 && logs.matched * 2 - 1 > 10",
            "has(labels.team) && labels['team'] != '' && labels.team.endsWith('p')",
            "logs.lines.all(l, l.text.contains('refused') && l.at > timestamp('2026-11-20T03:00:00Z'))",
            "logs.lines.exists(l, size(l.text) > 9) && logs.lines.all(l, has(l.at))",
            "logs.lines[1].at - logs.lines[0].at < duration('5m') && double(logs.matched) / 3.0 > 1.5",
        ] {
            let condition = Expression::bounded(source, &scope()).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert_eq!(condition.holds(&bindings()), Truth::True, "{source}");
        }
        assert!(Expression::bounded("size(state)", &scope()).is_err(), "it is no condition");
    }

    #[test]
    fn what_grows_or_runs_long_is_refused() {
        let grown = format!("size('aaaaaaaaaa'{}) > 0", ".replace('a', 'aaaaaaaaaa')".repeat(12));
        assert!(refused(&grown).starts_with("'replace' cannot be used here; there are comparisons, "));
        for source in [
            "logs.lines.all(a, logs.lines.all(b, a.text.matches('(\\\\w{99}){9}') || true))",
            "logs.lines.all(a, logs.lines == logs.lines)",
            "logs.lines.all(a, a in logs.lines)",
            "state + state == ''",
            "[state, state] == [state]",
            "state.split('') == []",
            "[state].join('x') == ''",
            "size(logs.lines.map(l, l.text)) > 0",
            "size(logs.lines.filter(l, true)) > 0",
            "logs.lines.exists_one(l, true)",
            "{'a': state} == {}",
            "string(logs.matched) == ''",
            "timestamp(state) == timestamp(state)",
            "(state == '' ? logs : logs) == logs",
            "labels.?team.orValue('a') == 'a'",
            "'a'.upperAscii() == 'A'",
        ] {
            assert!(refused(source).contains("; there are "), "{source}");
        }
    }

    /// The most that a source can ask of as much as it can see takes no longer than people notice.
    #[test]
    fn the_dearest_condition_ends_soon() {
        let body = vec!["l.text.contains('refuse!')"; 35].join("||");
        let source = format!("logs.lines.exists(l,{body})");
        let condition = Expression::bounded(&source[..], &scope()).unwrap();
        let bindings = bindings();
        let started = std::time::Instant::now();
        assert_eq!(condition.holds(&bindings), Truth::False);
        assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
    }
}

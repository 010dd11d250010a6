//! The check at load: every name, function and field that an expression mentions exists, and its loops are bounded.

use super::{
    ExprError, Scope,
    functions::{self, Style},
    guard::MAX_DEPTH,
    infer::{arithmetic, comparable, join},
};
use crate::domain::{Shape, nearest};
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo, operators as op,
};
use std::collections::BTreeSet;

/// Loops inside one another.
const MAX_LOOPS: usize = 2;

/// What the check found out.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Type of the result, as far as it is known.
    pub shape: Option<Shape>,
    /// Declared variables that are mentioned.
    pub variables: BTreeSet<String>,
    /// Everything that is read, from the variable on: `logs.lines[].text`.
    pub paths: BTreeSet<String>,
}

/// Checks a parsed expression.
pub(super) fn check(expression: &IdedExpr, source: &SourceInfo, scope: &Scope) -> Result<Facts, ExprError> {
    let mut checker = Checker { scope, source, locals: Vec::new(), facts: Facts::default(), depth: 0, loops: 0 };
    let typed = checker.infer(expression)?;
    checker.facts.shape = Some(typed.shape);
    Ok(checker.facts)
}

/// A type, and where the value comes from.
#[derive(Clone)]
struct Typed {
    shape: Shape,
    path: String,
}

impl From<Shape> for Typed {
    fn from(shape: Shape) -> Self {
        Self { shape, path: String::new() }
    }
}

struct Checker<'a> {
    scope: &'a Scope,
    source: &'a SourceInfo,
    /// Variables of the loops that are open.
    locals: Vec<(String, Typed)>,
    facts: Facts,
    depth: usize,
    loops: usize,
}

impl Checker<'_> {
    fn error(&self, at: &IdedExpr, message: impl Into<String>) -> ExprError {
        let offset = self.source.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        ExprError { offset, message: message.into() }
    }

    fn infer(&mut self, node: &IdedExpr) -> Result<Typed, ExprError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(node, format!("the expression nests deeper than {MAX_DEPTH} levels; split it")));
        }
        self.depth += 1;
        let typed = match &node.expr {
            Expr::Ident(name) => self.variable(node, name),
            Expr::Select(select) => self.select(node, select),
            Expr::Call(call) => self.call(node, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let mut shape = Shape::Any.list();
                for element in &list.elements {
                    shape = join(&shape, &self.infer(element)?.shape.list());
                }
                Ok(shape.into())
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.infer(&entry.key)?;
                        self.infer(&entry.value)?;
                    }
                }
                Ok(Shape::Map(Box::new(Shape::Any)).into())
            }
            Expr::Literal(literal) => self.literal(node, literal),
            Expr::Struct(_) | Expr::Unspecified => Err(self.error(node, "there are no message types here; use a map")),
        };
        self.depth -= 1;
        typed
    }

    fn literal(&self, node: &IdedExpr, literal: &LiteralValue) -> Result<Typed, ExprError> {
        Ok(match literal {
            LiteralValue::Boolean(_) => Shape::Boolean,
            LiteralValue::Double(_) => Shape::Number,
            LiteralValue::Int(_) => Shape::Integer,
            LiteralValue::Null => Shape::Any.nullable(),
            LiteralValue::String(_) => Shape::String,
            LiteralValue::UInt(_) => {
                return Err(self.error(node, "all integers are signed here; leave out the u"));
            }
            LiteralValue::Bytes(_) => return Err(self.error(node, "there are no byte strings here; leave out the b")),
        }
        .into())
    }

    fn variable(&mut self, node: &IdedExpr, name: &str) -> Result<Typed, ExprError> {
        if let Some((_, typed)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return Ok(typed.clone());
        }
        let Some(shape) = self.scope.shape(name) else {
            let near = nearest(name, self.scope.names());
            return Err(self.error(
                node,
                match near.first() {
                    Some(near) => format!("there is no variable '{name}' here; did you mean '{near}'?"),
                    None => format!("there is no variable '{name}' here; there are {}", self.declared()),
                },
            ));
        };
        self.facts.variables.insert(name.to_owned());
        self.facts.paths.insert(name.to_owned());
        Ok(Typed { shape: shape.clone(), path: name.to_owned() })
    }

    fn declared(&self) -> String {
        let names: Vec<_> = self.scope.names().collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    fn select(&mut self, node: &IdedExpr, select: &SelectExpr) -> Result<Typed, ExprError> {
        let operand = self.infer(&select.operand)?;
        let typed = self.field(node, &operand, &select.field)?;
        Ok(if select.test { Shape::Boolean.into() } else { typed })
    }

    fn field(&mut self, node: &IdedExpr, operand: &Typed, field: &str) -> Result<Typed, ExprError> {
        let shape = match operand.shape.inner() {
            Shape::Any => Shape::Any,
            Shape::Map(inner) => (**inner).clone(),
            Shape::Object(fields) => match fields.get(field) {
                Some(shape) => shape.clone(),
                None => {
                    let near = nearest(field, fields.keys().map(String::as_str));
                    let names: Vec<_> = fields.keys().map(String::as_str).collect();
                    let hint = match near.first() {
                        Some(near) => format!("did you mean '{near}'?"),
                        None => format!("there are {}", names.join(", ")),
                    };
                    return Err(self.error(node, format!("'{}' has no field '{field}'; {hint}", operand.path)));
                }
            },
            other => return Err(self.error(node, format!("a {other} has no fields, so no '{field}'"))),
        };
        let path = format!("{}.{field}", operand.path);
        self.facts.paths.insert(path.clone());
        Ok(Typed { shape, path })
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Result<Typed, ExprError> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (op::INDEX | op::OPT_INDEX, [operand, index]) => self.index(node, operand, index),
            (op::OPT_SELECT, [operand, field]) => {
                let operand = self.infer(operand)?;
                let Some(name) = text(field) else { return Err(self.error(field, "a field has a name")) };
                let typed = self.field(node, &operand, name)?;
                Ok(Typed { shape: typed.shape.inner().clone().nullable(), path: typed.path })
            }
            (op::CONDITIONAL, [condition, then, otherwise]) => {
                self.boolean(condition)?;
                let (then, otherwise) = (self.infer(then)?, self.infer(otherwise)?);
                Ok(join(&then.shape, &otherwise.shape).into())
            }
            (op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT, operands) => {
                operands.iter().try_for_each(|operand| self.boolean(operand))?;
                Ok(Shape::Boolean.into())
            }
            (
                op::EQUALS | op::NOT_EQUALS | op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS,
                [left, right],
            ) => {
                let (left, right) = (self.infer(left)?.shape, self.infer(right)?.shape);
                if !comparable(&left, &right) {
                    return Err(self.error(node, format!("a {left} cannot be compared with a {right}; convert one")));
                }
                Ok(Shape::Boolean.into())
            }
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [left, right]) => {
                let (left, right) = (self.infer(left)?.shape, self.infer(right)?.shape);
                let sign = call.func_name.trim_matches('_');
                arithmetic(sign, &left, &right).map(Typed::from).ok_or_else(|| {
                    self.error(
                        node,
                        format!(
                            "{left} {sign} {right} is not possible; convert one with int(…), double(…) or string(…)"
                        ),
                    )
                })
            }
            (op::NEGATE, [operand]) => self.infer(operand).map(|typed| typed.shape.into()),
            (op::IN | op::NOT_STRICTLY_FALSE, operands) => {
                operands.iter().try_for_each(|operand| self.infer(operand).map(drop))?;
                Ok(Shape::Boolean.into())
            }
            _ => self.function(node, call),
        }
    }

    fn boolean(&mut self, node: &IdedExpr) -> Result<(), ExprError> {
        let typed = self.infer(node)?;
        match typed.shape.inner() {
            Shape::Boolean | Shape::Any => Ok(()),
            other => Err(self.error(node, format!("a {other} is neither true nor false; compare it with something"))),
        }
    }

    fn index(&mut self, node: &IdedExpr, operand: &IdedExpr, index: &IdedExpr) -> Result<Typed, ExprError> {
        let operand = self.infer(operand)?;
        if let Some(name) = text(index) {
            return self.field(node, &operand, name);
        }
        self.infer(index)?;
        let path = format!("{}[]", operand.path);
        match operand.shape.inner() {
            Shape::Any => Ok(Typed { shape: Shape::Any, path }),
            Shape::List(inner) | Shape::Map(inner) => Ok(Typed { shape: (**inner).clone(), path }),
            Shape::Object(_) => Err(self.error(node, "a field of an object is named, not computed; write .name")),
            other => Err(self.error(node, format!("a {other} has no elements"))),
        }
    }

    fn function(&mut self, node: &IdedExpr, call: &CallExpr) -> Result<Typed, ExprError> {
        let name = call.func_name.as_str();
        let (style, receiver) = match &call.target {
            None => (Style::Global, None),
            Some(target) if target.expr == Expr::Ident("math".to_owned()) => (Style::Math, None),
            Some(target) => (Style::Member, Some(self.infer(target)?)),
        };
        let function = functions::find(name, style, call.args.len()).map_err(|message| self.error(node, message))?;
        let mut arguments = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            arguments.push(self.infer(argument)?);
        }
        let of = receiver.as_ref().or(arguments.first()).map_or(Shape::Any, |typed| typed.shape.clone());
        Ok(function.returns(&of).into())
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Result<Typed, ExprError> {
        let range = &comprehension.iter_range;
        let list = self.infer(range)?;
        if matches!(&range.expr, Expr::Call(call) if !matches!(call.func_name.as_str(), op::INDEX | op::OPT_INDEX | "orValue" | "value"))
        {
            return Err(self.error(range, "a loop runs over a list that is given, not over one that is computed"));
        }
        let element = match list.shape.inner() {
            Shape::List(inner) => (**inner).clone(),
            Shape::Map(_) | Shape::Object(_) => Shape::String,
            Shape::Any => Shape::Any,
            other => return Err(self.error(range, format!("a loop runs over a list, not over a {other}"))),
        };
        if self.loops == MAX_LOOPS {
            return Err(
                self.error(range, format!("more than {MAX_LOOPS} loops inside one another; split the expression"))
            );
        }
        self.loops += 1;
        let open = self.locals.len();
        let element = Typed { shape: element, path: format!("{}[]", list.path) };
        let result = self.infer(&comprehension.accu_init)?;
        self.locals.push((comprehension.iter_var.clone(), element));
        self.locals.push((comprehension.accu_var.clone(), result.shape.into()));
        self.infer(&comprehension.loop_cond)?;
        let step = self.infer(&comprehension.loop_step)?;
        self.locals.truncate(open);
        self.loops -= 1;

        // what a filter lets through comes from where the list does
        let path = if matches!(step.shape, Shape::List(_)) { list.path } else { String::new() };
        self.locals.push((comprehension.accu_var.clone(), Typed { shape: step.shape, path }));
        let result = self.infer(&comprehension.result)?;
        self.locals.truncate(open);
        Ok(result)
    }
}

fn text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

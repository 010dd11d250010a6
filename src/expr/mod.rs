//! The one expression language: CEL, compiled once at load against the variables that its place declares.
//!
//! ```text
//! text ─► guard (size, depth) ─► cel parser ─► check (names, functions, fields, types, loops) ─► Expression
//!                                                JSON + Shape ─► Bindings ─► evaluate ─► JSON | Truth
//! ```
//!
//! Nothing here can run long or overflow a stack: sources have at most 1 KiB, trees a depth of 32, loops two levels, and
//! lists that loops run over a thousand elements. Strangers, who would find what still takes long, have a part of it only:
//! [`Expression::bounded`].

mod bindings;
mod bounded;
mod check;
mod convert;
mod expression;
mod functions;
mod guard;
mod infer;
mod template;

pub use bindings::Bindings;
pub use bounded::USABLE;
pub use expression::{EvalError, ExprError, Expression, Truth};
pub use infer::assignable;
pub use template::Template;

use crate::domain::Shape;
use std::collections::BTreeMap;

/// Longest list that a variable may hold: two nested loops over such lists take about a second, which bounds every evaluation.
pub const MAX_LIST: usize = 1_000;

/// The variables that a place declares for its expressions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    variables: BTreeMap<String, Shape>,
}

impl Scope {
    /// Nothing declared.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares one more variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, shape: Shape) -> Self {
        self.variables.insert(name.into(), shape);
        self
    }

    /// Declares all variables of another scope, whose declarations win.
    #[must_use]
    pub fn extend(mut self, other: &Self) -> Self {
        self.variables.extend(other.variables.iter().map(|(name, shape)| (name.clone(), shape.clone())));
        self
    }

    /// The declared type of a variable.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.variables.get(name)
    }

    /// The declared names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

//! An expression, compiled once.

use super::{Bindings, Scope, bounded, check, convert::to_json, guard::guard};
use crate::domain::{Shape, clean_text};
use cel::{Context, Env, ParseErrors, Program, extensions};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, LazyLock},
};

/// Why a source is not an expression here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Where in the source, in bytes.
    pub offset: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Why an expression has no value now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_text}: {problem}")]
pub struct EvalError {
    /// The expression.
    pub source_text: String,
    /// What went wrong.
    pub problem: String,
}

/// What a condition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can say, and why: something is not known, or it is not a condition. Never taken for true.
    Unknown(String),
}

impl Truth {
    /// Whether it is certain to hold.
    pub fn is_true(&self) -> bool {
        *self == Self::True
    }
}

/// A compiled expression. Cheap to clone and shared between threads.
#[derive(Clone)]
pub struct Expression {
    compiled: Arc<Compiled>,
}

struct Compiled {
    source: String,
    program: Program,
    facts: check::Facts,
}

/// Longest text of an evaluation's error: the interpreter quotes values in it.
const MAX_PROBLEM: usize = 200;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // Neither library declares what the standard one does, as the tests that call their functions show.
    for extension in [extensions::strings, extensions::math] {
        let declared = environment.add_extension(extension);
        debug_assert!(declared.is_ok());
    }
    Arc::new(environment)
});

impl Expression {
    /// Compiles a source against the variables that its place declares.
    ///
    /// # Errors
    /// It is too large, is not CEL, or mentions what does not exist.
    pub fn compile(source: &str, scope: &Scope) -> Result<Self, ExprError> {
        guard(source)?;
        let program = ENVIRONMENT.compile(source).map_err(|errors| parse_error(source, &errors))?;
        let facts = check::check(program.expression(), program.source_info(), scope)?;
        Ok(Self { compiled: Arc::new(Compiled { source: source.to_owned(), program, facts }) })
    }

    /// As [`Self::compile`], for a place that needs true or false.
    ///
    /// # Errors
    /// Also where the result is certain to be something else.
    pub fn condition(source: &str, scope: &Scope) -> Result<Self, ExprError> {
        let expression = Self::compile(source, scope)?;
        match expression.shape().inner() {
            Shape::Boolean | Shape::Any => Ok(expression),
            other => Err(ExprError {
                offset: 0,
                message: format!("a condition is true or false, and this is of type {other}"),
            }),
        }
    }

    /// As [`Self::condition`], of a stranger: it may use only what takes little time and memory, whatever it says.
    ///
    /// # Errors
    /// Also where it uses anything else than [`super::USABLE`].
    pub fn bounded(source: &str, scope: &Scope) -> Result<Self, ExprError> {
        let expression = Self::condition(source, scope)?;
        let program = &expression.compiled.program;
        bounded::check(program.expression(), program.source_info())?;
        Ok(expression)
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.compiled.source
    }

    /// The type of the result, as far as it is known at load.
    pub fn shape(&self) -> &Shape {
        self.compiled.facts.shape.as_ref().unwrap_or(&Shape::Any)
    }

    /// The declared variables that it mentions.
    pub fn references(&self) -> &BTreeSet<String> {
        &self.compiled.facts.variables
    }

    /// Everything that it reads, from the variable on: `logs.lines[].text`.
    pub fn paths(&self) -> &BTreeSet<String> {
        &self.compiled.facts.paths
    }

    /// The value now.
    ///
    /// # Errors
    /// A variable has no value, or an operation is not possible on the values that are there.
    pub fn evaluate(&self, bindings: &Bindings) -> Result<Value, EvalError> {
        let value = self.run(bindings).map_err(|problem| self.failed(problem))?;
        to_json(&value).map_err(|problem| self.failed(problem))
    }

    /// Whether it holds now.
    pub fn holds(&self, bindings: &Bindings) -> Truth {
        match self.run(bindings) {
            Ok(cel::Value::Bool(true)) => Truth::True,
            Ok(cel::Value::Bool(false)) => Truth::False,
            Ok(other) => Truth::Unknown(self.failed(format!("is a {}, not a boolean", other.type_of())).to_string()),
            Err(problem) => Truth::Unknown(self.failed(problem).to_string()),
        }
    }

    fn run(&self, bindings: &Bindings) -> Result<cel::Value, String> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.set_variable_resolver(bindings);
        self.compiled.program.execute(&context).map_err(|error| {
            // an unbound variable is told by name and reason, not by what the interpreter makes of it
            let missing = self.references().iter().find_map(|name| bindings.missing(name));
            missing.unwrap_or_else(|| clean_text(&error.to_string(), MAX_PROBLEM))
        })
    }

    fn failed(&self, problem: impl Into<String>) -> EvalError {
        EvalError { source_text: self.source().to_owned(), problem: problem.into() }
    }
}

fn parse_error(source: &str, errors: &ParseErrors) -> ExprError {
    let Some(first) = errors.errors.first() else {
        return ExprError { offset: 0, message: "is not an expression".to_owned() };
    };
    let line_start: usize =
        source.split_inclusive('\n').take(usize::try_from(first.pos.0 - 1).unwrap_or(0)).map(str::len).sum();
    let column = usize::try_from(first.pos.1 - 1).unwrap_or(0);
    let line = source.get(line_start..).unwrap_or_default();
    let within = line.char_indices().nth(column).map_or(line.trim_end().len(), |(offset, _)| offset);
    // the parser lists every token that could have come
    let message = first.msg.split(" expecting").next().unwrap_or(&first.msg).trim_start_matches("Syntax error: ");
    ExprError { offset: line_start + within, message: format!("is not CEL: {message}") }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.source())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

//! What is wrong with a document, and what to do about it.

use super::{Node, Place};
use std::{cell::RefCell, fmt};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file as people know it, or the name of an environment variable.
    pub file: String,
    /// From 1; 0 where there is no line.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    /// A mistake at a place.
    pub fn new(place: &Place, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}; {}", self.file, self.what, self.fix),
            line => write!(f, "{}:{line}:{}: {}; {}", self.file, self.column, self.what, self.fix),
        }
    }
}

/// All mistakes, by file and line. Prints one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where mistakes are collected while documents are read, so that one does not hide another.
#[derive(Debug, Default)]
pub struct Reports(RefCell<Vec<Problem>>);

impl Reports {
    /// Notes a mistake.
    pub fn add(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// Notes that a value is wrong.
    pub fn at(&self, node: &Node, what: impl Into<String>, fix: impl Into<String>) {
        self.add(Problem::new(&node.place, what, fix));
    }

    /// Notes that a value is not what is needed; gives nothing, for use at the end of a reading.
    pub fn expected<T>(&self, node: &Node, expected: &str) -> Option<T> {
        self.at(node, format!("this is {}", node.describe()), format!("write {expected}"));
        None
    }

    /// Everything noted, sorted, each once.
    pub fn into_problems(self) -> Problems {
        let mut problems = self.0.into_inner();
        problems.sort();
        problems.dedup();
        Problems(problems)
    }
}

//! The functions that expressions may call: CEL's own, its string and its math library.

use crate::domain::Shape;

/// What is known of a function.
pub(super) struct Function {
    name: &'static str,
    style: Style,
    /// Fewest and most arguments, the receiver not counted.
    arguments: (usize, usize),
    result: Returns,
}

/// How a function is called.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Style {
    /// `name(x)`
    Global,
    /// `x.name()`
    Member,
    /// `math.name(x)`
    Math,
}

/// The type of a function's result.
#[derive(Clone, Copy)]
enum Returns {
    Boolean,
    Integer,
    Number,
    Text,
    Texts,
    Duration,
    Timestamp,
    /// The type of the receiver or of the first argument, null excepted.
    Same,
}

const fn global(name: &'static str, result: Returns) -> Function {
    Function { name, style: Style::Global, arguments: (1, 1), result }
}

const fn member(name: &'static str, arguments: (usize, usize), result: Returns) -> Function {
    Function { name, style: Style::Member, arguments, result }
}

const fn math(name: &'static str, arguments: (usize, usize), result: Returns) -> Function {
    Function { name, style: Style::Math, arguments, result }
}

const FUNCTIONS: &[Function] = &[
    global("size", Returns::Integer),
    global("int", Returns::Integer),
    global("double", Returns::Number),
    global("string", Returns::Text),
    global("duration", Returns::Duration),
    global("timestamp", Returns::Timestamp),
    member("size", (0, 0), Returns::Integer),
    member("contains", (1, 1), Returns::Boolean),
    member("startsWith", (1, 1), Returns::Boolean),
    member("endsWith", (1, 1), Returns::Boolean),
    member("matches", (1, 1), Returns::Boolean),
    member("getFullYear", (0, 1), Returns::Integer),
    member("getMonth", (0, 1), Returns::Integer),
    member("getDayOfMonth", (0, 1), Returns::Integer),
    member("getDate", (0, 1), Returns::Integer),
    member("getDayOfWeek", (0, 1), Returns::Integer),
    member("getDayOfYear", (0, 1), Returns::Integer),
    member("getHours", (0, 1), Returns::Integer),
    member("getMinutes", (0, 1), Returns::Integer),
    member("getSeconds", (0, 1), Returns::Integer),
    member("getMilliseconds", (0, 1), Returns::Integer),
    member("hasValue", (0, 0), Returns::Boolean),
    member("value", (0, 0), Returns::Same),
    member("orValue", (1, 1), Returns::Same),
    member("charAt", (1, 1), Returns::Text),
    member("indexOf", (1, 2), Returns::Integer),
    member("lastIndexOf", (1, 2), Returns::Integer),
    member("join", (0, 1), Returns::Text),
    member("lowerAscii", (0, 0), Returns::Text),
    member("upperAscii", (0, 0), Returns::Text),
    member("replace", (2, 3), Returns::Text),
    member("split", (1, 2), Returns::Texts),
    member("substring", (1, 2), Returns::Text),
    member("trim", (0, 0), Returns::Text),
    // what `math.greatest` and `math.least` are expanded to
    Function { name: "math.@max", style: Style::Global, arguments: (1, 2), result: Returns::Same },
    Function { name: "math.@min", style: Style::Global, arguments: (1, 2), result: Returns::Same },
    math("ceil", (1, 1), Returns::Number),
    math("floor", (1, 1), Returns::Number),
    math("round", (1, 1), Returns::Number),
    math("trunc", (1, 1), Returns::Number),
    math("abs", (1, 1), Returns::Same),
];

/// Finds the function that is called, or says why there is none.
pub(super) fn find(name: &str, style: Style, arguments: usize) -> Result<&'static Function, String> {
    let of_style = || FUNCTIONS.iter().filter(move |function| function.style == style);
    match of_style().find(|function| function.name == name) {
        Some(function) if (function.arguments.0..=function.arguments.1).contains(&arguments) => Ok(function),
        Some(function) => Err(format!("{name}() takes {} arguments, not {arguments}", function.arguments.0)),
        None => {
            let near = crate::domain::nearest(name, of_style().map(|function| function.name));
            Err(match near.first() {
                Some(near) => format!("there is no function '{name}'; did you mean '{near}'?"),
                None => format!("there is no function '{name}'"),
            })
        }
    }
}

impl Function {
    /// The type of its result, given the receiver's or first argument's.
    pub fn returns(&self, of: &Shape) -> Shape {
        match self.result {
            Returns::Boolean => Shape::Boolean,
            Returns::Integer => Shape::Integer,
            Returns::Number => Shape::Number,
            Returns::Text => Shape::String,
            Returns::Texts => Shape::String.list(),
            Returns::Duration => Shape::Duration,
            Returns::Timestamp => Shape::Timestamp,
            Returns::Same => of.inner().clone(),
        }
    }
}

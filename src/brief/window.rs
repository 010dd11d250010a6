//! Some lines of a captured result, as they are.

use super::{
    evidence::is_log,
    fence::{self, Caps},
    own_words::name,
    pen::Pen,
};
use crate::domain::{Evidence, Shape, Values};
use serde_json::Value;

/// Lines of one window: what a model can read, and a budget can hold.
pub const MOST_LINES: u64 = 200;
/// Characters of a line.
const WIDTH: usize = 500;

/// A part of a result that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The evidence.
    pub evidence: &'a Evidence,
    /// Its whole result, as it was captured.
    pub whole: &'a Values,
    /// The first line, from 1.
    pub first: u64,
    /// How many; at most [`MOST_LINES`] are shown.
    pub lines: u64,
}

/// Lines of a result: those of a log or of a command's output, else of its JSON. Numbers of lines in briefs are these.
pub(super) fn lines_of(facts: &Values, shape: &Shape) -> Vec<String> {
    let output: Vec<&str> = ["stdout", "stderr"]
        .iter()
        .filter_map(|stream| facts.get(*stream)?.as_str())
        .filter(|s| !s.is_empty())
        .collect();
    match facts.get("lines") {
        Some(Value::Array(lines)) if is_log(shape) => lines.iter().map(log_line).collect(),
        _ if !output.is_empty() => output.into_iter().flat_map(fence::lines).map(str::to_owned).collect(),
        _ => {
            let text = serde_json::to_string_pretty(facts).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        }
    }
}

/// `2026-11-21T12:00:01Z api-1 stderr text`.
fn log_line(line: &Value) -> String {
    let parts = ["at", "instance", "stream", "text"];
    let parts: Vec<String> =
        parts.iter().filter_map(|part| line.get(*part)?.as_str()).map(|part| part.replace(['\n', '\r'], " ")).collect();
    parts.join(" ")
}

/// The window as text: what it is of, and its lines in a fence.
pub(super) fn told(shown: &Shown<'_>, shape: &Shape, pen: &mut Pen<'_>) -> String {
    let lines = lines_of(shown.whole, shape);
    let first = shown.first.max(1);
    let from = usize::try_from(first - 1).unwrap_or(usize::MAX).min(lines.len());
    let wanted = usize::try_from(shown.lines.min(MOST_LINES)).unwrap_or(0);
    let to = from.saturating_add(wanted).min(lines.len());
    let id = name(shown.evidence.step.as_str());
    if from == to {
        return format!("### No such lines of {id}: it has {} lines\n", lines.len());
    }
    let numbered = |(index, line): (usize, &String)| format!("{}: {line}", from + index + 1);
    // Everything before is read too: what a line shows may be the middle of a key.
    let redacted = pen.redacted(&lines[..to].iter().map(String::as_str).collect::<Vec<_>>());
    let lines_told: Vec<String> = redacted[from..to].iter().enumerate().map(numbered).collect();
    let caps = Caps { width: WIDTH, lines: lines_told.len() };
    let fenced = pen.fence(lines_told.iter().map(String::as_str), caps);
    format!("### Lines {} to {to} of {} of {id}\n{fenced}", from + 1, lines.len())
}

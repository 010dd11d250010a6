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

/// A line of a result.
pub(super) struct Line {
    /// What is known of a line of a log: when, where, and on which stream.
    of: String,
    /// As it was written, which may be the middle of a key: it is redacted before anything is put before it.
    text: String,
}

/// Lines of a result: those of a log or of a command's output, else of its JSON. Numbers of lines in briefs are these.
pub(super) fn lines_of(facts: &Values, shape: &Shape) -> Vec<Line> {
    let plain = |text: &str| Line { of: String::new(), text: text.to_owned() };
    let output: Vec<&str> = ["stdout", "stderr"]
        .iter()
        .filter_map(|stream| facts.get(*stream)?.as_str())
        .filter(|s| !s.is_empty())
        .collect();
    match facts.get("lines") {
        Some(Value::Array(lines)) if is_log(shape) => lines.iter().map(log_line).collect(),
        _ if !output.is_empty() => output.into_iter().flat_map(fence::lines).map(plain).collect(),
        _ => serde_json::to_string_pretty(facts).unwrap_or_default().lines().map(plain).collect(),
    }
}

/// `2026-11-21T12:00:01Z api-1 stderr `, and the text.
fn log_line(line: &Value) -> Line {
    let part = |name: &str| Some(line.get(name)?.as_str()?.replace(['\n', '\r'], " "));
    let of = ["at", "instance", "stream"].into_iter().filter_map(part).map(|part| part + " ").collect();
    Line { of, text: part("text").unwrap_or_default() }
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
    let texts = pen.redacted_part(&lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), from..to);
    let of = lines[from..to].iter().map(|line| pen.redacted(&[&line.of]).concat()).collect::<Vec<_>>();
    let numbered = of.iter().zip(texts).enumerate();
    let lines_told: Vec<String> =
        numbered.map(|(index, (of, text))| format!("{}: {of}{text}", from + index + 1)).collect();
    let caps = Caps { width: WIDTH, lines: lines_told.len() };
    let fenced = pen.fence(lines_told.iter().map(String::as_str), caps);
    format!("### Lines {} to {to} of {} of {id}\n{fenced}", from + 1, lines.len())
}

//! One piece of evidence as text, at three lengths.
//!
//! ```text
//! ### Evidence inc_….r1.2: logs = get_logs of api, read at 2026-11-21T12:00:05Z
//! {"matched":212,…}                what was measured, as it is
//! <outside-…>                      what others wrote: names, messages, labels
//! │ lines …
//! </outside-…>
//! ```

use super::{
    fence::{self, Caps},
    log_templates::{Line, Template, Templates, templates},
    own_words::{Parts, moment, name, parts},
    pen::Pen,
    window,
};
use crate::domain::{Evidence, LogLevel, Shape, Timestamp, Values};
use serde_json::Value;

/// How long a piece is told.
#[derive(Clone, Copy)]
struct Length {
    /// Entries of one list; of what happens one after the other, those are the last.
    entries: usize,
    /// Templates of a log.
    templates: usize,
    /// Last lines of a log or of a command's output, as they are.
    tail: usize,
    /// Lines of everything else that others wrote.
    lines: usize,
}

const FULL: Length = Length { entries: 20, templates: 30, tail: 5, lines: 60 };
const SHORT: Length = Length { entries: 4, templates: 6, tail: 0, lines: 12 };
/// Characters of a line: a few times what a person reads in one.
const WIDTH: usize = 400;
/// Characters of a line of a log.
const LOG_WIDTH: usize = 300;
/// The widest template with its times and its example.
const TEMPLATE_WIDTH: usize = 2 * LOG_WIDTH + 100;

/// What a piece says, taken apart and without its secrets.
struct Material<'e> {
    evidence: &'e Evidence,
    shape: &'e Shape,
    /// Everything but the two below.
    facts: Values,
    /// Lines of a log, and their texts.
    log: Option<(Vec<Value>, Vec<String>)>,
    /// What a command wrote, by where it wrote it.
    outputs: Vec<(&'static str, Vec<String>)>,
}

/// Texts of one piece: whole, short, and its first line.
pub(super) fn lengths(evidence: &Evidence, shape: &Shape, pen: &mut Pen<'_>) -> [String; 3] {
    let head = heading(evidence);
    let material = Material::of(evidence, shape, pen);
    let full = material.told(FULL, pen);
    let short = material.told(SHORT, pen);
    [
        format!("{head}\n{full}"),
        format!("{head}\n(Shortened.)\n{short}"),
        format!("{head} (left out, for there is too much)\n"),
    ]
}

fn heading(evidence: &Evidence) -> String {
    let target = if evidence.target.is_empty() { "the environment".into() } else { name(&evidence.target) };
    let (step, operation) = (name(evidence.step.as_str()), name(&evidence.operation));
    format!("### Evidence {step}: {} = {operation} of {target}, read at {}", name(&evidence.name), moment(evidence.at))
}

impl<'e> Material<'e> {
    fn of(evidence: &'e Evidence, shape: &'e Shape, pen: &mut Pen<'_>) -> Self {
        let mut facts = evidence.facts.clone();
        let is_list = is_log(shape) && facts.get("lines").is_some_and(Value::is_array);
        let log = match is_list.then(|| facts.remove("lines")).flatten() {
            Some(Value::Array(lines)) => {
                let texts: Vec<&str> =
                    lines.iter().map(|line| line.get("text").and_then(Value::as_str).unwrap_or_default()).collect();
                let texts = pen.redacted(&texts);
                Some((lines, texts))
            }
            _ => None,
        };
        let mut outputs = Vec::new();
        for stream in ["stdout", "stderr"] {
            if let Some(Value::String(text)) = facts.get(stream) {
                // The whole is redacted, since a secret may span lines.
                let lines = if text.trim().is_empty() { Vec::new() } else { fence::lines(text).collect() };
                outputs.push((stream, pen.redacted(&lines)));
                facts.remove(stream);
            }
        }
        Self { evidence, shape, facts, log, outputs }
    }

    fn told(&self, length: Length, pen: &mut Pen<'_>) -> String {
        let mut facts = self.facts.clone();
        let mut notes = Vec::new();
        compare(&mut facts, &mut notes);
        shorten(&mut facts, self.shape, length.entries, &mut notes);
        let Parts { own, others } = parts(&facts, self.shape);
        let mut text = own.map_or_else(String::new, |own| format!("{own}\n"));
        if let Some(others) = &others {
            let lines = lines_of(others, pen);
            text.push_str(&pen.fence(lines.iter().map(String::as_str), Caps { width: WIDTH, lines: length.lines }));
        }
        if let Some((lines, texts)) = &self.log {
            text.push_str(&log_of(lines, texts, self.evidence.truncated, length, pen));
        }
        for (stream, lines) in &self.outputs {
            text.push_str(&output_of(stream, lines, length, pen));
        }
        if self.evidence.truncated || !notes.is_empty() || self.log.is_some() || !self.outputs.is_empty() {
            notes.push(self.size());
        }
        text + &notes.iter().map(|note| format!("({note})\n")).collect::<String>()
    }

    /// How much there is, in lines as windows have them.
    fn size(&self) -> String {
        let lines = window::lines_of(&self.evidence.facts, self.shape).len();
        let more = if self.evidence.truncated { "more than " } else { "" };
        format!("The whole has {more}{lines} lines.")
    }
}

/// A result whose lines are what a program wrote.
pub(super) fn is_log(shape: &Shape) -> bool {
    let Shape::Object(fields) = shape else { return false };
    match fields.get("lines") {
        Some(Shape::List(line)) => matches!(line.as_ref(), Shape::Object(fields) if fields.contains_key("text")),
        _ => false,
    }
}

/// Of a configuration that was compared with the last good one, the variables that differ.
fn compare(facts: &mut Values, notes: &mut Vec<String>) {
    if !facts.contains_key("changed") {
        return;
    }
    let differs: Vec<String> = ["missing", "changed", "added"]
        .iter()
        .filter_map(|list| facts.get(*list)?.as_array())
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    if let Some(Value::Object(variables)) = facts.get_mut("environment") {
        let all = variables.len();
        variables.retain(|name, _| differs.contains(name));
        if variables.len() < all {
            notes.push(format!("{} variables that do not differ are not shown.", all - variables.len()));
        }
    }
}

/// Keeps the last entries of long lists that the result declares.
fn shorten(facts: &mut Values, shape: &Shape, most: usize, notes: &mut Vec<String>) {
    let Shape::Object(shapes) = shape else { return };
    for (field, list) in facts.iter_mut().filter(|(field, _)| shapes.contains_key(*field)) {
        if let Some(items) = list.as_array_mut().filter(|items| items.len() > most) {
            let all = items.len();
            items.drain(..all - most);
            notes.push(format!("Of {all} {}, the last {most} are shown.", name(field)));
        }
    }
}

/// One line for each field, and for each element of a list of objects.
fn lines_of(others: &Value, pen: &mut Pen<'_>) -> Vec<String> {
    let Value::Object(fields) = others else { return vec![pen.json(others)] };
    let mut lines = Vec::new();
    for (field, value) in fields {
        let field = pen.redacted(&[field]).concat(); // an undeclared one may be anything
        match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let numbered = items.iter().enumerate().filter(|(_, item)| !item.is_null());
                for (index, item) in numbered {
                    lines.push(format!("{field}[{index}]: {}", pen.json(item)));
                }
            }
            _ => lines.push(format!("{field}: {}", pen.json(value))),
        }
    }
    lines
}

fn log_of(lines: &[Value], texts: &[String], cut: bool, length: Length, pen: &Pen<'_>) -> String {
    if lines.is_empty() {
        return "No log lines.\n".to_owned();
    }
    let field = |line: &Value, field: &str| line.get(field).and_then(Value::as_str).map(str::to_owned);
    let read = lines.iter().zip(texts).map(|(line, text)| Line {
        at: field(line, "at").and_then(|at| at.parse().ok()),
        on_stderr: field(line, "stream").as_deref() == Some("stderr"),
        text,
    });
    let found = templates(read, length.templates);
    let written: Vec<String> = found.kept.iter().map(|template| in_a_line(template, cut)).collect();
    let caps = Caps { width: TEMPLATE_WIDTH, lines: length.templates };
    let mut text = format!("{} log lines as templates, with how often, how bad, which lines and when:\n", lines.len());
    text.push_str(&pen.fence(written.iter().map(String::as_str), caps));
    text.push_str(&left_out(&found));
    if length.tail > 0 {
        let caps = Caps { width: LOG_WIDTH, lines: length.tail };
        let from = texts.len().saturating_sub(length.tail);
        text.push_str(&format!("Its last {} lines:\n", texts.len() - from));
        text.push_str(&pen.fence(texts[from..].iter().map(|text| first_line(text)), caps));
    }
    text
}

fn first_line(text: &str) -> &str {
    fence::lines(text).next().unwrap_or_default()
}

fn left_out(found: &Templates) -> String {
    match (found.templates_left_out, found.lines_left_out) {
        (0, _) => String::new(),
        (templates, lines) => format!("({lines} lines of {templates} less telling templates are left out.)\n"),
    }
}

/// `12× error, lines 3 to 180, 12:00:01Z to 12:03:04Z: …`. Where the log was cut, nobody knows which lines they are.
fn in_a_line(template: &Template, cut: bool) -> String {
    let range = |first: String, last: String| if first == last { first } else { format!("{first} to {last}") };
    let lines = match (template.first, template.last) {
        _ if cut => String::new(),
        (first, last) if first == last => format!(", line {first}"),
        (first, last) => format!(", lines {first} to {last}"),
    };
    let clock = |at: Timestamp| at.format("%H:%M:%SZ").to_string();
    let when = match (template.first_at, template.last_at) {
        (Some(first), Some(last)) => format!(", {}", range(clock(first), clock(last))),
        _ => String::new(),
    };
    let short = |text: &str| first_line(text).chars().take(LOG_WIDTH).collect::<String>();
    let said = match template.count {
        1 => short(&template.example),
        _ if template.level >= LogLevel::Warn => {
            format!("{}; the last: {}", short(&template.text), short(&template.example))
        }
        _ => short(&template.text),
    };
    format!("{}× {}{lines}{when}: {said}", template.count, template.level.as_str())
}

fn output_of(stream: &str, lines: &[String], length: Length, pen: &Pen<'_>) -> String {
    if lines.is_empty() {
        return format!("Nothing on {stream}.\n");
    }
    let from = lines.len().saturating_sub(length.lines);
    let which = if from > 0 { format!("the last {} of {} lines", length.lines, lines.len()) } else { "all".into() };
    let shown = pen.fence(lines[from..].iter().map(String::as_str), Caps { width: WIDTH, lines: length.lines });
    format!("Its {stream}, {which}:\n{shown}")
}

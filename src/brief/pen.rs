//! Writes what others wrote: cleaned, redacted and fenced, in this order, and in one place.

use super::fence::{Caps, Fence};
use crate::domain::{LONGEST_KEY, Redactor, SecretNumbers, Values, clean_text};
use serde_json::Value;
use std::ops::Range;

/// Characters of one text that are looked at; what is captured is cut to less.
const LONGEST_TEXT: usize = 64 << 10;

/// Writes for one brief.
pub(super) struct Pen<'a> {
    fence: &'a Fence,
    numbers: SecretNumbers<'a>,
}

impl<'a> Pen<'a> {
    pub fn new(fence: &'a Fence, redactor: &'a Redactor) -> Self {
        Self { fence, numbers: SecretNumbers::new(redactor) }
    }

    /// Takes what these variables hold for secrets from now on, if their names say so.
    pub fn learn(&mut self, variables: &Values) {
        self.numbers.learn(variables);
    }

    /// Lines of one text without its secrets. What hides between the letters of a secret goes first.
    pub fn redacted(&mut self, lines: &[&str]) -> Vec<String> {
        let clean: Vec<String> = lines.iter().map(|line| clean_text(line, LONGEST_TEXT)).collect();
        self.numbers.lines(&clean.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The same of a part of many lines. A line may be the middle of a key, so what is around is read too.
    pub fn redacted_part(&mut self, lines: &[&str], part: Range<usize>) -> Vec<String> {
        let from = part.start.saturating_sub(LONGEST_KEY);
        let to = part.end.saturating_add(LONGEST_KEY).min(lines.len());
        let redacted = self.redacted(&lines[from..to]);
        redacted.into_iter().skip(part.start - from).take(part.len()).collect()
    }

    /// A text that was made of what was told, numbers and all: they stay.
    pub fn redacted_again(&mut self, text: &str) -> String {
        self.numbers.again(&clean_text(text, LONGEST_TEXT))
    }

    /// A value in one line, without its secrets.
    pub fn json(&mut self, value: &Value) -> String {
        let mut value = value.clone();
        clean(&mut value);
        self.numbers.value(&value).to_string()
    }

    /// Lines that are redacted already, in a fence.
    pub fn fence<'t>(&self, lines: impl IntoIterator<Item = &'t str>, caps: Caps) -> String {
        self.fence.around(lines, caps)
    }

    /// Lines of one text, in a fence.
    pub fn quote(&mut self, lines: &[&str], caps: Caps) -> String {
        let redacted = self.redacted(lines);
        self.fence(redacted.iter().map(String::as_str), caps)
    }
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = clean_text(text, LONGEST_TEXT),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

//! Numbers for secrets: whoever reads `[secret-1]` twice sees that it is the same one, and learns nothing else.

use super::{Redactor, SHORTEST_SECRET, is_secret_name};
use crate::domain::Values;
use regex::{Captures, Regex};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// The longest PEM key that anybody has, in lines; what follows an unfinished one is not withheld for ever.
pub const LONGEST_KEY: usize = 120;

/// No word is so long, and each line of a key but its last is longer.
const LONG: usize = 40;

// Both are constants, which a test uses.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| constant(r"\[redacted:[0-9a-f]{6}\]"));
static WORD: LazyLock<Regex> = LazyLock::new(|| constant(r#"[^\s"'`,;()<>{}\[\]]{6,}"#));

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|_| unreachable!("a constant pattern"))
}

/// Replaces secrets by numbers, in the order in which it meets them: `[secret-1]`.
#[derive(Clone, Debug)]
pub struct SecretNumbers<'a> {
    redactor: &'a Redactor,
    /// Placeholders of the values that variables with telling names have: the values themselves were never here.
    of_variables: BTreeSet<String>,
    /// By placeholder.
    numbers: BTreeMap<String, usize>,
}

impl<'a> SecretNumbers<'a> {
    /// None met so far.
    pub fn new(redactor: &'a Redactor) -> Self {
        Self { redactor, of_variables: BTreeSet::new(), numbers: BTreeMap::new() }
    }

    /// Takes as secrets what these variables hold, if their names say so. Their values are placeholders already; a word
    /// that would have the same one is the same secret.
    pub fn learn(&mut self, variables: &Values) {
        let telling = variables.iter().filter(|(name, _)| is_secret_name(name));
        self.of_variables.extend(telling.filter_map(|(_, value)| value.as_str()).map(str::to_owned));
    }

    /// One text with numbers for its secrets. To be called once on each text: a text that claims to have numbers
    /// already loses them.
    pub fn text(&mut self, text: &str) -> String {
        self.again(&text.replace("[secret-", "(secret-"))
    }

    /// The same of a text that somebody made of such texts: the numbers in it stay.
    pub fn again(&mut self, text: &str) -> String {
        let redacted = self.redactor.text(text);
        let redacted = self.without_values_of_variables(&redacted);
        PLACEHOLDER.replace_all(&redacted, |found: &Captures<'_>| self.number(&found[0])).into_owned()
    }

    /// Every text inside a value, and the keys.
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(item)).collect()),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(name, item)| (self.text(name), self.value(item))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// Lines of one text. A key that spans several is withheld whole, which no line by itself would show.
    pub fn lines(&mut self, lines: &[&str]) -> Vec<String> {
        let within = within_keys(lines);
        let told = lines.iter().zip(within).map(|(line, within)| match within {
            true => self.number(&self.redactor.placeholder(line)),
            false => self.text(line),
        });
        told.collect()
    }

    fn number(&mut self, placeholder: &str) -> String {
        let next = self.numbers.len() + 1;
        format!("[secret-{}]", self.numbers.entry(placeholder.to_owned()).or_insert(next))
    }

    fn without_values_of_variables<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.of_variables.is_empty() {
            return Cow::Borrowed(text);
        }
        WORD.replace_all(text, |found: &Captures<'_>| self.without_value(&found[0]))
    }

    /// A word that is such a value, or has one after a `=`, a `:` or a `/`, or before a `@`.
    fn without_value(&self, word: &str) -> String {
        let known = |part: &str| {
            let placeholder = (part.len() >= SHORTEST_SECRET).then(|| self.redactor.placeholder(part));
            placeholder.filter(|placeholder| self.of_variables.contains(placeholder))
        };
        if let Some(placeholder) = known(word) {
            return placeholder;
        }
        let bare = word.trim_matches(['.', ':', '!', '?']);
        if let Some(placeholder) = known(bare) {
            return word.replace(bare, &placeholder);
        }
        if let Some((before, after)) = word.split_once('=')
            && let Some(placeholder) = known(after)
        {
            return format!("{before}={placeholder}");
        }
        let part = |part: &str| known(part).unwrap_or_else(|| part.to_owned());
        word.split_inclusive(['=', ':', '/', '@'])
            .map(|piece| match piece.strip_suffix(['=', ':', '/', '@']) {
                Some(body) => format!("{}{}", part(body), &piece[body.len()..]),
                None => part(piece),
            })
            .collect()
    }
}

/// Which lines are from the middle of a PEM key: all up to its end, whatever a program put before them; where that is
/// not to be seen, those that look like it.
fn within_keys(lines: &[&str]) -> Vec<bool> {
    let mut within = vec![false; lines.len()];
    let ends = |line: &&str| line.contains("-----END ") && line.contains("PRIVATE KEY-----");
    let begins = |line: &&str| line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----") && !ends(line);
    for (first, _) in lines.iter().enumerate().filter(|(_, line)| begins(line)) {
        let body = lines.iter().enumerate().skip(first + 1).take(LONGEST_KEY);
        let end = body.clone().find(|(_, line)| ends(line)).map(|(index, _)| index);
        for (index, line) in body.take_while(|(index, _)| Some(*index) != end) {
            within[index] |= end.is_some() || is_of_key(line);
        }
    }
    within
}

/// Whether a line has as many letters of base64 in a row as one of a key, or is nothing else.
fn is_of_key(line: &str) -> bool {
    let other = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
    !line.trim().contains(other) || line.split(other).any(|word| word.len() >= LONG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn redactor() -> Redactor {
        Redactor::new(["hunter2hunter2".to_owned()], "salt")
    }

    #[test]
    fn the_same_secret_has_the_same_number() {
        let redactor = redactor();
        let mut numbers = SecretNumbers::new(&redactor);
        assert_eq!(numbers.text("token=abcd1234 then hunter2hunter2"), "token=[secret-1] then [secret-2]");
        assert_eq!(numbers.text("again hunter2hunter2"), "again [secret-2]");
        let stored = redactor.text("password: hunter2hunter2").into_owned();
        assert_eq!(numbers.text(&stored), "password: [secret-2]", "also where it was redacted before");
        assert_eq!(numbers.text("I am [secret-2]"), "I am (secret-2]", "nobody claims to be one");
        assert_eq!(numbers.again("token=[secret-1], hunter2hunter2"), "token=[secret-1], [secret-2]");
        assert_eq!(numbers.value(&json!({"a": ["hunter2hunter2", 7]})), json!({"a": ["[secret-2]", 7]}));
    }

    #[test]
    fn values_of_variables_are_found_where_a_program_prints_them() {
        let redactor = redactor();
        let mut numbers = SecretNumbers::new(&redactor);
        let variables = json!({
            "DB_PASSWORD": redactor.placeholder("plainwords"),
            "SIGNING_KEY": redactor.placeholder("k3y/with=signs"),
            "MODE": redactor.placeholder("production"),
        });
        numbers.learn(variables.as_object().unwrap());
        for (text, told) in [
            ("login failed for plainwords", "login failed for [secret-1]"),
            ("login failed for 'plainwords'.", "login failed for '[secret-1]'."),
            ("db://app:plainwords@db in production", "db://app:[secret-1]@db in production"),
            ("value=k3y/with=signs", "value=[secret-2]"),
            ("plainwordsmore", "plainwordsmore"),
        ] {
            assert_eq!(numbers.text(text), told);
        }
    }

    #[test]
    fn a_key_of_many_lines_is_withheld() {
        let redactor = redactor();
        let mut numbers = SecretNumbers::new(&redactor);
        let lines = ["-----BEGIN PRIVATE KEY-----", "MIIEvQ", "AbC/d+=", "-----END PRIVATE KEY-----", "listening"];
        let told = numbers.lines(&lines);
        assert_eq!(told[1..], ["[secret-1]", "[secret-2]", "-----END PRIVATE KEY-----", "listening"]);
    }

    #[test]
    fn a_key_is_withheld_whatever_a_program_puts_before_its_lines() {
        let redactor = redactor();
        let long = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        for (before, after) in [("12:00:01 DEBUG [tls] ", ""), (r#"{"level":"debug","msg":""#, r#""}"#), ("", "")] {
            let line = |text: &str| format!("{before}{text}{after}");
            let key =
                ["-----BEGIN RSA PRIVATE KEY-----", long, long, "AbC/d+=", "-----END RSA PRIVATE KEY-----"].map(line);
            let served = line("served GET /items in 3 ms");
            let whole: Vec<&str> = key.iter().chain([&served]).map(String::as_str).collect();
            let told = SecretNumbers::new(&redactor).lines(&whole);
            assert_eq!(told[1..4], ["[secret-1]", "[secret-1]", "[secret-2]"], "{before}");
            assert_eq!(told[4..], [key[4].as_str(), &served], "{before}");
            // Where its end was cut off, what others say in between is told.
            let cut = [whole[0], whole[1], whole[5], whole[2]];
            let told = SecretNumbers::new(&redactor).lines(&cut);
            assert_eq!(told[1..], ["[secret-1]", served.as_str(), "[secret-1]"], "{before}");
        }
        let error = ["a key begins with -----BEGIN PRIVATE KEY-----", "12:00:01 the configuration is wrong"];
        assert_eq!(SecretNumbers::new(&redactor).lines(&error), error);
    }

    proptest! {
        #[test]
        fn no_known_secret_is_left(before in "[ -~]{0,30}", after in "[ -~]{0,30}") {
            let redactor = redactor();
            let told = SecretNumbers::new(&redactor).text(&format!("{before}hunter2hunter2{after}"));
            prop_assert!(!told.contains("hunter2hunter2"), "{}", told);
        }
    }
}

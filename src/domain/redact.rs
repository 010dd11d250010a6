//! Keeping secrets and trickery out of what is stored, shown or sent.

use super::Digest;
use regex::{Captures, Regex};
use serde_json::Value;
use std::{borrow::Cow, sync::LazyLock};

/// Texts shorter than this are not taken for secrets by value: replacing every `1` or `true` would make evidence unreadable.
const SHORTEST_SECRET: usize = 6;

/// Replaces secrets by stable placeholders: the same secret has the same one, so that evidence can still be compared.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// Longest first, so that a secret that contains another is replaced whole.
    secrets: Vec<String>,
    /// Keeps a placeholder from being a dictionary-attackable hash of the secret.
    salt: String,
}

static SHAPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // user:password@ in addresses
        r"(?P<keep>[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*:)(?P<secret>[^\s@/]+)@",
        // Authorization headers
        r"(?i)(?P<keep>\b(?:bearer|basic)\s+)(?P<secret>[A-Za-z0-9._~+/=-]{8,})",
        // password=…, api_key: …, "token":"…"
        r#"(?i)(?P<keep>\b[a-z0-9_-]*(?:passw(?:or)?d|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[a-z0-9_-]*["']?\s*[=:]\s*["']?)(?P<secret>[^\s"',;&]{4,})"#,
        // AWS access key ids, GitHub and Slack tokens, OpenAI-style keys
        r"(?P<keep>\b)(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,})",
        // JSON Web Tokens
        r"(?P<keep>\b)(?P<secret>eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
        // PEM keys
        r"(?s)(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----)(?P<secret>.+?)-----END",
    ]
    .iter()
    // The patterns are constants, and a test compiles them all.
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

impl Redactor {
    /// Knows these values as secrets, besides the shapes that everybody's secrets have.
    pub fn new(secrets: impl IntoIterator<Item = String>, salt: impl Into<String>) -> Self {
        let mut secrets: Vec<String> = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets, salt: salt.into() }
    }

    /// The placeholder of a secret: `[redacted:1f2e3d]`.
    pub fn placeholder(&self, secret: &str) -> String {
        format!("[redacted:{}]", &Digest::of(format!("{}{secret}", self.salt).as_bytes()).as_str()[..6])
    }

    /// Redacts one text.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut result = Cow::Borrowed(text);
        for secret in &self.secrets {
            if result.contains(secret.as_str()) {
                result = Cow::Owned(result.replace(secret.as_str(), &self.placeholder(secret)));
            }
        }
        for shape in SHAPES.iter() {
            if shape.is_match(&result) {
                let replaced = shape.replace_all(&result, |found: &Captures<'_>| self.replacement(found));
                result = Cow::Owned(replaced.into_owned());
            }
        }
        result
    }

    fn replacement(&self, found: &Captures<'_>) -> String {
        let secret = &found["secret"];
        let whole = &found[0];
        if secret.starts_with("[redacted:") {
            return whole.to_owned();
        }
        let tail = &whole[found["keep"].len() + secret.len()..];
        format!("{}{}{tail}", &found["keep"], self.placeholder(secret))
    }

    /// Redacts every text inside a value, keys excepted.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.text(text) {
                    *text = redacted;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Text from outside, made harmless to show: control, bidirectional and zero-width characters are dropped (a tab and a
/// line feed stay), and it is cut at `limit` characters.
pub fn clean_text(text: &str, limit: usize) -> String {
    let mut cleaned: String = text.chars().filter(|c| !is_deceptive(*c)).take(limit + 1).collect();
    if cleaned.chars().count() > limit {
        cleaned.pop();
        cleaned.push('…');
    }
    cleaned
}

fn is_deceptive(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c,
            '\u{200b}'..='\u{200f}' // zero width, directional marks
            | '\u{2028}'..='\u{202e}' // separators, bidirectional embedding and override
            | '\u{2060}'..='\u{206f}' // word joiner, isolates, deprecated format characters
            | '\u{061c}' | '\u{feff}' | '\u{00ad}' | '\u{180e}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}') // tags, which can spell invisible text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_shape_compiles_and_catches_its_kind() {
        assert_eq!(SHAPES.len(), 6);
        let redactor = Redactor::new(["hunter2hunter2".to_owned()], "salt");
        for text in [
            "connecting to postgres://app:hunter2hunter2@db/app",
            "redis://:s3cretpass@cache:6379",
            "Authorization: Bearer abcdef0123456789",
            "API_KEY=abcd1234",
            r#"{"password":"opensesame"}"#,
            "AKIAABCDEFGHIJKLMNOP",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        ] {
            let redacted = redactor.text(text);
            assert!(redacted.contains("[redacted:"), "{redacted}");
            for secret in ["hunter2hunter2", "s3cretpass", "abcdef0123456789", "abcd1234", "opensesame", "MIIE"] {
                assert!(!redacted.contains(secret), "{redacted}");
            }
            assert_eq!(redactor.text(&redacted), redacted, "redacting twice changes nothing");
        }
        assert_eq!(redactor.text("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn values_are_redacted_in_depth() {
        let mut value = json!({"lines": [{"text": "token=abcd1234"}]});
        Redactor::default().value(&mut value);
        assert!(!value.to_string().contains("abcd1234"));
    }

    #[test]
    fn deceptive_characters_are_dropped() {
        assert_eq!(clean_text("a\u{202e}b\u{200b}c\u{1b}[31md\te\n", 100), "abc[31md\te\n");
        assert_eq!(clean_text("abcdef", 3), "abc…");
    }
}

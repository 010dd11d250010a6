//! Keeping secrets and trickery out of what is stored, shown or sent.

mod numbers;

pub use numbers::{LONGEST_KEY, SecretNumbers};

use super::{Digest, Values};
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
        // the same, cut off before its end
        r"(?P<keep>PRIVATE KEY-----(?:\s|\\[nr])*)(?P<secret>[A-Za-z0-9+/=]{40}[A-Za-z0-9+/=\\\s]*)",
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

    /// Knows these as secrets too, from here on.
    #[must_use]
    pub fn with(&self, secrets: impl IntoIterator<Item = String>) -> Self {
        Self::new(self.secrets.iter().cloned().chain(secrets), self.salt.clone())
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
        if ["[redacted:", "[secret-"].iter().any(|placeholder| secret.starts_with(placeholder)) {
            return whole.to_owned();
        }
        let tail = &whole[found["keep"].len() + secret.len()..];
        format!("{}{}{tail}", &found["keep"], self.placeholder(secret))
    }

    /// Redacts a text that is JSON, or was meant to be. Of JSON, its values are redacted and not its source: a secret ends
    /// where its text does, and is known as it is, not as it is escaped.
    pub fn json(&self, text: &str) -> String {
        match serde_json::from_str(text) {
            Ok(mut value) => {
                self.value(&mut value);
                value.to_string()
            }
            Err(_) => self.text(text).into_owned(),
        }
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

/// Whether what has this name usually is a secret. Variables of services hold addresses and levels too, which evidence
/// cannot do without; their names tell them apart.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let within = ["pass", "secret", "token", "key", "credential"].iter().any(|word| name.contains(word));
    within || name.ends_with("auth")
}

/// What is secret of a variable: its value if its name says so, and the password in it if it is an address.
pub fn secret_of<'v>(name: &str, value: &'v str) -> Option<&'v str> {
    if is_secret_name(name) {
        return Some(value);
    }
    let (_, rest) = value.split_once("://")?;
    let (user, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// Fields whose text names what another field holds: `{name: requirepass, value: …}`.
const NAMES: &[&str] = &["name", "parameter", "setting"];

/// Fields that look like secrets to a pattern, and are none: `registry/token-service:v1.2.3`.
const PLAIN: &[&str] = &["image", "target", "service", "channel"];

impl Redactor {
    /// Whether a text has one of the known secrets in it, whatever it looks like.
    pub fn knows(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// Where among arguments a secret stands, or what is likely to be one: `set.DB_PASSWORD`, `argv[3]`.
    pub fn secret_in(&self, arguments: &Values) -> Option<String> {
        let named = NAMES.iter().filter_map(|field| arguments.get(*field)?.as_str()).any(is_secret_name);
        if named && arguments.get("value").is_some_and(is_given) {
            return Some("value".to_owned());
        }
        arguments.iter().find_map(|(name, value)| {
            let found = if PLAIN.contains(&name.as_str()) {
                value.as_str().is_some_and(|text| self.knows(text)).then(String::new)
            } else {
                self.secret_within(value)
            };
            found.map(|path| format!("{name}{path}"))
        })
    }

    fn secret_within(&self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => matches!(self.text(text), Cow::Owned(_)).then(String::new),
            Value::Array(items) => {
                let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                let given = secret_word(&words).filter(|_| words.len() == items.len());
                let within = || items.iter().enumerate().find_map(|(n, item)| Some((n, self.secret_within(item)?)));
                given.map(|n| (n, String::new())).or_else(within).map(|(n, path)| format!("[{n}]{path}"))
            }
            Value::Object(fields) => fields.iter().find_map(|(name, value)| {
                let path =
                    if is_secret_name(name) && is_given(value) { String::new() } else { self.secret_within(value)? };
                Some(format!(".{name}{path}"))
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }
}

fn is_given(value: &Value) -> bool {
    !matches!(value, Value::Null) && value.as_str() != Some("")
}

/// The position of a secret in the words of a command: `--password X`, `--token=X`, `mysql -pX`, `redis-cli -a X`.
fn secret_word(words: &[&str]) -> Option<usize> {
    let program = words.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program));
    let (joined, apart) = match program {
        name if name.starts_with("mysql") || name.starts_with("mariadb") => ("-p", ""),
        "redis-cli" | "valkey-cli" => ("", "-a"),
        "curl" => ("-u", "-u"),
        "sshpass" => ("-p", "-p"),
        _ => ("", ""),
    };
    words.iter().enumerate().skip(1).find_map(|(n, word)| {
        let follows = words.get(n + 1).is_some_and(|next| !next.starts_with('-'));
        match word.strip_prefix("--").map(|option| option.split_once('=').unwrap_or((option, ""))) {
            Some((option, "")) if is_secret_name(option) && follows => Some(n + 1),
            Some((option, value)) if is_secret_name(option) && !value.is_empty() => Some(n),
            Some(_) => None,
            None if !apart.is_empty() && *word == apart && follows => Some(n + 1),
            None if !joined.is_empty() && word.len() > joined.len() && word.starts_with(joined) => Some(n),
            None => None,
        }
    })
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
            | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' // fillers
            | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' // variation selectors, which can spell it too
            | '\u{e0000}'..='\u{e007f}') // tags, which can spell invisible text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_shape_compiles_and_catches_its_kind() {
        assert_eq!(SHAPES.len(), 7);
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
    fn json_stays_json_and_hides_no_secret_behind_its_escapes() {
        let redactor = Redactor::new([r#"pa"ss\word"#.to_owned()], "salt");
        let secret = redactor.placeholder(r#"pa"ss\word"#);
        let abcd = redactor.placeholder("abcd");
        for (text, told) in [
            (
                r#"{"reason":"the log says \"token=abcd\" twice"}"#,
                json!({"reason": format!("the log says \"token={abcd}\" twice")}),
            ),
            (r#"{"token_ttl":12345}"#, json!({"token_ttl": 12345})),
            (r#"["it is pa\"ss\\word"]"#, json!([format!("it is {secret}")])),
            (
                r#"{"summary":"it is pa\u0022ss\u005cword","n":1.50}"#,
                json!({"summary": format!("it is {secret}"), "n": 1.5}),
            ),
        ] {
            let redacted: Value =
                serde_json::from_str(&redactor.json(text)).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(redacted, told);
        }
        assert_eq!(redactor.json(r#"Sure: {"a": "token=abcd""#), format!(r#"Sure: {{"a": "token={abcd}""#));
    }

    #[test]
    fn a_key_that_was_cut_off_in_one_text_is_withheld() {
        let redactor = Redactor::new([], "salt");
        let long = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        for between in ["\n", "\\n", " "] {
            let text = format!("key: -----BEGIN RSA PRIVATE KEY-----{between}{long}{between}{long}{between}AbC/d+");
            let told = redactor.text(&text);
            assert!(!told.contains("MIIE") && !told.contains("AbC/d") && told.contains("[redacted:"), "{told}");
        }
        let error = "a key begins with -----BEGIN PRIVATE KEY----- and this one does not, which is an error";
        assert_eq!(redactor.text(error), error);
    }

    #[test]
    fn what_is_secret_of_a_variable_is_known() {
        for (name, value, secret) in [
            ("DB_PASSWORD", "opensesame", Some("opensesame")),
            ("DATABASE_URL", "postgres://app:open@sesame@db:5432/app", Some("open@sesame")),
            ("REDIS", "redis://:opensesame@cache", Some("opensesame")),
            ("DATABASE_URL", "postgres://db/main?by=a:b@c", None),
            ("MODE", "production", None),
        ] {
            assert_eq!(secret_of(name, value), secret, "{name}={value}");
        }
        let redactor = Redactor::new(["hunter2hunter2".to_owned()], "salt").with(["opensesame".to_owned()]);
        assert_eq!(redactor.text("hunter2hunter2 opensesame").matches("[redacted:").count(), 2);
    }

    #[test]
    fn values_are_redacted_in_depth() {
        let mut value = json!({"lines": [{"text": "token=abcd1234"}]});
        Redactor::default().value(&mut value);
        assert!(!value.to_string().contains("abcd1234"));
    }

    #[test]
    fn secrets_among_arguments_are_found() {
        let redactor = Redactor::new(["hunter2hunter2".to_owned()], "salt");
        let found = |arguments: Value| redactor.secret_in(&serde_json::from_value(arguments).unwrap());
        for (arguments, path) in [
            (json!({"set": {"MODE": "fast", "DB_PASSWORD": "x"}}), "set.DB_PASSWORD"),
            (json!({"set": {"URL": "postgres://app:opensesame@db/app"}}), "set.URL"),
            (json!({"body": "it is hunter2hunter2"}), "body"),
            (json!({"image": "repo/hunter2hunter2:1"}), "image"),
            (json!({"name": "requirepass", "value": "x"}), "value"),
            (json!({"argv": ["mysql", "-u", "root", "-pX"]}), "argv[3]"),
            (json!({"argv": ["/usr/bin/redis-cli", "-a", "X", "PING"]}), "argv[2]"),
            (json!({"argv": ["psql", "--password", "X"]}), "argv[2]"),
            (json!({"argv": ["tool", "--api-token=X"]}), "argv[1]"),
            (json!({"argv": ["env", "PGPASSWORD=opensesame", "psql"]}), "argv[1]"),
            (json!({"argv": ["curl", "-H", "Authorization: Bearer abcdef0123"]}), "argv[2]"),
        ] {
            assert_eq!(found(arguments.clone()).as_deref(), Some(path), "{arguments}");
        }
        for harmless in [
            json!({"set": {"MODE": "fast", "DB_PASSWORD": ""}, "remove": ["DB_PASSWORD"], "restore": ["API_KEY"]}),
            json!({"image": "registry/token-service:v1.2.3"}),
            json!({"name": "maxmemory", "value": "64mb"}),
            json!({"argv": ["ps", "-a", "aux"]}),
            json!({"argv": ["mysql", "--password", "--execute"]}),
            json!({"replicas": 3, "from": null}),
        ] {
            assert_eq!(found(harmless.clone()), None, "{harmless}");
        }
    }

    #[test]
    fn deceptive_characters_are_dropped() {
        assert_eq!(clean_text("a\u{202e}b\u{200b}c\u{1b}[31md\te\n", 100), "abc[31md\te\n");
        assert_eq!(clean_text("a\u{e0041}b\u{fe0f}c\u{e0121}d\u{3164}e\u{034f}", 100), "abcde");
        assert_eq!(clean_text("abcdef", 3), "abc…");
    }
}

//! Matchers as Alertmanager writes them: `service="api"`, `job=~"web.*"`, `team!="x"`.

use crate::domain::Labels;
use std::{collections::BTreeMap, fmt};

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
}

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub value: String,
}

impl Matcher {
    /// `name="value"`
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), comparison: Comparison::Equal, value: value.into() }
    }
}

/// Longest first, so that `=~` is not read as `=`.
const OPERATORS: [(&str, Comparison); 4] = [
    ("=~", Comparison::Matches),
    ("!~", Comparison::NotMatches),
    ("!=", Comparison::NotEqual),
    ("=", Comparison::Equal),
];

impl std::str::FromStr for Matcher {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match read(text.trim_start()) {
            Some((matcher, rest)) if rest.trim().is_empty() => Ok(matcher),
            _ => Err(format!("'{text}' is not a matcher; write service=\"api\", or with !=, =~ or !~")),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = OPERATORS.iter().find(|(_, comparison)| *comparison == self.comparison);
        write!(f, "{}{}\"{}\"", self.name, operator.map_or("=", |(text, _)| text), escaped(&self.value))
    }
}

/// A value as it stands between quotes in PromQL and in matchers.
pub fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The group's labels out of a group key such as `{}/{severity="page"}:{alertname="Down"}`; none if it is no such key.
pub fn group_labels(group_key: &str) -> Option<Labels> {
    // What comes before is the path of routes; its values may hold the same characters, so the last fit counts.
    group_key.rmatch_indices(":{").find_map(|(position, _)| label_set(&group_key[position + 2..]))
}

fn label_set(text: &str) -> Option<Labels> {
    let mut rest = text.strip_suffix('}')?.trim();
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (matcher, after) = read(rest)?;
        if matcher.comparison != Comparison::Equal {
            return None;
        }
        labels.insert(matcher.name, matcher.value);
        let after = after.trim_start();
        rest =
            after.strip_prefix(',').map_or_else(|| after.is_empty().then_some(""), |next| Some(next.trim_start()))?;
    }
    Some(labels)
}

/// One matcher, and what follows it. A value without quotes reaches to the end.
fn read(text: &str) -> Option<(Matcher, &str)> {
    let (name, rest) = if text.starts_with('"') {
        quoted(text)? // names that are no identifiers, since Alertmanager 0.27
    } else {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
        (text[..end].to_owned(), &text[end..])
    };
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (operator, comparison) = OPERATORS.iter().find(|(operator, _)| rest.starts_with(operator))?;
    let rest = rest[operator.len()..].trim_start();
    let (value, rest) = if rest.starts_with('"') { quoted(rest)? } else { (rest.trim_end().to_owned(), "") };
    Some((Matcher { name, comparison: *comparison, value }, rest))
}

/// The text between quotes, and what follows them. JSON knows the escapes that Go writes for readable text.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut escape = false;
    let end = text.char_indices().skip(1).find_map(|(position, character)| {
        let closes = character == '"' && !escape;
        escape = character == '\\' && !escape;
        closes.then_some(position)
    })?;
    Some((serde_json::from_str(&text[..=end]).ok()?, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matcher(text: &str) -> Matcher {
        text.parse().unwrap()
    }

    #[test]
    fn matchers_read_as_alertmanager_reads_them() {
        let expected = |comparison, value: &str| Matcher { name: "service".into(), comparison, value: value.into() };
        assert_eq!(matcher(r#"service="api""#), expected(Comparison::Equal, "api"));
        assert_eq!(matcher("service = api "), expected(Comparison::Equal, "api"));
        assert_eq!(matcher(r#" service =~ "a|b" "#), expected(Comparison::Matches, "a|b"));
        assert_eq!(matcher(r#"service!~"x""#), expected(Comparison::NotMatches, "x"));
        assert_eq!(matcher(r#"service!="a=\"b\"""#), expected(Comparison::NotEqual, r#"a="b""#));
        for wrong in ["", "service", "=x", r#"service="a"#, r#"service="a" x"#, "9x=1", "a b=1", r#"a="\q""#] {
            assert!(wrong.parse::<Matcher>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_group_key_tells_its_labels() {
        let labels = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Labels>())
        };
        assert_eq!(group_labels(r#"{}:{alertname="Down"}"#), labels(&[("alertname", "Down")]));
        let nested = r#"{}/{team=":{x}"}/{a!="b"}:{alertname="A, \"b\" :{c}", job="x"}"#;
        assert_eq!(group_labels(nested), labels(&[("alertname", "A, \"b\" :{c}"), ("job", "x")]));
        assert_eq!(group_labels("{}:{}"), labels(&[]));
        assert_eq!(group_labels("grafana-1"), None);
        assert_eq!(group_labels(r#"{}:{alertname=~"x"}"#), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(name in "[a-z_][a-z0-9_]{0,8}", value in "[ -~\n]{0,20}|\\PC{0,10}") {
            for (_, comparison) in OPERATORS {
                let written = Matcher { name: name.clone(), comparison, value: value.clone() };
                prop_assert_eq!(written.to_string().parse(), Ok(written));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = text.parse::<Matcher>();
            let _ = group_labels(&text);
        }
    }
}

//! Which series an alert's expression rests on. An expression that yields nothing says that the fault is gone only while
//! these still report: without them it says nothing at all. This is a reader of names and matchers, not a parser: what it
//! does not understand has no answer.

use crate::domain::Labels;

/// Labels that name one incarnation of a target; a service that was made anew has others.
const OF_INCARNATION: [&str; 4] = ["id", "container_id", "image_id", "uid"];

/// Words that look like a metric and are none.
const OPERATORS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"];

/// Words that a list of labels may follow.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Series as an expression names them: a metric, and the matchers that ask for one value each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    metric: Option<String>,
    /// Label and literal, the literal as it is written, with its quotes.
    equal: Vec<(String, String)>,
}

impl Selector {
    /// The query for the age, in seconds by Prometheus' own clock, of the newest sample of these series that an alert with
    /// these labels may be about.
    pub fn age(&self, labels: &Labels) -> String {
        let mut matchers: Vec<String> = self.equal.iter().map(|(label, value)| format!("{label}={value}")).collect();
        for (label, value) in labels.iter().filter(|(label, _)| is_of_series(label)) {
            // The alert's rule may have added the label, so series without it fit as well.
            matchers.push(format!("{label}=~\"{}|\"", literal(&regex::escape(value))));
        }
        format!("time() - max(timestamp({}{{{}}}))", self.metric.as_deref().unwrap_or_default(), matchers.join(","))
    }
}

fn is_of_series(label: &str) -> bool {
    is_name(label) && !label.starts_with("__") && label != "alertname" && !OF_INCARNATION.contains(&label)
}

fn is_name(word: &str) -> bool {
    let mut characters = word.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn literal(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The series that an expression rests on; none if it rests on none, or is not understood.
pub fn selectors(expression: &str) -> Option<Vec<Selector>> {
    let mut reader = Reader { rest: expression };
    let mut found = Vec::new();
    loop {
        reader.skip_blank();
        let Some(next) = reader.rest.chars().next() else { break };
        match next {
            '"' | '\'' | '`' => drop(reader.string()?),
            '[' => reader.skip_to(']')?,
            '{' => found.push(reader.selector(None)?),
            c if c.is_ascii_digit() || c == '.' => {
                reader.word(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => found.extend(reader.named()?),
            c if c.is_ascii() => reader.rest = &reader.rest[1..],
            _ => return None,
        }
    }
    (!found.is_empty() && found.iter().all(Selector::names_something)).then_some(found)
}

impl Selector {
    /// Matchers of a single value, or a metric: without any it would be every series that there is.
    fn names_something(&self) -> bool {
        self.metric.is_some() || !self.equal.is_empty()
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix('#') else { return };
            self.rest = comment.find('\n').map_or("", |end| &comment[end..]);
        }
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A literal with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            if c == quote && !escaped {
                let (text, rest) = self.rest.split_at(at + 1);
                self.rest = rest;
                return Some(text);
            }
            escaped = c == '\\' && !escaped && quote != '`';
        }
        None
    }

    /// Over what cannot hold a series, up to this character.
    fn skip_to(&mut self, end: char) -> Option<()> {
        let at = self.rest.find(end)?;
        self.rest = &self.rest[at + end.len_utf8()..];
        Some(())
    }

    /// What a word begins: a function, an operator, or a metric with its matchers.
    fn named(&mut self) -> Option<Option<Selector>> {
        let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        let lower = word.to_ascii_lowercase();
        self.skip_blank();
        if GROUPING.contains(&lower.as_str()) {
            if self.rest.starts_with('(') {
                self.skip_to(')')?;
            }
            return Some(None);
        }
        if OPERATORS.contains(&lower.as_str()) || self.rest.starts_with('(') || self.is_grouped() {
            return Some(None);
        }
        if self.rest.starts_with('{') {
            return self.selector(Some(word.to_owned())).map(Some);
        }
        Some(Some(Selector { metric: Some(word.to_owned()), equal: Vec::new() }))
    }

    /// `sum by (label) (…)`: what comes before a grouping is an aggregation.
    fn is_grouped(&self) -> bool {
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        matches!(self.rest[..end].to_ascii_lowercase().as_str(), "by" | "without")
    }

    fn selector(&mut self, metric: Option<String>) -> Option<Selector> {
        let mut selector = Selector { metric, equal: Vec::new() };
        self.rest = self.rest.strip_prefix('{')?;
        loop {
            self.skip_blank();
            if let Some(rest) = self.rest.strip_prefix('}') {
                self.rest = rest;
                return Some(selector);
            }
            let label = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
            self.skip_blank();
            let operator = self.word(|c| matches!(c, '=' | '!' | '~'));
            self.skip_blank();
            let value = self.string()?;
            // Others leave open which series there are: after a cure there may be none with the fault's label.
            if operator == "=" && is_name(label) {
                selector.equal.push((label.to_owned(), value.to_owned()));
            } else if !(matches!(operator, "!=" | "=~" | "!~") && is_name(label)) {
                return None;
            }
            self.skip_blank();
            self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ages(expression: &str) -> Vec<String> {
        let labels = Labels::from([
            ("alertname".into(), "Down".into()),
            ("service".into(), "a.b\"c".into()),
            ("id".into(), "/docker/1".into()),
        ]);
        selectors(expression).unwrap_or_default().iter().map(|selector| selector.age(&labels)).collect()
    }

    #[test]
    fn series_are_found_wherever_they_stand() {
        let own = r#"service=~"a\\.b\"c|""#;
        for (expression, names) in [
            ("up == 0", vec!["up{"]),
            ("time() - container_last_seen{name=\"api\"} > 60", vec!["container_last_seen{name=\"api\","]),
            ("sum by (service) (rate(errors{code=~\"5..\", job='x'}[5m])) > 1", vec!["errors{job='x',"]),
            (
                "sum(rate(a_total[5m])) without (x) / on(job) group_left(team) b:ratio > 1e3",
                vec!["a_total{", "b:ratio{"],
            ),
            ("absent(up{job=\"x\"})", vec!["up{job=\"x\","]),
            ("a offset 5m > bool 2 and b # c > 1\n or d", vec!["a{", "b{", "d{"]),
            ("{__name__=\"up\",job=\"x\"} == 0", vec!["{__name__=\"up\",job=\"x\","]),
            ("max_over_time(a{x=\"}\\\"{\"}[1h:5m]) > 0x1F", vec!["a{x=\"}\\\"{\","]),
        ] {
            let expected: Vec<String> =
                names.iter().map(|start| format!("time() - max(timestamp({start}{own}}}))")).collect();
            assert_eq!(ages(expression), expected, "{expression}");
        }
    }

    #[test]
    fn what_rests_on_nothing_proves_nothing() {
        for expression in
            ["vector(0) > 1", "1 > 2", "time() < 0", "", "{x=~\".+\"} > 1", "up{", "up{job=x}", "a{b=\"c} > 1"]
        {
            assert_eq!(selectors(expression), None, "{expression}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,200}") {
            let _ = selectors(&text);
        }

        #[test]
        fn any_expression_is_survived(text in "[a-z_(){}\\[\\]\"'`=~!,#>0-9 .\\\\-]{0,80}") {
            let _ = selectors(&text);
        }
    }
}

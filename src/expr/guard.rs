//! What is refused before the parser sees it: the parser recurses once for every level that a source nests, and a stack
//! that overflows cannot be caught.

use super::ExprError;

/// Longest source, in bytes.
const MAX_SOURCE: usize = 1_024;

/// Deepest tree. Parser and interpreter have room for three times as much on a stack of 2 MiB, which tokio's threads have.
pub(super) const MAX_DEPTH: usize = 32;

/// One level of brackets that is open.
#[derive(Default)]
struct Level {
    /// Operators that nest to the left since the last `&&`, `||` or comma: `a + b + c`, `a.b.c`.
    chain: usize,
    /// Conditionals, which nest to the right: `a ? b : c ? d : e`.
    choices: usize,
}

/// Refuses a source that is too long, or whose tree could be deeper than [`MAX_DEPTH`].
pub(super) fn guard(source: &str) -> Result<(), ExprError> {
    if source.len() > MAX_SOURCE {
        let message = format!("the expression has {} bytes, more than {MAX_SOURCE}; split it", source.len());
        return Err(ExprError { offset: 0, message });
    }
    let mut levels = vec![Level::default()];
    let mut scanner = Scanner { rest: source };
    while let Some(token) = scanner.next_token() {
        let inside = levels.len() > 1;
        let Some(level) = levels.last_mut() else { break };
        match token {
            Token::Open => levels.push(Level::default()),
            Token::OpenIndex => {
                level.chain += 1;
                levels.push(Level::default());
            }
            Token::Close if inside => drop(levels.pop()),
            Token::Close => level.chain += 1, // the parser reports it
            Token::Link => level.chain += 1,
            Token::Choice => level.choices += 1,
            Token::Logical => level.chain = 0,
            Token::Comma => *level = Level::default(),
            Token::Other => {}
        }
        let depth: usize = levels.iter().map(|level| 1 + level.chain + level.choices).sum();
        if depth > MAX_DEPTH {
            let message = format!("the expression nests deeper than {MAX_DEPTH} levels; split it");
            return Err(ExprError { offset: source.len() - scanner.rest.len(), message });
        }
    }
    Ok(())
}

enum Token {
    Open,
    OpenIndex,
    Close,
    Comma,
    Logical,
    Choice,
    Link,
    Other,
}

/// A rough reading of CEL's tokens: only what nests matters.
struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn next_token(&mut self) -> Option<Token> {
        let first = self.rest.chars().next()?;
        let (length, token) = match first {
            '(' | '{' => (1, Token::Open),
            '[' => (1, Token::OpenIndex),
            ')' | ']' | '}' => (1, Token::Close),
            ',' => (1, Token::Comma),
            '?' => (1, Token::Choice),
            '&' | '|' => (1, Token::Logical),
            '/' if self.rest.starts_with("//") => (self.rest.find('\n').unwrap_or(self.rest.len()), Token::Other),
            '.' | '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' => (self.operator(), Token::Link),
            '\'' | '"' => (string_length(self.rest, false), Token::Other),
            c if c.is_ascii_alphabetic() || c == '_' => self.word(),
            c => (c.len_utf8(), Token::Other),
        };
        self.rest = &self.rest[length..];
        Some(token)
    }

    fn operator(&self) -> usize {
        let two = ["==", "!=", "<=", ">="];
        if two.iter().any(|operator| self.rest.starts_with(operator)) { 2 } else { 1 }
    }

    /// A word, or a string with a prefix such as `r'…'`.
    fn word(&self) -> (usize, Token) {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at(end);
        let prefix = word.len() <= 2 && word.chars().all(|c| "rRbB".contains(c));
        if prefix && after.starts_with(['\'', '"']) {
            return (end + string_length(after, word.contains(['r', 'R'])), Token::Other);
        }
        (end, if word == "in" { Token::Link } else { Token::Other })
    }
}

/// Length of the string literal that `text` begins with, quotes included; all of it if it does not end.
pub(super) fn string_length(text: &str, raw: bool) -> usize {
    let quote = if text.starts_with("'''") || text.starts_with("\"\"\"") { &text[..3] } else { &text[..1] };
    let mut at = quote.len();
    while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if text[at..].starts_with(quote) {
            return at + quote.len();
        }
        at += next.len_utf8();
        if next == '\\' && !raw {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_passes() {
        for source in [
            "status.exit_reason == 'oom' && logs.lines.exists(l, l.text.contains('a') || l.text.contains('b'))",
            "a ? b : c ? d : e",
            "r'\\' == '((((((((((((((((((((((((((((((((((((((((((((((((((((((('",
            "x // ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((\n + 1",
            "[1, 2, 3].map(x, x * 2)",
        ] {
            assert!(guard(source).is_ok(), "{source}");
        }
        assert!(guard(&vec!["a == 1"; 100].join(" && ")).is_ok());
        assert!(guard(&format!("x in [{}]", vec!["'a.b'"; 100].join(", "))).is_ok());
    }

    #[test]
    fn what_nests_too_deep_is_refused() {
        for unit in ["(", "[", "{", "!", "-", "a.", "a+", "a==", "a[", "f(", "a?b:", "a&&(", "a in ", "x.map(y,"] {
            let source = unit.repeat(1_000 / unit.len());
            assert!(guard(&source).is_err(), "{source}");
        }
        assert_eq!(guard(&" ".repeat(1_025)).unwrap_err().offset, 0);
    }
}

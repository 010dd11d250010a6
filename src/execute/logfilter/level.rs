//! How bad a log line says it is.

use super::Stream;
use regex::Regex;
use std::sync::LazyLock;

pub(super) static LEVELS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r#"(?i)\b(?:level|lvl|severity)"?\s*[=:]\s*"?([a-z]+)"#,
        r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRIT|CRITICAL|FATAL|PANIC|EMERG|ALERT)\b",
        r"(?i)[\[<(](trace|debug|info|notice|warn|warning|error|err|crit|critical|fatal|panic|emerg|alert)[\])>]",
        r"(?i)\b(warning|error|fatal|panic|critical):",
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok()) // constants, which a test compiles
    .collect()
});
// Constants too, so that they compile is proved by a test.
pub(super) static GLOG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^([IWEF])\d{4} ").unwrap_or_else(|_| unreachable!("a constant pattern")));

/// How bad a line says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Finest.
    Trace,
    /// For developers.
    Debug,
    /// Normal.
    Info,
    /// Odd.
    Warn,
    /// Failed.
    Error,
    /// The end.
    Fatal,
}

impl Level {
    /// The level that a word names, in the many spellings of logging libraries.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "trace" | "finest" | "finer" => Self::Trace,
            "debug" | "fine" | "verbose" => Self::Debug,
            "info" | "information" | "notice" | "log" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "err" | "severe" => Self::Error,
            "fatal" | "panic" | "crit" | "critical" | "emerg" | "emergency" | "alert" => Self::Fatal,
            _ => return None,
        })
    }

    /// The level of a line. A line that names none is normal, or, on standard error, an error: programs report there
    /// what made them end.
    pub fn of(text: &str, stream: Stream) -> Self {
        let head = text.get(..300.min(text.len())).unwrap_or(text);
        LEVELS
            .iter()
            .find_map(|pattern| pattern.captures(head).and_then(|found| Self::named(&found[1])))
            .or_else(|| {
                GLOG.captures(head).map(|found| match &found[1] {
                    "E" => Self::Error,
                    "F" => Self::Fatal,
                    "W" => Self::Warn,
                    _ => Self::Info,
                })
            })
            .unwrap_or(if stream == Stream::Stderr { Self::Error } else { Self::Info })
    }
}

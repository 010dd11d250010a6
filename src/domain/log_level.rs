//! How bad a log line says it is.

use regex::Regex;
use std::sync::LazyLock;

static LEVELS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
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
static GLOG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^([IWEF])\d{4} ").unwrap_or_else(|_| unreachable!("a constant pattern")));

/// How bad a line says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
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

impl LogLevel {
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

    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The level of a line. A line that names none is normal, or, on standard error, an error: programs report there
    /// what made them end.
    pub fn of(text: &str, on_stderr: bool) -> Self {
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
            .unwrap_or(if on_stderr { Self::Error } else { Self::Info })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_compile() {
        assert_eq!(LEVELS.len(), 4);
        assert!(GLOG.is_match("E0312 12:00:00 x"));
    }

    #[test]
    fn levels_are_recognised_in_the_usual_spellings() {
        for (line, level) in [
            (r#"{"level":"error","msg":"x"}"#, LogLevel::Error),
            ("time=… level=warning msg=x", LogLevel::Warn),
            ("2026-01-01 12:00:00 FATAL: no", LogLevel::Fatal),
            ("[error] worker died", LogLevel::Error),
            ("panic: runtime error", LogLevel::Fatal),
            ("W0102 03:04:05 late", LogLevel::Warn),
            ("listening on 8080", LogLevel::Info),
        ] {
            assert_eq!(LogLevel::of(line, false), level, "{line}");
        }
        assert_eq!(LogLevel::of("Segmentation fault", true), LogLevel::Error);
    }
}

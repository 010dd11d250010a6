//! Colours and times on a terminal.

use crate::domain::{Timestamp, clean_text};
use chrono::{FixedOffset, Local, Offset as _};
use std::io::IsTerminal as _;

/// The longest text of one field on a terminal line; the whole is in the report.
const FIELD_LIMIT: usize = 240;

/// How to write for whoever reads.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether colours are wanted.
    pub colour: bool,
    /// The zone that times are shown in.
    pub zone: FixedOffset,
}

/// What a piece of text means; its colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Needs attention.
    Warning,
    /// Wrong.
    Bad,
    /// A name or a headline.
    Strong,
    /// By the way.
    Faint,
}

impl Style {
    /// Colours only on a terminal and where `NO_COLOR` is not set; times in the zone of this machine.
    pub fn of_stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// The same for what is said beside the answer.
    pub fn of_stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    fn of(terminal: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { colour: wanted && terminal, zone: Local::now().offset().fix() }
    }

    /// No colours, times in UTC: for tests and files.
    pub fn plain() -> Self {
        Self { colour: false, zone: chrono::Utc.fix() }
    }

    /// The text in the colour of its meaning.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// `12:00:01`.
    pub fn time(&self, at: Timestamp) -> String {
        at.with_timezone(&self.zone).format("%H:%M:%S").to_string()
    }

    /// `2026-11-21 12:00:01`.
    pub fn date_time(&self, at: Timestamp) -> String {
        at.with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// Text that may come from outside, on one line, harmless to a terminal, and not too long.
pub fn one_line(text: &str) -> String {
    let flat: Vec<&str> = text.split_whitespace().collect();
    clean_text(&flat.join(" "), FIELD_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_drive_the_terminal() {
        assert_eq!(one_line("a\x1b[2Jb\n\tc\u{202e}d"), "a[2Jb cd");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), FIELD_LIMIT + 1);
    }

    #[test]
    fn without_colour_nothing_is_added() {
        assert_eq!(Style::plain().paint(Tone::Bad, "x"), "x");
        let style = Style { colour: true, ..Style::plain() };
        assert_eq!(style.paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }
}

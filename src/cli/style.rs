//! Colours and times on a terminal.

use crate::domain::{Timestamp, clean_text};
use chrono::{FixedOffset, Local, Offset as _};
use rustix::termios::tcgetwinsize;
use std::{io::IsTerminal, os::fd::AsFd};

/// The longest text of one field on a terminal line; the whole is in the report.
const FIELD_LIMIT: usize = 240;

/// Commands are not shortened, but have an end: nothing that a system would start is longer.
const COMMAND_LIMIT: usize = 100_000;

/// What is narrower than this is not worth breaking lines for.
const NARROWEST: usize = 30;

/// How to write for whoever reads.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether colours are wanted.
    pub colour: bool,
    /// The zone that times are shown in.
    pub zone: FixedOffset,
    /// Columns of the terminal, if it is one.
    pub width: Option<usize>,
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
        Self::of(&std::io::stdout())
    }

    /// The same for what is said beside the answer.
    pub fn of_stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        let terminal = stream.is_terminal();
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let size = if terminal { tcgetwinsize(stream).ok() } else { None };
        // Some terminals do not know their size, and say 0.
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self { colour: wanted && terminal, zone: Local::now().offset().fix(), width }
    }

    /// No colours, times in UTC: for tests and files.
    pub fn plain() -> Self {
        Self { colour: false, zone: chrono::Utc.fix(), width: None }
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

    /// Breaks text without colours between words, so that it stays in its column on a terminal: `indent` is where that
    /// begins. A word that is too long for that stays whole.
    pub fn in_column(&self, indent: usize, text: &str) -> String {
        let room = self.width.and_then(|width| width.checked_sub(indent)).filter(|room| *room >= NARROWEST);
        let Some(room) = room else { return text.to_owned() };
        let mut column = String::with_capacity(text.len());
        let mut used = 0;
        for (index, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > room {
                column.truncate(column.trim_end_matches(' ').len());
                column.push('\n');
                column.push_str(&" ".repeat(indent));
                used = 0;
            } else if used > 0 || index > 0 && !column.contains('\n') {
                column.push(' ');
                used += 1;
            }
            column.push_str(word);
            used += length;
        }
        column
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

/// A command on one line, harmless to a terminal, and otherwise as it is: who approves it must see all of it.
pub fn command_line(text: &str) -> String {
    clean_text(&text.replace('\n', " "), COMMAND_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_drive_the_terminal() {
        assert_eq!(one_line("a\x1b[2Jb\n\tc\u{202e}d"), "a[2Jb cd");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), FIELD_LIMIT + 1);
        let command = format!("sh -c 'echo {}  b'", "a".repeat(500));
        assert_eq!(command_line(&format!("{command}\x1b\n")), format!("{command} "));
    }

    #[test]
    fn without_colour_nothing_is_added() {
        assert_eq!(Style::plain().paint(Tone::Bad, "x"), "x");
        let style = Style { colour: true, ..Style::plain() };
        assert_eq!(style.paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }

    #[test]
    fn text_stays_in_its_column() {
        let style = Style { width: Some(42), ..Style::plain() };
        let text = "  it helped:  it is ready, and has not restarted; seen at /a/path/that/is/longer/than/its/column";
        assert_eq!(
            style.in_column(10, text),
            "  it helped:  it is ready, and\n          has not restarted; seen at\n          /a/path/that/is/longer/than/its/column"
        );
        assert_eq!(style.in_column(13, text), text, "too narrow");
        assert_eq!(Style::plain().in_column(10, text), text, "no terminal");
    }
}

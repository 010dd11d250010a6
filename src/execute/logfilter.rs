//! Choosing log lines: pure, bounded in memory whatever comes in, the same for every kind of environment.
//!
//! ```text
//! bytes ─► LineSplitter ─► RawLine ─► LogCollector (records, filters, newest N) ─► merged() ─► result of *.logs
//! ```

use crate::domain::{LogLevel, Timestamp, Values, clean_text};
use regex::{Regex, RegexBuilder};
use serde_json::json;
use std::{collections::VecDeque, sync::LazyLock, time::Duration};

/// What may be kept and read. The numbers bound memory and time, not usefulness: a person reads a few hundred lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Records kept, newest first to stay.
    pub lines: usize,
    /// Bytes kept of one line or record.
    pub line: usize,
    /// Bytes kept in all.
    pub total: usize,
    /// Bytes read from the source.
    pub read: u64,
    /// Time spent reading.
    pub time: Duration,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { lines: 500, line: 4 << 10, total: 256 << 10, read: 64 << 20, time: Duration::from_secs(10) }
    }
}

// Terminal colours and cursor movements: they would leave `[31m` behind when only the escape character is dropped.
static ANSI: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
        .unwrap_or_else(|_| unreachable!("a constant pattern"))
});

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output, or a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Which lines are wanted.
#[derive(Clone, Debug)]
pub struct LogQuery {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    tail: usize,
    level: Option<LogLevel>,
    pattern: Option<Regex>,
}

impl LogQuery {
    /// Checks the arguments of a `*.logs` call.
    ///
    /// # Errors
    /// The level is unknown, or the pattern is not a regular expression or too large; says which and what to do.
    pub fn new(
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        tail: Option<i64>,
        level: Option<&str>,
        pattern: Option<&str>,
        limits: &LogLimits,
    ) -> Result<Self, String> {
        let level =
            match level.filter(|level| !level.is_empty()) {
                Some(word) => Some(LogLevel::named(word).ok_or_else(|| {
                    format!("'{word}' is not a log level; use trace, debug, info, warn, error or fatal")
                })?),
                None => None,
            };
        let pattern = match pattern.filter(|pattern| !pattern.is_empty()) {
            Some(text) => Some(
                RegexBuilder::new(text)
                    .size_limit(1 << 20) // a pattern of a person compiles to a few KiB
                    .build()
                    .map_err(|error| format!("the pattern is not a usable regular expression: {error}"))?,
            ),
            None => None,
        };
        let tail = tail.map_or(limits.lines, |tail| usize::try_from(tail).unwrap_or(0).min(limits.lines));
        Ok(Self { since, until, tail, level, pattern })
    }

    /// Whether lines are chosen by what they say, so that more must be read than is kept.
    pub fn selects(&self) -> bool {
        self.level.is_some() || self.pattern.is_some()
    }

    /// Start of the wanted time.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// End of the wanted time.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// How many records are kept at most.
    pub fn tail(&self) -> usize {
        self.tail
    }

    fn wants(&self, record: &LogLine) -> bool {
        let in_time = record
            .at
            .is_none_or(|at| self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until));
        in_time
            && self.level.is_none_or(|level| LogLevel::of(&record.text, record.stream == Stream::Stderr) >= level)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&record.text))
    }
}

/// Cuts bytes into lines and keeps no more than a cap of each, however long it is.
#[derive(Debug)]
pub struct LineSplitter {
    cap: usize,
    line: Vec<u8>,
    open: bool,
}

impl LineSplitter {
    /// Keeps `cap` bytes of a line.
    pub fn new(cap: usize) -> Self {
        Self { cap, line: Vec::new(), open: false }
    }

    /// Whether a line has begun and not ended.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Takes bytes, and hands every line that they end, without its end, to `take`.
    pub fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let room = self.cap.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(&part[..room]);
            self.open = true;
            let Some(end) = end else { return };
            self.flush(&mut take);
            bytes = &bytes[end + 1..];
        }
    }

    /// Hands over a last line that has no end.
    pub fn finish(&mut self, mut take: impl FnMut(&[u8])) {
        if self.open {
            self.flush(&mut take);
        }
    }

    fn flush(&mut self, take: &mut impl FnMut(&[u8])) {
        take(self.line.strip_suffix(b"\r").unwrap_or(&self.line));
        self.line.clear();
        self.open = false;
    }
}

/// A record: a line, with the lines that continue it (a stack trace).
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// When it was written, where the source knows.
    pub at: Option<Timestamp>,
    /// Which container or process wrote it.
    pub instance: String,
    /// Where.
    pub stream: Stream,
    /// What, cleaned and cut.
    pub text: String,
}

/// Keeps the newest records that are wanted.
#[derive(Debug)]
pub struct LogCollector {
    query: LogQuery,
    limits: LogLimits,
    instance: String,
    open: [Option<OpenRecord>; 2],
    kept: VecDeque<LogLine>,
    bytes: usize,
    matched: u64,
    dropped: bool,
}

#[derive(Debug)]
struct OpenRecord {
    line: LogLine,
    /// A Python traceback ends with a line that is not indented.
    traceback: bool,
}

impl LogCollector {
    /// Collects from one instance.
    pub fn new(query: LogQuery, limits: LogLimits, instance: impl Into<String>) -> Self {
        let instance = instance.into();
        Self {
            query,
            limits,
            instance,
            open: [None, None],
            kept: VecDeque::new(),
            bytes: 0,
            matched: 0,
            dropped: false,
        }
    }

    /// Takes the next line of a stream. Bytes that are not UTF-8 are replaced; control characters are dropped.
    pub fn push(&mut self, at: Option<Timestamp>, stream: Stream, bytes: &[u8]) {
        self.dropped |= bytes.len() > self.limits.line;
        let text = harmless(&bytes[..bytes.len().min(self.limits.line)], self.limits.line);
        let slot = &mut self.open[stream as usize];
        if let Some(record) = slot
            && record.continues(&text)
        {
            record.append(&text, self.limits.line);
            return;
        }
        let traceback = text.starts_with("Traceback (most recent call last)");
        let line = LogLine { at, instance: self.instance.clone(), stream, text };
        if let Some(done) = slot.replace(OpenRecord { line, traceback }) {
            self.close(done.line);
        }
    }

    fn close(&mut self, record: LogLine) {
        if !self.query.wants(&record) {
            return;
        }
        self.matched += 1;
        self.bytes += record.text.len();
        self.kept.push_back(record);
        while self.kept.len() > self.query.tail || self.bytes > self.limits.total {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.text.len();
            self.dropped = true;
        }
    }

    /// Ends the open records.
    pub fn finish(mut self) -> Collected {
        let mut open: Vec<LogLine> = self.open.iter_mut().filter_map(Option::take).map(|record| record.line).collect();
        open.sort_by_key(|line| line.at);
        open.into_iter().for_each(|line| self.close(line));
        Collected { lines: self.kept.into(), matched: self.matched, dropped: self.dropped }
    }
}

/// Most lines are plain: only what is not is looked at character by character.
fn harmless(bytes: &[u8], cap: usize) -> String {
    let decoded = String::from_utf8_lossy(bytes);
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return decoded.into_owned();
    }
    clean_text(&ANSI.replace_all(&decoded, ""), cap)
}

impl OpenRecord {
    fn continues(&self, text: &str) -> bool {
        let indented = text.starts_with([' ', '\t']) && !text.trim().is_empty();
        let linked = ["Caused by:", "at ", "During handling of", "The above exception"]
            .iter()
            .any(|start| text.starts_with(start));
        indented || linked || (self.traceback && !self.ended())
    }

    /// The traceback has had its last line: one that is not indented.
    fn ended(&self) -> bool {
        let last = self.line.text.lines().last().unwrap_or_default();
        !last.starts_with([' ', '\t']) && !last.starts_with("Traceback (")
    }

    fn append(&mut self, text: &str, cap: usize) {
        let room = cap.saturating_sub(self.line.text.len() + 1);
        if room > 0 {
            let mut end = room.min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            self.line.text.push('\n');
            self.line.text.push_str(&text[..end]);
        }
    }
}

/// What one instance had.
#[derive(Clone, Debug, PartialEq)]
pub struct Collected {
    /// Kept records, oldest first.
    pub lines: Vec<LogLine>,
    /// How many were wanted, kept or not.
    pub matched: u64,
    /// Whether older wanted ones were dropped, or lines were cut.
    pub dropped: bool,
}

/// The result of a `*.logs` call: the newest records of all instances in order of time.
pub fn merged(parts: Vec<Collected>, query: &LogQuery, limits: &LogLimits, read: u64, cut_short: bool) -> Values {
    let matched: u64 = parts.iter().map(|part| part.matched).sum();
    let mut truncated = cut_short || parts.iter().any(|part| part.dropped);
    let mut lines: Vec<LogLine> = parts.into_iter().flat_map(|part| part.lines).collect();
    lines.sort_by_key(|line| line.at); // stable: lines without a time keep their order
    let mut room = limits.total;
    let fitting = lines.iter().rev().take(query.tail).take_while(|line| {
        let fits = line.text.len() <= room;
        room = room.saturating_sub(line.text.len());
        fits
    });
    let skip = lines.len() - fitting.count();
    truncated |= skip > 0;
    let lines: Vec<_> = lines
        .into_iter()
        .skip(skip)
        .map(
            |line| json!({"at": line.at, "instance": line.instance, "stream": line.stream.as_str(), "text": line.text}),
        )
        .collect();
    Values::from_iter([
        ("lines".to_owned(), json!(lines)),
        ("matched".to_owned(), json!(matched)),
        ("read".to_owned(), json!(read)),
        ("truncated".to_owned(), json!(truncated)),
    ])
}

#[cfg(test)]
mod tests;

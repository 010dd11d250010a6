//! Log lines, read as a stream of bytes whose size nobody bounds, in bounded memory and time.
//!
//! Without a terminal the engine frames what it sends: eight bytes (stream, length), then a piece of at most a line.
//! With one it sends raw bytes. bollard's decoder buffers a whole line and searches it anew with every packet, and takes
//! a terminal's first byte for a frame, so both forms are read here.

use super::{
    DockerEnvironment,
    error::{Answer, EngineError},
    inspect::{Container, time},
};
use crate::domain::{Timestamp, Values};
use crate::execute::logfilter::{Collected, LineSplitter, LogCollector, LogLimits, LogQuery, Stream, merged};
use std::time::Duration;
use tokio::time::Instant;

/// `2026-11-21T03:20:33.123456789Z ` at the head of every piece.
const STAMP: usize = 36;

/// When lines are chosen by what they say, the newest of this many are searched; if these are too large to be read
/// whole, the newest of fewer: what is old matters less.
const WINDOWS: [usize; 2] = [20_000, 2_000];

/// The fields of a call.
pub(super) struct Wanted<'a> {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub tail: Option<i64>,
    pub level: Option<&'a str>,
    pub pattern: Option<&'a str>,
}

/// What reading one container's log gave.
struct Reading {
    collected: Collected,
    bytes: u64,
    cut: bool,
}

impl DockerEnvironment {
    /// The result of `container.logs`.
    pub(super) async fn logs(&self, ids: &[String], wanted: &Wanted<'_>) -> Answer<Values> {
        let limits = LogLimits::default();
        let query = LogQuery::new(wanted.since, wanted.until, wanted.tail, wanted.level, wanted.pattern, &limits)
            .map_err(EngineError::declined)?;
        let containers = self.some(ids).await?;
        let share = containers.len().max(1);
        let each = LogLimits {
            read: limits.read / share as u64,
            time: limits.time / u32::try_from(share).unwrap_or(u32::MAX),
            ..limits
        };
        let (mut parts, mut read, mut cut) = (Vec::new(), 0, false);
        for container in &containers {
            let reading = self.newest(container, &query, each).await?;
            read += reading.bytes;
            cut |= reading.cut;
            parts.push(reading.collected);
        }
        Ok(merged(parts, &query, &limits, read, cut))
    }

    /// Reads the newest lines: a larger window first, and smaller ones while the larger are too large.
    async fn newest(&self, container: &Container, query: &LogQuery, limits: LogLimits) -> Answer<Reading> {
        let end = Instant::now() + limits.time;
        let windows: &[usize] = if query.selects() { &WINDOWS } else { &[] };
        let (mut bytes, mut cut) = (0, false);
        let windows: Vec<usize> =
            windows.iter().copied().filter(|lines| *lines > query.tail()).chain([query.tail()]).collect();
        let mut last = None;
        for (index, lines) in windows.iter().enumerate() {
            // A window that takes too long must leave time for the smaller ones.
            let left = end.saturating_duration_since(Instant::now());
            let deadline = if index + 1 < windows.len() { Instant::now() + left / 2 } else { end };
            // The engine counts from the end before it looks at `until`.
            let tail = if query.until().is_some() { "all".to_owned() } else { lines.to_string() };
            let reading = self.read_log(container, query, limits, &tail, deadline).await?;
            bytes += reading.bytes;
            let done = !reading.cut || query.until().is_some() || Instant::now() >= end;
            cut |= reading.cut;
            last = Some(reading.collected);
            if done {
                break;
            }
        }
        let collected = last.unwrap_or(Collected { lines: Vec::new(), matched: 0, dropped: false });
        Ok(Reading { collected, bytes, cut })
    }

    async fn read_log(
        &self,
        container: &Container,
        query: &LogQuery,
        limits: LogLimits,
        tail: &str,
        deadline: Instant,
    ) -> Answer<Reading> {
        let seconds = |at: Timestamp| format!("{}.{:09}", at.timestamp(), at.timestamp_subsec_nanos());
        let mut options = vec![
            ("stdout", "1".to_owned()),
            ("stderr", "1".to_owned()),
            ("timestamps", "1".to_owned()),
            ("tail", tail.to_owned()),
        ];
        options.extend(query.since().map(|at| ("since", seconds(at))));
        options.extend(query.until().map(|at| ("until", seconds(at))));
        let mut answer = self.shared.engine.stream(&format!("/containers/{}/logs", container.id()), &options).await?;
        let collector = LogCollector::new(query.clone(), limits, container.name());
        let mut decoder = Decoder::new(container.has_terminal(), limits.line, collector);
        let (mut bytes, mut cut) = (0_u64, false);
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            match tokio::time::timeout(left, answer.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    bytes += chunk.len() as u64;
                    decoder.push(&chunk);
                    // Decoding is work: without a pause, a fast socket would keep the thread from everybody else.
                    tokio::task::yield_now().await;
                    cut = bytes >= limits.read;
                }
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => cut = true,
            }
            if cut {
                break;
            }
        }
        Ok(Reading { collected: decoder.finish(), bytes, cut })
    }
}

/// Makes lines of the engine's bytes.
struct Decoder {
    framed: bool,
    head: Vec<u8>,
    left: u64,
    stream: Stream,
    /// This piece continues a line: its own time is in the way.
    skip_stamp: bool,
    splitters: [LineSplitter; 2],
    collector: LogCollector,
}

impl Decoder {
    fn new(terminal: bool, line: usize, collector: LogCollector) -> Self {
        let splitter = || LineSplitter::new(line + STAMP);
        Self {
            framed: !terminal,
            head: Vec::with_capacity(8),
            left: 0,
            stream: Stream::Stdout,
            skip_stamp: false,
            splitters: [splitter(), splitter()],
            collector,
        }
    }

    fn push(&mut self, mut bytes: &[u8]) {
        if !self.framed {
            self.text(bytes);
            return;
        }
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.header(bytes);
                continue;
            }
            let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            let (piece, rest) = bytes.split_at(length);
            self.left -= length as u64;
            bytes = rest;
            self.piece(piece);
        }
    }

    /// Collects the eight bytes before a piece.
    fn header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (part, rest) = bytes.split_at((8 - self.head.len()).min(bytes.len()));
        self.head.extend_from_slice(part);
        if let [kind, _, _, _, a, b, c, d] = self.head[..] {
            self.left = u64::from(u32::from_be_bytes([a, b, c, d]));
            self.stream = if kind == 2 || kind == 3 { Stream::Stderr } else { Stream::Stdout };
            self.skip_stamp = self.splitters[self.stream as usize].is_open();
            self.head.clear();
        }
        rest
    }

    fn piece(&mut self, mut piece: &[u8]) {
        if self.skip_stamp {
            match piece.iter().position(|byte| *byte == b' ') {
                Some(end) => {
                    self.skip_stamp = false;
                    piece = &piece[end + 1..];
                }
                None => return,
            }
        }
        self.text(piece);
    }

    fn text(&mut self, bytes: &[u8]) {
        let (collector, stream) = (&mut self.collector, self.stream);
        self.splitters[stream as usize].push(bytes, |line| take(collector, stream, line));
    }

    fn finish(mut self) -> Collected {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let collector = &mut self.collector;
            self.splitters[stream as usize].finish(|line| take(collector, stream, line));
        }
        self.collector.finish()
    }
}

/// Cuts the time off a line.
fn take(collector: &mut LogCollector, stream: Stream, line: &[u8]) {
    let end = line.iter().take(STAMP).position(|byte| *byte == b' ');
    let stamp = end.and_then(|end| std::str::from_utf8(&line[..end]).ok()).and_then(time);
    match (stamp, end) {
        (Some(at), Some(end)) => collector.push(Some(at), stream, &line[end + 1..]),
        // An empty line has its time only, and its blank was cut by nobody; anything else has no time at all.
        _ => match std::str::from_utf8(line).ok().and_then(time) {
            Some(at) => collector.push(Some(at), stream, b""),
            None => collector.push(None, stream, line),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-21T03:20:33.123456789Z ";

    fn frame(kind: u8, text: &str) -> Vec<u8> {
        let body = format!("{AT}{text}").into_bytes();
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn decoded(terminal: bool, chunks: &[&[u8]]) -> Vec<(Stream, String)> {
        let limits = LogLimits::default();
        let query = LogQuery::new(None, None, None, None, None, &limits).unwrap();
        let mut decoder = Decoder::new(terminal, limits.line, LogCollector::new(query, limits, "api"));
        chunks.iter().for_each(|chunk| decoder.push(chunk));
        decoder.finish().lines.into_iter().map(|line| (line.stream, line.text)).collect()
    }

    #[test]
    fn frames_are_put_together_however_they_arrive() {
        let mut bytes = frame(1, "one\n");
        bytes.extend(frame(1, "a long "));
        bytes.extend(frame(2, "error\n"));
        bytes.extend(frame(1, "line\n"));
        bytes.extend(frame(1, "\n"));
        let expected = [
            (Stream::Stdout, "one".to_owned()),
            (Stream::Stderr, "error".to_owned()),
            (Stream::Stdout, "a long line".to_owned()),
            (Stream::Stdout, String::new()),
        ];
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        for chunks in [vec![&bytes[..]], single] {
            let mut lines = decoded(false, &chunks);
            let mut wanted = expected.to_vec();
            lines.sort();
            wanted.sort();
            assert_eq!(lines, wanted);
        }
    }

    #[test]
    fn a_terminal_is_not_taken_for_frames() {
        let text = format!("{AT}\u{1}\u{0}binary\r\n{AT}{}\n", "x".repeat(1 << 20));
        let lines = decoded(true, &[text.as_bytes()]);
        assert_eq!(lines[0].1, "binary");
        assert_eq!(lines[1].1.len(), LogLimits::default().line);
    }
}

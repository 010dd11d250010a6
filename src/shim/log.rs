//! The log of an instance: every line with its time and stream, in the format of Kubernetes' container runtimes
//! (`2026-11-21T03:20:09.123456Z stdout F text`), bounded by one rotation.

use crate::domain::Timestamp;
use chrono::{SecondsFormat, Utc};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tokio::net::unix::pipe::{OpenOptions as PipeOptions, Receiver};

/// Names of the streams.
pub const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// Longer lines are cut into parts, marked `P` but for the last, so that a line without end needs no memory.
pub const LONGEST_LINE: usize = 16 << 10;

/// A file of this size is put aside as `log.1`, and the one before it is forgotten: an instance's log takes twice this.
const LIMIT: u64 = 8 << 20;

/// One line, or a part of one that is too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it was read from the program.
    pub at: Timestamp,
    /// `stdout` or `stderr`.
    pub stream: &'a str,
    /// Whether the line ends here.
    pub full: bool,
    /// What was written.
    pub text: &'a str,
}

/// Reads one line of a log file; none if it is not in the format.
pub fn parse_line(line: &str) -> Option<LogLine<'_>> {
    let mut fields = line.splitn(4, ' ');
    let at = fields.next()?.parse().ok()?;
    let stream = fields.next().filter(|stream| STREAMS.contains(stream))?;
    let full = match fields.next()? {
        "F" => true,
        "P" => false,
        _ => return None,
    };
    Some(LogLine { at, stream, full, text: fields.next()? })
}

/// Makes lines of what a stream brings.
#[derive(Debug)]
struct Assembler {
    stream: &'static str,
    begun: Vec<u8>,
}

impl Assembler {
    fn push(&mut self, mut bytes: &[u8], at: &str, out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let room = LONGEST_LINE - self.begun.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let taken = end.unwrap_or_else(|| room.min(bytes.len()));
            self.begun.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken + usize::from(end.is_some())..];
            if end.is_some() {
                self.emit(at, 'F', out);
            } else if self.begun.len() == LONGEST_LINE {
                self.emit(at, 'P', out);
            }
        }
    }

    /// A line that the program did not end before it died is one as well.
    fn finish(&mut self, at: &str, out: &mut Vec<u8>) {
        if !self.begun.is_empty() {
            self.emit(at, 'F', out);
        }
    }

    fn emit(&mut self, at: &str, tag: char, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{at} {} {tag} ", self.stream).as_bytes());
        out.append(&mut self.begun);
        out.push(b'\n');
    }
}

/// Carries what the program writes into the log.
#[derive(Debug)]
pub(super) struct Pump {
    pipes: [Receiver; 2],
    assemblers: [Assembler; 2],
    path: PathBuf,
    file: Option<File>,
}

impl Pump {
    /// Opens both pipes, making them if need be. Opened for reading and writing, a pipe never ends.
    pub(super) fn open(pipes: [PathBuf; 2], log: PathBuf) -> io::Result<Self> {
        for pipe in &pipes {
            match rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let open = |path: &Path| PipeOptions::new().read_write(true).open_receiver(path);
        let assemblers = STREAMS.map(|stream| Assembler { stream, begun: Vec::new() });
        Ok(Self { pipes: [open(&pipes[0])?, open(&pipes[1])?], assemblers, path: log, file: None })
    }

    /// Sends the log elsewhere.
    pub(super) fn set_path(&mut self, path: PathBuf) {
        if path != self.path {
            self.path = path;
            self.file = None;
        }
    }

    /// Waits until there is something to read.
    pub(super) async fn readable(&self) {
        let (first, second) = (self.pipes[0].readable(), self.pipes[1].readable());
        tokio::select! { _ = first => {} _ = second => {} }
    }

    /// Carries over what there is, at most a bounded amount, after [`Pump::readable`].
    pub(super) fn carry(&mut self) {
        self.carry_by(|pipe, buffer| pipe.try_read(buffer).unwrap_or(0));
    }

    /// Says whether there was anything.
    fn carry_by(&mut self, read: impl Fn(&Receiver, &mut [u8]) -> usize) -> bool {
        let mut out = Vec::new();
        let mut any = false;
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut buffer = vec![0; 64 << 10]; // what a pipe holds
        for (pipe, assembler) in self.pipes.iter().zip(&mut self.assemblers) {
            let bytes = read(pipe, &mut buffer);
            any |= bytes > 0;
            assembler.push(&buffer[..bytes], &at, &mut out);
        }
        self.write(&out);
        any
    }

    /// Carries over all that is left of a program that has ended.
    pub(super) fn finish(&mut self) {
        // Past the runtime, which may not have heard yet that there is something to read. Bounded, as a descendant that
        // got away may go on writing.
        for _ in 0..64 {
            if !self.carry_by(|pipe, buffer| rustix::io::read(pipe, buffer).unwrap_or(0)) {
                break;
            }
        }
        let mut out = Vec::new();
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        self.assemblers.iter_mut().for_each(|assembler| assembler.finish(&at, &mut out));
        self.write(&out);
    }

    /// The log is best effort: a full disk must not stop the program. What cannot be written is lost.
    fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.file.is_none() {
            self.file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return };
        let written = file.write_all(bytes);
        // Someone may have emptied the file, so its size is asked for, not remembered.
        let full = file.metadata().is_ok_and(|metadata| metadata.len() > LIMIT);
        if full {
            let _ = fs::rename(&self.path, rotated(&self.path)); // else it is tried again with the next line
        }
        if full || written.is_err() {
            self.file = None;
        }
    }
}

/// Where a file goes that is full.
pub fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_assembled_and_read_back() {
        let mut assembler = Assembler { stream: "stdout", begun: Vec::new() };
        let mut out = Vec::new();
        let at = "2026-11-21T03:20:09.123456Z";
        assembler.push(b"one\ntw", at, &mut out);
        assembler.push(b"o\n\nthree", at, &mut out);
        assembler.finish(at, &mut out);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().map(|line| parse_line(line).unwrap().text).collect();
        assert_eq!(lines, ["one", "two", "", "three"]);
        assert_eq!(parse_line("no log line"), None);
    }

    #[test]
    fn an_endless_line_comes_in_parts() {
        let mut assembler = Assembler { stream: "stderr", begun: Vec::new() };
        let mut out = Vec::new();
        assembler.push(&vec![b'x'; LONGEST_LINE * 2 + 5], "2026-11-21T03:20:09Z", &mut out);
        assembler.push(b"\n", "2026-11-21T03:20:09Z", &mut out);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> =
            text.lines().map(|line| parse_line(line).unwrap()).map(|l| (l.full, l.text.len())).collect();
        assert_eq!(lines, [(false, LONGEST_LINE), (false, LONGEST_LINE), (true, 5)]);
    }

    #[tokio::test]
    async fn the_log_is_bounded_and_survives_being_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let pipes = STREAMS.map(|stream| folder.path().join(stream));
        let log = folder.path().join("log");
        let mut pump = Pump::open(pipes.clone(), log.clone()).unwrap();
        let mut program = OpenOptions::new().read(true).write(true).open(&pipes[0]).unwrap();
        for _ in 0..(7 * LIMIT / 2 / (32 << 10)) {
            program.write_all(&[b'y'; 32 << 10]).unwrap();
            pump.readable().await;
            pump.carry();
        }
        assert!(fs::metadata(&log).unwrap().len() <= LIMIT + (64 << 10));
        assert!(fs::metadata(rotated(&log)).unwrap().len() <= LIMIT + (64 << 10));
        File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
        program.write_all(b"\nlast\n").unwrap();
        pump.finish();
        assert!(fs::read_to_string(&log).unwrap().ends_with(" stdout F last\n"));
    }
}

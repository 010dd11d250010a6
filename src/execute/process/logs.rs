//! `process.logs`, read backwards from the end of the files that shims write.

use super::service::{Managed, blocking};
use crate::{
    domain::{Timestamp, Values},
    execute::{
        ExecuteError,
        logfilter::{Collected, LineSplitter, LogCollector, LogLimits, LogQuery, Stream, merged},
    },
    shim::{LONGEST_LINE, parse_line},
};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What is read of a log where lines are not chosen by what they say: room for the longest lines that a result can hold.
const TAIL_BYTES: u64 = 2 << 20;

/// Which lines are wanted.
pub(super) struct Wanted<'a> {
    pub(super) since: Option<Timestamp>,
    pub(super) until: Option<Timestamp>,
    pub(super) tail: Option<i64>,
    pub(super) level: &'a Option<String>,
    pub(super) pattern: &'a Option<String>,
}

pub(super) async fn logs(call: &str, managed: &Arc<Managed>, wanted: &Wanted<'_>) -> Result<Values, ExecuteError> {
    let limits = LogLimits::default();
    let (level, pattern) = (wanted.level.as_deref(), wanted.pattern.as_deref());
    let query = LogQuery::new(wanted.since, wanted.until, wanted.tail, level, pattern, &limits)
        .map_err(|problem| ExecuteError::permanent(call, problem))?;
    blocking(call, managed, move |managed| {
        let mut parts = Vec::new();
        let (mut read, mut cut_short) = (0, false);
        for (n, log) in log_files(managed)? {
            let mut collector = LogCollector::new(query.clone(), limits, managed.instance_name(n));
            let (bytes, cut) = collect(&log, &query, &limits, &mut collector)?;
            read += bytes;
            cut_short |= cut;
            parts.push(collector.finish());
        }
        let parts: Vec<Collected> = parts;
        Ok(merged(parts, &query, &limits, read, cut_short))
    })
    .await
}

/// Where the instances' logs are.
pub(super) fn log_files(managed: &Managed) -> io::Result<Vec<(u32, PathBuf)>> {
    let declared = managed.launch()?.log_file;
    let instances = managed.instances()?;
    Ok(instances.into_iter().map(|(n, folder)| (n, declared.clone().unwrap_or_else(|| folder.log()))).collect())
}

fn collect(log: &Path, query: &LogQuery, limits: &LogLimits, into: &mut LogCollector) -> io::Result<(u64, bool)> {
    let most = if query.selects() || query.since().is_some() { limits.read } else { TAIL_BYTES };
    let mut files = Vec::new();
    let mut left = most;
    let mut cut = false;
    // The newest first: what does not fit is what is oldest.
    for path in [log.to_owned(), crate::shim::rotated(log)] {
        match File::open(&path) {
            Ok(file) => {
                let length = file.metadata()?.len();
                cut |= length > left;
                files.push((file, length.min(left), length));
                left -= length.min(left);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let mut read = 0;
    for (mut file, wanted, length) in files.into_iter().rev() {
        file.seek(SeekFrom::Start(length - wanted))?;
        read += feed(file.take(wanted), wanted < length, into)?;
    }
    Ok((read, cut && query.selects()))
}

fn feed(mut file: impl Read, begins_inside: bool, into: &mut LogCollector) -> io::Result<u64> {
    // Room for the time and the tags before the text.
    let mut splitter = LineSplitter::new(LONGEST_LINE + 100);
    let mut buffer = vec![0; 64 << 10];
    let mut skip = begins_inside;
    let mut read = 0;
    loop {
        let bytes = file.read(&mut buffer)?;
        if bytes == 0 {
            splitter.finish(|line| take(line, &mut skip, into));
            return Ok(read);
        }
        read += bytes as u64;
        splitter.push(&buffer[..bytes], |line| take(line, &mut skip, into));
    }
}

fn take(line: &[u8], skip: &mut bool, into: &mut LogCollector) {
    if std::mem::take(skip) {
        return; // the rest of a line that begins before what was read
    }
    let text = String::from_utf8_lossy(line);
    match parse_line(&text) {
        Some(parsed) => {
            let stream = if parsed.stream == "stderr" { Stream::Stderr } else { Stream::Stdout };
            into.push(Some(parsed.at), stream, parsed.text.as_bytes());
        }
        // Written by something else into a declared log file.
        None => into.push(None, Stream::Stdout, line),
    }
}

//! `api`: answers requests with the help of the cache. What makes it fail are faults as programs really have them: a
//! setting that it cannot read, a lock that is never released, a backlog that does not fit into its memory.

use super::{http, log, log_error, number, serve, setting};
use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// How long the cache may take: less than whoever asks for the health waits.
const CACHE: Duration = Duration::from_millis(1_500);

/// How fast a backlog is worked off: 2 MiB at a time, 100 times a second.
const CHUNK: usize = 2 << 20;
const PACE: Duration = Duration::from_millis(10);

/// A backlog larger than this is not taken, whatever a request says.
const LARGEST_BACKLOG: usize = 256;

/// What requests share.
#[derive(Debug)]
struct Api {
    cache: String,
    /// Every request takes this lock. Whoever keeps it hangs the service.
    database: Mutex<u64>,
}

pub(super) fn run() -> io::Result<()> {
    let cache = setting("CACHE_ADDRESS")?;
    setting("API_TOKEN")?;
    let workers: usize = number("API_WORKERS")?;
    let api = Arc::new(Api { cache, database: Mutex::new(0) });
    log(format_args!("INFO api starts with {workers} workers"));
    match api.ask_cache("GET backlog") {
        Ok(backlog) => api.work_off(backlog.parse().unwrap_or(0)),
        Err(error) => log_error(format_args!("WARN cache {}: {error}", api.cache)),
    }
    serve("api", move |stream| api.handle(&stream))
}

impl Api {
    fn handle(self: &Arc<Self>, stream: &TcpStream) -> io::Result<()> {
        let request = http::request(stream)?;
        if request == "POST /fault/hang" {
            let api = self.clone();
            thread::spawn(move || api.deadlock());
            return http::answer(stream, 202, "a transaction begins");
        }
        let mut served = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        *served += 1;
        drop(served);
        match request.as_str() {
            "GET /health" => match self.ask_cache("PING") {
                Ok(_) => http::answer(stream, 200, "ok"),
                Err(error) => {
                    log_error(format_args!("ERROR cache {}: {error}", self.cache));
                    http::answer(stream, 503, "the cache does not answer")
                }
            },
            "GET /" => http::answer(stream, 200, "hello"),
            other => match other.strip_prefix("POST /fault/backlog/").and_then(|mib| mib.parse().ok()) {
                Some(mib) => {
                    self.ask_cache(&format!("SET backlog {mib}"))?;
                    self.work_off(mib);
                    http::answer(stream, 202, "it is worked off")
                }
                None => http::answer(stream, 404, "no such page"),
            },
        }
    }

    /// Keeps the lock for ever, as a transaction does that waits for itself.
    fn deadlock(&self) {
        let _held = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        log_error(format_args!("WARN transaction 4711 waits for a lock"));
        loop {
            thread::park();
        }
    }

    /// Reads a backlog into memory, as many MiB as it has. It stays there.
    fn work_off(&self, mib: usize) {
        let mib = mib.min(LARGEST_BACKLOG);
        if mib == 0 {
            return;
        }
        log(format_args!("INFO {mib} MiB of backlog to work off"));
        thread::spawn(move || {
            let mut held: Vec<Vec<u8>> = Vec::new();
            while held.len() * CHUNK < mib << 20 {
                held.push(vec![1; CHUNK]); // ones: pages of zeroes would not be resident
                thread::park_timeout(PACE);
            }
            log(format_args!("INFO the backlog is in memory"));
            loop {
                thread::park();
                std::hint::black_box(&held);
            }
        });
    }

    fn ask_cache(&self, line: &str) -> io::Result<String> {
        let mut stream = http::connect(&self.cache, CACHE)?;
        writeln!(stream, "{line}")?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer.trim_end().to_owned()) }
    }
}

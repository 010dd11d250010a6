//! The sample services. Plain threads and blocking sockets: they are what is watched, not how one would build a server.

mod api;
mod cache;
mod http;
mod web;

pub(crate) use http::send;

use std::{
    env, fmt,
    io::{self, Write},
    net::TcpListener,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

/// Connections served at once; more are closed at once.
const MOST_CONNECTIONS: usize = 32;

/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// Which service to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sample {
    /// A key-value store.
    Cache,
    /// An HTTP server that needs the cache and some settings.
    Api,
    /// An HTTP server in front of the api.
    Web,
}

/// Runs a sample service until it is killed, or fails.
pub fn run(sample: Sample) -> ExitCode {
    let result = match sample {
        Sample::Cache => cache::run(),
        Sample::Api => api::run(),
        Sample::Web => web::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log_error(format_args!("FATAL {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A setting from the environment.
fn setting(name: &str) -> io::Result<String> {
    env::var(name).map_err(|_| io::Error::other(format!("required environment variable {name} is not set")))
}

fn number<T: std::str::FromStr>(name: &str) -> io::Result<T> {
    let text = setting(name)?;
    text.parse().map_err(|_| io::Error::other(format!("{name}='{text}' is not a number")))
}

fn log(message: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{message}"); // whoever reads the log may be gone
}

fn log_error(message: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// Listens on the configured port and serves each connection in a thread of its own.
fn serve(
    name: &str,
    handle: impl Fn(std::net::TcpStream) -> io::Result<()> + Clone + Send + 'static,
) -> io::Result<()> {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    let port: u16 = number("PORT")?;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on 127.0.0.1:{port}: {error}")))?;
    log(format_args!("INFO {name} listens on 127.0.0.1:{port}"));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if OPEN.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            continue; // dropping it closes it
        }
        let handle = handle.clone();
        thread::spawn(move || {
            let limited = stream.set_read_timeout(Some(SILENCE)).and_then(|()| stream.set_write_timeout(Some(SILENCE)));
            if let Err(error) = limited.and_then(|()| handle(stream)) {
                log_error(format_args!("WARN a connection broke off: {error}"));
            }
            OPEN.fetch_sub(1, Ordering::Relaxed);
        });
    }
    Ok(())
}

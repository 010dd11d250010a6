//! Waiting, in tests that may not block their thread.

use std::future::Future;
use std::time::{Duration, Instant};

/// A machine may be slow; nothing waits that long where all is well.
const LIMIT: Duration = Duration::from_secs(120);

/// Tries until it succeeds, or panics with the last answer at the deadline.
pub async fn eventually<T, F: Future<Output = Result<T, String>>>(what: &str, attempt: impl Fn() -> F) -> T {
    let started = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(last) if started.elapsed() > LIMIT => panic!("{what}: not within {LIMIT:?}; last: {last}"),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 3 / 2).min(Duration::from_millis(100)); // what is waited for may pass again
    }
}

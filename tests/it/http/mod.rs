//! The HTTP API from outside: what it refuses, whom it lets do what, and the live feed.

mod bad_input;
mod decisions;
mod feed;
mod guard;
mod roles;
mod secrets;
mod senders;

use crate::support::daemon::{Daemon, Settings};
use crate::support::http::assert_described;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::runtime::Runtime;

/// A service that does nothing, as the process environment declares it.
fn idle(name: &str) -> Value {
    json!({"local": {"kind": "process", "services": {name: {"argv": ["/bin/sleep", "1000"]}}}})
}

/// A daemon with one idle service named `api`, which it has seen.
fn daemon() -> Daemon {
    let daemon = Daemon::start(&Settings::of(idle("api")));
    daemon.sees_services();
    daemon
}

/// Requests with any header, which the harness's own client does not do.
struct Raw {
    base: String,
    runtime: Runtime,
    client: reqwest::Client,
}

struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
    text: String,
}

impl Raw {
    fn to(daemon: &Daemon) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        Self { base: daemon.http.base().to_owned(), runtime: runtime.expect("a runtime"), client }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Reply {
        let named = method.to_owned();
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.expect("an answer");
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let text = answer.text().await.expect("a body");
            assert_described(&named, path.split('?').next().unwrap_or(path), status);
            Reply { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
        })
    }
}

impl Reply {
    /// Checks that it is a whole problem document with this status.
    fn is_problem(&self, status: u16, path: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], status, "{}", self.text);
        assert_eq!(self.body["instance"], path, "{}", self.text);
        for field in ["type", "title", "detail", "request_id"] {
            let text = self.body[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{field} is missing: {}", self.text);
        }
        assert_eq!(self.headers["x-request-id"], self.body["request_id"].as_str().expect("a text"));
    }
}

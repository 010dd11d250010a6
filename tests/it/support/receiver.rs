//! A small HTTP server that keeps what it is sent and answers as a test says.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Path and query.
    pub uri: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: String,
}

impl Received {
    /// The body as JSON; null if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

type Answer = Box<dyn Fn(usize, &Received) -> (u16, Value) + Send + Sync>;

struct Kept {
    received: Mutex<Vec<Received>>,
    answer: Answer,
}

/// The server, until it is dropped.
pub struct Receiver {
    kept: Arc<Kept>,
    _runtime: tokio::runtime::Runtime,
}

impl Receiver {
    /// Listens on a port. `answer` gets the number of the request, from 0, and the request.
    pub fn on(port: u16, answer: impl Fn(usize, &Received) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let kept = Arc::new(Kept { received: Mutex::default(), answer: Box::new(answer) });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let router = Router::new().fallback(keep).with_state(kept.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", port))).expect("a free port");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { kept, _runtime: runtime }
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Received> {
        self.kept.received.lock().expect("no panic").clone()
    }
}

async fn keep(State(kept): State<Arc<Kept>>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let request = Received { uri: uri.to_string(), headers, body: String::from_utf8_lossy(&body).into_owned() };
    let mut received = kept.received.lock().expect("no panic");
    let (status, answer) = (kept.answer)(received.len(), &request);
    received.push(request);
    (StatusCode::from_u16(status).expect("a status"), answer.to_string())
}

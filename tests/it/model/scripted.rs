//! A server that plays a model: it answers as a script says, with every trouble that a real one may make, and keeps what
//! it was asked. It speaks HTTP/1.1 itself, since a library would not send what is no HTTP, nor hang up in the middle.
//! Every question is checked, so that no test can forget to: one that a vendor would refuse fails its test.

use super::asked::{self, Asked};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is sent.
#[derive(Clone, Debug)]
enum Body {
    /// All of it.
    Whole(String),
    /// Nothing, ever.
    Hang,
    /// Nothing: the connection is closed.
    Close,
    /// The first half; then the connection is closed.
    Half(String),
    /// What is no HTTP.
    Garbage,
    /// So many bytes of a JSON string, with or without saying so first.
    Large(usize, bool),
    /// A byte each 20 ms.
    Drip(String),
}

/// An answer of the script.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    delay: Duration,
}

impl Reply {
    fn of(body: Body) -> Self {
        Self { status: 200, headers: Vec::new(), body, delay: Duration::ZERO }
    }

    /// JSON.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, ..Self::of(Body::Whole(body.to_string())) }.header("content-type", "application/json")
    }

    /// Anything else.
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, ..Self::of(Body::Whole(body.to_owned())) }.header("content-type", "text/html")
    }

    /// Takes the question and never answers.
    pub fn hang() -> Self {
        Self::of(Body::Hang)
    }

    /// Takes the question and hangs up.
    pub fn close() -> Self {
        Self::of(Body::Close)
    }

    /// Hangs up in the middle of an answer.
    pub fn half(answer: &Self) -> Self {
        Self { body: Body::Half(answer.whole()), ..answer.clone() }
    }

    /// Answers with bytes that are no HTTP.
    pub fn garbage() -> Self {
        Self::of(Body::Garbage)
    }

    /// Answers with so many bytes; `announced` in `content-length`, or not.
    pub fn large(bytes: usize, announced: bool) -> Self {
        Self::of(Body::Large(bytes, announced))
    }

    /// An answer that comes byte by byte.
    pub fn drip(answer: &Self) -> Self {
        Self { body: Body::Drip(answer.whole()), ..answer.clone() }
    }

    /// The same, with a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, later.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// What OpenAI answers.
    pub fn openai(text: &str) -> Self {
        Self::openai_but(text, |_| {})
    }

    /// What OpenAI answers, with something changed.
    pub fn openai_but(text: &str, change: impl FnOnce(&mut Value)) -> Self {
        let message = json!({"role": "assistant", "content": text, "refusal": null, "annotations": []});
        let mut answer = json!({
            "id": "chatcmpl-CeFqKqyEr9PVdiXBqO8VBQYuk1ASq",
            "object": "chat.completion",
            "created": 1_795_262_400,
            "model": "gpt-5-mini-2025-08-07",
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
            "service_tier": "default",
            "system_fingerprint": null,
        });
        change(&mut answer);
        Self::json(200, answer)
    }

    /// This as JSON, in the dialect in which it was asked.
    pub fn to(asked: &Asked, answer: &Value) -> Self {
        let text = answer.to_string();
        if asked.line.ends_with("/v1/messages") { Self::anthropic(&text) } else { Self::openai(&text) }
    }

    /// What Anthropic answers.
    pub fn anthropic(text: &str) -> Self {
        Self::anthropic_but(text, |_| {})
    }

    /// What Anthropic answers, with something changed.
    pub fn anthropic_but(text: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut answer = json!({
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": null,
            "usage": {"input_tokens": 1000, "output_tokens": 100},
        });
        change(&mut answer);
        Self::json(200, answer)
    }

    fn whole(&self) -> String {
        match &self.body {
            Body::Whole(text) => text.clone(),
            other => panic!("{other:?} is no whole answer"),
        }
    }
}

type Script = Box<dyn Fn(usize, &Asked) -> Reply + Send + Sync>;

struct Kept {
    script: Script,
    asked: Mutex<Vec<Asked>>,
    faults: Mutex<Vec<String>>,
    connections: AtomicUsize,
    sent: Mutex<usize>,
}

/// The server, until it is dropped.
pub struct Scripted {
    address: String,
    kept: Arc<Kept>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Scripted {
    /// Plays these answers in order, the last one for ever.
    pub fn playing(answers: impl IntoIterator<Item = Reply>) -> Self {
        let answers: Vec<Reply> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a script says something");
        Self::with(move |index, _| answers[index.min(answers.len() - 1)].clone())
    }

    /// Answers by the number of the question, from 0, and what it says.
    pub fn with(script: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let (asked, faults, connections, sent) = Default::default();
        let kept = Arc::new(Kept { script: Box::new(script), asked, faults, connections, sent });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = kept.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let kept = serving.clone();
                kept.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move { converse(stream, &kept).await });
            }
        });
        Self { address, kept, runtime: Some(runtime) }
    }

    /// Where it listens: no path, no slash at the end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.kept.asked.lock().expect("no panic").clone()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.kept.connections.load(Ordering::Relaxed)
    }

    /// How many bytes of bodies were taken from it.
    pub fn sent(&self) -> usize {
        *self.kept.sent.lock().expect("no panic")
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        // Tests may be async, and there a runtime cannot wait for its tasks.
        self.runtime.take().expect("it runs until here").shutdown_background();
        let faults = self.kept.faults.lock().expect("no panic");
        // A second panic would abort the whole run, and hide the first.
        assert!(faults.is_empty() || std::thread::panicking(), "no vendor takes this: {faults:#?}");
    }
}

/// One question, one answer, one connection. Whoever asks may leave at any time.
async fn converse(mut stream: TcpStream, kept: &Kept) -> Option<()> {
    let asked = question(&mut stream).await?;
    kept.faults.lock().expect("no panic").extend(asked::faults(&asked));
    let reply = {
        let mut all = kept.asked.lock().expect("no panic");
        let reply = (kept.script)(all.len(), &asked);
        all.push(asked);
        reply
    };
    tokio::time::sleep(reply.delay).await;
    match &reply.body {
        Body::Hang => std::future::pending::<()>().await,
        Body::Close => {}
        Body::Garbage => stream.write_all(b"\x16\x03\x01 not HTTP at all\r\n\r\n").await.ok()?,
        Body::Whole(text) => {
            stream.write_all(head(&reply, Some(text.len())).as_bytes()).await.ok()?;
            stream.write_all(text.as_bytes()).await.ok()?;
        }
        Body::Half(text) => {
            stream.write_all(head(&reply, Some(text.len())).as_bytes()).await.ok()?;
            stream.write_all(&text.as_bytes()[..text.len() / 2]).await.ok()?;
        }
        Body::Drip(text) => {
            stream.write_all(head(&reply, Some(text.len())).as_bytes()).await.ok()?;
            for byte in text.bytes() {
                stream.write_all(&[byte]).await.ok()?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Body::Large(bytes, announced) => {
            stream.write_all(head(&reply, announced.then_some(*bytes)).as_bytes()).await.ok()?;
            let (mut left, piece) = (*bytes, vec![b'x'; 64 << 10]);
            while left > 0 {
                let written = stream.write(&piece[..left.min(piece.len())]).await.ok()?;
                left -= written;
                *kept.sent.lock().expect("no panic") += written;
            }
        }
    }
    stream.shutdown().await.ok()
}

async fn question(stream: &mut TcpStream) -> Option<Asked> {
    let mut received = Vec::new();
    let end = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(received[..end].to_vec()).expect("a head of text");
    let mut lines = head.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    headers.sort();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let body_end = end + 4 + length.unwrap_or(0);
    while received.len() < body_end {
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
    let sent = String::from_utf8_lossy(&received[end + 4..body_end]).into_owned();
    let body = serde_json::from_str(&sent).unwrap_or_default();
    Some(Asked { line, headers, body, sent })
}

/// The head of an answer; without a length, it ends with the connection.
fn head(reply: &Reply, length: Option<usize>) -> String {
    let length = length.map(|length| format!("content-length: {length}\r\n")).unwrap_or_default();
    let headers: String = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {} Scripted\r\n{length}{headers}connection: close\r\n\r\n", reply.status)
}

//! A client of the daemon's HTTP API, for tests that do not care about async.

use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers that tests look at, lower case.
    pub content_type: String,
    /// When to come again, as a refusal says.
    pub retry_after: Option<String>,
    /// As text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The JSON body of an answer that must be a success.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text);
        self.json()
    }
}

/// A client with a base address and, perhaps, a token.
pub struct Http {
    base: String,
    token: Option<String>,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Http {
    /// A client for `http://127.0.0.1:<port>`.
    pub fn to(port: u16, token: Option<&str>) -> Self {
        install_tls();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self {
            base: format!("http://127.0.0.1:{port}"),
            token: token.map(str::to_owned),
            runtime: runtime.expect("a runtime"),
            client,
        }
    }

    /// Where it talks to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        self.send(self.client.get(format!("{}{path}", self.base)))
    }

    /// POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.send(self.client.post(format!("{}{path}", self.base)).json(body))
    }

    /// PUT of JSON.
    pub fn put(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.send(self.client.put(format!("{}{path}", self.base)).json(body))
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Result<Answer, String> {
        self.send(self.client.delete(format!("{}{path}", self.base)).json(&serde_json::json!({})))
    }

    /// POST of any bytes.
    pub fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Answer, String> {
        self.send(self.client.post(format!("{}{path}", self.base)).header("content-type", content_type).body(body))
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| format!("{error:?}"))?;
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let answer = self.answer(reqwest::RequestBuilder::from_parts(client, request))?;
        assert_described(&method, &path, answer.status);
        Ok(answer)
    }

    fn answer(&self, mut request: reqwest::RequestBuilder) -> Result<Answer, String> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
            let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
            let content_type = header("content-type").unwrap_or_default().to_owned();
            let retry_after = header("retry-after").map(str::to_owned);
            let status = answer.status().as_u16();
            let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
            Ok(Answer { status, content_type, retry_after, text })
        })
    }
}

/// Checks that the description of the API knows that this may be answered so: whatever a test sees, users may see.
pub fn assert_described(method: &str, path: &str, status: u16) {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    let document =
        DOCUMENT.get_or_init(|| serde_json::to_value(oncalld::http::document()).expect("the description is JSON"));
    let fits = |template: &str| {
        let (given, wanted): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), template.split('/').collect());
        given.len() == wanted.len() && given.iter().zip(wanted).all(|(g, w)| w.starts_with('{') || *g == w)
    };
    let paths = document["paths"].as_object().expect("paths");
    let mut operations = paths.iter().filter(|(template, _)| fits(template)).map(|(_, item)| item);
    let Some(operation) = operations.find_map(|item| item.get(method.to_lowercase())) else { return };
    let described = !operation["responses"][status.to_string()].is_null();
    assert!(described, "{method} {path}: {status} is not in the description of the API");
}

/// A client is built with TLS even where it is not used, and TLS needs its provider named once.
pub fn install_tls() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A port that nothing listens on now, and that no other test of this run was given.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let [address] = oncalld::demo::stage::free_addresses().expect("a free port");
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(address.port()) {
            return address.port();
        }
    }
}

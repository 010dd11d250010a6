//! Request ids: taken from whoever asks, or made; in the answer, the log and every problem document.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// The header, in and out.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids are replaced: they would fill the log.
const LONGEST: usize = 64;

/// The id of the request that is being answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes the caller's if it is short and plain, so that it can neither fill nor forge a log.
    fn accepted(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        (!text.is_empty() && text.len() <= LONGEST && text.chars().all(plain)).then(|| Self(text.to_owned()))
    }

    /// Unique while this process runs, and unlike those of the one before.
    fn made() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request"));
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Self(format!("{:08x}-{}", *PROCESS as u32, COUNT.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Gives every request its id, and logs how it went.
pub async fn identify(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(HEADER).and_then(RequestId::accepted).unwrap_or_else(RequestId::made);
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned(); // never the query
    let began = Instant::now();
    let mut response = next.run(request).await;
    let (status, milliseconds) = (response.status().as_u16(), began.elapsed().as_millis() as u64);
    if status >= 500 {
        tracing::warn!(request_id = id.as_str(), %method, path, status, milliseconds, "request failed");
    } else {
        tracing::debug!(request_id = id.as_str(), %method, path, status, milliseconds, "request");
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_is_taken_and_a_forged_one_is_not() {
        let take = |text: &str| RequestId::accepted(&HeaderValue::from_str(text).unwrap());
        assert_eq!(take("abc-1").unwrap().as_str(), "abc-1");
        assert_eq!(take("a b"), None);
        assert_eq!(take("a\" level=\"error"), None);
        assert_eq!(take(&"x".repeat(65)), None);
        assert_ne!(RequestId::made(), RequestId::made());
    }
}

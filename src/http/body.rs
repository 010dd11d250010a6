//! Reading bodies: bounded in size and time, JSON with a pointer to whatever is wrong.

use super::{Api, problem::Problem};
use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use std::{fmt::Write as _, time::Duration};

/// How long a body may take to arrive: a client that trickles must not hold a connection for ever.
const ARRIVAL: Duration = Duration::from_secs(10);

/// How much of a body that is too large is read and thrown away, and for how long, so that the client hears why it was
/// refused before the connection closes under it.
const DRAIN_BYTES: usize = 32 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// 413, 408, or 400 if the connection broke.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    read_within(body, limit, ARRIVAL).await
}

async fn read_within(body: Body, limit: usize, arrival: Duration) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > limit as u64 {
        drain(body).await;
        return Err(Problem::body_too_large(limit));
    }
    let reading = async {
        let mut stream = body.into_data_stream();
        let mut whole = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| Problem::bad_body("", format!("the body broke off: {error}")))?;
            if whole.len() + chunk.len() > limit {
                drain(Body::from_stream(stream)).await;
                return Err(Problem::body_too_large(limit));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(whole))
    };
    tokio::time::timeout(arrival, reading)
        .await
        .unwrap_or_else(|_| Err(Problem::body_too_slow(format!("it may take {} s at most", arrival.as_secs()))))
}

async fn drain(body: Body) {
    let mut left = DRAIN_BYTES;
    let mut stream = body.into_data_stream();
    let draining = async {
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether all of it came or not, the answer is the same.
    let _ = tokio::time::timeout(DRAIN_TIME, draining).await;
}

/// Understands a JSON body.
///
/// # Errors
/// 400 with a JSON pointer to what is wrong.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let detail = format!("the body is not UTF-8: see byte {}", error.valid_up_to());
        return Err(Problem::bad_body("", detail));
    }
    // serde_json stops at a depth of 128, long before a stack does.
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Problem::bad_body(pointer(error.path()), error.inner().to_string()))?;
    deserializer.end().map_err(|error| Problem::bad_body("", error.to_string()))?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => {
                let _ = write!(pointer, "/{index}"); // writing to a String cannot fail
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

/// A JSON body of a request to the API.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let bytes = read(request.into_body(), api.body_limit()).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out.
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Api> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let bytes = read(request.into_body(), api.body_limit()).await?;
        if bytes.is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
    }
}

/// The query.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// The one variable part of a path.
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(name)| Self(name))
            .map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// The variable parts of a path that has several.
pub struct Names<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(names)| Self(names))
            .map_err(|error| Problem::bad_request(error.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code)] // only decoded
        items: Vec<std::collections::BTreeMap<String, u8>>,
    }

    fn fault(text: &[u8]) -> String {
        let problem = parse::<Sample>(text).unwrap_err();
        assert_eq!(problem.status, StatusCode::BAD_REQUEST);
        format!("{problem:?}")
    }

    #[test]
    fn a_wrong_field_is_pointed_at() {
        assert!(fault(br#"{"items":[{"a/b":1},{"a/b":"x"}]}"#).contains("/items/1/a~1b"));
        assert!(fault(br#"{"items":[],"more":1}"#).contains("unknown field `more`"));
        assert!(fault(br#"{"items":[]} trailing"#).contains("trailing characters"));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        assert!(fault(b"{\"items\":[{\"\xff\":1}]}").contains("byte 12"));
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(fault(deep.as_bytes()).contains("invalid type"));
        let problem = parse::<serde_json::Value>(deep.as_bytes()).unwrap_err();
        assert!(format!("{problem:?}").contains("recursion limit"));
    }

    #[tokio::test]
    async fn a_body_is_bounded() {
        assert_eq!(read(Body::from("12345"), 5).await.unwrap(), "12345");
        assert_eq!(read(Body::from("123456"), 5).await.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        let chunks = futures_util::stream::iter(["123", "456"].map(Ok::<_, std::io::Error>));
        let problem = read(Body::from_stream(chunks), 5).await.unwrap_err();
        assert_eq!(problem.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_trickling_body_is_given_up() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let problem = read_within(Body::from_stream(never), 5, Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(problem.status, StatusCode::REQUEST_TIMEOUT);
    }
}

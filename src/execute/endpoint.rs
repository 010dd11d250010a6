//! A configured HTTP API: one address, no redirects, a deadline, a cap on what it may answer.
//!
//! Addresses come from configuration only. Errors never show them: a webhook's address is often its secret.

use crate::config::Credentials;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
    redirect::Policy,
};
use std::time::Duration;

/// The largest answer that is read. A query that gives more is of no use as evidence.
pub const LARGEST_ANSWER: usize = 8 << 20;

/// How much of a refusal is kept for the error's text.
const LONGEST_REFUSAL: usize = 300;

/// Connecting to something that is there takes milliseconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Why a request has no answer, by what its caller may conclude.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No connection, so nothing was sent.
    #[error("no connection: {0}")]
    NotSent(String),
    /// It was sent, but the answer did not come, or not whole.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is a refusal.
    #[error("it answered {status}{}{body}", if body.is_empty() { "" } else { ": " })]
    Refused {
        /// HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The answer is larger than what is read.
    #[error("the answer is larger than {} MiB; ask for less", LARGEST_ANSWER >> 20)]
    TooLarge,
}

impl EndpointError {
    /// Whether the same request may have another answer later. A token that is refused stays refused.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotSent(_) | Self::NoAnswer(_) => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 408 || *status == 429,
            Self::TooLarge => false,
        }
    }

    /// Whether what was asked for was certainly not done.
    pub fn certainly_not_done(&self) -> bool {
        match self {
            Self::NotSent(_) => true,
            // 5xx may come from a proxy whose patience ended; 408 and 429 are refusals to begin.
            Self::Refused { status, .. } => *status < 500,
            Self::NoAnswer(_) | Self::TooLarge => false,
        }
    }
}

/// An HTTP API.
#[derive(Clone, Debug)]
pub struct Endpoint {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// An API at an address from the configuration, with what it wants to know who asks.
    ///
    /// # Errors
    /// The address is not one of HTTP, or the token cannot stand in a header; in words that do not show either.
    pub fn new(address: &str, credentials: Option<&Credentials>, timeout: Duration) -> Result<Self, String> {
        let base = Url::parse(address).map_err(|error| format!("its address is not a URL: {error}"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err("its address is not one of http or https".into());
        }
        let header = credentials.map(Credentials::header);
        let authorization = header.map(|header| HeaderValue::from_str(header.expose())).transpose();
        let mut authorization = authorization.map_err(|_| "its token has characters that no header may have")?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        let client = Client::builder()
            .redirect(Policy::none()) // an address that was not configured is not contacted
            .timeout(timeout)
            .connect_timeout(CONNECT_WITHIN.min(timeout))
            .user_agent(concat!("oncalld/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no HTTP client: {}", reason(error)))?;
        Ok(Self { client, base, authorization })
    }

    /// A request below the address, with query parameters.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.below(path);
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        self.authorized(self.client.get(url))
    }

    /// A request below the address that brings something.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.authorized(self.client.post(self.below(path)))
    }

    /// A request below the address that removes something.
    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.authorized(self.client.delete(self.below(path)))
    }

    /// A form below the address: for queries that are too long for one.
    pub fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let mut encoder = self.base.clone();
        encoder.set_query(None);
        encoder.query_pairs_mut().extend_pairs(fields);
        let form = encoder.query().unwrap_or_default().to_owned();
        self.post(path).header("content-type", "application/x-www-form-urlencoded").body(form)
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        if !path.is_empty() {
            url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        }
        url
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }
}

/// Sends a request; answers with the body of a success.
///
/// # Errors
/// No connection, no answer, a refusal, or too much.
pub async fn send(request: RequestBuilder) -> Result<Vec<u8>, EndpointError> {
    let response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            EndpointError::NotSent(reason(error))
        } else {
            EndpointError::NoAnswer(reason(error))
        }
    })?;
    let status = response.status();
    if status.is_success() {
        return read(response, LARGEST_ANSWER).await?.ok_or(EndpointError::TooLarge);
    }
    // What a refusal says helps people, but is not worth another error.
    let body = if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        "check the configured token".to_owned()
    } else {
        let body = read(response, LONGEST_REFUSAL << 4).await.ok().flatten().unwrap_or_default();
        crate::domain::clean_text(String::from_utf8_lossy(&body).trim(), LONGEST_REFUSAL)
    };
    Err(EndpointError::Refused { status: status.as_u16(), body })
}

/// The whole body; none if it is larger than `most`.
async fn read(mut response: Response, most: usize) -> Result<Option<Vec<u8>>, EndpointError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| EndpointError::NoAnswer(reason(error)))? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The innermost cause, which is what people can act on, without the address.
fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "the time is up".into();
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Secret;
    use axum::{Router, http::header, response::Redirect, routing::get};

    /// Does what `main` does first.
    pub fn install_tls() {
        // Once per process; the second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }

    /// A port of loopback where nothing listens.
    pub fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// Serves a router on loopback for as long as the test runs; answers with its address.
    pub async fn serve(router: Router) -> String {
        install_tls();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    fn endpoint(address: &str) -> Endpoint {
        let token = Credentials::Bearer(Secret::new("t0ken"));
        Endpoint::new(address, Some(&token), Duration::from_millis(500)).unwrap()
    }

    #[tokio::test]
    async fn requests_go_below_the_address_with_the_token() {
        let echo = |headers: axum::http::HeaderMap, uri: axum::http::Uri| async move {
            format!("{uri} {}", headers[header::AUTHORIZATION].to_str().unwrap())
        };
        let address = serve(Router::new().route("/prom/api/v1/query", get(echo))).await;
        let request = endpoint(&format!("{address}/prom/")).get("/api/v1/query", &[("q", "a b&c"), ("q", "é")]);
        let answer = String::from_utf8(send(request).await.unwrap()).unwrap();
        assert_eq!(answer, "/prom/api/v1/query?q=a+b%26c&q=%C3%A9 Bearer t0ken");
    }

    #[tokio::test]
    async fn no_redirect_is_followed_and_no_size_is_unbounded() {
        let large = || async { vec![b'x'; LARGEST_ANSWER + 1] };
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            ""
        };
        let refuse = || async { (StatusCode::UNAUTHORIZED, "<html>") };
        let router = Router::new()
            .route("/away", get(|| async { Redirect::temporary("/large") }))
            .route("/large", get(large))
            .route("/slow", get(slow))
            .route("/refuse", get(refuse));
        let address = serve(router).await;
        let api = endpoint(&address);
        let away = send(api.get("/away", &[])).await.unwrap_err();
        assert_eq!(away, EndpointError::Refused { status: 307, body: String::new() });
        assert!(!away.may_pass() && away.certainly_not_done());
        let patient = Endpoint::new(&address, None, Duration::from_secs(30)).unwrap();
        assert_eq!(send(patient.get("/large", &[])).await, Err(EndpointError::TooLarge));
        let slow = send(api.get("/slow", &[])).await.unwrap_err();
        assert!(slow.may_pass() && !slow.certainly_not_done(), "{slow}");
        let refused = send(api.get("/refuse", &[])).await.unwrap_err();
        assert_eq!(refused.to_string(), "it answered 401: check the configured token");
    }

    #[tokio::test]
    async fn what_was_not_sent_is_known_and_the_address_is_not_shown() {
        install_tls();
        let address = format!("http://127.0.0.1:{}/hook/s3cret", free_port());
        let error = send(endpoint(&address).post("")).await.unwrap_err();
        assert!(error.certainly_not_done() && error.may_pass());
        assert!(!error.to_string().contains("s3cret"), "{error}");
        for address in ["ftp://host/", "nonsense", "unix:/run/x"] {
            assert!(Endpoint::new(address, None, Duration::from_secs(1)).is_err(), "{address}");
        }
    }
}

//! Asking a declared endpoint whether it answers: `http://…`, `https://…` or `tcp://host:port`.

use crate::domain::{TimeSpan, Values};
use serde_json::json;
use std::time::Instant;
use tokio::{net::TcpStream, time::timeout};

/// What an endpoint answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// It answered as a healthy one does: a connection, and for HTTP a status below 400.
    pub healthy: bool,
    /// HTTP status.
    pub status: Option<u16>,
    /// How long it took; none without an answer.
    pub latency: Option<TimeSpan>,
    /// No answer in time.
    pub timed_out: bool,
    /// What went wrong, or empty.
    pub error: String,
}

/// Asks endpoints. Redirects are not followed and proxies are not used: nothing but the declared address is contacted.
#[derive(Clone, Debug)]
pub struct Prober {
    client: reqwest::Client,
}

impl Prober {
    /// A prober.
    ///
    /// # Errors
    /// The TLS stack cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0) // a health check must connect anew
            .user_agent(concat!("oncalld/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    /// Asks once. Never fails: not answering is an answer too.
    pub async fn probe(&self, endpoint: &str, deadline: TimeSpan) -> Answer {
        let started = Instant::now();
        let asked = async {
            match endpoint.strip_prefix("tcp://") {
                Some(address) => {
                    TcpStream::connect(address.trim_end_matches('/')).await.map(|_| None).map_err(|e| e.to_string())
                }
                // Only the head is awaited; the body, whatever its size, is dropped with the response.
                None => {
                    self.client.get(endpoint).send().await.map(|r| Some(r.status().as_u16())).map_err(|e| reason(&e))
                }
            }
        };
        match timeout(deadline.as_std(), asked).await {
            Err(_) => Answer {
                timed_out: true,
                error: format!("{endpoint} did not answer within {deadline}"),
                ..Answer::default()
            },
            Ok(Err(error)) => Answer { error: format!("{endpoint}: {error}"), ..Answer::default() },
            Ok(Ok(status)) => {
                let healthy = status.is_none_or(|status| status < 400);
                let latency = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                Answer {
                    healthy,
                    status,
                    latency: Some(TimeSpan::from_millis(latency)),
                    timed_out: false,
                    error: status
                        .filter(|_| !healthy)
                        .map_or_else(String::new, |status| format!("{endpoint} answered {status}")),
                }
            }
        }
    }
}

/// The innermost cause; reqwest's own words only repeat the address.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The result of a `*.health` call.
pub fn health(source: &str, endpoint: &str, answer: &Answer, failing_streak: i64) -> Values {
    Values::from_iter([
        ("healthy".to_owned(), json!(answer.healthy)),
        ("source".to_owned(), json!(source)),
        ("endpoint".to_owned(), json!(endpoint)),
        ("status".to_owned(), json!(answer.status)),
        ("latency".to_owned(), json!(answer.latency)),
        ("timed_out".to_owned(), json!(answer.timed_out)),
        ("error".to_owned(), json!(answer.error)),
        ("failing_streak".to_owned(), json!(failing_streak)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    fn prober() -> Prober {
        let _ = rustls::crypto::ring::default_provider().install_default(); // another test may have
        Prober::new().unwrap()
    }

    async fn server(answer: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    let _ = stream.read(&mut request).await;
                    match answer {
                        Some(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn answers_are_told_apart() {
        let prober = prober();
        let second = TimeSpan::from_secs(1);
        let fine = server(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
        let broken = server(Some("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")).await;
        let hung = server(None).await;
        let answer = prober.probe(&format!("http://{fine}/health"), second).await;
        assert!(answer.healthy && answer.latency.is_some());
        assert!(prober.probe(&format!("tcp://{fine}"), second).await.healthy);
        let answer = prober.probe(&format!("http://{broken}/"), second).await;
        assert_eq!((answer.healthy, answer.status), (false, Some(503)));
        let answer = prober.probe(&format!("http://{hung}/"), TimeSpan::from_millis(100)).await;
        assert!(answer.timed_out && !answer.healthy);
        let answer = prober.probe("tcp://127.0.0.1:1", second).await;
        assert!(!answer.healthy && !answer.timed_out && answer.error.contains("refused"));
    }
}

//! The key goes to the model's server and nowhere else.

use super::{KEY, chain, config, question};
use crate::model::scripted::{Reply, Scripted};
use oncalld::{config::Provider, domain::TimeSpan};
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing::instrument::WithSubscriber as _;

/// Everything that is logged, of all crates, at the finest level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_error_and_no_log_shows_the_key_or_what_was_told() {
    let repeats =
        json!({"error": {"message": format!("Incorrect API key provided: {KEY}"), "code": "invalid_api_key"}});
    for provider in [Provider::OpenAi, Provider::Azure, Provider::Compatible, Provider::Anthropic] {
        for reply in [
            Reply::json(401, repeats.clone()),
            Reply::json(400, repeats.clone()),
            Reply::json(429, repeats.clone()),
            Reply::json(500, repeats.clone()),
            Reply::json(200, repeats.clone()),
            Reply::text(200, "no JSON, but a secret of the answer"),
            Reply::close(),
        ] {
            let shown = format!("{provider:?} {reply:?}");
            let server = Scripted::playing([reply]);
            let config = config(provider, server.address());
            assert!(!format!("{config:?}").contains(KEY));
            let log = Log::default();
            let writer = log.clone();
            let logged = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_writer(move || writer.clone())
                .finish();
            let chain = chain(&[("mini", config)], TimeSpan::from_secs(60));
            let asked = chain.ask(&question(), TimeSpan::from_secs(60)).with_subscriber(logged).await;
            assert_eq!(asked.answer, None, "{shown}");
            assert!(!asked.words().contains(KEY) && !format!("{asked:?}").contains(KEY), "{shown}: {}", asked.words());
            let log = String::from_utf8_lossy(&log.0.lock().expect("no panic")).into_owned();
            assert!(log.contains("TRACE") && log.contains("127.0.0.1"), "what the connection does is logged");
            for hidden in [KEY, "api is down", "a secret of the answer"] {
                assert!(!log.contains(hidden), "{shown}: {hidden} is logged:\n{log}");
            }
        }
    }
}

/// A redirect is not followed: not to another host, and so the key goes to nobody else.
#[tokio::test]
async fn a_redirect_does_not_carry_the_key_away() {
    let elsewhere = Scripted::playing([Reply::openai("{}")]);
    for provider in [Provider::OpenAi, Provider::Anthropic] {
        for status in [301, 302, 307, 308] {
            let server = Scripted::playing([Reply::text(status, "moved").header("location", elsewhere.address())]);
            let asked = chain(&[("mini", config(provider, server.address()))], TimeSpan::from_secs(60))
                .ask(&question(), TimeSpan::from_secs(60))
                .await;
            assert_eq!(asked.words(), format!("mini: the model refused the question ({status}): moved"));
        }
    }
    assert!(elsewhere.asked().is_empty());
}

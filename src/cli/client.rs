//! Talking to a running daemon over HTTP.

use super::failure::Failure;
use clap::Args;
use reqwest::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{path::PathBuf, time::Duration};

/// Longer than the daemon's own limit for a request, so that its answer is heard.
const TIMEOUT: Duration = Duration::from_secs(40);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which daemon, and as whom.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Address of the daemon.
    #[arg(long, global = true, env = "ONCALLD_URL", default_value = "http://127.0.0.1:9095")]
    pub url: String,
    /// Token; other users of this machine can see it: a file or the environment is better.
    #[arg(long, global = true, env = "ONCALLD_CLIENT_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// File that holds the token.
    #[arg(long, global = true, env = "ONCALLD_CLIENT_TOKEN_FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
}

/// A client of one daemon.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// The address is no HTTP address, or the token cannot be read.
    pub fn new(connection: &Connection) -> Result<Self, Failure> {
        let base = connection.url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(Failure::usage(format!("--url {base}: write it as http://host:port or https://host")));
        }
        let token = match (&connection.token, &connection.token_file) {
            (Some(token), _) => Some(token.trim().to_owned()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::usage(format!("--token-file {}: {error}", path.display())))?;
                Some(text.trim().to_owned())
            }
            (None, None) => None,
        };
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none()) // a token must not follow
            .user_agent(concat!("oncalld/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Failure::failed)?;
        Ok(Self { http, base, token: token.filter(|token| !token.is_empty()) })
    }

    /// The daemon's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token, for the WebSocket.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Reads.
    ///
    /// # Errors
    /// What the daemon refused, in its words; or that none answers.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let text = self.send(Method::GET, path, None, "application/json").await?;
        self.decode(&text)
    }

    /// Reads text.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_text(&self, path: &str, media: &str) -> Result<String, Failure> {
        self.send(Method::GET, path, None, media).await
    }

    /// Changes something; answers with JSON, or null where the daemon has nothing to say.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn change(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let text = self.send(method, path, Some(body), "application/json").await?;
        if text.is_empty() { Ok(Value::Null) } else { self.decode(&text) }
    }

    fn decode<T: DeserializeOwned>(&self, text: &str) -> Result<T, Failure> {
        serde_json::from_str(text).map_err(|error| {
            Failure::failed(format!("{} answered something else than this version expects: {error}", self.base))
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>, media: &str) -> Result<String, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).header(header::ACCEPT, media);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| Failure::failed(format!("the answer broke off: {error}")))?;
        if status.is_success() { Ok(text) } else { Err(self.refused(status, &text)) }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_connect() {
            return Failure::failed(format!(
                "no daemon answers at {}: start one with `oncalld serve`, or name another with --url",
                self.base
            ));
        }
        if error.is_timeout() {
            return Failure::failed(format!("the daemon at {} did not answer in time", self.base));
        }
        Failure::failed(format!("{}: {error}", self.base))
    }

    fn refused(&self, status: StatusCode, text: &str) -> Failure {
        let document: Value = serde_json::from_str(text).unwrap_or_default();
        // `/ready` is no problem document: it says `reason`.
        let said = document.get("detail").or_else(|| document.get("reason"));
        let detail = said.and_then(Value::as_str).unwrap_or("no reason was given");
        let near: Vec<&str> =
            document.get("near").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let hint = match status {
            StatusCode::UNAUTHORIZED => "; give one with --token-file, or in ONCALLD_CLIENT_TOKEN",
            _ if said.is_none() => "; is that oncalld?",
            _ => "",
        };
        let near = if near.is_empty() || detail.contains("did you mean") {
            String::new()
        } else {
            format!("; did you mean {}?", near.join(" or "))
        };
        Failure::failed(format!("{detail}{near}{hint} ({} {})", self.base, status.as_u16()))
    }
}

/// A piece of a path, with everything escaped that could end or lengthen it.
pub fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    // These two would be taken as steps in the path.
    match escaped.as_str() {
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        _ => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(segment("inc_1-a.b"), "inc_1-a.b");
        assert_eq!(segment("../x?y#z"), "..%2Fx%3Fy%23z");
        assert_eq!(segment(".."), "%2E%2E");
    }
}

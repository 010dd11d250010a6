//! What a request must look like before anybody looks at what it wants.
//!
//! A page of another site must not be able to use the daemon through somebody's browser, neither directly (`Origin`,
//! and a body that a form cannot send) nor by having its own name resolve to the daemon's address (`Host`).

use super::{Api, problem::Problem};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::net::{IpAddr, Ipv6Addr};

/// The names that the daemon answers to.
pub struct Names<'a> {
    /// Configured names.
    pub hosts: &'a [String],
    /// Configured origins of pages that may use the API.
    pub origins: &'a [String],
    /// The address that people are sent to.
    pub public_url: Option<&'a str>,
}

/// Refuses foreign hosts and origins, and state-changing requests that are not JSON.
pub async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    let config = api.engine.config();
    let names = Names {
        hosts: &config.platform.allowed_hosts,
        origins: &config.platform.allowed_origins,
        public_url: config.platform.public_url.as_deref(),
    };
    match names.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            if request.uri().path().starts_with(super::alerts::PATH) {
                api.engine.count_refused("guard");
            }
            problem.into_response()
        }
    }
}

impl Names<'_> {
    /// Checks one request.
    ///
    /// # Errors
    /// 400 or 421 for the host, 403 for the origin, 415 for the content type.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = self.host(uri, headers)?;
        let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes || headers.contains_key(header::UPGRADE) {
            self.origin(&host, headers)?;
        }
        if changes {
            json(method, headers)?;
        }
        Ok(())
    }

    /// Host and port as asked for. An address is always ours: only names can be made to point here by others.
    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
        let mut values = headers.get_all(header::HOST).iter();
        let value = match (values.next(), values.next(), uri.authority()) {
            (Some(_), Some(_), _) => return Err(Problem::bad_request("more than one Host header")),
            (Some(value), None, _) => value.to_str().map_err(|_| Problem::bad_request("the Host header is no text"))?,
            (None, _, Some(authority)) => authority.as_str(),
            (None, _, None) => return Err(Problem::bad_request("the Host header is missing")),
        };
        let value = value.to_ascii_lowercase();
        let name = name_of(&value);
        let known = is_address(name)
            || name == "localhost"
            || self.hosts.iter().any(|host| *host == name || *host == value)
            || self.public_url.and_then(authority_of).is_some_and(|public| name_of(&public) == name);
        if known {
            return Ok(value);
        }
        let shown = crate::domain::clean_text(&value, 80);
        Err(Problem::wrong_host(format!("'{shown}' is not a name of this daemon; if it is, add it to allowed_hosts")))
    }

    fn origin(&self, host: &str, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
                None | Some(b"same-origin" | b"none") => Ok(()),
                Some(_) => Err(Problem::foreign_origin("a page of another site may not do this")),
            };
        };
        let origin = origin.to_str().unwrap_or("null").to_ascii_lowercase();
        let trimmed = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
        let same = authority_of(&origin)
            .is_some_and(|authority| without_default_port(&authority) == without_default_port(host));
        let public = self.public_url.is_some_and(|url| {
            authority_of(url).is_some_and(|authority| authority_of(&origin).as_ref() == Some(&authority))
        });
        if same || public || self.origins.iter().any(|allowed| trimmed(allowed) == origin) {
            return Ok(());
        }
        let shown = crate::domain::clean_text(&origin, 80);
        Err(Problem::foreign_origin(format!(
            "a page of '{shown}' may not do this; if it should, add it to allowed_origins"
        )))
    }
}

/// A form can send anything but JSON; a DELETE without a body cannot come from a form at all.
fn json(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if *method == Method::DELETE && !has_body {
        return Ok(());
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "application/json" || (media.starts_with("application/") && media.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::not_json("send it with the header Content-Type: application/json"))
}

/// `http://host:port/path` to `host:port`.
fn authority_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (!authority.is_empty() && !authority.contains('@')).then(|| authority.to_ascii_lowercase())
}

/// `host:port` or `[::1]:port` to the host alone.
fn name_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.find(']').map_or(authority, |end| &authority[..=end]);
    }
    authority.rsplit_once(':').map_or(authority, |(name, _)| name).trim_end_matches('.')
}

fn is_address(name: &str) -> bool {
    name.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map_or_else(|| name.parse::<IpAddr>().is_ok(), |inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn without_default_port(authority: &str) -> &str {
    authority.strip_suffix(":80").or_else(|| authority.strip_suffix(":443")).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "/api/v1/kill-switch";

    fn status(method: Method, pairs: &[(&'static str, &str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let hosts = ["oncalld".to_owned()];
        let origins = ["https://console.example.com".to_owned()];
        let names = Names { hosts: &hosts, origins: &origins, public_url: Some("https://oncall.example.com/x") };
        names.check(&method, &Uri::from_static(URI), &headers).map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused() {
        for host in ["127.0.0.1:9095", "localhost:9095", "[::1]:9095", "10.1.2.3", "oncalld:9095", "oncall.example.com"]
        {
            assert_eq!(status(Method::GET, &[("host", host)]), 200, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9095", "[evil]", "oncalld.evil"]
        {
            assert_eq!(status(Method::GET, &[("host", host)]), 421, "{host}");
        }
        assert_eq!(status(Method::GET, &[]), 400);
        assert_eq!(status(Method::GET, &[("host", "oncalld"), ("host", "evil.example")]), 400);
    }

    #[test]
    fn a_foreign_page_cannot_change_anything() {
        let json = ("content-type", "application/json; charset=utf-8");
        let host = ("host", "127.0.0.1:9095");
        let with = |origin| status(Method::PUT, &[host, json, ("origin", origin)]);
        assert_eq!(with("http://127.0.0.1:9095"), 200);
        assert_eq!(with("https://console.example.com"), 200);
        assert_eq!(with("https://oncall.example.com"), 200);
        for origin in ["http://evil.example", "null", "http://127.0.0.1:8080", "http://127.0.0.1:9095@evil.example"] {
            assert_eq!(with(origin), 403, "{origin}");
        }
        assert_eq!(status(Method::PUT, &[host, json, ("sec-fetch-site", "cross-site")]), 403);
        assert_eq!(status(Method::GET, &[host, ("origin", "http://evil.example")]), 200, "reading is for CORS to stop");
        let upgrade = ("upgrade", "websocket");
        assert_eq!(status(Method::GET, &[host, upgrade, ("origin", "http://evil.example")]), 403);
    }

    #[test]
    fn what_a_form_can_send_is_refused() {
        let host = ("host", "127.0.0.1:9095");
        assert_eq!(status(Method::POST, &[host]), 415);
        assert_eq!(status(Method::POST, &[host, ("content-type", "text/plain")]), 415);
        assert_eq!(status(Method::POST, &[host, ("content-type", "application/x-www-form-urlencoded")]), 415);
        assert_eq!(status(Method::POST, &[host, ("content-type", "application/vnd.x+json")]), 200);
        assert_eq!(status(Method::DELETE, &[host]), 200);
        assert_eq!(status(Method::DELETE, &[host, ("content-length", "2")]), 415);
    }
}

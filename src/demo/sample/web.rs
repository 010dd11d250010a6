//! `web`: a page that the api fills.

use super::{http, log_error, serve, setting};
use std::{io, time::Duration};

/// How long the api may take.
const API: Duration = Duration::from_secs(1);

pub(super) fn run() -> io::Result<()> {
    let api = setting("API_ADDRESS")?;
    serve("web", move |stream| {
        let path = match http::request(&stream)?.as_str() {
            "GET /health" => "/health",
            _ => "/",
        };
        match http::get(&api, path, API) {
            Ok(200) => http::answer(&stream, 200, "welcome"),
            Ok(status) => http::answer(&stream, 502, &format!("the api answered {status}")),
            Err(error) => {
                log_error(format_args!("ERROR api {api}: {error}"));
                http::answer(&stream, 502, "the api does not answer")
            }
        }
    })
}

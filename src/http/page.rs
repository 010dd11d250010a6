//! The web page: static files in the binary, from this origin only, under a strict content security policy.

use crate::domain::Digest;
use axum::{
    extract::Path,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

/// Nothing but this origin's own files and its API; no inline script or style, no frame, no form target.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

struct File {
    name: &'static str,
    media: &'static str,
    text: &'static str,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! script {
    ($name:literal) => {
        File { name: $name, media: JAVASCRIPT, text: include_str!(concat!("page/", $name)) }
    };
}

const INDEX: File =
    File { name: "index.html", media: "text/html; charset=utf-8", text: include_str!("page/index.html") };

const FILES: &[File] = &[
    File { name: "style.css", media: "text/css; charset=utf-8", text: include_str!("page/style.css") },
    File { name: "icon.svg", media: "image/svg+xml", text: include_str!("page/icon.svg") },
    script!("app.js"),
    script!("client.js"),
    script!("dom.js"),
    script!("approvals.js"),
    script!("incidents.js"),
    script!("incident.js"),
    script!("report.js"),
    script!("steps.js"),
    script!("thoughts.js"),
];

/// The page.
pub async fn index(headers: HeaderMap) -> Response {
    serve(&INDEX, &headers)
}

/// What the page is made of.
pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match FILES.iter().find(|file| file.name == name) {
        Some(file) => serve(file, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Browsers ask each time, and mostly hear that nothing changed: a new binary shows at once.
fn serve(file: &File, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", Digest::of(file.text.as_bytes()).short());
    let fixed: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, file.media),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    if known {
        return (StatusCode::NOT_MODIFIED, fixed, [(header::ETAG, tag)]).into_response();
    }
    (fixed, [(header::ETAG, tag)], file.text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_page_needs_an_exception_or_another_site() {
        assert!(!INDEX.text.contains("style=") && !INDEX.text.contains("<style"));
        assert!(!INDEX.text.contains("onclick") && INDEX.text.matches("<script").count() == 1);
        for file in FILES.iter().chain([&INDEX]) {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!file.text.contains(word), "{} has {word}", file.name);
            }
            let foreign = file.text.match_indices("http").filter(|(at, _)| {
                let rest = &file.text[*at..];
                rest.starts_with("http://") || rest.starts_with("https://")
            });
            let foreign: Vec<&str> = foreign.map(|(at, _)| &file.text[at..(at + 30).min(file.text.len())]).collect();
            assert!(foreign.iter().all(|text| text.starts_with("http://www.w3.org/2000/svg")), "{foreign:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_known_is_not_sent_again() {
        let first = serve(&INDEX, &HeaderMap::new());
        let tag = first.headers()[header::ETAG].clone();
        let again = serve(&INDEX, &HeaderMap::from_iter([(header::IF_NONE_MATCH, tag)]));
        assert_eq!((first.status(), again.status()), (StatusCode::OK, StatusCode::NOT_MODIFIED));
    }
}

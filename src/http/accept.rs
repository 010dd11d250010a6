//! Which format of a report a caller prefers.

use super::problem::Problem;
use axum::http::{HeaderMap, header};

/// Formats of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Markdown,
    /// For programs.
    Json,
}

/// The format that `Accept` prefers; Markdown where it does not say, or likes both alike.
///
/// # Errors
/// 406 if it wants neither.
pub fn preferred(headers: &HeaderMap) -> Result<Format, Problem> {
    let values: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() {
        return Ok(Format::Markdown);
    }
    let all = values.join(",");
    let markdown = quality(&all, "text", "markdown").max(quality(&all, "text", "plain"));
    let json = quality(&all, "application", "json");
    if markdown <= 0.0 && json <= 0.0 {
        return Err(Problem::not_acceptable("a report can be had as text/markdown and as application/json"));
    }
    Ok(if json > markdown { Format::Json } else { Format::Markdown })
}

/// The weight of the most exact range that covers a media type.
fn quality(accept: &str, kind: &str, subtype: &str) -> f32 {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let (range_kind, range_subtype) = parts.next()?.split_once('/')?;
        let exactness = match (range_kind, range_subtype) {
            ("*", "*") => 0,
            (k, "*") if k.eq_ignore_ascii_case(kind) => 1,
            (k, s) if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) => 2,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
        Some((exactness, weight))
    });
    ranges.max_by_key(|(exactness, _)| *exactness).map_or(0.0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(accept: &str) -> Option<Format> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        preferred(&headers).ok()
    }

    #[test]
    fn the_preferred_format_is_chosen() {
        assert_eq!(preferred(&HeaderMap::new()).unwrap(), Format::Markdown);
        assert_eq!(choose("*/*"), Some(Format::Markdown));
        assert_eq!(choose("text/html,application/xhtml+xml,*/*;q=0.8"), Some(Format::Markdown));
        assert_eq!(choose("application/json"), Some(Format::Json));
        assert_eq!(choose("application/json, text/markdown;q=0.9"), Some(Format::Json));
        assert_eq!(choose("application/json;q=0.1, text/*"), Some(Format::Markdown));
        assert_eq!(choose("application/json, */*;q=0.1"), Some(Format::Json));
        assert_eq!(choose("image/png"), None);
    }
}

//! Addresses, checked when they are read: a mistake shows in `oncalld check`, not in the middle of the night.

use crate::document::{Decode as _, Fields, Node, Reports};

/// An address of one of these schemes; without the slash at its end. Outer `None` after a mistake.
pub(super) fn optional(fields: &Fields<'_>, name: &'static str, schemes: &[&str]) -> Option<Option<String>> {
    match fields.raw(name) {
        Some(node) => url(node, schemes, fields.reports).map(Some),
        None => Some(None),
    }
}

/// An address of one of these schemes.
pub(super) fn url(node: &Node, schemes: &[&str], reports: &Reports) -> Option<String> {
    let text = String::decode(node, reports)?;
    let problem = match text.split_once("://") {
        Some((scheme, rest)) if schemes.contains(&scheme) => authority_problem(rest),
        _ => Some("it has none of the schemes that can be used here"),
    };
    match problem {
        None => Some(text.trim_end_matches('/').to_owned()),
        Some(problem) => {
            // The address may hold a password, so it is not repeated.
            reports.at(
                node,
                format!("this is no address: {problem}"),
                format!("write {}://host:port", schemes.join(":// or ")),
            );
            None
        }
    }
}

fn authority_problem(rest: &str) -> Option<&'static str> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        // In brackets, the colons are those of an IPv6 address.
        Some((_, port)) if !port.ends_with(']') && port.parse::<u16>().is_err() => {
            return Some("its port is no number");
        }
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    if host.is_empty() {
        return Some("it has no host");
    }
    if authority.contains('@') {
        return Some("names and passwords do not belong into it");
    }
    rest.chars().any(|c| c.is_whitespace() || c.is_control()).then_some("it has spaces")
}

/// `host:port`.
pub(super) fn address(node: &Node, reports: &Reports) -> Option<String> {
    let text = String::decode(node, reports)?;
    if text.contains("://") || authority_problem(&text).is_some() || !text.contains(':') {
        reports.at(node, format!("'{text}' is no address"), "write host:port");
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::authority_problem;

    #[test]
    fn what_cannot_be_reached_is_told() {
        for right in ["host", "host:80/path", "[::1]:9090", "[::1]", "10.0.0.1:1"] {
            assert_eq!(authority_problem(right), None, "{right}");
        }
        for wrong in ["", ":80", "host:port", "user:pw@host", "ho st:80", "host:99999"] {
            assert!(authority_problem(wrong).is_some(), "{wrong}");
        }
    }
}

//! Who asks, and what they may do.
//!
//! | role | may |
//! |---|---|
//! | viewer | read everything |
//! | responder | diagnose, run operations, comment, take over, release, close, throw the kill switch |
//! | approver | approve and deny, as far as the request's own role and quorum allow |
//! | admin | reset the kill switch, and everything else |
//!
//! Without any configured token only this machine is answered, and everyone on it is an admin named `local`.

use super::{Api, problem::Problem};
use crate::config::{Role, TokenConfig};
use crate::domain::Digest;
use crate::engine::Identity;
use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{hint::black_box, net::SocketAddr};

/// A WebSocket of a browser can carry no `Authorization`; tokens in addresses end up in logs. So the token comes as a
/// subprotocol: as it is, or in base 64 (for URLs, without padding) where it has characters that a header cannot have.
const PROTOCOL_PREFIX: &str = "bearer.";
const ENCODED_PROTOCOL_PREFIX: &str = "bearer64.";

/// Headers that a proxy adds. Behind one, everybody seems to come from this machine.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Says who asks.
///
/// # Errors
/// 401 without a token or with an unknown one; 403 without configured tokens from another machine.
pub fn identify(tokens: &[TokenConfig], headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<Identity, Problem> {
    if tokens.is_empty() {
        return local(headers, peer);
    }
    let Some(given) = given(headers) else {
        return Err(Problem::unauthenticated("send a token: Authorization: Bearer <token>"));
    };
    let digest = Digest::of(given.as_bytes());
    // All are compared, whichever matches.
    let mut found = None;
    for token in tokens {
        if equal(token.hash.as_str(), digest.as_str()) {
            found = Some(token);
        }
    }
    match found {
        Some(token) => Ok(Identity { name: token.name.clone(), role: token.role }),
        None => Err(Problem::unauthenticated("this token is not known; its SHA-256 must be in the configured tokens")),
    }
}

fn local(headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<Identity, Problem> {
    let here = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if !here || FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return Err(Problem::forbidden(
            "without configured tokens only this machine is answered, and no proxy; configure tokens in platform.yml",
        ));
    }
    Ok(Identity { name: "local".into(), role: Role::Admin })
}

fn given(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned());
    }
    let protocols = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    protocols.split(',').map(str::trim).find_map(|protocol| {
        if let Some(encoded) = protocol.strip_prefix(ENCODED_PROTOCOL_PREFIX) {
            return String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok();
        }
        protocol.strip_prefix(PROTOCOL_PREFIX).map(str::to_owned)
    })
}

/// Takes as long for the first difference as for the last.
fn equal(left: &str, right: &str) -> bool {
    let differences = left.bytes().zip(right.bytes()).fold(0, |sum, (l, r)| black_box(sum | (l ^ r)));
    left.len() == right.len() && differences == 0
}

async fn with_role(parts: &mut Parts, api: &Api, needed: Role) -> Result<Identity, Problem> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let config = api.engine.config();
    let identity = identify(&config.platform.tokens, &parts.headers, peer)?;
    need(&identity, needed)?;
    Ok(identity)
}

/// Checks that somebody may do something.
///
/// # Errors
/// 403, naming the role that is needed.
pub fn need(identity: &Identity, needed: Role) -> Result<(), Problem> {
    if identity.role >= needed {
        return Ok(());
    }
    let (has, needs) = (identity.role.as_str(), needed.as_str());
    Err(Problem::forbidden(format!("{} has the role {has}; this needs {needs}", identity.name)))
}

macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        pub struct $name(pub Identity);

        impl FromRequestParts<Api> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
                with_role(parts, api, Role::$name).await.map(Self)
            }
        }
    )*};
}

callers! {
    /// Someone who may at least read.
    Viewer
    /// Someone who may at least start work and stop it.
    Responder
    /// Someone who may at least decide.
    Approver
    /// Someone who may do everything.
    Admin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HeaderName::from_static(name), value.parse().unwrap())])
    }

    fn tokens() -> Vec<TokenConfig> {
        [("ann", Role::Approver, "ann's/token="), ("bob", Role::Viewer, "bobs-token")]
            .map(|(name, role, token)| TokenConfig { name: name.into(), role, hash: Digest::of(token.as_bytes()) })
            .into()
    }

    #[test]
    fn a_token_names_its_owner() {
        let who = |headers: &HeaderMap| identify(&tokens(), headers, None).map(|identity| identity.name);
        assert_eq!(who(&headers("authorization", "Bearer bobs-token")).unwrap(), "bob");
        assert_eq!(who(&headers("authorization", "bearer ann's/token=")).unwrap(), "ann");
        assert_eq!(who(&headers("sec-websocket-protocol", "oncalld.v1, bearer.bobs-token")).unwrap(), "bob");
        let encoded = format!("oncalld.v1, bearer64.{}", URL_SAFE_NO_PAD.encode("ann's/token="));
        assert_eq!(who(&headers("sec-websocket-protocol", &encoded)).unwrap(), "ann");
        for wrong in ["Bearer nobodys", "Basic bobs-token", "Bearer", "bobs-token", "Bearer "] {
            assert_eq!(who(&headers("authorization", wrong)).unwrap_err().status, 401, "{wrong}");
        }
        assert_eq!(who(&HeaderMap::new()).unwrap_err().status, 401);
    }

    #[test]
    fn without_tokens_only_this_machine_is_answered() {
        let from = |address: &str, headers: &HeaderMap| identify(&[], headers, address.parse().ok());
        for here in ["127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert_eq!(from(here, &HeaderMap::new()).unwrap().role, Role::Admin);
        }
        assert_eq!(from("10.0.0.1:5", &HeaderMap::new()).unwrap_err().status, 403);
        assert_eq!(from("unknown", &HeaderMap::new()).unwrap_err().status, 403);
        assert_eq!(from("127.0.0.1:5", &headers("x-forwarded-for", "10.0.0.1")).unwrap_err().status, 403);
    }

    #[test]
    fn digests_are_equal_only_as_a_whole() {
        assert!(equal("abc", "abc"));
        assert!(!equal("abc", "abd") && !equal("abc", "ab") && !equal("", "a"));
    }
}

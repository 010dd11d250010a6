//! Senders that are who they say, and others.

use super::auth::*;
use crate::config::{Secret, SenderAuth, SenderConfig};
use crate::domain::{Digest, SenderKind, Timestamp};
use base64::Engine as _;

const BODY: &[u8] = br#"{"version":"1"}"#;

fn now() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

/// Computed with OpenSSL: `printf '%s' … | openssl dgst -sha256 -hmac s3cret`.
const SIGNED_BODY: &str = "c859b35672b3200f3e6b662c7e2ef6e9db8cd75cf5c97a27b13913efe70b1e70";
const SIGNED_WITH_TIME: &str = "444cdcd84483fa6fee9fecee30d31bfda753051ab1ecb00030dd24cf2baccf4a";
const TIME: &str = "1795219200";

fn hmac() -> SenderAuth {
    SenderAuth::Hmac { secret: Secret::new("s3cret") }
}

fn bearer() -> SenderAuth {
    SenderAuth::Bearer { hash: Digest::of(b"token") }
}

fn check(auth: &SenderAuth, given: Credentials<'_>) -> Result<(), AuthError> {
    authenticate(auth, &given, BODY, now())
}

fn authorization(text: &str) -> Credentials<'_> {
    Credentials { authorization: Some(text), ..Credentials::default() }
}

#[test]
fn bearer_tokens() {
    assert_eq!(check(&bearer(), authorization("Bearer token")), Ok(()));
    assert_eq!(check(&bearer(), authorization("bearer  token ")), Ok(()));
    assert_eq!(check(&bearer(), authorization("Bearer tokem")), Err(AuthError::Wrong));
    assert_eq!(check(&bearer(), authorization("Bearer")), Err(AuthError::Wrong));
    assert_eq!(check(&bearer(), authorization("Basic dG9rZW4=")), Err(AuthError::Missing));
    assert_eq!(check(&bearer(), Credentials::default()), Err(AuthError::Missing));
}

#[test]
fn basic_passwords() {
    let auth = SenderAuth::Basic { user: "am".into(), hash: Digest::of(b"pass:word") };
    let encode = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    assert_eq!(check(&auth, authorization(&encode("am:pass:word"))), Ok(()));
    for wrong in ["am:password", "AM:pass:word", "am", "", ":"] {
        assert_eq!(check(&auth, authorization(&encode(wrong))), Err(AuthError::Wrong), "{wrong}");
    }
    assert_eq!(check(&auth, authorization("Basic ***")), Err(AuthError::Wrong));
}

#[test]
fn signatures_of_the_body() {
    fn signed(signature: &str) -> Credentials<'_> {
        Credentials { signature: Some(signature), ..Credentials::default() }
    }
    assert_eq!(check(&hmac(), signed(SIGNED_BODY)), Ok(()));
    assert_eq!(check(&hmac(), signed(&SIGNED_BODY.to_uppercase())), Ok(()));
    for wrong in ["", "zz", "abc", &SIGNED_BODY[..62], SIGNED_WITH_TIME] {
        assert_eq!(check(&hmac(), signed(wrong)), Err(AuthError::Wrong), "{wrong}");
    }
    assert_eq!(authenticate(&hmac(), &signed(SIGNED_BODY), b"{}", now()), Err(AuthError::Wrong));
    assert_eq!(check(&hmac(), Credentials::default()), Err(AuthError::Missing));
}

#[test]
fn a_signed_timestamp_bounds_how_old_a_request_may_be() {
    let given = Credentials { signature: Some(SIGNED_WITH_TIME), timestamp: Some(TIME), authorization: None };
    assert_eq!(check(&hmac(), given), Ok(()));
    let later = now() + TIMESTAMP_TOLERANCE.as_chrono() + chrono::Duration::seconds(1);
    assert_eq!(authenticate(&hmac(), &given, BODY, later), Err(AuthError::Stale));
    let earlier = now() - TIMESTAMP_TOLERANCE.as_chrono() - chrono::Duration::seconds(1);
    assert_eq!(authenticate(&hmac(), &given, BODY, earlier), Err(AuthError::Stale));
    assert_eq!(check(&hmac(), Credentials { timestamp: None, ..given }), Err(AuthError::Wrong), "taken away");
    assert_eq!(
        check(&hmac(), Credentials { timestamp: Some("1795219201"), ..given }),
        Err(AuthError::Wrong),
        "renewed"
    );
}

#[test]
fn a_sender_is_known_by_its_credentials() {
    let sender = |name: &str, kind, auth| SenderConfig {
        name: name.into(),
        group: name.into(),
        kind,
        auth,
        external_url: None,
        external_auth: None,
    };
    let senders = [
        sender("open", SenderKind::Alertmanager, SenderAuth::None),
        sender("token", SenderKind::Alertmanager, bearer()),
        sender("signed", SenderKind::Grafana, hmac()),
    ];
    let who = |kind, given| identify(&senders, kind, &given, BODY, now()).map(|sender| sender.name.as_str());
    assert_eq!(who(SenderKind::Alertmanager, authorization("Bearer token")), Ok("token"));
    assert_eq!(who(SenderKind::Alertmanager, Credentials::default()), Ok("open"));
    assert_eq!(who(SenderKind::Grafana, Credentials::default()), Err(AuthError::Missing));
    assert_eq!(who(SenderKind::Grafana, authorization("Bearer token")), Err(AuthError::Missing));
    let none = identify(&senders[..2], SenderKind::Grafana, &Credentials::default(), BODY, now());
    assert_eq!(none.map(|sender| &sender.name), Err(AuthError::NoSender));
}

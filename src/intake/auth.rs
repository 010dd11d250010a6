//! Who sends: bearer, basic and HMAC authentication, as pure functions over header values. Secrets are compared in a
//! time that does not depend on how much of them is right.

use crate::config::{SenderAuth, SenderConfig};
use crate::domain::{Digest, SenderKind, TimeSpan, Timestamp};
use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::hint::black_box;

/// How far a signed timestamp may be from our clock: the usual five minutes, enough for a retry and for clocks that drift.
pub const TIMESTAMP_TOLERANCE: TimeSpan = TimeSpan::from_secs(300);

/// What a request's headers say about its sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct Credentials<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `X-Grafana-Alerting-Signature`: the bare hexadecimal HMAC-SHA256.
    pub signature: Option<&'a str>,
    /// `X-Grafana-Alerting-Timestamp`, where Grafana is told to send one: Unix seconds, signed with the body.
    pub timestamp: Option<&'a str>,
}

/// Why a sender is not let in. It says what was wrong with the request, never how close a guess was.
/// Ordered: a later one is more telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum AuthError {
    /// No sender of this kind is configured.
    #[error("no sender of this kind is configured; add one to `senders` in platform.yml")]
    NoSender,
    /// The request carries nothing that the sender's kind of authentication wants.
    #[error("credentials are missing; send what `senders` in platform.yml asks for")]
    Missing,
    /// What it carries is wrong.
    #[error("the credentials are wrong")]
    Wrong,
    /// The signature is right but old, or our clocks differ.
    #[error("the signed timestamp is more than {TIMESTAMP_TOLERANCE} from our clock: a replay, or clocks that differ")]
    Stale,
}

/// The configured sender that these credentials belong to. One that needs none is the last resort, so that an
/// authenticated sender is known by its name.
///
/// # Errors
/// The most telling reason of those that the senders of this kind gave.
pub fn identify<'a>(
    senders: &'a [SenderConfig],
    kind: SenderKind,
    given: &Credentials<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<&'a SenderConfig, AuthError> {
    let of_kind = || senders.iter().filter(|sender| sender.kind == kind);
    let mut worst = AuthError::NoSender;
    for sender in of_kind().filter(|sender| !matches!(sender.auth, SenderAuth::None)) {
        match authenticate(&sender.auth, given, body, now) {
            Ok(()) => return Ok(sender),
            Err(error) => worst = worst.max(error),
        }
    }
    of_kind().find(|sender| matches!(sender.auth, SenderAuth::None)).ok_or(worst)
}

/// Checks one sender's credentials.
///
/// # Errors
/// What is wrong with them.
pub fn authenticate(auth: &SenderAuth, given: &Credentials<'_>, body: &[u8], now: Timestamp) -> Result<(), AuthError> {
    match auth {
        SenderAuth::None => Ok(()),
        SenderAuth::Bearer { hash } => {
            let token = scheme(given, "bearer")?;
            verdict(same(&Digest::of(token.as_bytes()), hash))
        }
        SenderAuth::Basic { user, hash } => {
            let encoded = scheme(given, "basic")?;
            let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|_| AuthError::Wrong)?;
            let decoded = String::from_utf8(decoded).map_err(|_| AuthError::Wrong)?;
            let (name, password) = decoded.split_once(':').ok_or(AuthError::Wrong)?;
            let name_is_right = same(&Digest::of(name.as_bytes()), &Digest::of(user.as_bytes()));
            let password_is_right = same(&Digest::of(password.as_bytes()), hash);
            verdict(name_is_right & password_is_right)
        }
        SenderAuth::Hmac { secret } => signed(secret.expose(), given, body, now),
    }
}

fn scheme<'a>(given: &Credentials<'a>, wanted: &str) -> Result<&'a str, AuthError> {
    let header = given.authorization.ok_or(AuthError::Missing)?;
    let (scheme, rest) = header.trim().split_once(' ').ok_or(AuthError::Wrong)?;
    if scheme.eq_ignore_ascii_case(wanted) { Ok(rest.trim()) } else { Err(AuthError::Missing) }
}

/// Grafana signs the body, or `timestamp:body` where it sends a timestamp. Taking the timestamp away changes what is
/// verified, so a captured request cannot be made ageless.
fn signed(secret: &str, given: &Credentials<'_>, body: &[u8], now: Timestamp) -> Result<(), AuthError> {
    let signature = from_hex(given.signature.ok_or(AuthError::Missing)?.trim()).ok_or(AuthError::Wrong)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| AuthError::Wrong)?;
    if let Some(timestamp) = given.timestamp {
        mac.update(timestamp.as_bytes());
        mac.update(b":");
    }
    mac.update(body);
    mac.verify_slice(&signature).map_err(|_| AuthError::Wrong)?;
    let Some(timestamp) = given.timestamp else { return Ok(()) };
    let seconds: i64 = timestamp.trim().parse().map_err(|_| AuthError::Wrong)?;
    let distance = now.timestamp().saturating_sub(seconds).unsigned_abs();
    if distance <= TIMESTAMP_TOLERANCE.as_secs() { Ok(()) } else { Err(AuthError::Stale) }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Compares every digit, whatever the first ones were. Both are hashes, so their length is no secret.
fn same(left: &Digest, right: &Digest) -> bool {
    let (left, right) = (left.as_str().as_bytes(), right.as_str().as_bytes());
    let difference = left.iter().zip(right).fold(0, |sum, (l, r)| black_box(sum | (l ^ r)));
    left.len() == right.len() && black_box(difference) == 0
}

fn verdict(right: bool) -> Result<(), AuthError> {
    if right { Ok(()) } else { Err(AuthError::Wrong) }
}

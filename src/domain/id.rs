//! Identifiers. Each is its own type, so that one cannot be passed for another.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; an identifier that nothing knows is answered with "not found" where it is used.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text of the identifier.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// An incident: `inc_` and 12 base-32 characters.
    IncidentId
}
text_id! {
    /// A step, unique in the whole journal: `<incident>.r<plan revision>.<n>`.
    StepId
}
text_id! {
    /// An approval request: `apr_` and 12 hexadecimal digits.
    ApprovalId
}
text_id! {
    /// One webhook delivery or manual request, for answering duplicates.
    DeliveryId
}

impl StepId {
    /// The revision of the plan that made it.
    pub fn revision(&self) -> Option<u32> {
        self.0.rsplit('.').nth(1)?.strip_prefix('r')?.parse().ok()
    }
}

impl IncidentId {
    /// Makes an identifier from random bytes, which the caller supplies because this layer has none.
    pub fn from_entropy(bytes: [u8; 8]) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz"; // Crockford's base 32, without i, l, o, u
        let mut bits = u64::from_be_bytes(bytes);
        let text: String = (0..12)
            .map(|_| {
                let character = ALPHABET[(bits & 31) as usize] as char;
                bits >>= 5;
                character
            })
            .collect();
        Self(format!("inc_{text}"))
    }

    /// The `n`th step of plan revision `revision`.
    pub fn step(&self, revision: u32, n: usize) -> StepId {
        StepId(format!("{}.r{revision}.{n}", self.0))
    }
}

impl ApprovalId {
    /// The identifier of the request to decide on `digest` for `step`; asking again gives another one, as `asked`
    /// counts the requests before it.
    pub fn for_request(step: &StepId, digest: &Digest, asked: usize) -> Self {
        let hash = Digest::of(format!("{step}\n{digest}\n{asked}").as_bytes());
        Self(format!("apr_{}", &hash.as_str()[..12]))
    }
}

text_id! {
    /// A SHA-256 digest, as 64 hexadecimal digits.
    Digest
}

impl Digest {
    /// Hashes bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        }
        Self(text)
    }

    /// Hashes a value in its canonical JSON form (serde_json's maps are ordered by key).
    pub fn of_json(value: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(&serde_json::to_value(value).unwrap_or_default()).unwrap_or_default();
        Self::of(&bytes)
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_does_not_depend_on_the_order_of_keys() {
        let one: serde_json::Value = serde_json::from_str(r#"{"a":1,"b":2}"#).unwrap();
        let two: serde_json::Value = serde_json::from_str(r#"{"b":2,"a":1}"#).unwrap();
        assert_eq!(Digest::of_json(&one), Digest::of_json(&two));
    }

    #[test]
    fn the_same_request_gets_the_same_approval() {
        let step = IncidentId::from_entropy([7; 8]).step(1, 2);
        let digest = Digest::of(b"docker restart api");
        assert_eq!(ApprovalId::for_request(&step, &digest, 0), ApprovalId::for_request(&step, &digest, 0));
        assert_ne!(ApprovalId::for_request(&step, &digest, 0), ApprovalId::for_request(&step, &digest, 1));
    }
}

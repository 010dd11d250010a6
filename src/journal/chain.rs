//! The hash chain: what makes a changed, removed or inserted line of the journal show.
//!
//! The hash of a line is `sha256(hash of the line before, as 64 digits, or nothing || canonical line)`, and the
//! canonical line is `{"at":…,"body":…,"incident":…,"seq":…}`: JSON without spaces, keys in order, times in UTC with
//! nanoseconds. Whoever keeps the last hash elsewhere can tell whether anything before it was touched.

use crate::domain::{Digest, IncidentId, Timestamp};
use chrono::SecondsFormat;

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Position of the last line; 0 if there is none.
    pub seq: u64,
    /// Its hash; empty if there is none.
    pub hash: Digest,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, hash: Digest::new("") }
    }
}

impl Head {
    /// The head after one more line, whose texts are as stored.
    pub fn next(&self, at: &str, incident: Option<&str>, body: &str) -> Self {
        let seq = self.seq + 1;
        let before = &self.hash;
        // `Value`'s display is JSON: it quotes and escapes.
        let incident = serde_json::Value::from(incident);
        let line = format!(r#"{before}{{"at":"{at}","body":{body},"incident":{incident},"seq":{seq}}}"#);
        Self { seq, hash: Digest::of(line.as_bytes()) }
    }
}

/// A time as stored: of fixed width, so that texts sort as the times do, and without loss.
pub(super) fn time_text(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// The canonical text of an event: keys in order.
pub(super) fn body_text(body: &crate::domain::EventBody) -> serde_json::Result<String> {
    serde_json::to_value(body).map(|value| value.to_string())
}

/// The incident's identifier as text.
pub(super) fn incident_text(incident: &Option<IncidentId>) -> Option<&str> {
    incident.as_ref().map(IncidentId::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_line_and_all_that_came_before_count() {
        let at = time_text(Timestamp::UNIX_EPOCH);
        let first = Head::default().next(&at, Some("inc_1"), r#"{"kind":"x"}"#);
        let line = r#"{"at":"1970-01-01T00:00:00.000000000Z","body":{"kind":"x"},"incident":"inc_1","seq":1}"#;
        assert_eq!(first, Head { seq: 1, hash: Digest::of(line.as_bytes()) });

        let others = [
            Head::default().next(&at, None, r#"{"kind":"x"}"#),
            Head::default().next(&at, Some("inc_1"), r#"{"kind":"y"}"#),
            Head { seq: 1, hash: Digest::new("") }.next(&at, Some("inc_1"), r#"{"kind":"x"}"#),
            first.next(&at, Some("inc_1"), r#"{"kind":"x"}"#),
        ];
        assert!(others.iter().all(|other| other.hash != first.hash));
    }
}

use super::*;
use std::collections::BTreeSet;

/// Lines as the journal has them, of every kind and with every outcome.
const STORED: &str = include_str!("stored.jsonl");

/// Lines of earlier versions, which knew less.
const EARLIER: &str = r#"
{"index":0,"kind":"call_finished","left":null,"outcome":{"error":"refused","is":"not_done"},"probed":true,"step":"s","undo":true}
{"clean":true,"kind":"undo_requested","reason":"verify_failed","step":"s"}
{"detail":"it is well","healthy":null,"kind":"target_rechecked"}
"#;

/// The names that serde lists in its complaint about one that is none.
fn kinds() -> BTreeSet<String> {
    let complaint = serde_json::from_str::<EventBody>(r#"{"kind":"no_such_kind"}"#).unwrap_err().to_string();
    complaint.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn what_is_stored_is_read_and_would_be_stored_the_same() {
    let mut seen = BTreeSet::new();
    for line in STORED.lines() {
        let body: EventBody = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(serde_json::to_value(&body).unwrap().to_string(), line);
        seen.insert(body.kind());
    }
    assert_eq!(seen, kinds(), "a line of every kind");
}

#[test]
fn what_earlier_versions_stored_is_read() {
    for line in EARLIER.trim().lines() {
        serde_json::from_str::<EventBody>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

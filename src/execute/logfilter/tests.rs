//! Tests of the filters.

use super::*;
use proptest::prelude::*;

fn collect(level: Option<&str>, pattern: Option<&str>, lines: &[(Stream, &str)]) -> Collected {
    let limits = LogLimits::default();
    let query = LogQuery::new(None, None, None, level, pattern, &limits).unwrap();
    let mut collector = LogCollector::new(query, limits, "api");
    for (stream, line) in lines {
        collector.push(None, *stream, line.as_bytes());
    }
    collector.finish()
}

fn texts(collected: &Collected) -> Vec<&str> {
    collected.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn all_patterns_compile() {
    assert!(ANSI.is_match("\x1b[31m"));
}

#[test]
fn a_stack_trace_stays_whole_and_streams_do_not_mix() {
    use Stream::{Stderr, Stdout};
    let collected = collect(
        Some("error"),
        None,
        &[
            (Stdout, "INFO fine"),
            (Stderr, "Traceback (most recent call last):"),
            (Stdout, "INFO in between"),
            (Stderr, "  File \"a.py\", line 1"),
            (Stderr, "ValueError: bad"),
            (Stderr, "DEBUG after"),
            (Stdout, "ERROR java.lang.Exception: x"),
            (Stdout, "\tat a.b(C.java:1)"),
            (Stdout, "Caused by: y"),
        ],
    );
    assert_eq!(
        texts(&collected),
        [
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: bad",
            "ERROR java.lang.Exception: x\n\tat a.b(C.java:1)\nCaused by: y"
        ]
    );
}

#[test]
fn noise_is_made_harmless_and_patterns_choose() {
    let collected =
        collect(None, Some("x.*y"), &[(Stream::Stdout, "\x1b[31mx \u{202e}y\x1b[0m"), (Stream::Stdout, "z")]);
    assert_eq!(texts(&collected), ["x y"]);
    assert_eq!(collected.matched, 1);
    assert!(LogQuery::new(None, None, None, Some("loud"), None, &LogLimits::default()).is_err());
    assert!(LogQuery::new(None, None, None, None, Some("("), &LogLimits::default()).is_err());
}

#[test]
fn the_newest_records_stay() {
    let limits = LogLimits { total: 10, ..LogLimits::default() };
    let query = LogQuery::new(None, None, Some(3), None, None, &limits).unwrap();
    let mut collector = LogCollector::new(query.clone(), limits, "api");
    for n in 0..100 {
        collector.push(None, Stream::Stdout, format!("line{n}").as_bytes());
    }
    let collected = collector.finish();
    assert_eq!((texts(&collected), collected.dropped), (vec!["line99"], true));
    let result = merged(vec![collected], &query, &limits, 600, false);
    assert_eq!((result["matched"].clone(), result["truncated"].clone()), (json!(100), json!(true)));
}

proptest! {
    #[test]
    fn splitting_does_not_depend_on_how_bytes_arrive(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..400) {
        let split = |parts: &[&[u8]]| {
            let mut splitter = LineSplitter::new(16);
            let mut lines = Vec::new();
            for part in parts {
                splitter.push(part, |line| lines.push(line.to_vec()));
            }
            splitter.finish(|line| lines.push(line.to_vec()));
            lines
        };
        let (left, right) = bytes.split_at(at.min(bytes.len()));
        let whole = split(&[&bytes]);
        prop_assert!(whole.iter().all(|line| line.len() <= 16));
        prop_assert_eq!(whole, split(&[left, right]));
    }
}

//! Briefs that have to be short, and briefs that have to be equal.

use super::*;
use proptest::prelude::*;

/// A diagnosis that saw a great deal, and then the state of its target once more.
fn long() -> Incident {
    let mut incident = incident();
    for n in 5..17 {
        let lines: Vec<Value> =
            (0..40).map(|line| json!({"text": format!("INFO {} {}", "x".repeat(line), "y".repeat(n))})).collect();
        incident.evidence.push(evidence(n, &format!("logs_{n}"), "get_logs", json!({"lines": lines})));
    }
    let last = incident.evidence[0].facts.clone();
    incident.evidence.push(evidence(17, "status_again", "get_status", Value::Object(last)));
    incident
}

#[test]
fn old_evidence_is_cut_first_and_the_status_never() {
    let mut incident = long();
    let whole = incident.planner().unwrap();
    assert_eq!(whole.shortened, 0);
    let shortest = {
        incident.budget = 1;
        let Err(BriefError::TooLong { tokens, budget: 1 }) = incident.planner() else { panic!("it fits") };
        tokens
    };
    assert!(shortest < whole.tokens / 2, "{shortest} of {}", whole.tokens);
    let mut before = usize::MAX;
    for part in 0..8 {
        incident.budget = shortest + (whole.tokens - shortest) * (7 - part) / 7;
        let brief = incident.planner().unwrap();
        assert!(brief.tokens <= incident.budget, "{} of {}", brief.tokens, incident.budget);
        let text = told(&brief);
        for needed in
            ["label alertname: ContainerKilled", "status_again = get_status", "\"exit_reason\":\"oom\"", "Planned"]
        {
            assert!(text.contains(needed), "{needed}: {text}");
        }
        // All that was seen is still named, and can be cited and asked for.
        assert_eq!(text.matches("### Evidence inc_0123456789ab.r1.").count(), 17);
        let marks: Vec<bool> = (1..17).map(|n| text.contains(&format!("r1.{n}: ")) && !is_whole(text, n)).collect();
        assert!(marks.windows(2).all(|pair| pair[0] >= pair[1]), "the oldest are the shortest: {marks:?}");
        assert!(text.len() <= before);
        before = text.len();
    }
    assert!(before < told(&whole).len() / 2);
}

fn is_whole(text: &str, n: usize) -> bool {
    let head = format!("### Evidence inc_0123456789ab.r1.{n}: ");
    let rest = text.split(&head).nth(1).unwrap_or_default();
    let mut lines = rest.lines();
    let first = lines.next().unwrap_or_default();
    !first.contains("left out") && lines.next() != Some("(Shortened.)")
}

#[test]
fn whoever_raises_alerts_cannot_take_all_the_room() {
    let mut incident = incident();
    let annotations = (0..40).map(|n| (format!("text{n:02}"), "w".repeat(2_000)));
    incident.alerts[0].annotations.extend(annotations);
    incident.alerts = vec![incident.alerts[0].clone(); 8];
    assert!(incident.planner().unwrap().tokens > 30_000, "with room, they are told");
    incident.budget = 7_000;
    let brief = incident.planner().unwrap();
    assert!(told(&brief).contains("label alertname: ContainerKilled"), "{}", told(&brief));
}

#[test]
fn a_window_is_numbered_like_the_whole() {
    let mut incident = incident();
    let whole = incident.evidence[2].facts.clone();
    incident.window = Some((2, whole.clone(), 52, 1_000));
    let brief = incident.planner().unwrap();
    assert!(told(&brief).contains("### Lines 52 to 52 of 52 of inc_0123456789ab.r1.3\n"), "{}", told(&brief));
    assert!(told(&brief).contains("│ 52: 2026-11-21T11:59:52Z api-1 stderr FATAL out of memory"));
    for (first, lines) in [(53, 1), (u64::MAX, u64::MAX), (1, 0)] {
        incident.window = Some((2, whole.clone(), first, lines));
        let brief = incident.planner().unwrap();
        assert!(told(&brief).contains("### No such lines of inc_0123456789ab.r1.3: it has 52 lines"));
    }
    let all: Vec<Value> = (0..500).map(|_| json!({"text": "line"})).collect();
    incident.window = Some((2, values(json!({"lines": all})), 0, u64::MAX));
    assert!(told(&incident.planner().unwrap()).contains("### Lines 1 to 200 of 500"));
}

#[test]
fn a_window_of_a_key_shows_nothing_of_it() {
    let body = |n: usize| format!("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8{n:03}");
    let mut texts = vec!["loading the key".to_owned(), "-----BEGIN PRIVATE KEY-----".into()];
    texts.extend((0..26).map(body));
    texts.extend(["Us8cKj==".into(), "-----END PRIVATE KEY-----".into(), "listening".into()]);
    for before in ["", "DEBUG tls: "] {
        let line = |text: &String| json!({"at": at("12:00:01"), "instance": "api-1", "stream": "stderr", "text": format!("{before}{text}")});
        let lines: Vec<Value> = texts.iter().map(line).collect();
        let whole = values(json!({"lines": lines, "matched": 31, "read": 31, "truncated": false}));
        for (first, count) in [(1, 31), (10, 5), (28, 2)] {
            let mut incident = incident();
            incident.window = Some((2, whole.clone(), first, count));
            let brief = incident.planner().unwrap();
            let told = told(&brief);
            let part = &told[told.find("### Lines").unwrap()..];
            assert!(!part.contains("MIIE") && !part.contains("Us8cKj"), "{part}");
            assert!(part.contains("│ 28: 2026-11-21T12:00:01Z api-1 stderr [secret-") || first == 10, "{part}");
            assert!(count < 31 || part.contains(&format!("│ 31: 2026-11-21T12:00:01Z api-1 stderr {before}listening")));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn equal_cases_have_equal_briefs(texts in proptest::collection::vec(".{0,60}", 1..8), budget in 1_000u64..5_000) {
        let made = || {
            let mut incident = long();
            incident.budget = budget;
            let lines: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
            incident.evidence[2].facts["lines"] = Value::Array(lines);
            incident.alerts[0].annotations.insert("text".into(), texts[0].clone());
            (incident.planner(), incident.analyst(), incident.reporter(&texts[0]))
        };
        let (planner, analyst, reporter) = made();
        prop_assert_eq!(&(planner.clone(), analyst, reporter), &made());
        if let Ok(brief) = planner {
            prop_assert!(brief.tokens <= budget);
            let counted: u64 = brief.turns.iter().map(|turn| match turn {
                Turn::Told(text) | Turn::Said(text) => estimate_tokens(text),
            }).sum();
            prop_assert_eq!(brief.tokens, counted + estimate_tokens(&brief.system));
        }
    }
}

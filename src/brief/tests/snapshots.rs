//! Briefs as models read them.

use super::*;

fn shown(brief: &Brief) -> String {
    let turns = brief.turns.iter().map(|turn| match turn {
        Turn::Told(text) => format!("=== told\n{text}"),
        Turn::Said(text) => format!("=== said\n{text}\n"),
    });
    format!("=== system\n{}\n{}", brief.system.trim_end(), turns.collect::<String>())
}

#[test]
fn planner() {
    insta::assert_snapshot!(shown(&incident().planner().unwrap()));
}

#[test]
fn analyst() {
    let mut incident = incident();
    let whole = incident.evidence[2].facts.clone();
    incident.window = Some((2, whole, 50, 10));
    incident.again = Some(("{\"findings\":[]".into(), vec!["expected a comma at column 15".into()]));
    insta::assert_snapshot!(shown(&incident.analyst().unwrap()));
}

#[test]
fn reporter() {
    let done = "update_resources on api: memory_limit: 64MiB → 128MiB, approved by ada";
    insta::assert_snapshot!(shown(&incident().reporter(done).unwrap()));
}

#[test]
fn secrets_keep_one_number_and_are_told_nowhere() {
    let mut incident = incident();
    incident.alerts[0].annotations.insert("hint".into(), "try hunter2hunter2".into());
    incident.evidence[1].facts["events"][0]["attributes"]["env"] = json!("PGPASSWORD=hunter2hunter2");
    incident.note = Some("the password is hunter2\u{200b}hunter2, by the way".into());
    for brief in [incident.planner(), incident.analyst(), incident.reporter("with hunter2hunter2")] {
        let brief = shown(&brief.unwrap());
        assert!(!brief.contains("hunter2"), "{brief}");
        assert!(!brief.contains("[redacted:"), "{brief}");
        let number = brief.split("hint: try ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        assert!(number.starts_with("[secret-") && brief.matches(number).count() >= 3, "{number}: {brief}");
    }
}

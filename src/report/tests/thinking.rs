//! What models had to do with it: told apart from what is known.

use super::*;

const HOSTILE: &str = "It was killed.\n\n# Verdict: all is well\n<script>alert(1)</script> see [here](http://evil.example) \
    or www.evil.example \u{202e}\u{1b}[2J\n![x](http://evil.example/x.png)\n- Verdict: **resolved**\n<http://evil.example>";

fn exchange(index: u32, agent: AgentRole, outcome: ExchangeOutcome, unused: Option<&str>) -> Exchange {
    let failed = matches!(outcome, ExchangeOutcome::Failed { .. });
    let (model, usage) = if failed { ("", Usage::default()) } else { ("mini", Usage { input: 1_000, output: 104 }) };
    let end = ExchangeEnd {
        model: model.into(),
        request: Digest::of(b"q"),
        answer: None,
        usage,
        cost: Cost(if failed { 0 } else { 2_100 }),
        milliseconds: 1_250,
        outcome,
    };
    Exchange {
        index,
        agent,
        diagnosis: 1,
        seen: 2,
        faults: if index == 3 { vec!["steps[0]: no such operation".into()] } else { Vec::new() },
        windows: Vec::new(),
        process: "one".into(),
        models: vec!["mini".into()],
        differences: Vec::new(),
        about: None,
        reserved: Default::default(),
        began_at: at("00:00:04"),
        end: Some(end),
        settled: true,
        unused: unused.map(str::to_owned),
    }
}

fn proposed() -> ExchangeOutcome {
    let step = json!({"name": "cpu", "phase": "isolation", "operation": "check_resources", "target": "api",
        "arguments": {}, "reason": "", "expects": {"when": null, "success": null, "duration": null, "meanings": []}});
    let proposal = json!({"summary": "", "keep": [], "steps": [step], "remedy": null, "windows": []});
    ExchangeOutcome::Proposed { proposal: serde_json::from_value(proposal).unwrap() }
}

/// An incident that models had to do with: one claims something, one was refused, one wrote what it liked.
fn thought() -> Incident {
    let mut incident = diagnosed();
    let claims = Claims { summary: String::new(), findings: Vec::new() };
    let refused = "the answer was refused: steps[0]: no such operation";
    incident.exchanges = vec![
        exchange(1, AgentRole::Analyst, ExchangeOutcome::Claimed { claims }, None),
        exchange(2, AgentRole::Planner, proposed(), Some(refused)),
        exchange(3, AgentRole::Planner, proposed(), None),
        exchange(
            4,
            AgentRole::Planner,
            ExchangeOutcome::Failed { error: String::new() },
            Some("no model answered within 30s; the runbooks serve"),
        ),
        exchange(5, AgentRole::Reporter, ExchangeOutcome::Written { text: HOSTILE.into() }, None),
    ];
    incident.thought =
        Thought { questions: 5, unused: 2, usage: Usage { input: 4_000, output: 416 }, cost: Cost(8_400) };
    incident.prose = Some(Prose { model: "mini".into(), at: at("00:06:00"), text: HOSTILE.into() });
    incident.findings.push(Finding {
        id: "claim_1_1".into(),
        runbook: String::new(),
        summary: "its cache <b>grows</b> without end".into(),
        cause: None,
        cites: vec![incident.steps[0].step.id.clone()],
        model: Some("mini".into()),
    });
    let expects = json!({"when": null, "success": "logs.matched == 0", "duration": "5s", "meanings": []});
    let logs = &mut incident.steps[1];
    logs.step.expects = Some(serde_json::from_value(expects).unwrap());
    logs.judged = Some(Judged { held: Some(false), problem: None, meaning: Some("something [is](x) wrong".into()) });
    incident
}

#[test]
fn what_models_did_is_told_and_what_they_say_is_told_as_theirs() {
    let incident = thought();
    let mut bodies = beginning(&incident);
    for exchange in &incident.exchanges {
        let (index, end) = (exchange.index, exchange.end.clone().unwrap());
        bodies.push(("00:00:05", EventBody::ExchangeEnded { index, end }));
        bodies.push(("00:00:05", EventBody::ExchangeSettled { index, unused: exchange.unused.clone() }));
    }
    bodies.push(("00:00:06", EventBody::FindingMade { finding: incident.findings[1].clone() }));
    insta::assert_snapshot!(markdown(&incident, &events(bodies)));
}

#[test]
fn the_data_of_a_report_have_it_too() {
    let report = json(&thought(), &[]);
    assert_eq!(report["thinking"]["sums"]["usage"], json!({"input": 4_000, "output": 416}));
    assert_eq!(report["thinking"]["questions"][3]["unused"], "no model answered within 30s; the runbooks serve");
    assert_eq!((&report["prose"]["model"], &report["findings"][1]["model"]), (&json!("mini"), &json!("mini")));
    assert_eq!(report["evidence"][1]["judged"]["held"], false);
    let without = json(&diagnosed(), &[]);
    assert_eq!((&without["thinking"], &without["prose"]), (&json!(null), &json!(null)));
}

#[test]
fn words_about_another_verdict_are_not_shown() {
    let mut incident = thought();
    incident.prose = None;
    let text = markdown(&incident, &[]);
    assert!(!text.contains("In a model's words") && !text.contains("all is well"), "{text}");
    assert!(text.contains("about an earlier verdict, and is not shown"), "{text}");
}

#[test]
fn nothing_that_a_model_wrote_takes_effect() {
    let text = markdown(&thought(), &[]);
    let words = text.split("## ").find(|part| part.starts_with("In a model's words")).expect("its words");
    for line in words.lines().skip(4) {
        let prose: String = line.split('`').step_by(2).collect();
        for (sign, escaped) in [("<", "\\<"), ("](", "\\]("), ("://", "\\://"), ("**", "\\**")] {
            assert_eq!(prose.matches(sign).count(), prose.matches(escaped).count(), "{sign} in {line}");
        }
        assert!(!line.starts_with(['#', '-', '>', '=']) && !line.contains(['\u{1b}', '\u{202e}']), "{line}");
    }
}

//! Whole reports, as people read them.

use super::*;

#[test]
fn resolved_with_an_approval() {
    let mut action = action(true);
    action.verify = Some(VerifyRecord {
        held: true,
        independent: Some(true),
        detail: "it is ready for 60s (ready); the alert's expression is empty".into(),
        criterion: Some("evidence.ready && !evidence.crash_looping".into()),
        at: at("00:06:00"),
    });
    let mut incident = treated(action.clone(), StepStatus::Succeeded);
    incident.approvals = vec![approval(&action, ApprovalState::Consumed, &["alice"], Some("go ahead"))];
    let mut bodies = beginning(&incident);
    bodies.extend([
        ("00:03:58", decided(Decision::Approve, Some("go ahead"))),
        ("00:04:00", intended(false)),
        (
            "00:06:00",
            EventBody::VerifyFinished {
                step: remedy().id,
                held: true,
                independent: Some(true),
                detail: "it is ready for 60s (ready)".into(),
                criterion: None,
                evidence: None,
            },
        ),
        (
            "00:06:01",
            EventBody::VerdictReached {
                verdict: Verdict::Resolved,
                reason: incident.verdict_reason.clone(),
                cites: vec![],
            },
        ),
        ("00:06:30", EventBody::IncidentClosed { by: None, reason: "resolved".into() }),
    ]);
    let events = events(bodies);
    insta::assert_snapshot!(markdown(&incident, &events));
    insta::assert_json_snapshot!("resolved_with_an_approval_json", json(&incident, &events));
}

#[test]
fn denied() {
    let action = action(false);
    let mut incident = treated(action.clone(), StepStatus::Skipped);
    incident.approvals = vec![approval(&action, ApprovalState::Denied, &["alice"], Some("not during the sale"))];
    incident.verdict = Some(Verdict::Unresolved);
    incident.verdict_reason = "the remedy was denied".into();
    incident.escalated = Some("the remedy was denied".into());
    incident.escalations = 1;
    incident.state = IncidentState::Escalated;
    incident.closed_at = None;
    incident.alerts = vec![alert(AlertStatus::Firing)];
    let mut bodies = beginning(&incident);
    bodies.push(("00:04:00", decided(Decision::Deny, Some("not during the sale"))));
    bodies.push((
        "00:04:01",
        EventBody::NotificationFinished {
            channel: "pager".into(),
            subject: "escalation:1".into(),
            error: Some("connection refused".into()),
        },
    ));
    insta::assert_snapshot!(markdown(&incident, &events(bodies)));
}

#[test]
fn manual() {
    let mut incident = diagnosed();
    incident.verdict = Some(Verdict::Unresolved);
    incident.verdict_reason = "the remedy is for people".into();
    incident.manual = vec![ManualRemedy {
        remedy: "restore_setting".into(),
        instructions: "Set DATABASE_URL in compose.yml, then:\n  docker compose up -d api\n```\n".into(),
        reason: "neither a declared nor a last good value is known".into(),
    }];
    incident.escalated = Some("a person must set DATABASE_URL".into());
    incident.escalations = 2;
    insta::assert_snapshot!(markdown(&incident, &events(beginning(&incident))));
}

#[test]
fn no_fault() {
    let mut incident = diagnosed();
    incident.findings.clear();
    incident.cause = None;
    incident.steps.truncate(1);
    incident.verdict = Some(Verdict::NoFault);
    incident.verdict_reason = "everything that was looked at is as it should be".into();
    incident.trigger = Trigger::Diagnose { name: "bob".into(), note: "*looks* slow".into() };
    incident.alerts.clear();
    let bodies = vec![("00:00:02", EventBody::CommentAdded { by: "bob".into(), text: "thanks [all](x)".into() })];
    incident.comments = vec![Comment { at: at("00:00:02"), by: "bob".into(), text: "thanks [all](x)".into() }];
    insta::assert_snapshot!(markdown(&incident, &events(bodies)));
}

#[test]
fn undone() {
    let mut action = action(true);
    action.verify = Some(VerifyRecord {
        held: false,
        independent: None,
        detail: "it died again after 12s".into(),
        criterion: None,
        at: at("00:05:00"),
    });
    action.undo_wanted =
        Some(UndoWanted { reason: UndoReason::VerifyFailed, why: String::new(), clean: true, seen: None });
    action.undone = Some(true);
    let mut back = action.calls[0].clone();
    back.command = action.binding.undo_commands().remove(0);
    back.intended_at = at("00:05:10");
    action.undo_calls = vec![back];
    let mut incident = treated(action.clone(), StepStatus::Failed);
    incident.approvals = vec![approval(&action, ApprovalState::Consumed, &["alice"], None)];
    incident.verdict = Some(Verdict::Unresolved);
    incident.verdict_reason = "the remedy did not help and was taken back".into();
    let mut bodies = beginning(&incident);
    bodies.extend([
        ("00:04:00", intended(false)),
        (
            "00:05:09",
            EventBody::UndoRequested {
                step: remedy().id,
                reason: UndoReason::VerifyFailed,
                why: String::new(),
                clean: true,
                seen: None,
            },
        ),
        ("00:05:10", intended(true)),
        (
            "00:05:12",
            EventBody::UndoFinished { step: remedy().id, undone: true, detail: "the limit is as before".into() },
        ),
    ]);
    insta::assert_snapshot!(markdown(&incident, &events(bodies)));
}

#[test]
fn nothing_hostile_becomes_markup() {
    let incident = diagnosed();
    let text = markdown(&incident, &events(beginning(&incident)));
    let mut fence: Option<String> = None;
    for line in text.lines() {
        let run: String = line.trim_start().chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if line.trim() == *open => fence = None,
            Some(_) => {}
            None if run.len() >= 3 => fence = Some(run),
            // Inline code (commands, expressions) stands between single backticks.
            None => {
                let prose: String = line.split('`').step_by(2).collect();
                assert_eq!(prose.matches('<').count(), prose.matches("\\<").count(), "{line}");
            }
        }
    }
    assert!(fence.is_none());
}

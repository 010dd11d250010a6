use super::*;
use serde_json::json;

fn event(body: serde_json::Value) -> Event {
    let mut whole = json!({"seq": 1, "at": "2026-11-21T12:00:01Z", "incident": "inc_1", "hash": ""});
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

#[test]
fn a_step_is_named_by_the_plan_that_it_came_from() {
    let mut feed = Feed::new(Style::plain());
    let plan = json!({"kind": "plan_made", "reason": "an alert fired", "plan": {"revision": 1,
        "source": {"by": "runbook", "runbooks": ["general"]}, "phases": [{"name": "triage", "steps": [{
        "id": "inc_1.r1.0", "name": "status", "operation": "get_status", "target": "api", "arguments": {},
        "reason": "", "role": {"is": "diagnose"}, "timeout": "10s"}]}]}});
    assert_eq!(feed.render(&event(plan)), ["12:00:01  plan        an alert fired  (triage 1)"]);
    let finished = json!({"kind": "step_finished", "step": "inc_1.r1.0", "attempt": 1, "milliseconds": 12,
        "outcome": {"is": "succeeded", "evidence": {"step": "inc_1.r1.0", "name": "status",
        "operation": "get_status", "target": "api", "at": "2026-11-21T12:00:01Z", "commands": [], "digest": "",
        "facts": {"state": "exited", "exit_reason": "oom", "exit_code": 137}, "truncated": false}}});
    assert_eq!(feed.render(&event(finished)), ["12:00:01  triage      get_status api … ok  exited (oom, exit 137)"]);
}

#[test]
fn a_feed_of_all_incidents_names_them() {
    let comment = event(json!({"kind": "comment_added", "by": "ann", "text": "hello\n\u{1b}[2J"}));
    assert_eq!(Feed::of_all(Style::plain()).render(&comment), ["12:00:01  inc_1  comment     ann: hello [2J"]);
}

#[test]
fn what_only_machines_care_about_is_left_out() {
    let started = json!({"kind": "step_started", "step": "inc_1.r1.0", "attempt": 1});
    assert!(Feed::new(Style::plain()).render(&event(started)).is_empty());
}

fn shown(body: serde_json::Value) -> String {
    Feed::new(Style::plain()).render(&event(body)).join("\n")
}

fn ended(outcome: serde_json::Value) -> serde_json::Value {
    json!({"kind": "exchange_ended", "index": 1, "end": {"model": "mini", "request": "00", "answer": "01", "cost": 2_100,
        "usage": {"input": 1_000, "output": 204}, "milliseconds": 1_342, "outcome": outcome}})
}

#[test]
fn a_question_to_models_is_seen_while_it_happens() {
    let begun = |faults: serde_json::Value, windows: serde_json::Value| {
        json!({"kind": "exchange_begun", "index": 1, "agent": "planner", "diagnosis": 1, "seen": 3, "faults": faults,
            "windows": windows, "process": "p", "models": ["mini", "large"]})
    };
    assert_eq!(shown(begun(json!([]), json!([]))), "12:00:01  asking      planner (mini, large)…");
    assert_eq!(
        shown(begun(json!(["a", "b"]), json!([]))),
        "12:00:01  asking      planner (mini, large) again, with 2 faults of its answer…"
    );
    let window = json!({"evidence": "inc_1.r1.1", "first": 1, "lines": 20});
    assert_eq!(
        shown(begun(json!([]), json!([window]))),
        "12:00:01  asking      planner (mini, large) with 1 part of what was captured…"
    );
    let claims = json!({"is": "claimed", "claims": {"summary": "s", "findings": []}});
    assert_eq!(shown(ended(claims)), "12:00:01  answer      mini made no findings (1,204 tokens, 0.0021, 1.3s)");
    let settled = |unused: &str| json!({"kind": "exchange_settled", "index": 1, "unused": unused});
    assert_eq!(
        shown(settled("no model answered within 30s; the runbooks serve")),
        "12:00:01  not used    no model answered within 30s; the runbooks serve"
    );
    assert_eq!(shown(json!({"kind": "exchange_settled", "index": 1, "unused": null})), "");
}

#[test]
fn what_a_model_plans_expects_and_claims_is_told_as_its_own() {
    let step = json!({"id": "inc_1.r2.1", "name": "db_logs", "operation": "get_logs", "target": "db", "arguments": {},
        "reason": "it may have\nrefused it", "role": {"is": "diagnose"}, "timeout": "10s", "expects": {"when": null,
        "success": "db_logs.matched == 0", "duration": "5s", "meanings": []}});
    let plan = json!({"kind": "plan_made", "reason": "look closer", "plan": {"revision": 2,
        "source": {"by": "model", "model": "mini"}, "phases": [{"name": "isolation", "steps": [step]}]}});
    assert_eq!(
        shown(plan),
        "12:00:01  plan        by mini: look closer  (isolation 1)\n                      get_logs db: it may have refused it (about 5s)"
    );
    let judged = json!({"kind": "expectation_judged", "step": "inc_1.r2.1", "held": false, "problem": null,
        "meaning": "it refuses"});
    assert_eq!(
        shown(judged),
        "12:00:01  step        inc_1.r2.1: not as the model expected; by the model, this means: it refuses"
    );
    let finding = json!({"kind": "finding_made", "finding": {"id": "claim_1_1", "runbook": "", "model": "mini",
        "summary": "its cache grows", "cause": null, "cites": ["inc_1.r1.1"]}});
    assert_eq!(shown(finding), "12:00:01  finding     the model mini claims: its cache grows");
}

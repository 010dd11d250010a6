//! Several people, one request: one decides, and everybody else is told what became of it, however late they come.

use super::{WAIT, asked, daemon, idle, of_kind};
use crate::support::daemon::{Daemon, Settings};
use crate::support::http::{Answer, Http};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A daemon on which several people may decide; each has their name as token.
fn shared_by(names: &[&str]) -> Daemon {
    shared_with(names, Settings::of(idle("api")))
}

fn shared_with(names: &[&str], mut settings: Settings) -> Daemon {
    let tokens: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "role": "approver", "hash": hash(name)})).collect();
    settings.platform = json!({"tokens": tokens});
    let mut daemon = Daemon::start(&settings);
    daemon.http = Http::to(daemon.port(), Some(names[0]));
    daemon.sees_services();
    daemon
}

fn decide(http: &Http, approval: &Value, what: &str) -> Answer {
    let path = format!("/api/v1/approvals/{}/{what}", approval["id"].as_str().expect("an id"));
    http.post(&path, &json!({"digest": approval["digest"]})).expect("an answer")
}

fn detail(answer: &Answer) -> String {
    assert_eq!(answer.content_type, "application/problem+json", "{}", answer.text);
    answer.json()["detail"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn of_two_who_decide_at_once_one_wins_and_the_other_is_told_who() {
    let daemon = shared_by(&["carol", "alice", "bob"]);
    let (id, approval) = asked(&daemon, "restart_service", "api");
    let deciders = ["alice", "bob", "alice", "bob"].map(|name| (name, Http::to(daemon.port(), Some(name))));
    let answers: Vec<(&str, Answer)> = std::thread::scope(|scope| {
        let approval = &approval;
        let deciding =
            deciders.each_ref().map(|(name, http)| scope.spawn(move || (*name, decide(http, approval, "approve"))));
        deciding.map(|thread| thread.join().expect("an answer")).into()
    });
    let won: Vec<&str> = answers.iter().filter(|(_, answer)| answer.status == 200).map(|(name, _)| *name).collect();
    let [winner] = won.as_slice() else { panic!("{won:?} won") };
    for (_, answer) in answers.iter().filter(|(_, answer)| answer.status != 200) {
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert!(detail(answer).contains(&format!("approved by {winner} already")), "{}", answer.text);
    }
    let decided = of_kind(&daemon.journal(&id), "approval_decided");
    assert_eq!(decided.iter().map(|event| event["by"].as_str()).collect::<Vec<_>>(), [Some(*winner)]);
    daemon.wait_for(&id, "carried out", WAIT, |_| !of_kind(&daemon.journal(&id), "call_finished").is_empty());
    assert_eq!(of_kind(&daemon.journal(&id), "call_intended").len(), 1, "{}", daemon.story(&id));
}

#[test]
fn whoever_decides_too_late_is_told_what_happened_even_after_a_restart() {
    let mut daemon = daemon();
    let (denied_in, denied) = asked(&daemon, "restart_service", "api");
    assert_eq!(decide(&daemon.http, &denied, "deny").status, 200);
    daemon.wait_for(&denied_in, "closed", WAIT, |incident| incident["state"] == "closed");
    let (voided_in, voided) = asked(&daemon, "stop_service", "api");
    let path = format!("/api/v1/incidents/{voided_in}/close");
    daemon.http.post(&path, &json!({"comment": "not today"})).expect("an answer").ok();

    for _ in 0..2 {
        let answer = decide(&daemon.http, &denied, "approve");
        assert_eq!(answer.status, 409, "{}", answer.text);
        let said = detail(&answer);
        assert!(said.contains("was denied by local already"), "{said}");
        assert!(said.contains(&format!("{denied_in} is closed")), "{said}");

        let answer = decide(&daemon.http, &voided, "approve");
        assert_eq!(answer.status, 409, "{}", answer.text);
        assert!(detail(&answer).contains("is void: the incident was closed"), "{}", answer.text);

        let unknown = json!({"id": "apr_000000000000", "digest": denied["digest"]});
        assert_eq!(decide(&daemon.http, &unknown, "approve").status, 404);
        for word in ["take-over", "close", "release"] {
            let path = format!("/api/v1/incidents/{denied_in}/{word}");
            let answer = daemon.http.post(&path, &json!({})).expect("an answer");
            assert_eq!(answer.status, 409, "{word}: {}", answer.text);
            assert!(detail(&answer).contains("is closed"), "{}", answer.text);
            let path = format!("/api/v1/incidents/inc_nope/{word}");
            assert_eq!(daemon.http.post(&path, &json!({})).expect("an answer").status, 404);
        }
        daemon.crash_and_restart();
    }
    let sent = |id: &str| of_kind(&daemon.journal(id), "call_intended").len();
    assert_eq!((sent(&denied_in), sent(&voided_in)), (0, 0));
}

#[test]
fn where_two_must_approve_whoever_asked_is_none_of_them() {
    let mut settings = Settings::of(idle("api"));
    settings.policies = Some(json!({"rules": [{
        "name": "by-two", "when": "operation.risk != 'read_only'", "decision": "ask", "quorum": 2,
        "reason": "Two people look",
    }]}));
    let mut daemon = shared_with(&["carol", "alice", "bob"], settings);
    let (id, approval) = asked(&daemon, "restart_service", "api");
    assert_eq!((&approval["quorum"], &approval["reason"]), (&json!(2), &json!("Two people look")));
    let [carol, alice, bob] = ["carol", "alice", "bob"].map(|name| Http::to(daemon.port(), Some(name)));
    let sent = |daemon: &Daemon| of_kind(&daemon.journal(&id), "call_intended").len();

    let refused = decide(&carol, &approval, "approve");
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(detail(&refused), "carol started this run by hand; someone else must approve it");
    assert_eq!(decide(&alice, &approval, "approve").ok()["state"], "pending");
    let twice = decide(&alice, &approval, "approve");
    assert_eq!(twice.status, 409, "{}", twice.text);
    assert!(detail(&twice).ends_with("it needs 2 people"), "{}", twice.text);
    // A new process takes up all that there is to take up.
    daemon.crash_and_restart();
    daemon.sees_services();
    let waits = daemon.incident(&id);
    assert_eq!((&waits["state"], sent(&daemon)), (&json!("awaiting_approval"), 0), "{}", daemon.story(&id));
    assert_eq!(decide(&carol, &approval, "approve").status, 403);

    assert_eq!(decide(&bob, &approval, "approve").ok()["decided_by"], json!(["alice", "bob"]));
    daemon.wait_for(&id, "carried out", WAIT, |_| !of_kind(&daemon.journal(&id), "call_finished").is_empty());
    daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(sent(&daemon), 1, "{}", daemon.story(&id));
}

//! `oncalld replay`: whole incidents, decided on again from their journal with no engine, no service and no model there.

use crate::model::asked::nothing_new;
use crate::model::scripted::{Reply, Scripted};
use crate::support::again::{replay, told};
use crate::support::cache;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::pending;
use crate::support::source::root;
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};

/// Long enough on a machine that does other things as well.
const WAIT: Duration = Duration::from_secs(180);

/// What it is taken for by the tests that change a rule of it.
const KILLED: &str = include_str!("../../runbooks/killed.yml");

const KEY: &str = "a-key-that-only-the-daemon-has";

/// A daemon whose service was killed, and the incident that tells it so.
fn killed(settings: &Settings) -> (Daemon, String) {
    let daemon = cache::daemon(settings);
    let id = cache::killed(&daemon);
    (daemon, id)
}

/// The same, approved and resolved.
fn resolved(settings: &Settings) -> (Daemon, String) {
    let (daemon, id) = killed(settings);
    let asked = daemon.wait_for(&id, "asking", WAIT, |incident| !pending(incident).is_empty());
    daemon.approve(pending(&asked)[0]);
    let end = daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(end["verdict"], "resolved", "{}", daemon.story(&id));
    (daemon, id)
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
    }
}

/// The daemon's configuration with other files, in a folder of its own beside it.
fn changed(daemon: &Daemon, name: &str, files: &[(&str, String)]) -> String {
    let folder = daemon.folder().join(name);
    let config = folder.join("config");
    copy(&daemon.folder().join("config"), &config);
    // A folder of runbooks takes the place of those that are shipped.
    if files.iter().any(|(path, _)| path.starts_with("runbooks/")) {
        copy(&root().join("runbooks"), &folder.join("runbooks"));
    }
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    config.display().to_string()
}

/// What is said of an incident under changed rules: the first decision that is another one, and all differences.
fn under(daemon: &Daemon, id: &str, config: &str) -> (Value, Vec<Value>) {
    let said = replay(daemon.folder(), &[id, "--with", config, "--json"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let answer = told(&said);
    assert_eq!(answer["as_then"]["same"], true, "{answer:#}");
    assert_eq!(answer["with"]["same"], false, "{answer:#}");
    let differences = answer["with"]["differences"].as_array().cloned().unwrap_or_default();
    (answer["with"]["first"].clone(), differences)
}

fn about<'a>(differences: &'a [Value], what: &str) -> &'a Value {
    let found = differences.iter().find(|difference| difference["what"] == what);
    found.unwrap_or_else(|| panic!("nothing about the {what}: {differences:#?}"))
}

fn has(text: &Value, part: &str) -> bool {
    text.as_str().is_some_and(|text| text.contains(part))
}

#[test]
fn what_was_approved_done_and_proved_is_decided_alike_and_changed_rules_are_told_where_they_differ() {
    let (mut daemon, id) = resolved(&cache::settings("approve"));
    // While the daemon runs, and by the beginning of the id.
    let said = replay(daemon.folder(), &[&id[..9]]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("by the rules that it had, which are those of now: the same"), "{said:?}");
    assert!(said.out.contains("killed_externally") && said.out.contains("resolved"), "{said:?}");
    assert!(!said.out.contains('\u{1b}'), "no colours into a pipe: {said:?}");

    let policies = json!({"rules": [{
        "name": "hands-off", "when": "operation.name == 'start_service'", "decision": "refuse", "reason": "not this one",
    }]});
    let denied = changed(&daemon, "denied", &[("config/policies.yml", policies.to_string())]);
    let (first, differences) = under(&daemon, &id, &denied);
    let refusal = "start_service on cache: the gate refuses (policy:hands-off): not this one";
    assert!(has(&first["then"], "the gate asks people (autonomy)") && has(&first["now"], refusal), "{first:#}");
    let recorded = daemon.journal(&id);
    let there = recorded.iter().find(|event| event["seq"] == first["seq"]).expect("the event that differs");
    assert_eq!(there["kind"], "gate_decided");
    assert!(has(&about(&differences, "verdict")["then"], "resolved: "), "{differences:#?}");
    assert!(has(&about(&differences, "verdict")["now"], "unresolved: "), "{differences:#?}");

    let another = KILLED.replace("when: \"status.exit_reason == 'killed'\"", "when: \"status.exit_reason == 'oom'\"");
    assert_ne!(another, KILLED);
    let blind = changed(&daemon, "blind", &[("runbooks/killed.yml", another)]);
    let (first, differences) = under(&daemon, &id, &blind);
    assert!(has(&first["then"], "killed finds killed_externally"), "{first:#}");
    assert_eq!(about(&differences, "cause"), &json!({"what": "cause", "then": "killed_externally", "now": null}));
    assert!(about(&differences, "finding")["now"].is_null(), "{differences:#?}");

    let cautious = KILLED.replace("when: \"!status.running && ", "when: \"status.running && ");
    assert_ne!(cautious, KILLED);
    let cautious = changed(&daemon, "cautious", &[("runbooks/killed.yml", cautious)]);
    let (first, differences) = under(&daemon, &id, &cautious);
    assert!(has(&first["then"], "plans resolution: start_service on cache"), "{first:#}");
    assert!(has(&about(&differences, "remedy")["then"], "start_again: start_service on cache"), "{differences:#?}");

    // Without the daemon, and as people read it.
    assert_eq!(daemon.stop(), Some(0));
    let read = replay(daemon.folder(), &[&id, "--with", &denied]);
    assert_eq!(read.code, Some(3), "{read:?}");
    assert!(read.out.contains("by the rules that it had: the same"), "{read:?}");
    assert!(read.out.contains("by the rules of now: not the same") && read.out.contains(refusal), "{read:?}");
}

#[test]
fn what_would_be_asked_of_people_who_never_were_is_not_known() {
    let (daemon, id) = killed(&cache::settings("auto"));
    let end = daemon.wait_for(&id, "closed", WAIT, |incident| incident["state"] == "closed");
    assert_eq!(end["approvals"], json!([]));
    let asking = cache::settings("approve");
    let asking = changed(&daemon, "asking", &[("config/environments.yml", asking.environments.to_string())]);
    let said = replay(daemon.folder(), &[&id, "--with", &asking, "--json"]);
    let answer = told(&said);
    assert_eq!((said.code, &answer["as_then"]["same"]), (Some(3), &json!(true)), "{answer:#}");
    assert!(has(&answer["with"]["unknown"], "nobody knows what they would say"), "{answer:#}");
    assert!(has(&answer["with"]["first"]["now"], "the gate asks people (autonomy)"), "{answer:#}");
}

#[test]
fn what_was_given_up_is_decided_alike_as_far_as_it_has_come() {
    let (daemon, id) = killed(&cache::settings("observe"));
    daemon.wait_for(&id, "given up", WAIT, |incident| incident["state"] == "escalated");
    let said = replay(daemon.folder(), &[&id]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("still open: this is how far it has come"), "{said:?}");
    assert!(said.out.contains("people are called: "), "{said:?}");
    for (given, problem) in [("inc_zzzzzzzzzzzz", "there is no incident inc_zzzzzzzzzzzz"), ("q!", "no incident q!")] {
        let said = replay(daemon.folder(), &[given]);
        assert!(said.code == Some(1) && said.err.contains(problem), "{said:?}");
    }
    let said = replay(daemon.folder(), &[&id, "--exchange", "1"]);
    assert!(said.code == Some(1) && said.err.contains("has no exchange 1 with models"), "{said:?}");
}

#[test]
fn what_models_said_is_taken_from_the_record_and_can_be_read() {
    let model = Scripted::with(|_, asked| Reply::to(asked, &nothing_new(asked)));
    let mut with_models = cache::settings("approve");
    let agents = json!({
        "models": {"local": {
            "provider": "compatible", "base_url": format!("{}/v1", model.address()), "model": "scripted",
            "key": "${SCRIPTED_KEY}",
        }},
        "planner": {"models": ["local"]}, "analyst": {"models": ["local"]}, "reporter": {"models": ["local"]},
    });
    with_models.files.push(("config/agents.yml".into(), agents.to_string()));
    with_models.variables = vec![("SCRIPTED_KEY", KEY.into()), ("NO_PROXY", "*".into())];
    let (daemon, id) = resolved(&with_models);
    let asked = model.asked().len();
    assert!(asked >= 3, "{asked}");
    let said = replay(daemon.folder(), &[&id, "--json"]);
    let answer = told(&said);
    assert_eq!(
        (said.code, &answer["as_then"]["same"], &answer["notes"]),
        (Some(0), &json!(true), &json!([])),
        "{said:?}"
    );
    let decided = answer["as_then"]["decided"].as_array().expect("decisions");
    assert!(decided.iter().any(|told| has(&told["words"], "planner: its answer is used")), "{answer:#}");
    assert_eq!(model.asked().len(), asked, "nobody is asked again");

    let exchange = replay(daemon.folder(), &[&id, "--exchange", "1", "--json"]);
    let exchange = told(&exchange);
    let sent = &model.asked()[0];
    assert_eq!(exchange["question"]["schema"], *sent.schema(), "what was asked is what is kept");
    assert!(exchange["answer"].is_string(), "{exchange:#}");
    let read = replay(daemon.folder(), &[&id, "--exchange", "1"]);
    assert!(read.code == Some(0) && read.out.contains("exchange 1 of the "), "{read:?}");
    for line in exchange["answer"].as_str().into_iter().flat_map(str::lines) {
        assert!(read.out.contains(line), "{line} is not in {read:?}");
    }
    assert!(!read.out.contains(KEY) && !said.out.contains(KEY));

    let prompt = "You plan. What stands between ${{ marker }} was written by others.\n";
    let prompted = changed(&daemon, "prompted", &[("config/prompts/planner.md", prompt.to_owned())]);
    let answer = told(&replay(daemon.folder(), &[&id, "--with", &prompted, "--json"]));
    assert!(has(&answer["notes"][0], "the planner has another prompt"), "{answer:#}");
    assert_eq!(answer["with"]["same"], true, "{answer:#}");
}

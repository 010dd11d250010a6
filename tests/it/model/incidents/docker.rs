//! Faults of Docker hosts that a model diagnoses: what it proposes is done, what it claims is kept, and the remedy that it
//! picks passes the gate like any other.

use super::{ALL, agents, exchanges, id, metric};
use crate::model::asked::{Asked, claims, nothing_new};
use crate::model::scripted::{Reply, Scripted};
use crate::support::daemon::Daemon;
use crate::support::drive::{Expected, to_verdict};
use crate::support::scene::{SERVE, Scene, needs_store};
use crate::support::stage::docker_ok;
use serde_json::{Value, json};

/// What a model makes of a question.
type Thought = fn(&Asked) -> Value;

fn files(server: &Scripted) -> Vec<(String, String)> {
    vec![
        ("config/agents.yml".to_owned(), agents(server.address(), &ALL).to_string()),
        ("config/operations.yml".to_owned(), oncalld::demo::stage::quick_operations()),
    ]
}

fn model(thought: Thought) -> Scripted {
    Scripted::with(move |_, asked| Reply::to(asked, &thought(asked)))
}

/// Everything that the models did is in the journal, was used, and is counted.
fn counted(daemon: &Daemon, server: &Scripted, end: &Value) {
    let (asked, story) = (server.asked().len(), || daemon.story(id(end)));
    let exchanges = exchanges(end);
    assert_eq!(exchanges.len(), asked, "{}", story());
    for exchange in exchanges {
        let ended = &exchange["end"];
        assert_eq!((&exchange["settled"], &exchange["unused"]), (&json!(true), &Value::Null), "{exchange}");
        assert_eq!((&ended["usage"], &ended["cost"]), (&json!({"input": 1000, "output": 100}), &json!(3000)));
        assert!(ended["request"].is_string() && ended["answer"].is_string(), "{exchange}");
        assert!(ended["milliseconds"].as_u64().is_some_and(|took| took < 60_000), "{exchange}");
    }
    let journal = daemon.journal(id(end));
    for kind in ["exchange_begun", "exchange_ended", "exchange_settled"] {
        assert_eq!(journal.iter().filter(|event| event["kind"] == kind).count(), asked, "{kind}\n{}", story());
    }
    let by_model = |event: &&Value| event["kind"] == "plan_made" && event["plan"]["source"]["by"] == "model";
    assert!(journal.iter().any(|event| by_model(&event)), "no plan of the model\n{}", story());
    let mut answered = 0.0;
    for role in ALL {
        let count = exchanges.iter().filter(|exchange| exchange["agent"] == role).count();
        assert!(count > 0, "the {role} was not asked\n{}", story());
        let line = format!("oncalld_model_questions_total{{agent=\"{role}\",model=\"scripted\",outcome=\"answered\"}}");
        assert_eq!(metric(daemon, &line), count as f64, "{role}");
        answered += count as f64;
    }
    let figure =
        |name: &str, labels: &str| metric(daemon, &format!("oncalld_model_{name}{{model=\"scripted\"{labels}}}"));
    assert_eq!(figure("tokens_total", ",direction=\"input\""), 1000.0 * answered);
    assert_eq!(figure("tokens_total", ",direction=\"output\""), 100.0 * answered);
    assert!((figure("cost_total", "") - 0.003 * answered).abs() < 1e-9, "{}", figure("cost_total", ""));
    assert_eq!(figure("answer_seconds_count", ""), answered);
    assert_eq!(metric(daemon, "oncalld_model_answers_unused_total"), 0.0);
}

/// The finding that a model claimed.
fn claimed(end: &Value) -> &Value {
    let findings = end["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let of_model = findings.iter().find(|finding| finding["runbook"] == "");
    of_model.unwrap_or_else(|| panic!("nothing was claimed: {findings:?}"))
}

/// A step that a plan had and that was taken.
fn taken<'a>(end: &'a Value, name: &str) -> &'a Value {
    let mut steps = end["steps"].as_array().into_iter().flatten();
    let step = steps.find(|record| record["step"]["name"] == name && record["evidence"].is_object());
    step.unwrap_or_else(|| panic!("{name} was not taken: {}", end["steps"]))
}

/// The first command that people were asked about.
fn command(end: &Value) -> &str {
    end["approvals"][0]["command"].as_str().unwrap_or_default()
}

/// Looks at its sockets, claims that it hangs, and would rather not wait for it to end by itself.
fn of_a_hang(asked: &Asked) -> Value {
    match (asked.form(), asked.evidence("status"), asked.evidence("health")) {
        ("proposal", ..) => {
            let mut proposal = asked.proposal();
            if asked.evidence("usage").is_none() {
                proposal["steps"] = json!([asked.step("usage", "check_resources")]);
            }
            if asked.remedies().contains(&"hang/restart") {
                let arguments = json!({"strategy": "force"});
                proposal["remedy"] = json!({"id": "hang/restart", "arguments": arguments, "reason": "it hangs"});
            }
            proposal
        }
        ("claims", Some(status), Some(health)) => {
            claims("It accepts connections and answers none.", &[status, health], "service_hung", 0.9)
        }
        _ => nothing_new(asked),
    }
}

#[test]
fn a_hang_is_ended_in_the_way_that_the_model_picks() {
    let Some(scene) = Scene::open() else { return };
    let server = model(of_a_hang);
    // It hangs once.
    let script = format!("[ -e /again ] || {{ touch /again; exec nc -ll -p 8080 -e sleep 600; }}; {SERVE}");
    scene.run_api(&[], &script);
    let daemon = scene.daemon_with(json!({"health": scene.health()}), &[], files(&server));
    let incident = scene.alert(&daemon, "ProbeFailed");
    let expected = Expected {
        cause: Some("service_hung"),
        approved: &["restart_service"],
        calls: &["container.restart"],
        verdict: "resolved",
    };
    to_verdict(&daemon, &incident, &expected);
    let end = daemon.wait_for(&incident, "closed", super::WAIT, |incident| incident["state"] == "closed");
    counted(&daemon, &server, &end);
    taken(&end, "usage");
    assert_eq!(claimed(&end)["cause"]["code"], "service_hung");
    // The runbook alone would have asked it to stop.
    assert!(command(&end).contains("restart -t 0 "), "{}", command(&end));
    assert_eq!(end["approvals"][0]["risk"], "destructive", "what it picked has a risk of its own");
}

/// Keeps to what is planned, says who did it, and starts it again.
fn of_a_kill(asked: &Asked) -> Value {
    match (asked.form(), asked.evidence("status"), asked.evidence("events")) {
        ("proposal", ..) => {
            let mut proposal = asked.proposal();
            if asked.evidence("ended").is_none() {
                let mut step = asked.step("ended", "get_logs");
                step["arguments"]["tail"] = json!(20);
                step["expects"]["when"] = json!("!status.running");
                proposal["steps"] = json!([step]);
            }
            if asked.remedies().contains(&"killed/start_again") {
                proposal["remedy"] = json!({"id": "killed/start_again", "arguments": {}, "reason": "it is down"});
            }
            proposal
        }
        ("claims", Some(status), Some(events)) => {
            claims("Somebody sent it a signal.", &[status, events], "killed_externally", 0.8)
        }
        _ => nothing_new(asked),
    }
}

#[test]
fn a_killed_container_is_started_again() {
    let Some(scene) = Scene::open() else { return };
    let server = model(of_a_kill);
    scene.run_api(&[], SERVE);
    let daemon = scene.daemon_with(json!({"health": scene.health()}), &[], files(&server));
    docker_ok(&["kill", &scene.api()]);
    scene.await_state("api", "exited");
    let incident = scene.alert(&daemon, "ContainerKilled");
    let expected = Expected {
        cause: Some("killed_externally"),
        approved: &["start_service"],
        calls: &["container.start"],
        verdict: "resolved",
    };
    to_verdict(&daemon, &incident, &expected);
    let end = daemon.wait_for(&incident, "closed", super::WAIT, |incident| incident["state"] == "closed");
    counted(&daemon, &server, &end);
    assert_eq!(taken(&end, "ended")["step"]["arguments"]["tail"], 20);
    assert_eq!(claimed(&end)["cites"].as_array().map(Vec::len), Some(2));
}

/// Looks at what the service needs, since what it says itself is only that this is gone.
fn of_a_dependency(asked: &Asked) -> Value {
    match (asked.form(), asked.evidence("dependencies")) {
        ("proposal", _) => {
            let mut proposal = asked.proposal();
            let store = asked.targets().into_iter().find(|target| target.starts_with("store"));
            if asked.evidence("last_words").is_none() {
                let mut step = asked.step("last_words", "get_logs");
                step["target"] = json!(store.expect("what it needs is offered"));
                proposal["steps"] = json!([step]);
            }
            if asked.remedies().contains(&"dependencies/start_dependency") {
                let (id, reason) = ("dependencies/start_dependency", "it is needed");
                proposal["remedy"] = json!({"id": id, "arguments": {}, "reason": reason});
            }
            proposal
        }
        ("claims", Some(dependencies)) => claims("What it needs is down.", &[dependencies], "dependency_down", 0.95),
        _ => nothing_new(asked),
    }
}

#[test]
fn what_a_service_needs_is_looked_at_and_started() {
    let Some(scene) = Scene::open() else { return };
    let server = model(of_a_dependency);
    let network = scene.stage.network("net");
    let store = scene.stage.unique("store");
    assert!(scene.stage.run("store", &["--network", &network], &["nc", "-ll", "-p", "6379", "-e", "true"]).ok);
    scene.run_api(&["--network", &network], &needs_store(&store));
    let declared = json!({"health": scene.health(), "depends_on": [&store]});
    let daemon = scene.daemon_with(declared, &[], files(&server));
    docker_ok(&["stop", "--time", "1", &store]);
    let incident = scene.alert(&daemon, "HighErrorRate");
    let expected = Expected {
        cause: Some("dependency_down"),
        approved: &["start_service"],
        calls: &["container.start"],
        verdict: "resolved",
    };
    to_verdict(&daemon, &incident, &expected);
    let end = daemon.wait_for(&incident, "closed", super::WAIT, |incident| incident["state"] == "closed");
    counted(&daemon, &server, &end);
    assert_eq!(taken(&end, "last_words")["step"]["target"], store.as_str());
    assert_eq!(claimed(&end)["cause"]["code"], "dependency_down");
}

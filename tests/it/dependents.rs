//! A fault is put right where it is: what needs a service that has an incident of its own waits for that one's end.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings, delivery};
use crate::support::drive::{calls, kill, pending, program};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Long enough on a machine that does other things as well.
const WAIT: Duration = Duration::from_secs(240);

/// Two services that stay down once they are killed, each with what it needs.
fn both_killed(api_needs: &[&str], store_needs: &[&str]) -> Daemon {
    let idle = |needs: &[&str]| json!({"argv": ["/bin/sleep", "1000"], "restart": "no", "depends_on": needs});
    let services = json!({"api": idle(api_needs), "store": idle(store_needs)});
    let local = json!({"kind": "process", "inventory_every": "1s", "services": services});
    let mut settings = Settings::of(json!({"local": local}));
    settings.files = vec![("config/operations.yml".to_owned(), oncalld::demo::stage::quick_operations())];
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    for service in ["api", "store"] {
        program(&daemon, "local", service);
    }
    for service in ["api", "store"] {
        kill(&daemon, "local", service);
    }
    daemon
}

fn labels(service: &str) -> Value {
    json!({"alertname": "ServiceAbsent", "service": service, "severity": "critical"})
}

fn position(journal: &[Value], kind: &str) -> usize {
    let found = journal.iter().position(|event| event["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}: {journal:?}"))
}

fn asked(daemon: &Daemon, id: &str) -> Value {
    let incident = daemon.wait_for(id, "asking", WAIT, |incident| !pending(incident).is_empty());
    pending(&incident)[0].clone()
}

/// Whether it ended well, by starting its own service.
fn started(daemon: &Daemon, id: &str, service: &str) {
    let end = daemon.wait_for(id, "closed", WAIT, |incident| incident["state"] == "closed");
    // Nothing but the service itself can be asked, which proves less than a resolution.
    assert_eq!((&end["verdict"], &end["cause"]["code"]), (&json!("mitigated"), &json!("killed_externally")));
    assert_eq!(calls(&daemon.journal(id)), ["process.start"], "{}", daemon.story(id));
    program(daemon, "local", service);
}

#[test]
fn a_dependent_waits_for_the_incident_of_what_it_needs_and_then_has_its_own_verdict() {
    let daemon = both_killed(&["store"], &[]);
    let store = daemon.alert(&labels("store"));
    let api = daemon.alert(&labels("api"));
    assert_ne!(api, store, "an incident of its own");
    let waits = daemon.wait_for(&api, "waiting", WAIT, |incident| incident["state"] == "waiting");
    assert_eq!(waits["waiting_on"], json!(store), "it says for what");
    assert!(!waits["steps"].as_array().expect("steps").is_empty(), "reading does not wait: {waits}");
    let question = asked(&daemon, &store);
    assert_eq!(daemon.incident(&api)["approvals"], json!([]), "{}", daemon.story(&api));

    daemon.approve(&question);
    started(&daemon, &store, "store");
    let question = asked(&daemon, &api);
    assert_eq!((&question["operation"], &question["target"]), (&json!("start_service"), &json!("api")));
    let journal = daemon.journal(&api);
    let ended = position(&journal, "waiting_ended");
    assert!(position(&journal, "waiting_started") < ended, "{}", daemon.story(&api));
    assert_eq!(journal[ended]["on"], json!(store));
    let plans = journal[ended..].iter().filter(|event| event["kind"] == "plan_made");
    assert!(plans.count() >= 2, "it is diagnosed again: {}", daemon.story(&api));
    for kind in ["step_prepared", "approval_requested"] {
        assert!(position(&journal, kind) > ended, "no {kind} before: {}", daemon.story(&api));
    }
    daemon.approve(&question);
    started(&daemon, &api, "api");
}

#[test]
fn of_two_that_need_each_other_one_goes_first_and_both_have_their_verdict() {
    let daemon = both_killed(&["store"], &["api"]);
    // In one delivery, so that both are decided on in the same moment.
    let mut together = delivery("firing", &labels("api"));
    together["alerts"].as_array_mut().expect("alerts").push(delivery("firing", &labels("store"))["alerts"][0].clone());
    let taken = eventually("the alerts are taken", WAIT, || {
        let answer = daemon.http.post("/api/v1/alerts/alertmanager", &together)?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text) }
    });
    let ids: Vec<&str> = taken["incidents"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let begun = Instant::now();
    while !ids.iter().all(|id| daemon.incident(id)["state"] == "closed") {
        let stories = || ids.iter().map(|id| daemon.story(id)).collect::<Vec<_>>().join("\n");
        assert!(begun.elapsed() < WAIT, "no end:\n{}", stories());
        let now: Vec<Value> = ids.iter().map(|id| daemon.incident(id)).collect();
        assert!(now.iter().any(|incident| incident["waiting_on"].is_null()), "all wait:\n{}", stories());
        now.iter().flat_map(pending).for_each(|question| daemon.approve(question));
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut waited = 0;
    for id in &ids {
        let service = daemon.incident(id)["service"].as_str().expect("a service").to_owned();
        started(&daemon, id, &service);
        waited += daemon.journal(id).iter().filter(|event| event["kind"] == "waiting_started").count();
    }
    assert_eq!((ids.len(), waited), (2, 1), "one of them waited for the other");
}

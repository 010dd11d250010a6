//! Drives an incident from its alert to its verdict, as the people on call would: they approve what is proposed.

use super::again::is_decided_alike;
use super::command::eventually;
use super::daemon::{Daemon, Settings};
use oncalld::shim::{ProcessRef, ServiceFolder};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Diagnosis, approval, action, verification with its soak, on a machine that does other things as well.
const LIMIT: Duration = Duration::from_secs(300);

/// What must come of an incident.
pub struct Expected<'a> {
    /// Cause code; none where there is no cause to be found.
    pub cause: Option<&'a str>,
    /// Operations that people are asked about, in order.
    pub approved: &'a [&'a str],
    /// Native calls that are sent, in order: these and no others, so nothing harmful is among them.
    pub calls: &'a [&'a str],
    /// The verdict.
    pub verdict: &'a str,
}

/// Waits for the verdict, approving every request that is expected, and checks the whole story.
pub fn to_verdict(daemon: &Daemon, incident: &str, expected: &Expected<'_>) -> Value {
    let mut approved = Vec::new();
    let start = Instant::now();
    let end = loop {
        let now = daemon.incident(incident);
        for request in pending(&now) {
            let operation = request["operation"].as_str().unwrap_or_default().to_owned();
            assert_eq!(
                expected.approved.get(approved.len()),
                Some(&operation.as_str()),
                "asked for the wrong thing: {}\n{}",
                request["command"],
                daemon.story(incident)
            );
            check_request(request);
            daemon.approve(request);
            approved.push(operation);
        }
        if !now["verdict"].is_null() && now["state"] != "remediating" && now["state"] != "validating" {
            break now;
        }
        assert!(start.elapsed() < LIMIT, "no verdict within {LIMIT:?}\n{}", daemon.story(incident));
        std::thread::sleep(Duration::from_millis(200));
    };
    let story = || daemon.story(incident);
    assert_eq!(end["cause"]["code"].as_str(), expected.cause, "the cause\n{}", story());
    assert_eq!(approved, expected.approved, "what people were asked\n{}", story());
    assert_eq!(calls(&daemon.journal(incident)), expected.calls, "what was sent\n{}", story());
    assert_eq!(end["verdict"], expected.verdict, "the verdict\n{}", story());
    check_report(daemon, incident, expected);
    is_decided_alike(daemon, incident);
    end
}

/// Waits until the environment knows that something from outside ended the service.
pub fn await_killed(daemon: &Daemon, environment: &str, service: &str) {
    eventually("it is known what ended it", Duration::from_secs(60), || {
        let status = daemon.read(environment, "get_status", service);
        if status["exit_reason"] == "killed" { Ok(()) } else { Err(status.to_string()) }
    });
}

/// The program that a process environment's service runs.
pub fn program(daemon: &Daemon, environment: &str, service: &str) -> ProcessRef {
    let folder = daemon.folder().join("data/processes").join(environment);
    let instance = ServiceFolder::new(&folder, service).instance(1);
    eventually("it runs", Duration::from_secs(60), || {
        let state = instance.state().map_err(|error| error.to_string())?.unwrap_or_default();
        state.program.filter(|program| program.alive().is_some()).ok_or_else(|| format!("{service} does not run"))
    })
}

/// Kills the program of a process environment's service behind the daemon's back, and waits until that is known.
pub fn kill(daemon: &Daemon, environment: &str, service: &str) {
    assert!(program(daemon, environment, service).signal(rustix::process::Signal::KILL), "{service} runs");
    await_killed(daemon, environment, service);
}

/// Requests that wait for a decision.
pub fn pending(incident: &Value) -> Vec<&Value> {
    let approvals = incident["approvals"].as_array().map_or(&[][..], Vec::as_slice);
    approvals.iter().filter(|approval| approval["state"] == "pending").collect()
}

/// Names of the native calls that were sent, in order.
pub fn calls(journal: &[Value]) -> Vec<String> {
    let intents = journal.iter().filter(|event| event["kind"] == "call_intended");
    intents.map(|event| event["call"]["call"].as_str().unwrap_or("unnamed").to_owned()).collect()
}

/// Who decides must see exactly what would be typed, and when the request lapses.
fn check_request(request: &Value) {
    for field in ["id", "command", "digest", "expires_at", "risk", "reason", "target"] {
        assert!(request[field].as_str().is_some_and(|text| !text.is_empty()), "no {field}: {request}");
    }
}

/// The report tells the cause and the verdict to people.
fn check_report(daemon: &Daemon, incident: &str, expected: &Expected<'_>) {
    let report = daemon.http.get(&format!("/api/v1/incidents/{incident}/report")).expect("an answer");
    assert_eq!(report.status, 200, "{}", report.text);
    assert!(report.text.contains(expected.verdict), "no verdict in the report:\n{}", report.text);
    if let Some(cause) = expected.cause {
        assert!(report.text.contains(cause), "no cause in the report:\n{}", report.text);
    }
}

/// Tells the daemon to take another configuration, and waits until it did; `count` with this one.
pub fn reload(daemon: &Daemon, settings: &Settings, count: usize) {
    daemon.reload(settings);
    let line = format!("oncalld_config_reloads_total{{outcome=\"applied\"}} {count}");
    eventually("it is in force", LIMIT, || {
        let metrics = daemon.http.get("/metrics")?.text;
        if metrics.lines().any(|found| found == line) { Ok(()) } else { Err(daemon.logged()) }
    });
}

//! Logs for machines: every line is JSON, and what happens for an incident says for which.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn lines_of_an_effect_say_which_incident_it_is_for() {
    let services = json!({"api": {"argv": ["/bin/sleep", "1000"], "health": "http://127.0.0.1:9/"}});
    let mut settings = Settings::of(json!({"local": {"kind": "process", "services": services}}));
    settings.platform = json!({"telemetry": {"log": "json", "level": "debug"}});
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    let begun = daemon.http.post("/api/v1/diagnose/api", &json!({})).expect("an answer").ok();
    let id = begun["incident"].as_str().expect("an incident");
    daemon.wait_for(id, "closed", Duration::from_secs(60), |incident| incident["state"] == "closed");
    eventually("a line from within an effect", Duration::from_secs(10), || {
        let log = daemon.logged();
        let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
        let lines: Vec<Value> = whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        // What an HTTP client says of itself knows nothing of incidents: the effect around it does.
        let foreign = |line: &&Value| line["target"].as_str().is_some_and(|target| !target.starts_with("oncalld"));
        let within = lines.iter().filter(foreign).any(|line| line["span"]["incident"] == id);
        let own = lines.iter().any(|line| line["incident"] == id);
        if within && own { Ok(()) } else { Err(whole.lines().rev().take(20).collect::<Vec<_>>().join("\n")) }
    });
}

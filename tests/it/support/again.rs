//! Incidents that are decided on again from their journal, with no engine, no model and no daemon within reach.

use super::command::{Said, run};
use super::daemon::{Daemon, ONCALLD};
use serde_json::Value;
use std::{path::Path, process::Command, time::Duration};

/// Runs `oncalld replay` on the journal of the daemon in a folder. Nothing that it may need elsewhere is there.
pub fn replay(folder: &Path, arguments: &[&str]) -> Said {
    replay_with(folder, &[], arguments)
}

fn replay_with(folder: &Path, variables: &[(&'static str, String)], arguments: &[&str]) -> Said {
    let mut command = Command::new(ONCALLD);
    command.arg("replay").args(arguments).arg("--config").arg(folder.join("config")).current_dir(folder);
    command.envs(variables.iter().cloned());
    for (name, nowhere) in
        [("DOCKER_HOST", "tcp"), ("ONCALLD_URL", "http"), ("HTTP_PROXY", "http"), ("HTTPS_PROXY", "http")]
    {
        command.env(name, format!("{nowhere}://127.0.0.1:1"));
    }
    run(&mut command, Duration::from_secs(60))
}

/// What it says as JSON.
pub fn told(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

/// By the rules that an incident had, the same is decided again.
pub fn is_decided_alike(daemon: &Daemon, id: &str) {
    let again = told(&replay_with(daemon.folder(), daemon.variables(), &[id, "--json"]));
    assert_eq!(again["as_then"]["same"], true, "{again:#}\n{}", daemon.story(id));
}

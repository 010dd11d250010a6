//! Whether a service works: its declared endpoint, else the engine's health check, else that it runs.

use super::{DockerEnvironment, error::Answer, inspect::Container};
use crate::domain::{TimeSpan, Values, clean_text};
use crate::execute::probe::{Answer as Answered, health};

impl DockerEnvironment {
    /// The result of `container.health`.
    pub(super) async fn health(&self, ids: &[String], endpoint: Option<&str>, timeout: TimeSpan) -> Answer<Values> {
        let containers = self.some(ids).await?;
        let streak = containers.iter().map(Container::failing_streak).max().unwrap_or(0);
        if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) {
            let answer = self.shared.prober.probe(endpoint, timeout).await;
            return Ok(health("endpoint", endpoint, &answer, streak));
        }
        let complete = !containers.is_empty() && containers.len() == ids.len();
        let checked: Vec<&Container> = containers.iter().filter(|container| container.health() != "none").collect();
        if checked.is_empty() {
            let healthy = complete && containers.iter().all(Container::is_running);
            let error = if healthy { String::new() } else { "not all of its containers run".into() };
            return Ok(health("process", "", &Answered { healthy, error, ..Answered::default() }, streak));
        }
        let failing = checked.iter().find(|container| container.health() != "healthy" || !container.is_running());
        let answer = Answered {
            healthy: complete && failing.is_none() && containers.iter().all(Container::is_running),
            error: failing.map_or_else(String::new, |container| problem(container)),
            timed_out: failing.is_some_and(|container| container.health_output().0.contains("exceeded timeout")),
            ..Answered::default()
        };
        Ok(health("healthcheck", "", &answer, streak))
    }
}

fn problem(container: &Container) -> String {
    if !container.is_running() {
        return format!("{} is {}", container.name(), container.state());
    }
    let (output, code) = container.health_output();
    let code = code.map_or_else(String::new, |code| format!(" (exit {code})"));
    clean_text(format!("{}: {}{code}", container.health(), output.trim()).trim(), 600)
}

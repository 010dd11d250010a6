//! Reading a target again: after its alerts resolved, or while people are looking.

use super::read::Question;
use super::{EffectResult, Job, Runner, fact, failure::Failure};
use crate::domain::{EventBody, TimeSpan, Values};

impl Runner {
    pub(super) async fn recheck(&self, job: &Job) -> EffectResult {
        let (healthy, detail) = match &job.incident.service {
            Some(service) => self.is_well(job, service).await,
            None => self.all_run(job).await,
        }
        .unwrap_or_else(|failure| (None, failure.problem));
        fact(EventBody::TargetRechecked { healthy, detail })
    }

    async fn is_well(&self, job: &Job, service: &str) -> Result<(Option<bool>, String), Failure> {
        let status = self.facts(job, "get_status", service).await?;
        let holds =
            |facts: &Values, field: &str| facts.get(field).and_then(serde_json::Value::as_bool).unwrap_or(false);
        if holds(&status, "job") && status.get("exit_code").and_then(serde_json::Value::as_i64) == Some(0) {
            return Ok((Some(true), format!("{service} is a job that ended well")));
        }
        if !holds(&status, "ready") {
            let state = status.get("state").and_then(serde_json::Value::as_str).unwrap_or("unknown");
            return Ok((Some(false), format!("{service} is {state} and not ready")));
        }
        let health = self.facts(job, "check_health", service).await?;
        let healthy = holds(&health, "healthy");
        let source = health.get("source").and_then(serde_json::Value::as_str).unwrap_or_default();
        Ok((Some(healthy), format!("{service} is {} ({source})", if healthy { "healthy" } else { "not healthy" })))
    }

    /// For an incident without a target: whether everything in the environment runs.
    async fn all_run(&self, job: &Job) -> Result<(Option<bool>, String), Failure> {
        let services = self.facts(job, "list_services", "").await?;
        let stopped: Vec<&str> = services
            .get("not_running")
            .and_then(serde_json::Value::as_array)
            .map(|names| names.iter().filter_map(serde_json::Value::as_str).collect())
            .unwrap_or_default();
        Ok(match stopped.is_empty() {
            true => (Some(true), "every service runs".into()),
            false => (Some(false), format!("not running: {}", stopped.join(", "))),
        })
    }

    async fn facts(&self, job: &Job, operation: &str, target: &str) -> Result<Values, Failure> {
        let declared = super::read::operation(job, operation)?;
        let arguments = declared.check_arguments(Values::new()).unwrap_or_default();
        // A name for the trace of native calls; rechecks are not steps of a plan.
        let step = job.incident.id.step(0, 0);
        let timeout = declared.timeout.max(TimeSpan::from_secs(1));
        let question = Question { operation, target, arguments: &arguments, step: &step, timeout };
        Ok(self.ask(job, &question).await?.facts)
    }
}

//! Reading a target again: after its alerts resolved, or while people are looking.

use super::read::Question;
use super::{EffectResult, Job, Runner, fact, failure::Failure};
use crate::domain::{EventBody, TimeSpan, Values};
use serde_json::Value;
use std::time::Duration;

/// What was seen of a target.
struct Seen {
    healthy: Option<bool>,
    /// Something that was asked says so, not only that it runs.
    probed: bool,
    detail: String,
}

impl Seen {
    fn ran(healthy: bool, detail: String) -> Self {
        Self { healthy: Some(healthy), probed: false, detail }
    }
}

/// How long a target must stay as it is before it counts as well: what crashes again and again is up in between.
const SOAK: Duration = Duration::from_secs(10);

impl Runner {
    pub(super) async fn recheck(&self, job: &Job) -> EffectResult {
        let seen = match &job.incident.service {
            Some(service) => self.is_well(job, service).await,
            None => self.all_run(job).await,
        };
        let failed = |failure: Failure| Seen { healthy: None, probed: false, detail: failure.problem };
        let Seen { healthy, probed, detail } = seen.unwrap_or_else(failed);
        fact(EventBody::TargetRechecked { healthy, probed, detail })
    }

    /// Well is what is ready and healthy, and still is after a while, without having been started again meanwhile.
    async fn is_well(&self, job: &Job, service: &str) -> Result<Seen, Failure> {
        let before = self.facts(job, "get_status", service).await?;
        if holds(&before, "job") && before.get("exit_code").and_then(Value::as_i64) == Some(0) {
            return Ok(Seen {
                healthy: Some(true),
                probed: true,
                detail: format!("{service} is a job that ended well"),
            });
        }
        if let Some(trouble) = trouble(service, &before) {
            return Ok(Seen::ran(false, trouble));
        }
        let first = self.how_healthy(job, service).await?;
        if first.healthy != Some(true) {
            return Ok(first);
        }
        tokio::time::sleep(SOAK).await;
        let after = self.facts(job, "get_status", service).await?;
        if let Some(trouble) = trouble(service, &after).or_else(|| restarted(service, &before, &after)) {
            return Ok(Seen::ran(false, trouble));
        }
        self.how_healthy(job, service).await
    }

    async fn how_healthy(&self, job: &Job, service: &str) -> Result<Seen, Failure> {
        let health = self.facts(job, "check_health", service).await?;
        let healthy = holds(&health, "healthy");
        let source = health.get("source").and_then(Value::as_str).unwrap_or_default();
        let detail = match (healthy, source) {
            (true, "process") => format!("{service} runs, and nothing tells more"),
            (true, source) => format!("{service} is healthy ({source})"),
            (false, source) => format!("{service} is not healthy ({source})"),
        };
        Ok(Seen { healthy: Some(healthy), probed: matches!(source, "endpoint" | "healthcheck"), detail })
    }

    /// For an incident without a target: whether everything in the environment runs.
    async fn all_run(&self, job: &Job) -> Result<Seen, Failure> {
        let services = self.facts(job, "list_services", "").await?;
        let stopped: Vec<&str> = services
            .get("not_running")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        Ok(match stopped.is_empty() {
            true => Seen::ran(true, "every service runs".into()),
            false => Seen::ran(false, format!("not running: {}", stopped.join(", "))),
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

fn holds(facts: &Values, field: &str) -> bool {
    facts.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// Why a target is not well by its status, if it is not.
fn trouble(service: &str, status: &Values) -> Option<String> {
    let state = status.get("state").and_then(Value::as_str).unwrap_or("unknown");
    if !holds(status, "ready") {
        return Some(format!("{service} is {state} and not ready"));
    }
    holds(status, "crash_looping").then(|| format!("{service} is {state}, and crashes again and again"))
}

/// Whether a target was started anew between two looks, by whatever.
fn restarted(service: &str, before: &Values, after: &Values) -> Option<String> {
    let same = |field: &str| before.get(field) == after.get(field);
    let changed = ["started_at", "restart_count", "instances"].into_iter().find(|field| match *field {
        "instances" => starts(before) != starts(after),
        field => !same(field),
    });
    changed.map(|_| format!("{service} was started again while it was watched for {} s", SOAK.as_secs()))
}

/// Start and restarts of every instance.
fn starts(status: &Values) -> Vec<[&Value; 3]> {
    let instances = status.get("instances").and_then(Value::as_array).into_iter().flatten();
    instances.map(|one| [&one["id"], &one["started_at"], &one["restart_count"]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(started_at: &str, restarts: u32, crash_looping: bool) -> Values {
        let instance = json!({"id": "a", "started_at": started_at, "restart_count": restarts, "state": "running"});
        let status = json!({
            "state": "running", "ready": true, "crash_looping": crash_looping, "started_at": started_at,
            "restart_count": restarts, "instances": [instance],
        });
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn what_crashes_again_and_again_is_not_well_while_it_is_up() {
        assert_eq!(trouble("api", &status("T1", 0, false)), None);
        assert!(trouble("api", &status("T1", 3, true)).unwrap().contains("again and again"));
        assert!(trouble("api", &Values::new()).unwrap().contains("not ready"));
    }

    #[test]
    fn a_start_between_two_looks_is_seen() {
        let before = status("T1", 3, false);
        assert_eq!(restarted("api", &before, &before), None);
        assert!(restarted("api", &before, &status("T2", 3, false)).is_some(), "by whatever");
        assert!(restarted("api", &before, &status("T1", 4, false)).is_some());
    }
}

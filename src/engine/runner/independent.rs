//! The independent signal: a health probe of what was alerted on, or the alert's own expression. Missing data and
//! silences prove nothing.

use super::read::Question;
use super::{Job, Runner};
use crate::domain::{Alert, AlertStatus, ReadCall, Step, TimeSpan, Values};
use std::time::Duration;
use tokio::time::Instant;

/// Pause between questions.
const PAUSE: Duration = Duration::from_secs(1);

/// How long an alert's expression may take to clear after the remedy: rates look minutes back.
const EXPRESSION: Duration = Duration::from_secs(300);

impl Runner {
    /// Whether something independent of the remedy's own check says that the fault is gone, and in words.
    pub(super) async fn independent(&self, job: &Job, step: &Step, within: TimeSpan) -> (Option<bool>, String) {
        let target = job.incident.service.as_deref().unwrap_or(&step.target);
        let deadline = Instant::now() + within.as_std();
        let mut probe = self.health(job, step, target).await;
        while let Some((false, _)) = &probe
            && Instant::now() < deadline
        {
            tokio::time::sleep(PAUSE).await;
            probe = self.health(job, step, target).await;
        }
        match probe {
            Some((healthy, said)) => (Some(healthy), said),
            None => self.expressions(job).await,
        }
    }

    /// A health probe; none where nothing better than "it runs" is known.
    async fn health(&self, job: &Job, step: &Step, target: &str) -> Option<(bool, String)> {
        if target.is_empty() {
            return None;
        }
        let mut arguments = Values::new();
        if let Some(operation) = job.pinned.catalog.operations.get("check_health") {
            arguments = operation.check_arguments(Values::new()).unwrap_or_default();
        }
        let question = Question {
            operation: "check_health",
            target,
            arguments: &arguments,
            step: &step.id,
            timeout: TimeSpan::from_secs(40),
        };
        let facts = self.ask(job, &question).await.ok()?.facts;
        let text = |field: &str| facts.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
        if !matches!(text("source"), "endpoint" | "healthcheck") {
            return None;
        }
        let healthy = facts.get("healthy").and_then(serde_json::Value::as_bool)?;
        let what = if text("endpoint").is_empty() { "its health check" } else { text("endpoint") };
        Some(match healthy {
            true => (true, format!("{what} answers: {target} is healthy")),
            false => (false, format!("{what} says that {target} is not healthy: {}", text("error"))),
        })
    }

    /// The alerts' own expressions, asked of the configured Prometheus; or their senders, where those say after the
    /// action that all of them are over.
    async fn expressions(&self, job: &Job) -> (Option<bool>, String) {
        let expressions: Vec<(&Alert, &str)> =
            job.incident.alerts.iter().filter_map(|alert| Some((alert, alert.expression.as_deref()?))).collect();
        let has_prometheus = self.place(job).is_ok_and(|place| place.executor("prometheus", "").is_ok());
        let deadline = Instant::now() + EXPRESSION;
        if job.incident.alerts.is_empty() {
            return (None, "nothing independent could be asked".into());
        }
        let mut firing = None;
        loop {
            if self.senders_say_over(job) {
                return (Some(true), "the alerts are over by their senders' word".into());
            }
            if has_prometheus && !expressions.is_empty() {
                firing = self.any_fires(job, &expressions).await;
                if firing == Some(false) {
                    return (Some(true), "the alerts' own expressions no longer hold".into());
                }
            }
            if Instant::now() >= deadline || !has_prometheus {
                break;
            }
            tokio::time::sleep(PAUSE * 5).await;
        }
        match firing {
            Some(true) => (Some(false), "the alerts' own expressions still hold".into()),
            _ => (None, "nothing independent proves it".into()),
        }
    }

    /// Whether any expression still yields a series that fits its alert's labels. None if that cannot be told.
    async fn any_fires(&self, job: &Job, expressions: &[(&Alert, &str)]) -> Option<bool> {
        for (alert, expression) in expressions {
            let call = ReadCall::PrometheusQuery { query: (*expression).to_owned(), range: None, step: None };
            let answer = self.read(job, &call).await.ok()?;
            let series = answer.get("series")?.as_array()?;
            let fits = |one: &serde_json::Value| {
                let labels = one.get("labels").and_then(serde_json::Value::as_object);
                labels.is_some_and(|labels| {
                    labels.iter().all(|(name, value)| {
                        name == "__name__" || alert.labels.get(name).is_none_or(|own| value.as_str() == Some(own))
                    })
                })
            };
            if series.iter().any(fits) {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Whether the incident's alerts were all reported as over since the effect began.
    fn senders_say_over(&self, job: &Job) -> bool {
        self.shared.incident(&job.incident.id).is_some_and(|now| {
            !now.alerts.is_empty() && now.alerts.iter().all(|alert| alert.status == AlertStatus::Resolved)
        })
    }
}

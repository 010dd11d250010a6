//! The independent signal: a health probe of what was alerted on, the alert's own rule in the configured Prometheus, or
//! the word of its sender. Missing data, silences, and what a payload says of its own expression prove nothing.

use super::read::Question;
use super::{Job, Runner};
use crate::domain::{Alert, AlertStatus, Digest, Incident, ReadCall, Step, TimeSpan, Timestamp, Values};
use crate::judge;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// Pause between questions.
const PAUSE: Duration = Duration::from_secs(1);

/// How long an alert's expression may take to clear after the remedy: rates look minutes back.
const EXPRESSION: Duration = Duration::from_secs(300);

impl Runner {
    /// Whether something independent of the remedy's own check says that the fault is gone, and in words. `began` is when
    /// the check of the effect began: after the last call.
    pub(super) async fn independent(
        &self,
        job: &Job,
        step: &Step,
        within: TimeSpan,
        began: Instant,
    ) -> (Option<bool>, String) {
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
            None => self.alerts(job, began).await,
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
        let text = |field: &str| facts.get(field).and_then(Value::as_str).unwrap_or_default();
        if !matches!(text("source"), "endpoint" | "healthcheck") {
            return None;
        }
        let healthy = facts.get("healthy").and_then(Value::as_bool)?;
        let what = if text("endpoint").is_empty() { "its health check" } else { text("endpoint") };
        Some(match healthy {
            true => (true, format!("{what} answers: {target} is healthy")),
            false => (false, format!("{what} says that {target} is not healthy: {}", text("error"))),
        })
    }

    /// What the alerts are now: by their senders, where those spoke after the action, or by their own rules.
    async fn alerts(&self, job: &Job, began: Instant) -> (Option<bool>, String) {
        if job.incident.alerts.is_empty() {
            return (None, "nothing independent could be asked".into());
        }
        let has_prometheus = self.place(job).is_ok_and(|place| place.executor("prometheus", "").is_ok());
        let deadline = Instant::now() + EXPRESSION;
        loop {
            let standing = self.standing(job, has_prometheus, began).await;
            match standing {
                Standing::Over(said) => return (Some(true), said),
                _ if has_prometheus && Instant::now() < deadline => tokio::time::sleep(PAUSE * 5).await,
                Standing::Holds(said) => return (Some(false), said),
                Standing::Unknown(why) => return (None, format!("nothing independent proves it: {why}")),
            }
        }
    }

    /// All alerts together: one that holds is enough to hold, and each must be over to be over.
    async fn standing(&self, job: &Job, has_prometheus: bool, began: Instant) -> Standing {
        let (mut unknown, mut said) = (None, BTreeSet::new());
        for alert in &job.incident.alerts {
            let standing = match () {
                () if self.is_over_by_its_sender(job, alert) => Standing::Over("by the senders' word".into()),
                () if has_prometheus => self.by_rule(job, alert, began).await.unwrap_or_else(Standing::Unknown),
                () => Standing::Unknown(format!("{} was not reported as over since", alert.name())),
            };
            match standing {
                Standing::Over(how) => drop(said.insert(how)),
                Standing::Unknown(why) => drop(unknown.get_or_insert(why)),
                holds => return holds,
            }
        }
        let how = said.into_iter().collect::<Vec<_>>().join(" and ");
        unknown.map_or_else(|| Standing::Over(format!("the alerts are over, {how}")), Standing::Unknown)
    }

    /// Whether the sender reported an alert as over after the last call, and the end that it gives is not before that.
    /// A resolution that was there already says nothing of the remedy: series of what died vanish too.
    fn is_over_by_its_sender(&self, job: &Job, alert: &Alert) -> bool {
        let Some(now) = self.shared.incident(&job.incident.id) else { return false };
        last_call(&now).is_some_and(|call| is_over_since(&now, &alert.fingerprint, call))
    }

    /// What an alert's own rule says, as the configured Prometheus has it: what came in a payload may be anything.
    async fn by_rule(&self, job: &Job, alert: &Alert, began: Instant) -> Result<Standing, String> {
        let call = ReadCall::PrometheusRules { alert: alert.name().to_owned() };
        let rules = self.read(job, &call).await.map_err(|failure| failure.problem)?;
        let rule = rule_of(&rules, alert)
            .ok_or_else(|| format!("the configured Prometheus has no single rule {}", alert.name()))?;
        let answer = self.query(job, rule).await?;
        let series = answer.get("series").and_then(Value::as_array).ok_or("Prometheus' answer has no series")?;
        if series.iter().any(|one| fits(one, alert)) {
            return Ok(Standing::Holds(format!("the rule of {} still holds", alert.name())));
        }
        if answer.get("truncated") != Some(&Value::Bool(false)) {
            return Err(format!("the rule of {} yields more series than are looked at", alert.name()));
        }
        let unclear = || format!("what the rule of {} rests on is not clear", alert.name());
        for selector in judge::selectors(rule).ok_or_else(unclear)? {
            let since = began.elapsed().as_secs_f64();
            let age = self.query(job, &selector.age(&alert.labels)).await?;
            if age.get("value").and_then(Value::as_f64).is_none_or(|age| age >= since) {
                return Err(format!("a series that the rule of {} rests on has no sample since", alert.name()));
            }
        }
        Ok(Standing::Over("by their own rules, whose series still report".into()))
    }

    async fn query(&self, job: &Job, query: &str) -> Result<Values, String> {
        let call = ReadCall::PrometheusQuery { query: query.to_owned(), range: None, step: None };
        self.read(job, &call).await.map_err(|failure| failure.problem)
    }
}

/// How it stands with alerts.
enum Standing {
    /// Over, and how that is known.
    Over(String),
    /// Not over.
    Holds(String),
    /// Nothing tells.
    Unknown(String),
}

/// When the last call of an incident was about to be sent.
fn last_call(incident: &Incident) -> Option<Timestamp> {
    let actions = incident.steps.iter().filter_map(|record| record.action.as_ref());
    actions.flat_map(|action| action.calls.iter().chain(&action.undo_calls)).map(|call| call.intended_at).max()
}

fn is_over_since(incident: &Incident, alert: &Digest, call: Timestamp) -> bool {
    let known = incident.alerts.iter().find(|known| known.fingerprint == *alert);
    let received = incident.resolutions.get(alert).is_some_and(|at| *at > call);
    // The sender's clock alone would prove nothing; but an end that it puts before the call is an end without it.
    received
        && known.is_some_and(|known| {
            known.status == AlertStatus::Resolved && known.ends_at.is_none_or(|ended| ended >= call)
        })
}

/// The query of an alert's rule: the one that the alert names, if there are several of its name and labels.
fn rule_of<'a>(rules: &'a Values, alert: &Alert) -> Option<&'a str> {
    if rules.get("truncated") != Some(&Value::Bool(false)) {
        return None;
    }
    let belongs = |rule: &&Value| {
        let labels = rule["labels"].as_object();
        // A label with a template in it is another one in every alert.
        let same = |(name, value): (&String, &Value)| {
            value
                .as_str()
                .is_some_and(|value| value.contains("{{") || alert.labels.get(name).map(String::as_str) == Some(value))
        };
        rule["healthy"] == true && labels.is_some_and(|labels| labels.iter().all(same))
    };
    let found: Vec<&Value> = rules.get("rules")?.as_array()?.iter().filter(belongs).collect();
    let named = found.iter().find(|rule| rule["query"].as_str() == alert.expression.as_deref());
    let rule = match (named, found.as_slice()) {
        (Some(named), _) => *named,
        (None, [only]) => *only,
        (None, _) => return None,
    };
    rule["query"].as_str()
}

/// Whether a series may be the one that the alert is about: no label of it differs.
fn fits(series: &Value, alert: &Alert) -> bool {
    let labels = series["labels"].as_object();
    labels.is_some_and(|labels| {
        labels.iter().all(|(name, value)| {
            name == "__name__" || alert.labels.get(name).is_none_or(|own| value.as_str() == Some(own))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DeliveryId, Event, EventBody, IncidentId, Labels, Trigger};
    use crate::flow;
    use serde_json::json;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-21T{time}Z").parse().unwrap()
    }

    fn alert(status: AlertStatus, ends_at: Option<&str>) -> Alert {
        let labels: Labels = [("alertname", "Down"), ("job", "api"), ("severity", "page")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        Alert {
            fingerprint: Alert::fingerprint_of(&labels),
            status,
            labels,
            annotations: Labels::new(),
            starts_at: at("03:00:00"),
            ends_at: ends_at.map(at),
            expression: Some("vector(0) > 1".into()),
        }
    }

    /// An incident whose alert was reported like this, at these times.
    fn reported(reports: &[(&str, AlertStatus, Option<&str>)]) -> Incident {
        let opened = EventBody::IncidentOpened {
            environment: "local".into(),
            target: Some("api".into()),
            group_key: "local/api".into(),
            title: "Down".into(),
            severity: "page".into(),
            trigger: Trigger::Alert,
            config: Digest::new(""),
            follows: None,
            read_only: None,
        };
        let received = reports.iter().map(|(time, status, ends_at)| {
            let alerts = vec![alert(*status, *ends_at)];
            (at(time), EventBody::AlertsReceived { delivery: DeliveryId::new("d"), sender: "s".into(), alerts })
        });
        let bodies = [(at("03:00:00"), opened)].into_iter().chain(received);
        let events: Vec<Event> = bodies
            .zip(1..)
            .map(|((at, body), seq)| {
                let incident = Some(IncidentId::new("inc_test"));
                Event { seq, at, incident, body, hash: Digest::new("") }
            })
            .collect();
        flow::fold(&events).unwrap()
    }

    #[test]
    fn only_a_resolution_received_after_the_call_says_that_it_helped() {
        use AlertStatus::{Firing, Resolved};
        let (call, fingerprint) = (at("03:10:00"), alert(Firing, None).fingerprint);
        for (reports, over) in [
            (vec![("03:01:00", Firing, None)], false),
            // The series of what died vanished, and the sender resolved, before anything was done.
            (vec![("03:01:00", Firing, None), ("03:06:00", Resolved, Some("03:05:30"))], false),
            (vec![("03:01:00", Firing, None), ("03:12:00", Resolved, Some("03:11:30"))], true),
            // It was on its way while the call was sent.
            (vec![("03:01:00", Firing, None), ("03:12:00", Resolved, Some("03:05:30"))], false),
            (vec![("03:01:00", Firing, None), ("03:12:00", Resolved, None)], true),
            (vec![("03:12:00", Resolved, Some("03:11:30")), ("03:13:00", Firing, None)], false),
        ] {
            assert_eq!(is_over_since(&reported(&reports), &fingerprint, call), over, "{reports:?}");
        }
    }

    #[test]
    fn an_expression_out_of_a_payload_is_never_asked() {
        let rule = |query: &str, severity: &str, healthy: bool| json!({"name": "Down", "query": query, "labels": {"severity": severity}, "healthy": healthy});
        let rules = |rules: Vec<Value>| -> Values {
            serde_json::from_value(json!({"rules": rules, "count": 1, "truncated": false})).unwrap()
        };
        let alert = alert(AlertStatus::Firing, None);
        assert_eq!(rule_of(&rules(vec![rule("up == 0", "page", true)]), &alert), Some("up == 0"));
        assert_eq!(rule_of(&rules(vec![]), &alert), None);
        assert_eq!(rule_of(&rules(vec![rule("up == 0", "info", true)]), &alert), None, "another rule of that name");
        assert_eq!(rule_of(&rules(vec![rule("up == 0", "page", false)]), &alert), None, "its evaluation fails");
        assert_eq!(rule_of(&rules(vec![rule("up == 0", "{{ $x }}", true)]), &alert), Some("up == 0"));
        let two = vec![rule("up == 0", "page", true), rule("probe == 0", "page", true)];
        assert_eq!(rule_of(&rules(two.clone()), &alert), None, "which one cannot be told");
        let named = Alert { expression: Some("probe == 0".into()), ..alert };
        assert_eq!(rule_of(&rules(two), &named), Some("probe == 0"));
    }

    #[test]
    fn a_series_fits_if_no_label_differs() {
        let alert = alert(AlertStatus::Firing, None);
        for (labels, expected) in [
            (json!({"__name__": "up", "job": "api"}), true),
            (json!({"job": "api", "instance": "x"}), true),
            (json!({"job": "web"}), false),
            (json!({}), true),
        ] {
            assert_eq!(fits(&json!({"labels": labels}), &alert), expected, "{labels}");
        }
    }
}

//! The state of a service: that of its worst container, and each one's.

use super::{
    DockerEnvironment, cgroup,
    dialect::Dialect,
    error::Answer,
    exit::{Ended, Observed, classify, conflicting_port, error_kind},
    inspect::Container,
    inventory::worst_state,
    observed::present,
    resources::Sample,
    snapshot::{Past, digest},
};
use crate::domain::{ExitReason, Shape, TimeSpan, Timestamp, Values, clean_text};
use crate::execute::Captured;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Characters kept of the engine's message.
const ERROR_LENGTH: usize = 600;

/// Seconds that a container must be up after a restart of its policy until nobody calls it a loop.
const LOOPING: i64 = 60;

/// One container as seen now. A container that does not exist has only the name under which it was asked for.
struct Seen {
    name: String,
    container: Option<Container>,
    ended: Option<Ended>,
    oom_events: i64,
    sample: Option<Sample>,
    dialect: Dialect,
}

impl Seen {
    fn state(&self) -> &str {
        self.container.as_ref().map_or("missing", Container::state)
    }

    fn is_ready(&self) -> bool {
        self.container.as_ref().is_some_and(|c| c.is_running() && matches!(c.health(), "healthy" | "none"))
    }

    fn is_crash_looping(&self, now: Timestamp) -> bool {
        self.container.as_ref().is_some_and(|container| {
            let fresh = container.started_at().is_some_and(|at| (now - at).num_seconds() < LOOPING);
            container.state() == "restarting" || container.is_running() && container.restart_count() > 0 && fresh
        })
    }

    /// Lower is worse.
    fn rank(&self) -> (usize, bool, i64) {
        const ORDER: [&str; 8] =
            ["dead", "missing", "restarting", "created", "exited", "removing", "paused", "running"];
        let place = ORDER.iter().position(|state| *state == self.state()).unwrap_or(0);
        let restarts = self.container.as_ref().map_or(0, Container::restart_count);
        (place, self.is_ready(), -restarts)
    }

    fn exit_reason(&self) -> ExitReason {
        self.ended.map_or(ExitReason::None, |ended| ended.reason)
    }

    fn exit_code(&self) -> Option<i64> {
        self.ended.and_then(|ended| ended.exit_code)
    }

    fn error(&self) -> String {
        let Some(container) = &self.container else { return format!("there is no container {}", self.name) };
        if !container.error().is_empty() {
            return clean_text(container.error(), ERROR_LENGTH);
        }
        let unsure = self.ended.filter(|ended| ended.uncertain);
        if let Some(told) = unsure.and_then(|_| self.dialect.unsure(container.exit_code(), container.oom_killed())) {
            return told;
        }
        if let Some(told) = self.dialect.unstarted(container.name()).filter(|_| container.state() == "created") {
            return told;
        }
        if container.health() == "unhealthy" {
            return clean_text(container.health_output().0.trim(), ERROR_LENGTH);
        }
        String::new()
    }

    fn instance(&self) -> Value {
        let container = self.container.as_ref();
        json!({
            "id": container.map_or(self.name.as_str(), Container::id),
            "name": container.map_or(self.name.as_str(), Container::name),
            "state": self.state(), "ready": self.is_ready(), "exit_code": self.exit_code(),
            "exit_reason": self.exit_reason(), "started_at": container.and_then(Container::started_at),
            "restart_count": container.map_or(0, Container::restart_count),
        })
    }
}

impl DockerEnvironment {
    /// The result of `container.status`.
    pub(super) async fn status(&self, ids: &[String]) -> Answer<Values> {
        Ok(self.captured(ids).await?.status)
    }

    /// State and identity.
    pub(super) async fn captured(&self, ids: &[String]) -> Answer<Captured> {
        let now = chrono::Utc::now();
        let seen = self.look(ids, now).await?;
        let identity: BTreeMap<String, String> = seen
            .iter()
            .filter_map(|seen| seen.container.as_ref())
            .map(|container| (container.id().to_owned(), container.image_id().to_owned()))
            .collect();
        let Some(worst) = seen.iter().min_by_key(|seen| seen.rank()) else {
            return Ok(Captured { status: missing(), identity });
        };
        let mut status = summary(&seen, worst, now);
        status.insert("error_kind".into(), json!(self.kind_of_error(worst).await?));
        if status["error_kind"] == "port_conflict" {
            status.insert("port_conflict".into(), self.port_conflict(worst).await?);
        }
        if let Some(container) = &worst.container
            && self.is_job(container)
        {
            status.insert("job".into(), json!(true));
        }
        if worst.container.is_none() {
            let image = self.wanted_image(&worst.name).await;
            status.insert("image".into(), json!(image));
        }
        Ok(Captured { status, identity })
    }

    async fn look(&self, ids: &[String], now: Timestamp) -> Answer<Vec<Seen>> {
        let dialect = self.shared.engine.dialect().await?;
        let mut seen = Vec::with_capacity(ids.len());
        for id in ids {
            let container = present(self.shared.engine.inspect(id).await)?;
            seen.push(Seen { name: id.clone(), container, ended: None, oom_events: 0, sample: None, dialect });
        }
        let real: Vec<String> =
            seen.iter().filter_map(|seen| seen.container.as_ref()).map(|c| c.id().to_owned()).collect();
        if !real.is_empty() {
            self.recall(&real).await;
        }
        for seen in &mut seen {
            let Some(container) = &seen.container else { continue };
            let group_ooms = self.group_ooms(container).await;
            let events = self.shared.log().of(container.id());
            let told = events.iter().filter(|event| event.action == "oom").count() as i64;
            seen.oom_events = told.max(group_ooms);
            seen.ended = Some(classify(&observed(container, group_ooms, dialect), &events, now));
            if matches!(container.state(), "running" | "paused") {
                // It may end between the two questions, and a status without statistics is still a status.
                seen.sample = self.shared.engine.sample(container).await.ok();
            }
        }
        Ok(seen)
    }

    async fn group_ooms(&self, container: &Container) -> i64 {
        let Some(pid) = container.pid().filter(|_| self.shared.engine.local) else { return 0 };
        let counts = cgroup::counts(pid, container.id()).await.unwrap_or_default();
        counts.oom_kills.and_then(|kills| i64::try_from(kills).ok()).unwrap_or(0)
    }

    async fn kind_of_error(&self, worst: &Seen) -> Answer<&'static str> {
        let Some(container) = &worst.container else {
            let image = self.wanted_image(&worst.name).await;
            let lacking = !image.is_empty() && !self.has_image(&image).await?;
            return Ok(if lacking { "image_missing" } else { "none" });
        };
        if matches!(container.state(), "running" | "paused") && worst.exit_code().is_none() {
            return Ok("none");
        }
        let kind = error_kind(container.error(), worst.exit_code());
        if kind == "other" && !self.has_image(container.image_id()).await? {
            return Ok("image_missing");
        }
        Ok(kind)
    }

    /// The image that a missing service should have: declared, or the one it last ran well with.
    async fn wanted_image(&self, service: &str) -> String {
        if let Some(image) = self.declared(service).and_then(|facts| facts.image.clone()) {
            return image;
        }
        let snapshots = self.shared.snapshots.lock().await;
        let good = snapshots.past(service).and_then(|past: &Past| past.good.last());
        good.map(|seen| seen.image.clone()).unwrap_or_default()
    }

    /// Who has the port that could not be had.
    async fn port_conflict(&self, worst: &Seen) -> Answer<Value> {
        let container = worst.container.as_ref();
        let Some(port) = container.and_then(|container| conflicting_port(container.error())) else {
            return Ok(Value::Null);
        };
        let own = container.map(|container| container.id().to_owned()).unwrap_or_default();
        let services = self.services().await?;
        let wanted = format!("{port}/tcp");
        let owner = services.services.values().find(|service| {
            service.instances.iter().any(|i| i.id != own && i.state == "running" && i.ports.contains(&wanted))
        });
        let name = owner.map(|service| service.name.clone()).unwrap_or_default();
        Ok(json!({"port": port, "owner": name, "owner_known": owner.is_some()}))
    }
}

fn observed(container: &Container, group_ooms: i64, dialect: Dialect) -> Observed<'_> {
    Observed {
        state: container.state(),
        exit_code: container.exit_code(),
        oom_killed: container.oom_killed(),
        error: container.error(),
        started_at: container.started_at(),
        finished_at: container.finished_at(),
        restart_count: container.restart_count(),
        group_ooms,
        dialect,
    }
}

fn summary(seen: &[Seen], worst: &Seen, now: Timestamp) -> Values {
    let Some(container) = &worst.container else {
        let mut status = missing();
        status.insert("error".into(), json!(worst.error()));
        status.insert("desired_instances".into(), json!(seen.len()));
        let running = seen.iter().filter(|seen| seen.state() == "running").count();
        status.insert("running_instances".into(), json!(running));
        status.insert("instances".into(), json!(seen.iter().map(Seen::instance).collect::<Vec<_>>()));
        return status;
    };
    let all: Vec<&Container> = seen.iter().filter_map(|seen| seen.container.as_ref()).collect();
    let running = seen.iter().filter(|seen| seen.state() == "running").count();
    let networks: BTreeSet<String> = all.iter().flat_map(|container| container.networks()).collect();
    let ports: BTreeSet<String> = all.iter().flat_map(|container| container.published()).collect();
    let up = container.started_at().filter(|_| matches!(container.state(), "running" | "paused")).map(|at| now - at);
    let up = up.and_then(|up| u64::try_from(up.num_milliseconds()).ok()).map(TimeSpan::from_millis);
    let (policy, retries) = container.restart_policy();
    let swap = Some(container.memory_swap()).filter(|swap| *swap > 0);
    let value = json!({
        "state": worst_state(seen.iter().map(Seen::state)),
        "running": running == seen.len(),
        "ready": seen.iter().all(Seen::is_ready),
        "health": container.health(),
        "exit_code": worst.exit_code(),
        "exit_reason": worst.exit_reason(),
        "error": worst.error(),
        "error_kind": "none",
        "oom_events": seen.iter().map(|seen| seen.oom_events).sum::<i64>(),
        "restart_count": all.iter().map(|container| container.restart_count()).max(),
        "crash_looping": seen.iter().any(|seen| seen.is_crash_looping(now)),
        "restart_policy": policy,
        "restart_retries": retries,
        "started_at": container.started_at(),
        "finished_at": container.finished_at(),
        "uptime": up,
        "paused": worst.state() == "paused",
        "job": false,
        "image": container.image(),
        "image_id": container.image_id(),
        "command": container.command(),
        "memory_limit": container.memory_limit(),
        "memory_swap_limit": swap,
        "memory_usage": worst.sample.map(|sample| sample.memory),
        "cpu_limit": container.cpu_limit(),
        "pids_limit": container.pids_limit(),
        "throttled": worst.sample.map_or(0.0, |sample| sample.throttled_percent()),
        "networks": networks,
        "ports": ports,
        "port_conflict": null,
        "mounts": container.mounted().collect::<Vec<_>>(),
        "health_log": health_log(container),
        "config_digest": digest(container).as_str(),
        "desired_instances": seen.len(),
        "running_instances": running,
        "instances": seen.iter().map(Seen::instance).collect::<Vec<_>>(),
    });
    value.as_object().cloned().unwrap_or_default()
}

fn health_log(container: &Container) -> Vec<Value> {
    let looks = container.health_log();
    looks
        .map(|(at, exit_code, output)| {
            json!({"at": at, "exit_code": exit_code, "output": clean_text(output.trim(), ERROR_LENGTH)})
        })
        .collect()
}

/// The status of what is not there: every field at its nothing, as the declared shape has it.
fn missing() -> Values {
    let Some(Shape::Object(fields)) = crate::domain::ReadCall::spec("container.status").map(|spec| spec.returns) else {
        return Values::new();
    };
    let mut status: Values = fields.into_iter().map(|(name, shape)| (name, nothing(&shape))).collect();
    for (name, text) in [
        ("state", "missing"),
        ("health", "none"),
        ("exit_reason", "none"),
        ("error_kind", "none"),
        ("restart_policy", "no"),
    ] {
        status.insert(name.into(), json!(text));
    }
    status
}

fn nothing(shape: &Shape) -> Value {
    match shape {
        Shape::Boolean => json!(false),
        Shape::Integer | Shape::Bytes | Shape::Number => json!(0),
        Shape::List(_) => json!([]),
        Shape::Map(_) | Shape::Object(_) => json!({}),
        Shape::Nullable(_) | Shape::Any => Value::Null,
        Shape::String | Shape::Duration | Shape::Timestamp | Shape::Target => json!(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_the_declared_shape() {
        let shape = crate::domain::spec_of("container.status").unwrap().returns;
        assert_eq!(missing()["state"], "missing");
        assert!(shape.coerce(Value::Object(missing())).is_ok());
    }
}

//! What reading steps return: those of a healthy `api`, and what a fault makes of them.

use oncalld::{
    catalog::{Catalog, status_shape},
    domain::{Evidence, Step, Values},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Facts by step name.
#[derive(Clone, Debug)]
pub struct Facts(BTreeMap<String, Value>);

impl Facts {
    /// Everything is as it should be.
    pub fn healthy() -> Self {
        let facts = [
            ("status", status()),
            ("dependency_status", status()),
            ("health", health()),
            ("events", json!({"events": [], "starts": 1, "deaths": 0, "ooms": 0, "external_kills": 0, "since": null})),
            ("resources", resources()),
            ("dependencies", dependencies()),
            ("config", config()),
            ("services", services()),
            ("logs", json!({"lines": [], "matched": 0, "read": 0, "truncated": false})),
            ("history", history()),
            ("processes", json!({"processes": [], "count": 3, "zombies": 0, "uninterruptible": 0})),
            ("disk", disk()),
        ];
        Self(facts.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The service has ended, as `docker inspect` shows it.
    pub fn ended(exit_reason: &str, exit_code: i64) -> Self {
        Self::healthy()
            .with("status", json!({
                "state": "exited", "running": false, "ready": false, "health": "none", "exit_code": exit_code,
                "exit_reason": exit_reason, "started_at": null, "finished_at": "2026-11-21T11:59:00Z", "uptime": null,
                "memory_usage": null, "running_instances": 0,
            }))
            .with("health", json!({"healthy": false, "error": "connection refused"}))
    }

    /// Changes some fields of a step's result.
    pub fn with(mut self, step: &str, changes: Value) -> Self {
        let Value::Object(changes) = changes else { panic!("changes are an object") };
        let facts = self.0.get_mut(step).and_then(Value::as_object_mut).expect("a step that is known");
        for (field, value) in changes {
            assert!(facts.insert(field.clone(), value).is_some(), "{step} has no field {field}");
        }
        self
    }

    /// Lines of the log.
    pub fn log(self, lines: &[&str]) -> Self {
        let line = |text: &&str| json!({"at": null, "instance": "api", "stream": "stderr", "text": text});
        self.with("logs", json!({"lines": lines.iter().map(line).collect::<Vec<_>>(), "matched": lines.len()}))
    }

    /// What the step returns.
    pub fn answer(&self, catalog: &Catalog, step: &Step) -> Evidence {
        let facts = self.0.get(&step.name).unwrap_or_else(|| panic!("no facts for step {}", step.name));
        super::evidence(catalog, step, facts.clone())
    }
}

/// The status of a healthy `api` in canonical form.
pub fn healthy_status() -> Values {
    let canonical = status_shape().coerce(status()).expect("a status");
    canonical.as_object().cloned().expect("an object")
}

fn status() -> Value {
    json!({
        "state": "running", "running": true, "ready": true, "health": "healthy", "exit_code": null, "exit_reason": "none",
        "error": "", "error_kind": "none", "oom_events": 0, "restart_count": 0, "crash_looping": false,
        "restart_policy": "no", "restart_retries": 0, "started_at": "2026-11-21T08:00:00Z", "finished_at": null,
        "uptime": "4h", "paused": false, "job": false, "image": "app:v2", "image_id": "sha256:2", "command": ["/app"],
        "memory_limit": "16MiB", "memory_swap_limit": "16MiB", "memory_usage": "4MiB", "cpu_limit": null,
        "pids_limit": null, "throttled": 0, "networks": ["front"], "ports": [], "port_conflict": null,
        "mounts": [], "health_log": [], "config_digest": "c", "desired_instances": 1, "running_instances": 1, "instances": [],
    })
}

fn health() -> Value {
    json!({
        "healthy": true, "source": "endpoint", "endpoint": "http://127.0.0.1:8080/health", "status": 200,
        "latency": "3ms", "timed_out": false, "error": "", "failing_streak": 0,
    })
}

fn resources() -> Value {
    json!({
        "cpu_percent": 3.0, "throttled_percent": 0.0, "memory_usage": "4MiB", "memory_limit": "16MiB",
        "memory_percent": 25.0, "memory_peak": null, "pids": 3, "pids_limit": null, "host_memory": "4GiB",
        "host_memory_free": "2GiB", "instances": [],
    })
}

fn dependencies() -> Value {
    json!({
        "dependencies": [], "down": [], "unreachable": [], "unshared": [], "join_network": "", "all_ready": true,
    })
}

fn config() -> Value {
    json!({
        "source": "last_good", "environment": {}, "missing": [], "changed": [], "added": [], "command": ["/app"],
        "command_changed": false, "image": "app:v2", "image_changed": false, "limits_changed": false,
        "networks_missing": [], "ports_changed": false, "last_good_at": "2026-11-21T11:00:00Z", "changed_at": null,
        "config_digest": "c", "mounts": [],
    })
}

fn services() -> Value {
    let service = |name: &str, depends_on: &[&str]| {
        json!({
            "name": name, "state": "running", "instances": 1, "image": "", "depends_on": depends_on, "protected": false,
            "job": false,
        })
    };
    let services = [service("api", &["db"]), service("db", &[]), service("intruder", &[])];
    json!({"services": services, "count": 3, "not_running": []})
}

fn history() -> Value {
    json!({
        "changes": [], "last_change_at": null, "image_changed_at": null, "previous_image": "", "previous_present": false,
    })
}

fn disk() -> Value {
    json!({"mounts": [], "percent": 40.0, "fullest": "/", "clearable": [], "log_size": 0})
}

//! A fault on a Docker host: the stage that it is on, the daemon, and the service `api` that it is about.

use super::command::eventually;
use super::daemon::{Daemon, Settings};
use super::http::free_port;
use super::stage::{Stage, docker_ok};
use serde_json::{Value, json};
use std::time::Duration;

/// Serves a page on 8080 in the foreground.
pub const SERVE: &str = "mkdir -p /srv/www; echo ok >/srv/www/index.html; exec httpd -f -p 8080 -h /srv/www";

/// One fault on its stage: the daemon and the services declared to it.
pub struct Scene {
    /// Where its containers are.
    pub stage: Stage,
    port: u16,
}

impl Scene {
    /// A stage and a port of its own; none if no engine answers.
    pub fn open() -> Option<Self> {
        Stage::open().map(|stage| Self { stage, port: free_port() })
    }

    /// A daemon that knows this about the service `api` and, perhaps, others.
    pub fn daemon(&self, api: Value, others: &[(&str, Value)]) -> Daemon {
        self.daemon_with(api, others, Vec::new())
    }

    /// The same, with further files of its configuration.
    pub fn daemon_with(&self, api: Value, others: &[(&str, Value)], files: Vec<(String, String)>) -> Daemon {
        let mut services = json!({self.api(): api});
        for (name, declared) in others {
            services[self.stage.unique(name)] = declared.clone();
        }
        let environments = json!({
            "docker": {"kind": "docker", "autonomy": "approve", "services": services, "inventory_every": "1s"}
        });
        let daemon = Daemon::start(&Settings { files, ..Settings::of(environments) });
        daemon.sees_services();
        daemon
    }

    /// The name of the service `api` here.
    pub fn api(&self) -> String {
        self.stage.unique("api")
    }

    /// What publishes the port of `api`.
    pub fn publish(&self) -> String {
        format!("127.0.0.1:{}:8080", self.port)
    }

    /// Where `api` answers.
    pub fn health(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Runs `api`, publishing its port, with further options.
    pub fn run_api(&self, options: &[&str], script: &str) {
        let publish = self.publish();
        let mut all = vec!["--publish", publish.as_str()];
        all.extend(options);
        let said = self.stage.run("api", &all, &["sh", "-c", script]);
        assert!(said.ok, "{}", said.err);
    }

    /// Labels as cAdvisor's alerts have them: the exporter's own instance and job besides the container's name.
    pub fn labels(&self, alert: &str) -> Value {
        json!({"alertname": alert, "severity": "critical", "name": self.api(), "instance": "host1:8080", "job": "cadvisor"})
    }

    /// Posts the alert, once the daemon's inventory is what there is: it is read every second here.
    pub fn alert(&self, daemon: &Daemon, alert: &str) -> String {
        let name = format!("name=^{}$", self.api());
        eventually("the inventory is what there is", Duration::from_secs(30), || {
            let there = docker_ok(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &name]);
            let services = daemon.http.get("/api/v1/services").expect("an answer").ok();
            let all = services.as_array().map_or(&[][..], Vec::as_slice);
            let service = all.iter().find(|one| one["name"] == self.api()).ok_or("not known yet")?;
            let instance = &service["instances"][0];
            // A declared service without a container has one instance that is missing.
            let known = instance["id"].as_str().filter(|_| instance["state"] != "missing").unwrap_or_default();
            if known == there { Ok(()) } else { Err(format!("{known} is known, {there} is there")) }
        });
        daemon.alert(&self.labels(alert))
    }

    /// Waits until the container is in this state.
    pub fn await_state(&self, name: &str, state: &str) {
        eventually(&format!("{name} is {state}"), Duration::from_secs(30), || {
            let now = self.stage.inspect(name, "{{.State.Status}}");
            if now == state { Ok(()) } else { Err(now) }
        });
    }

    /// Waits until the engine has restarted the container so often.
    pub fn await_restarts(&self, name: &str, least: u32) {
        eventually(&format!("{name} was restarted"), Duration::from_secs(60), || {
            let now = self.stage.inspect(name, "{{.RestartCount}}");
            if now.parse::<u32>().is_ok_and(|now| now >= least) { Ok(()) } else { Err(now) }
        });
    }
}

/// Answers 200 while `store` can be reached, and 503 otherwise.
pub fn needs_store(store: &str) -> String {
    format!(
        r#"cat >/answer <<'END'
#!/bin/sh
read -r line
if nc -w 1 {store} 6379 </dev/null >/dev/null 2>/tmp/why; then status="200 OK"; else status="503 Service Unavailable"; cat /tmp/why >/proc/1/fd/1; fi
printf 'HTTP/1.0 %s\r\nContent-Length: 0\r\n\r\n' "$status"
END
chmod 755 /answer; exec nc -ll -p 8080 -e /answer"#
    )
}

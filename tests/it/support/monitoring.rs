//! A real Prometheus and a real Alertmanager, run from this machine's packages.

use super::command::{eventually, wait};
use super::http::{Http, free_port};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Both of them, until dropped.
pub struct Monitoring {
    children: Vec<Child>,
    prometheus: Http,
    alertmanager: Http,
    _folder: TempDir,
}

/// What is watched: a target that is scraped, with the labels that its series have, and the rule about it.
pub struct Watched<'a> {
    /// `host:port` that serves `/metrics.txt`.
    pub address: &'a str,
    /// Labels of its series.
    pub labels: Value,
    /// Name of the alert.
    pub alert: &'a str,
    /// When it fires.
    pub expression: &'a str,
}

impl Monitoring {
    /// Starts both; alerts go to the daemon's webhook on this port.
    pub fn start(watched: &Watched<'_>, daemon_port: u16) -> Self {
        let folder = tempfile::Builder::new().prefix("oncalld-monitoring").tempdir().expect("a temporary folder");
        let (prometheus, alertmanager) = (free_port(), free_port());
        write_config(folder.path(), watched, alertmanager, daemon_port);
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let children = vec![
            spawn(
                "prometheus-alertmanager",
                &[
                    format!("--config.file={}", path("alertmanager.yml")),
                    format!("--storage.path={}", path("alertmanager")),
                    format!("--web.listen-address=127.0.0.1:{alertmanager}"),
                    "--cluster.listen-address=".to_owned(),
                ],
                &folder.path().join("alertmanager.log"),
            ),
            spawn(
                "prometheus",
                &[
                    format!("--config.file={}", path("prometheus.yml")),
                    format!("--storage.tsdb.path={}", path("prometheus")),
                    format!("--web.listen-address=127.0.0.1:{prometheus}"),
                    format!("--web.external-url=http://127.0.0.1:{prometheus}"),
                ],
                &folder.path().join("prometheus.log"),
            ),
        ];
        let running = Self {
            children,
            prometheus: Http::to(prometheus, None),
            alertmanager: Http::to(alertmanager, None),
            _folder: folder,
        };
        for http in [&running.prometheus, &running.alertmanager] {
            eventually("monitoring is ready", Duration::from_secs(60), || match http.get("/-/ready") {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.text),
                Err(error) => Err(error),
            });
        }
        running
    }

    /// Address of Prometheus.
    pub fn prometheus(&self) -> &str {
        self.prometheus.base()
    }

    /// Address of Alertmanager.
    pub fn alertmanager(&self) -> &str {
        self.alertmanager.base()
    }

    /// Alerts that Prometheus has now.
    pub fn firing(&self) -> Vec<Value> {
        let answer = self.prometheus.get("/api/v1/alerts").expect("an answer").ok();
        let all = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|alert| alert["state"] == "firing").collect()
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = wait(child, Duration::from_secs(10));
        }
    }
}

fn write_config(folder: &Path, watched: &Watched<'_>, alertmanager: u16, daemon: u16) {
    let write = |name: &str, value: Value| fs::write(folder.join(name), value.to_string()).expect("a file");
    write(
        "prometheus.yml",
        json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [format!("127.0.0.1:{alertmanager}")]}]}]},
            "scrape_configs": [{
                "job_name": "services",
                "metrics_path": "/metrics.txt",
                "static_configs": [{"targets": [watched.address], "labels": watched.labels}],
            }],
        }),
    );
    write(
        "rules.yml",
        json!({"groups": [{"name": "services", "rules": [{
            "alert": watched.alert, "expr": watched.expression, "for": "5s", "labels": {"severity": "critical"},
            "annotations": {"summary": "{{ $labels.name }} is gone"},
        }]}]}),
    );
    write(
        "alertmanager.yml",
        json!({
            "route": {"receiver": "oncalld", "group_by": ["alertname", "name"], "group_wait": "1s", "group_interval": "2s", "repeat_interval": "1h"},
            "receivers": [{"name": "oncalld", "webhook_configs": [{
                "url": format!("http://127.0.0.1:{daemon}/api/v1/alerts/alertmanager"), "send_resolved": true,
            }]}],
        }),
    );
}

fn spawn(program: &str, arguments: &[String], log: &Path) -> Child {
    let log = fs::File::create(log).expect("a log file");
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log file"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

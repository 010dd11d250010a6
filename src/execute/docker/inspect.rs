//! A container as the engine describes it, kept whole as JSON: a recreation must lose no field, known to us or not.

use crate::domain::{Labels, Timestamp};
use crate::execute::comparison::Configuration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything the engine knows of a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Container(Value);

static NOTHING: Value = Value::Null;

/// Looks at its health that are told: the engine keeps as many.
const HEALTH_LOOKS: usize = 5;

impl Container {
    pub fn new(value: Value) -> Self {
        Self(value)
    }

    fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&NOTHING)
    }

    fn number(&self, pointer: &str) -> i64 {
        self.at(pointer).as_i64().unwrap_or_default()
    }

    fn flag(&self, pointer: &str) -> bool {
        self.at(pointer).as_bool().unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        self.text("/Id")
    }

    pub fn short_id(&self) -> &str {
        self.id().get(..12).unwrap_or(self.id())
    }

    pub fn name(&self) -> &str {
        self.text("/Name").trim_start_matches('/')
    }

    /// `created`, `running`, `paused`, `restarting`, `exited`, `dead`, `removing`.
    pub fn state(&self) -> &str {
        self.text("/State/Status")
    }

    pub fn is_running(&self) -> bool {
        self.state() == "running"
    }

    pub fn oom_killed(&self) -> bool {
        self.flag("/State/OOMKilled")
    }

    pub fn exit_code(&self) -> i64 {
        self.number("/State/ExitCode")
    }

    /// What the engine says about a start that failed.
    pub fn error(&self) -> &str {
        self.text("/State/Error")
    }

    /// Of the main process, as the engine's machine numbers it; none unless it lives.
    pub fn pid(&self) -> Option<i32> {
        i32::try_from(self.number("/State/Pid")).ok().filter(|pid| *pid > 0)
    }

    pub fn started_at(&self) -> Option<Timestamp> {
        time(self.text("/State/StartedAt"))
    }

    pub fn finished_at(&self) -> Option<Timestamp> {
        time(self.text("/State/FinishedAt"))
    }

    pub fn restart_count(&self) -> i64 {
        self.number("/RestartCount")
    }

    /// `healthy`, `unhealthy`, `starting` or `none`.
    pub fn health(&self) -> &str {
        match self.at("/State/Health/Status").as_str().or_else(|| self.at("/State/Healthcheck/Status").as_str()) {
            Some(status) if !status.is_empty() => status,
            _ => "none",
        }
    }

    pub fn failing_streak(&self) -> i64 {
        self.number("/State/Health/FailingStreak")
    }

    /// Output of the last health check.
    pub fn health_output(&self) -> (&str, Option<i64>) {
        let last = self.at("/State/Health/Log").as_array().and_then(|log| log.last()).unwrap_or(&NOTHING);
        (last["Output"].as_str().unwrap_or_default(), last["ExitCode"].as_i64())
    }

    /// The last looks at its health, newest last: when, exit code, output.
    pub fn health_log(&self) -> impl Iterator<Item = (Timestamp, Option<i64>, &str)> {
        let log = self.at("/State/Health/Log").as_array().map(Vec::as_slice).unwrap_or_default();
        log[log.len().saturating_sub(HEALTH_LOOKS)..].iter().filter_map(|look| {
            let at = look["End"].as_str().and_then(time).or_else(|| look["Start"].as_str().and_then(time))?;
            Some((at, look["ExitCode"].as_i64(), look["Output"].as_str().unwrap_or_default()))
        })
    }

    /// The image as it was asked for.
    pub fn image(&self) -> &str {
        self.text("/Config/Image")
    }

    /// The image itself.
    pub fn image_id(&self) -> &str {
        self.text("/Image")
    }

    pub fn config(&self) -> &Value {
        self.at("/Config")
    }

    pub fn host_config(&self) -> &Value {
        self.at("/HostConfig")
    }

    pub fn has_terminal(&self) -> bool {
        self.flag("/Config/Tty")
    }

    pub fn removes_itself(&self) -> bool {
        self.flag("/HostConfig/AutoRemove")
    }

    pub fn log_path(&self) -> &str {
        self.text("/LogPath")
    }

    pub fn log_driver(&self) -> &str {
        self.text("/HostConfig/LogConfig/Type")
    }

    pub fn labels(&self) -> Labels {
        let labels = self.at("/Config/Labels").as_object();
        labels
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| value.as_str().map(|value| (name.clone(), value.to_owned())))
            .collect()
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.at("/Config/Labels")[name].as_str()
    }

    pub fn environment(&self) -> BTreeMap<String, String> {
        strings(self.at("/Config/Env"))
            .into_iter()
            .map(|entry| match entry.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (entry, String::new()),
            })
            .collect()
    }

    /// Entry point and arguments.
    pub fn command(&self) -> Vec<String> {
        let mut command = strings(self.at("/Config/Entrypoint"));
        command.extend(strings(self.at("/Config/Cmd")));
        command
    }

    /// Name and retries.
    pub fn restart_policy(&self) -> (&str, i64) {
        let name = self.text("/HostConfig/RestartPolicy/Name");
        (if name.is_empty() { "no" } else { name }, self.number("/HostConfig/RestartPolicy/MaximumRetryCount"))
    }

    pub fn network_mode(&self) -> &str {
        self.text("/HostConfig/NetworkMode")
    }

    /// What it is attached to, by the network's name.
    pub fn endpoints(&self) -> BTreeMap<&str, &Value> {
        let networks = self.at("/NetworkSettings/Networks").as_object();
        networks.into_iter().flatten().map(|(name, endpoint)| (name.as_str(), endpoint)).collect()
    }

    pub fn networks(&self) -> BTreeSet<String> {
        self.endpoints().keys().map(|name| (*name).to_owned()).collect()
    }

    /// Its addresses on its networks.
    pub fn addresses(&self) -> BTreeMap<&str, &str> {
        self.endpoints()
            .into_iter()
            .filter_map(|(name, endpoint)| {
                endpoint["IPAddress"].as_str().filter(|ip| !ip.is_empty()).map(|ip| (name, ip))
            })
            .collect()
    }

    pub fn mounts(&self) -> &[Value] {
        self.at("/Mounts").as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// `8080/tcp` and the like, that it says it listens on.
    pub fn exposed_ports(&self) -> Vec<u16> {
        let exposed = self.at("/Config/ExposedPorts").as_object();
        let bound = self.at("/HostConfig/PortBindings").as_object();
        let mut ports: Vec<u16> = exposed
            .into_iter()
            .flatten()
            .chain(bound.into_iter().flatten())
            .filter_map(|(port, _)| port.strip_suffix("/tcp").unwrap_or(port).parse().ok())
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// `address:port->port/protocol`, as configured.
    pub fn published(&self) -> Vec<String> {
        self.bindings()
            .map(|(inside, address, port)| {
                let address = if address.is_empty() { "0.0.0.0" } else { address };
                let port = if port.is_empty() { "*" } else { port };
                format!("{address}:{port}->{inside}")
            })
            .collect()
    }

    /// Port inside, address and port outside, as configured.
    pub fn bindings(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        bindings(self.at("/HostConfig/PortBindings"))
    }

    /// The same as they are now: where the engine chose a port, that one.
    pub fn bound(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        bindings(self.at("/NetworkSettings/Ports"))
    }

    /// Bytes, if limited.
    pub fn memory_limit(&self) -> Option<i64> {
        Some(self.number("/HostConfig/Memory")).filter(|bytes| *bytes > 0)
    }

    /// As configured: 0 is the engine's default, -1 is unlimited.
    pub fn memory_swap(&self) -> i64 {
        self.number("/HostConfig/MemorySwap")
    }

    /// In CPUs, if limited.
    pub fn cpu_limit(&self) -> Option<f64> {
        let nano = self.number("/HostConfig/NanoCpus");
        if nano > 0 {
            return Some(nano as f64 / 1e9);
        }
        let (quota, period) = (self.number("/HostConfig/CpuQuota"), self.cpu_period());
        (quota > 0).then(|| quota as f64 / period as f64)
    }

    /// Microseconds; Docker's default where none is set.
    pub fn cpu_period(&self) -> i64 {
        Some(self.number("/HostConfig/CpuPeriod")).filter(|period| *period > 0).unwrap_or(100_000)
    }

    /// Whether its CPU limit was given as quota and period.
    pub fn has_cpu_quota(&self) -> bool {
        self.number("/HostConfig/CpuQuota") > 0 || self.number("/HostConfig/CpuPeriod") > 0
    }

    pub fn pids_limit(&self) -> Option<i64> {
        Some(self.number("/HostConfig/PidsLimit")).filter(|limit| *limit > 0)
    }

    /// Seconds that it asks for between signal and force.
    pub fn stop_timeout(&self) -> u64 {
        self.at("/Config/StopTimeout").as_u64().unwrap_or(10)
    }

    /// Where it keeps what.
    pub fn mounted(&self) -> impl Iterator<Item = Value> {
        self.mounts().iter().map(|mount| {
            let text = |name: &str| mount[name].as_str().unwrap_or_default();
            let source = if text("Name").is_empty() { text("Source") } else { text("Name") };
            serde_json::json!({
                "path": text("Destination"), "kind": text("Type"), "source": source,
                "read_only": mount["RW"].as_bool() == Some(false),
            })
        })
    }

    /// What comparisons look at.
    pub fn configuration(&self) -> Configuration {
        let limits = [
            ("memory", self.memory_limit()),
            ("memory_swap", Some(self.memory_swap()).filter(|swap| *swap != 0)),
            ("milli_cpus", self.cpu_limit().map(|cpus| (cpus * 1_000.0).round() as i64)),
            ("pids", self.pids_limit()),
        ];
        Configuration {
            environment: self.environment(),
            command: self.command(),
            image: self.image().to_owned(),
            limits: limits
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
                .collect(),
            networks: self.networks(),
            ports: self.published().into_iter().collect(),
        }
    }
}

fn bindings(ports: &Value) -> impl Iterator<Item = (&str, &str, &str)> {
    ports.as_object().into_iter().flatten().flat_map(|(inside, bound)| {
        bound.as_array().into_iter().flatten().map(move |binding| {
            let text = |name: &str| binding[name].as_str().unwrap_or_default();
            (inside.as_str(), text("HostIp"), text("HostPort"))
        })
    })
}

/// A list of texts, or one text (older engines and Podman).
pub(super) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// A time of the engine; its year 1 means never.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    use chrono::Datelike as _;
    let at = chrono::DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (at.year() > 1970).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_inspection_is_read() {
        let container = Container::new(json!({
            "Id": "0123456789abcdef", "Name": "/api", "RestartCount": 2,
            "State": {"Status": "exited", "ExitCode": 137, "StartedAt": "0001-01-01T00:00:00Z", "Pid": 0},
            "Config": {"Env": ["A=b=c", "EMPTY"], "Entrypoint": null, "Cmd": ["x", "y"], "Labels": {"a": "b"}},
            "HostConfig": {"NanoCpus": 500_000_000, "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}},
        }));
        assert_eq!((container.name(), container.short_id(), container.health()), ("api", "0123456789ab", "none"));
        assert_eq!(container.environment()["A"], "b=c");
        assert_eq!((container.started_at(), container.pid(), container.cpu_limit()), (None, None, Some(0.5)));
        assert_eq!((container.published(), container.exposed_ports()), (vec!["0.0.0.0:8080->80/tcp".into()], vec![80]));
        assert_eq!(container.restart_policy(), ("no", 0));
    }
}

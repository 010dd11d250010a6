//! Whole briefs of one incident: `api` was killed at its memory limit.

mod attacks;
mod budget;
mod snapshots;

use super::Remedy; // which domain has another one of
use super::*;
use crate::{
    config::{Config, Sources},
    domain::*,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::LazyLock};

pub const MARKER: &str = "outside-8f3a51c09d7e42b6";

/// The configuration as it is shipped.
pub fn shipped() -> &'static Config {
    static SHIPPED: LazyLock<Config> = LazyLock::new(|| {
        Config::load(Sources::built_in(), &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"))
    });
    &SHIPPED
}

pub fn at(clock: &str) -> Timestamp {
    format!("2026-11-21T{clock}Z").parse().unwrap()
}

pub fn values(value: Value) -> Values {
    serde_json::from_value(value).unwrap()
}

/// Everything that a brief is made of, to be changed by a test.
pub struct Incident {
    pub id: IncidentId,
    pub note: Option<String>,
    pub alerts: Vec<Alert>,
    pub evidence: Vec<Evidence>,
    pub findings: Vec<Finding>,
    pub differences: Vec<Difference>,
    pub left: Vec<Step>,
    pub window: Option<(usize, Values, u64, u64)>,
    pub again: Option<(String, Vec<String>)>,
    pub redactor: Redactor,
    pub budget: u64,
}

impl Incident {
    fn with<T>(&self, prompt: &Template, then: impl FnOnce(&Writing<'_>, &Case<'_>) -> T) -> T {
        let fence = Fence::new(MARKER).unwrap();
        let evidence: Vec<&Evidence> = self.evidence.iter().collect();
        let windows: Vec<Shown<'_>> = self
            .window
            .iter()
            .map(|(index, whole, first, lines)| Shown {
                evidence: &self.evidence[*index],
                whole,
                first: *first,
                lines: *lines,
            })
            .collect();
        let case = Case {
            incident: &self.id,
            opened_at: at("12:00:00"),
            environment: "docker",
            kind: EnvironmentKind::Docker,
            target: Some("api"),
            note: self.note.as_deref(),
            alerts: &self.alerts,
            evidence: &evidence,
            findings: &self.findings,
            windows: &windows,
            differences: &self.differences,
            catalog: &shipped().catalog,
            again: self.again.as_ref().map(|(said, faults)| Again { said, faults }),
        };
        then(&Writing { prompt, fence: &fence, redactor: &self.redactor, budget: self.budget }, &case)
    }

    pub fn planner(&self) -> Result<Brief, BriefError> {
        let left: Vec<(PhaseName, &Step)> = self.left.iter().map(|step| (PhaseName::RootCause, step)).collect();
        let known = |id: &str| shipped().catalog.runbooks.iter().find(|runbook| runbook.id == id).unwrap();
        let runbooks = [known("memory"), known("general")];
        let operations = ["update_resources", "start_service"];
        let remedy =
            Remedy { id: "memory/raise_memory_and_start", cause: "memory_limit_too_small", operations: &operations };
        let planning = Planning { left: &left, from: PhaseName::RootCause, runbooks: &runbooks, remedies: &[remedy] };
        self.with(&shipped().agents.planner.prompt, |writing, case| planner(writing, case, &planning))
    }

    pub fn analyst(&self) -> Result<Brief, BriefError> {
        let causes = Causes::from([
            ("memory_limit_too_small", "It was killed at its memory limit"),
            ("host_out_of_memory", "The host has no memory left"),
        ]);
        self.with(&shipped().agents.analyst.prompt, |writing, case| analyst(writing, case, &causes))
    }

    pub fn reporter(&self, done: &str) -> Result<Brief, BriefError> {
        let passages = [
            Passage { title: "How it ended", facts: vec!["resolved: the limit holds"] },
            Passage { title: "What was done", facts: vec![done] },
            Passage { title: "What is left to do", facts: vec![] },
        ];
        self.with(&shipped().agents.reporter.prompt, |writing, case| reporter(writing, case, &passages))
    }
}

pub fn evidence(n: usize, name: &str, operation: &str, facts: Value) -> Evidence {
    Evidence {
        step: IncidentId::new("inc_0123456789ab").step(1, n),
        name: name.into(),
        operation: operation.into(),
        target: "api".into(),
        at: at(&format!("12:00:{n:02}")),
        facts: values(facts),
        commands: Vec::new(),
        digest: Digest::of(b""),
        truncated: false,
    }
}

fn log() -> Value {
    let mut lines: Vec<Value> = (0..48)
        .map(|n| {
            let text = format!("INFO request {} from 10.0.0.{n} took {}.5ms", 1_000 + n, 3 + n % 5);
            json!({"at": at(&format!("11:59:{n:02}")), "instance": "api-1", "stream": "stdout", "text": text})
        })
        .collect();
    for (second, text) in [
        (48, "WARN cache: 14900 entries, 58 MiB; nothing is ever dropped"),
        (50, "WARN cache: 15100 entries, 61 MiB; nothing is ever dropped"),
        (51, "ERROR cannot reach postgres://app:hunter2hunter2@db:5432/app: connection refused"),
        (52, "FATAL out of memory: cannot allocate 1048576 bytes"),
    ] {
        let at = at(&format!("11:59:{second}"));
        lines.push(json!({"at": at, "instance": "api-1", "stream": "stderr", "text": text}));
    }
    json!({"lines": lines, "matched": 52, "read": 4_100, "truncated": false})
}

fn alert() -> Alert {
    let labels: Labels = [("alertname", "ContainerKilled"), ("severity", "critical"), ("name", "api")]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    Alert {
        fingerprint: Alert::fingerprint_of(&labels),
        status: AlertStatus::Firing,
        labels,
        annotations: [("summary".into(), "api was killed".into())].into(),
        starts_at: at("11:59:55"),
        ends_at: None,
        expression: Some("time() - container_last_seen{name=\"api\"} > 60".into()),
    }
}

/// The incident as it is after its second phase.
pub fn incident() -> Incident {
    let redactor = Redactor::new(["hunter2hunter2".to_owned()], "salt");
    let password = redactor.placeholder("hunter2hunter2");
    let status = json!({
        "state": "exited", "running": false, "ready": false, "health": "none", "exit_code": 137, "exit_reason": "oom",
        "error": "", "error_kind": "none", "oom_events": 1, "restart_count": 0, "restart_policy": "no",
        "finished_at": "2026-11-21T11:59:53.4Z", "uptime": null, "image": "shop/api:1.4.2", "command": ["/bin/api", "--cache"],
        "memory_limit": 67_108_864, "networks": ["shop"], "config_digest": "ab".repeat(32),
        "instances": [{"id": "4f2a9b1c03de", "name": "api-1", "state": "exited", "ready": false, "exit_code": 137}],
    });
    let events = json!({
        "events": [
            {"at": "2026-11-21T11:58:00Z", "action": "start", "instance": "api-1", "attributes": {"image": "shop/api:1.4.2"}},
            {"at": "2026-11-21T11:59:53Z", "action": "oom", "instance": "api-1", "attributes": {}},
        ],
        "starts": 1, "deaths": 1, "ooms": 1, "external_kills": 0, "since": null,
    });
    let config = json!({
        "source": "last_good", "environment": {"DB_PASSWORD": password, "CACHE_SIZE": "[redacted:0a1b2c]", "MODE": "[redacted:3d4e5f]"},
        "missing": [], "changed": ["CACHE_SIZE"], "added": [], "command_changed": false, "image": "shop/api:1.4.2",
        "image_changed": true, "limits_changed": false, "last_good_at": "2026-11-21T11:00:00Z", "mounts": [],
    });
    let summary = "api was killed at its memory limit of 64 MiB (out-of-memory kills seen: 1, restarts: 0)";
    let id = IncidentId::new("inc_0123456789ab");
    Incident {
        note: None,
        alerts: vec![alert()],
        evidence: vec![
            evidence(1, "status", "get_status", status),
            evidence(2, "events", "get_events", events),
            evidence(3, "logs", "get_logs", log()),
            evidence(4, "config", "get_config", config),
        ],
        findings: vec![Finding {
            id: "oom_killed".into(),
            runbook: "memory".into(),
            summary: summary.into(),
            cause: Some(Cause {
                code: "memory_limit_too_small".into(),
                confidence: 0.95,
                summary: summary.into(),
                prevention: String::new(),
            }),
            cites: vec![id.step(1, 1), id.step(1, 2)],
            model: None,
        }],
        differences: Vec::new(),
        left: vec![Step {
            id: id.step(1, 7),
            name: "db_logs".into(),
            operation: "get_logs".into(),
            target: "db".into(),
            arguments: values(json!({"tail": 50})),
            reason: "its database refused it".into(),
            role: StepRole::Diagnose,
            timeout: TimeSpan::from_secs(30),
            expects: None,
        }],
        window: None,
        again: None,
        redactor,
        budget: 50_000,
        id,
    }
}

/// Lines that stand outside of fences; and every line inside begins with the mark and has no angle bracket.
pub fn outside(text: &str) -> Vec<&str> {
    let (open, close) = (format!("<{MARKER}>"), format!("</{MARKER}>"));
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        match inside {
            false if line == open => inside = true,
            true if line == close => inside = false,
            true => assert!(line.starts_with("│ ") && !line.contains(['<', '>', '\r']), "{line:?}"),
            false => lines.push(line),
        }
    }
    assert!(!inside, "a fence stays open");
    assert!(lines.iter().all(|line| !line.contains(MARKER)), "a marker stands alone");
    lines
}

pub fn told(brief: &Brief) -> &str {
    match &brief.turns[0] {
        Turn::Told(text) | Turn::Said(text) => text,
    }
}

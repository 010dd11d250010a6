//! An incident as the engine would have folded it, for whole reports.

mod snapshots;
mod thinking;

use super::*;
use crate::domain::*;
use serde_json::json;

pub fn at(clock: &str) -> Timestamp {
    format!("2026-11-21T{clock}Z").parse().unwrap()
}

pub fn values(value: serde_json::Value) -> Values {
    serde_json::from_value(value).unwrap()
}

pub fn id() -> IncidentId {
    IncidentId::new("inc_0123456789ab")
}

pub fn events(bodies: Vec<(&str, EventBody)>) -> Vec<Event> {
    let incident = Some(id());
    let event = |(index, (clock, body))| Event {
        seq: index as u64 + 1,
        at: at(clock),
        incident: incident.clone(),
        body,
        hash: Digest::of(b"x"),
    };
    bodies.into_iter().enumerate().map(event).collect()
}

pub fn alert(status: AlertStatus) -> Alert {
    let labels: Labels = [("alertname", "ContainerKilled"), ("severity", "critical"), ("name", "api")]
        .map(|(n, v)| (n.into(), v.into()))
        .into();
    Alert {
        fingerprint: Alert::fingerprint_of(&labels),
        status,
        labels,
        annotations: [("summary".into(), "Container killed <img src=x> @channel".into())].into(),
        starts_at: at("00:00:00"),
        ends_at: (status == AlertStatus::Resolved).then(|| at("00:06:00")),
        expression: Some("time() - container_last_seen > 60".into()),
    }
}

pub fn step(n: usize, name: &str, operation: &str, role: StepRole) -> Step {
    Step {
        id: id().step(1, n),
        name: name.into(),
        operation: operation.into(),
        target: "api".into(),
        arguments: Values::new(),
        reason: "the alert is about this service".into(),
        role,
        timeout: TimeSpan::from_secs(30),
        expects: None,
    }
}

pub fn record(phase: PhaseName, step: Step, status: StepStatus) -> StepRecord {
    let times = (Some(at("00:00:02")), Some(at("00:00:03")));
    StepRecord {
        phase,
        step,
        status,
        attempt: 1,
        started_at: times.0,
        finished_at: times.1,
        evidence: None,
        judged: None,
        error: None,
        action: None,
    }
}

pub fn evidence(step: &Step, facts: serde_json::Value, command: &str) -> Evidence {
    Evidence {
        step: step.id.clone(),
        name: step.name.clone(),
        operation: step.operation.clone(),
        target: step.target.clone(),
        at: at("00:00:03"),
        facts: values(facts),
        commands: vec![command.into()],
        digest: Digest::of(step.name.as_bytes()),
        truncated: false,
    }
}

pub fn cause() -> Cause {
    Cause {
        code: "memory_limit_too_small".into(),
        confidence: 0.95,
        summary: "api was killed at its limit of 16MiB".into(),
        prevention: "Set the limit from measured use, and alert at 80 % of it".into(),
    }
}

/// An incident that has read two things and found a cause.
pub fn diagnosed() -> Incident {
    let status = step(1, "status", "get_status", StepRole::Diagnose);
    let logs = step(2, "logs", "get_logs", StepRole::Diagnose);
    let finding = Finding {
        id: "oom_limit".into(),
        runbook: "memory".into(),
        summary: "api was killed at its limit of 16MiB".into(),
        cause: Some(cause()),
        cites: vec![status.id.clone(), logs.id.clone()],
        model: None,
    };
    let facts = json!({"state": "exited", "exit_code": 137, "exit_reason": "oom", "running": false, "error": "",
        "memory_limit": 16_777_216, "networks": ["front", "back"], "port_conflict": null,
        "instances": [{"id": "4f3c", "name": "api"}]});
    let hostile = json!({"lines": [{"text": "starting"}, {"text": "```\n# not a heading\n<script>alert(1)</script>"}],
        "matched": 2, "read": 60, "truncated": false});
    let mut status_record = record(PhaseName::Triage, status.clone(), StepStatus::Succeeded);
    status_record.evidence = Some(evidence(&status, facts, "docker inspect api"));
    let mut logs_record = record(PhaseName::Isolation, logs.clone(), StepStatus::Succeeded);
    logs_record.evidence = Some(evidence(&logs, hostile, "docker logs --tail 200 api"));
    Incident {
        id: id(),
        state: IncidentState::Closed,
        environment: "prod".into(),
        service: Some("api".into()),
        group_key: "prod/api".into(),
        severity: "critical".into(),
        title: "ContainerKilled on api".into(),
        trigger: Trigger::Alert,
        config: Digest::of(b"config"),
        follows: None,
        read_only: None,
        circumstances: Default::default(),
        alerts: vec![alert(AlertStatus::Resolved)],
        resolutions: Default::default(),
        plan: None,
        finished_phases: PhaseName::ALL.to_vec(),
        steps: vec![status_record, logs_record],
        retrying: Vec::new(),
        findings: vec![finding],
        cause: Some(cause()),
        manual: vec![],
        exchanges: Vec::new(),
        not_asked: Vec::new(),
        thought: Thought::default(),
        prose: None,
        approvals: vec![],
        waiting_on: None,
        waiting_since: None,
        verdict: Some(Verdict::Resolved),
        verdict_reason: "the limit was raised, and the alert is gone".into(),
        taken_over_by: None,
        lost: None,
        escalated: None,
        escalations: 0,
        notified: Default::default(),
        untold: Default::default(),
        recheck: None,
        comments: vec![],
        diagnosed_since: 1,
        opened_at: at("00:00:01"),
        closed_at: Some(at("00:06:30")),
        seq: 20,
        updated_at: at("00:06:30"),
    }
}

pub fn remedy() -> Step {
    let role = Remedy {
        id: "raise_memory".into(),
        runbook: "memory".into(),
        cause: "memory_limit_too_small".into(),
        precondition: Some("status.exit_reason == 'oom'".into()),
        position: 0,
    };
    let mut step = step(3, "update_resources", "update_resources", StepRole::Remedy(role));
    step.reason = "double the limit".into();
    step
}

pub fn action(calls: bool) -> Action {
    let call = |memory| ActCall::ContainerUpdate {
        container: "4f3c".into(),
        memory: Some(memory),
        memory_swap: None,
        cpus: None,
        pids: None,
    };
    let binding = Binding {
        environment: "prod".into(),
        target: "api".into(),
        operation: "update_resources".into(),
        calls: vec![PreparedCall::new(call(32 << 20), Some(call(16 << 20)))],
        identity: [("4f3c".into(), "sha256:1".into())].into(),
        guard: values(json!({"memory_limit": 16_777_216})),
        precondition: None,
    };
    let sent = CallRecord {
        index: 0,
        command: binding.calls[0].call.command(),
        intended_at: at("00:04:00"),
        process: "one".into(),
        outcome: Some(CallOutcome::Done { result: values(json!({"changed": true, "detail": "", "id": ""})) }),
        probed: false,
        left: None,
    };
    Action {
        digest: binding.digest(),
        commands: binding.commands(),
        binding,
        risk: Risk::Reversible,
        before: Values::new(),
        diff: vec!["memory: 16MiB → 32MiB".into()],
        gate: Some(GateRecord {
            decision: GateDecision::Ask,
            rule: "autonomy".into(),
            reason: "a person decides".into(),
        }),
        approval: Some(ApprovalId::new("apr_000000000001")),
        calls: if calls { vec![sent] } else { vec![] },
        undo_calls: vec![],
        unsent: None,
        verify: None,
        undo_wanted: None,
        undone: None,
    }
}

pub fn approval(action: &Action, state: ApprovalState, by: &[&str], comment: Option<&str>) -> Approval {
    Approval {
        id: ApprovalId::new("apr_000000000001"),
        incident: id(),
        step: remedy().id,
        environment: "prod".into(),
        operation: "update_resources".into(),
        target: "api".into(),
        arguments: Values::new(),
        command: action.commands.join("\n"),
        undo: String::new(),
        diff: action.diff.clone(),
        risk: action.risk,
        reason: "a person decides".into(),
        digest: action.digest.clone(),
        quorum: 1,
        role: "approver".into(),
        excluded: None,
        state,
        requested_at: at("00:00:10"),
        expires_at: at("01:00:10"),
        decided_by: by.iter().map(|name| (*name).into()).collect(),
        comment: comment.map(str::to_owned),
        void_because: None,
    }
}

pub fn beginning(incident: &Incident) -> Vec<(&'static str, EventBody)> {
    let read = |index: usize| EventBody::StepFinished {
        step: incident.steps[index].step.id.clone(),
        attempt: 1,
        outcome: StepOutcome::Succeeded { evidence: incident.steps[index].evidence.clone().unwrap() },
        milliseconds: 12,
    };
    vec![
        (
            "00:00:01",
            EventBody::IncidentOpened {
                environment: "prod".into(),
                target: Some("api".into()),
                group_key: "prod/api".into(),
                title: incident.title.clone(),
                severity: "critical".into(),
                trigger: Trigger::Alert,
                config: Digest::of(b"config"),
                follows: None,
                read_only: None,
            },
        ),
        (
            "00:00:01",
            EventBody::AlertsReceived {
                delivery: DeliveryId::new("d"),
                sender: "prod".into(),
                alerts: vec![alert(AlertStatus::Firing)],
            },
        ),
        ("00:00:03", read(0)),
        ("00:00:03", read(1)),
        ("00:00:04", EventBody::FindingMade { finding: incident.findings[0].clone() }),
    ]
}

pub fn decided(decision: Decision, comment: Option<&str>) -> EventBody {
    EventBody::ApprovalDecided {
        approval: ApprovalId::new("apr_000000000001"),
        decision,
        by: "alice".into(),
        comment: comment.map(str::to_owned),
    }
}

pub fn intended(undo: bool) -> EventBody {
    let prepared = action(true).binding.calls.remove(0);
    let call = if undo { prepared.undo.unwrap() } else { prepared.call };
    let approval = Some(ApprovalId::new("apr_000000000001"));
    EventBody::CallIntended {
        step: remedy().id,
        index: 0,
        undo,
        call,
        command: String::new(),
        process: "one".into(),
        approval,
        before: Values::new(),
    }
}

/// The incident with its remedy, as far as the action went.
pub fn treated(action: Action, status: StepStatus) -> Incident {
    let mut incident = diagnosed();
    let mut treated = record(PhaseName::Resolution, remedy(), status);
    treated.action = Some(action);
    incident.steps.push(treated);
    incident
}

//! One action in one incident, which the tests bend.

mod attacks;
mod clearing;
mod properties;
mod ruling;

use super::*;
use crate::config::{Autonomy, Budgets, Defaults, Flap, Policies, Role, Rule, Storm, policy_scope};
use crate::domain::*;
use crate::expr::{Expression, Truth};
use serde_json::json;
use std::collections::BTreeMap;

pub const NOW: &str = "2026-11-21T12:00:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn values(value: serde_json::Value) -> Values {
    serde_json::from_value(value).unwrap()
}

/// The defaults that the design names.
pub fn policies() -> Policies {
    Policies {
        rules: vec![],
        defaults: Defaults {
            expires: TimeSpan::from_secs(3_600),
            role: Role::Approver,
            quorum: 1,
            escalate_every: TimeSpan::from_secs(900),
            claimed: GateDecision::Ask,
        },
        budgets: Budgets { per_target: 2, per_environment: 5, window: TimeSpan::from_secs(3_600) },
        flap: Flap { times: 3, window: TimeSpan::from_secs(86_400) },
        freeze: vec![],
        unprotect: vec![],
        storm: Storm { percent: 30, minimum: 5, window: TimeSpan::from_secs(300) },
    }
}

pub fn rule(name: &str, when: &str, decision: GateDecision) -> Rule {
    Rule {
        name: name.into(),
        when: Expression::condition(when, &policy_scope()).unwrap(),
        decision,
        role: Role::Approver,
        quorum: 1,
        reason: format!("because of {name}"),
    }
}

#[derive(Debug)]
pub struct Case {
    pub current: (Policies, Autonomy),
    pub pinned: (Policies, Autonomy),
    pub target: Option<Service>,
    pub step: StepId,
    pub binding: Binding,
    pub arguments: Values,
    pub risk: Risk,
    pub incident: IncidentId,
    pub claimed: bool,
    pub alerts: Vec<String>,
    pub read_only: Option<String>,
    pub denied: Vec<Digest>,
    pub kill_switch: bool,
    pub history: History,
    pub alerting: Alerting,
    pub busy: Option<StepId>,
    pub purpose: Purpose,
    pub undo_seen: Option<Left>,
    pub approval: Option<Approval>,
    pub now: Timestamp,
    // What `clear` looks at besides.
    pub index: usize,
    pub calls: Vec<CallRecord>,
    pub undo_calls: Vec<CallRecord>,
    pub identity: BTreeMap<String, String>,
    pub status: Values,
    pub precondition: Option<Truth>,
}

/// Raising a memory limit of two instances, where people decide on everything.
pub fn case() -> Case {
    let update = |container: &str, memory| ActCall::ContainerUpdate {
        container: container.into(),
        memory: Some(memory),
        memory_swap: None,
        cpus: None,
        pids: None,
    };
    let prepared = |id: &str| PreparedCall::new(update(id, 32 << 20), Some(update(id, 16 << 20)));
    let identity: BTreeMap<String, String> =
        [("aaa", "sha256:1"), ("bbb", "sha256:1")].map(|(n, v)| (n.into(), v.into())).into();
    let incident = IncidentId::new("inc_1");
    Case {
        current: (policies(), Autonomy::Approve),
        pinned: (policies(), Autonomy::Approve),
        target: Some(Service { name: "api".into(), ..Service::default() }),
        step: incident.step(1, 3),
        binding: Binding {
            environment: "prod".into(),
            target: "api".into(),
            operation: "update_resources".into(),
            calls: vec![prepared("aaa"), prepared("bbb")],
            identity: identity.clone(),
            guard: values(json!({"memory_limit": 16_777_216})),
            precondition: Some("status.exit_reason == 'oom'".into()),
        },
        arguments: values(json!({"memory": 33_554_432})),
        risk: Risk::Reversible,
        incident,
        claimed: false,
        alerts: vec!["ContainerKilled".into()],
        read_only: None,
        denied: vec![],
        kill_switch: false,
        history: History::default(),
        alerting: Alerting { count: 1, targets: 20, in_storm: false },
        busy: None,
        purpose: Purpose::Begin,
        undo_seen: None,
        approval: None,
        now: at(NOW),
        index: 0,
        calls: vec![],
        undo_calls: vec![],
        identity,
        status: values(json!({"memory_limit": 16_777_216, "state": "exited"})),
        precondition: Some(Truth::True),
    }
}

impl Case {
    pub fn autonomy(mut self, autonomy: Autonomy) -> Self {
        self.current.1 = autonomy;
        self.pinned.1 = autonomy;
        self
    }

    pub fn request(&self) -> GateRequest<'_> {
        GateRequest {
            kind: EnvironmentKind::Docker,
            target: self.target.as_ref(),
            step: &self.step,
            binding: &self.binding,
            arguments: &self.arguments,
            risk: self.risk,
            incident: IncidentFacts {
                id: &self.incident,
                severity: "critical",
                cause: "memory_limit_too_small",
                confidence: 0.95,
                claimed: self.claimed,
                alerts: &self.alerts,
                read_only: self.read_only.as_deref(),
                denied: &self.denied,
            },
            kill_switch: self.kill_switch,
            history: &self.history,
            alerting: self.alerting,
            busy: self.busy.as_ref(),
            purpose: self.purpose,
            undo_seen: self.undo_seen.as_ref(),
            approval: self.approval.as_ref(),
            now: self.now,
        }
    }

    pub fn decide(&self) -> Ruling {
        decide(&self.request(), &book(&self.current), &book(&self.pinned))
    }

    pub fn verdict(&self) -> (GateDecision, String) {
        let ruling = self.decide();
        (ruling.decision, ruling.rule)
    }

    pub fn clear(&self) -> Result<Cleared, Refused> {
        let clearing = Clearing {
            index: self.index,
            calls: &self.calls,
            undo_calls: &self.undo_calls,
            observed: Observed { identity: &self.identity, status: &self.status },
            precondition: self.precondition.clone(),
        };
        clear(&self.request(), &book(&self.current), &book(&self.pinned), &clearing)
    }

    /// As if alice had approved it a minute ago.
    pub fn approved(mut self) -> Self {
        let binding = &self.binding;
        self.approval = Some(Approval {
            id: ApprovalId::new("apr_1"),
            incident: self.incident.clone(),
            step: self.step.clone(),
            environment: binding.environment.clone(),
            operation: binding.operation.clone(),
            target: binding.target.clone(),
            arguments: Values::new(),
            command: binding.commands().join("\n"),
            undo: String::new(),
            diff: vec![],
            risk: self.risk,
            reason: String::new(),
            digest: binding.digest(),
            quorum: 1,
            role: "approver".into(),
            excluded: None,
            state: ApprovalState::Approved,
            requested_at: at("2026-11-21T11:58:00Z"),
            expires_at: at("2026-11-21T12:58:00Z"),
            decided_by: vec!["alice".into()],
            comment: None,
            void_because: None,
        });
        self
    }

    pub fn target(&mut self) -> &mut Service {
        self.target.as_mut().unwrap()
    }

    pub fn approval(&mut self) -> &mut Approval {
        self.approval.as_mut().unwrap()
    }

    /// Records that a call was sent and done, leaving the target as it is now.
    pub fn sent(mut self, index: usize) -> Self {
        let left = Left { status: self.status.clone(), identity: self.identity.clone() };
        self.calls.push(record(index, Some(CallOutcome::Done { result: Values::new() }), Some(left)));
        if let Some(approval) = &mut self.approval {
            approval.state = ApprovalState::Consumed;
        }
        self
    }
}

pub fn record(index: usize, outcome: Option<CallOutcome>, left: Option<Left>) -> CallRecord {
    CallRecord {
        index,
        command: String::new(),
        intended_at: at(NOW) + chrono::Duration::seconds(index as i64),
        process: "one".into(),
        outcome,
        probed: false,
        left,
    }
}

pub fn book(rules: &(Policies, Autonomy)) -> Rulebook<'_> {
    Rulebook { policies: &rules.0, autonomy: rules.1 }
}

/// An earlier mutation, that many minutes ago.
pub fn earlier(minutes: i64, target: &str, operation: &str) -> Mutation {
    Mutation {
        at: at(NOW) - chrono::Duration::minutes(minutes),
        step: StepId::new(format!("inc_0.r1.{minutes}.{target}.{operation}")),
        environment: "prod".into(),
        target: target.into(),
        operation: operation.into(),
    }
}

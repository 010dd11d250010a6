//! A gate that lets one call through, for tests that drive an executor without the daemon.

use oncalld::config::{Autonomy, Budgets, Defaults, Flap, Policies, Role, Storm};
use oncalld::domain::{
    ActCall, Alerting, Approval, ApprovalId, ApprovalState, Binding, Digest, EnvironmentKind, IncidentId, PreparedCall,
    StepId, TimeSpan, Timestamp, Values,
};
use oncalld::gate::{Cleared, Clearing, GateRequest, History, IncidentFacts, Observed, Purpose, Rulebook, clear};
use std::collections::BTreeMap;

/// Clears a call as if a person had approved it.
pub fn cleared(call: ActCall) -> Cleared {
    let risk = call.risk();
    let binding = Binding {
        environment: "test".into(),
        target: String::new(),
        operation: call.name().into(),
        calls: vec![PreparedCall::new(call, None)],
        identity: BTreeMap::new(),
        guard: Values::new(),
        precondition: None,
    };
    let (incident, policies) = (IncidentId::new("inc_test"), policies());
    let (step, denied): (_, &[Digest]) = (incident.step(1, 1), &[]);
    let facts = IncidentFacts {
        id: &incident,
        severity: "none",
        cause: "",
        confidence: 0.0,
        claimed: false,
        alerts: &[],
        read_only: None,
        denied,
    };
    let approval = approval(&incident, &step, &binding);
    let request = GateRequest {
        kind: EnvironmentKind::Process,
        target: None,
        step: &step,
        binding: &binding,
        arguments: &Values::new(),
        risk,
        incident: facts,
        kill_switch: false,
        history: &History::default(),
        alerting: Alerting { count: 0, targets: 1, in_storm: false },
        busy: None,
        purpose: Purpose::Begin,
        undo_seen: None,
        approval: Some(&approval),
        now: Timestamp::UNIX_EPOCH,
    };
    let rulebook = Rulebook { policies: &policies, autonomy: Autonomy::Auto };
    let (identity, status) = (BTreeMap::new(), Values::new());
    let observed = Observed { identity: &identity, status: &status };
    let clearing = Clearing { index: 0, calls: &[], undo_calls: &[], observed, precondition: None };
    clear(&request, &rulebook, &rulebook, &clearing).expect("a clearance")
}

/// What a person decided on exactly this.
fn approval(incident: &IncidentId, step: &StepId, binding: &Binding) -> Approval {
    let digest = binding.digest();
    Approval {
        id: ApprovalId::for_request(step, &digest, 0),
        incident: incident.clone(),
        step: step.clone(),
        environment: binding.environment.clone(),
        operation: binding.operation.clone(),
        target: binding.target.clone(),
        arguments: Values::new(),
        command: binding.commands().join("\n"),
        undo: String::new(),
        diff: Vec::new(),
        risk: oncalld::domain::Risk::Destructive,
        reason: "a test".into(),
        digest,
        quorum: 1,
        role: "approver".into(),
        excluded: None,
        state: ApprovalState::Approved,
        requested_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::UNIX_EPOCH + TimeSpan::from_secs(60).as_chrono(),
        decided_by: vec!["tester".into()],
        comment: None,
        void_because: None,
    }
}

fn policies() -> Policies {
    let hour = TimeSpan::from_secs(3_600);
    Policies {
        rules: Vec::new(),
        defaults: Defaults {
            expires: hour,
            role: Role::Approver,
            quorum: 1,
            escalate_every: hour,
            claimed: oncalld::domain::GateDecision::Ask,
        },
        budgets: Budgets { per_target: 9, per_environment: 9, window: hour },
        flap: Flap { times: 9, window: hour },
        freeze: Vec::new(),
        unprotect: Vec::new(),
        storm: Storm { percent: 100, minimum: 9, window: hour },
    }
}

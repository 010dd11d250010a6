//! The rules of `policies.yml`.

use super::request::{GateRequest, Opinion, Rulebook};
use crate::config::policy_scope;
use crate::domain::{GateDecision, Risk, Service};
use crate::expr::{Bindings, Truth};
use serde_json::json;

/// What every rule says that holds, or that cannot be told: what cannot be told refuses.
pub(super) fn opinions(book: &Rulebook<'_>, request: &GateRequest<'_>, risk: Risk) -> Vec<Opinion> {
    if book.policies.rules.is_empty() {
        return Vec::new();
    }
    let bindings = bindings(book, request, risk);
    let opinion = |rule: &crate::config::Rule| {
        let name = format!("policy:{}", rule.name);
        match rule.when.holds(&bindings) {
            Truth::False => None,
            Truth::True => Some(Opinion {
                decision: rule.decision,
                rule: name,
                reason: rule.reason.clone(),
                terms: (rule.decision == GateDecision::Ask).then_some((rule.role, rule.quorum)),
            }),
            Truth::Unknown(why) => {
                Some(Opinion::refuse(name, format!("the rule cannot be evaluated, so it refuses: {why}")))
            }
        }
    };
    book.policies.rules.iter().filter_map(opinion).collect()
}

fn bindings(book: &Rulebook<'_>, request: &GateRequest<'_>, risk: Risk) -> Bindings {
    let binding = request.binding;
    let nowhere = Service::default();
    let target = request.target.unwrap_or(&nowhere);
    let calls: Vec<_> = request
        .calls()
        .map(|call| json!({"name": call.name(), "risk": call.risk().as_str(), "command": call.command()}))
        .collect();
    let values = [
        (
            "environment",
            json!({
                "name": binding.environment,
                "kind": request.kind.as_str(),
                "autonomy": book.autonomy.as_str(),
            }),
        ),
        (
            "target",
            json!({
                "name": binding.target,
                "labels": target.labels,
                "protected": target.protected.is_some(),
                "job": target.job,
                "instances": target.instances.len(),
            }),
        ),
        ("operation", json!({"name": binding.operation, "risk": risk.as_str(), "arguments": request.arguments})),
        (
            "incident",
            json!({
                "severity": request.incident.severity,
                "cause": request.incident.cause,
                "confidence": request.incident.confidence,
                "claimed": request.incident.claimed,
                "alerts": request.incident.alerts,
            }),
        ),
        ("calls", json!(calls)),
        ("now", json!(request.now)),
    ];
    let scope = policy_scope();
    let mut bindings = Bindings::new();
    for (name, value) in &values {
        // A variable that is not declared stays unbound, and rules that name it do not load.
        if let Some(shape) = scope.shape(name) {
            bindings.set(*name, value, shape);
        }
    }
    bindings
}

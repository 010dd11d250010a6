//! Whether a recorded approval allows exactly what is about to be done.

use super::request::{GateRequest, Purpose, Ruling};
use crate::config::Role;
use crate::domain::{Approval, ApprovalState, Binding, Digest, Left, Risk};
use std::collections::BTreeSet;

/// Why an approval does not allow what is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalFault {
    /// It is of another incident, step, environment, target or operation.
    #[error("it is about {0}")]
    Other(String),
    /// What would be sent is not what was approved.
    #[error("what would be sent has digest {found}, and {approved} was approved")]
    Changed {
        /// Digest of what would be sent, shortened.
        found: String,
        /// Digest of what was approved, shortened.
        approved: String,
    },
    /// It is pending, denied, voided or used up.
    #[error("it is {0}")]
    State(&'static str),
    /// Its time is over.
    #[error("it expired at {0}")]
    Expired(String),
    /// Policy now asks for more than was asked for when people decided.
    #[error("it was given under weaker terms than policy has now: {0}")]
    Weaker(String),
    /// Too few decided, or someone who may not.
    #[error("{0}")]
    Deciders(String),
}

/// The digest that an approver of an undo echoes: for an undo that does not run by itself and is asked separately.
/// `seen` is the target as it was when they were asked.
pub fn undo_digest(binding: &Binding, seen: Option<&Left>) -> Digest {
    Digest::of_json(&serde_json::json!({ "undo": binding.essence(), "seen": seen }))
}

/// Checks everything about an approval but the state of the target.
pub(super) fn check(approval: &Approval, request: &GateRequest<'_>, ruling: &Ruling) -> Result<(), ApprovalFault> {
    about(approval, request)?;
    let own = request.binding.digest();
    let (expected, begun) = match request.purpose {
        Purpose::Begin => (own, false),
        Purpose::Continue => (own, true),
        // The approval of an action covers its undo, if that is one that may run by itself.
        Purpose::Undo { automatic: true } if approval.digest == own => (own, true),
        Purpose::Undo { .. } => {
            (undo_digest(request.binding, request.undo_seen), approval.state == ApprovalState::Consumed)
        }
    };
    if approval.digest != expected {
        return Err(ApprovalFault::Changed {
            found: expected.short().to_owned(),
            approved: approval.digest.short().to_owned(),
        });
    }
    state(approval, begun)?;
    if !begun && request.now >= approval.expires_at {
        return Err(ApprovalFault::Expired(approval.expires_at.format("%Y-%m-%d %H:%M:%SZ").to_string()));
    }
    terms(approval, request.effective_risk(), ruling)?;
    deciders(approval)
}

fn about(approval: &Approval, request: &GateRequest<'_>) -> Result<(), ApprovalFault> {
    let binding = request.binding;
    for (what, theirs, ours) in [
        ("incident", approval.incident.as_str(), request.incident.id.as_str()),
        ("step", approval.step.as_str(), request.step.as_str()),
        ("environment", approval.environment.as_str(), binding.environment.as_str()),
        ("target", approval.target.as_str(), binding.target.as_str()),
        ("operation", approval.operation.as_str(), binding.operation.as_str()),
    ] {
        if theirs != ours {
            return Err(ApprovalFault::Other(format!("{what} {theirs}, not {ours}")));
        }
    }
    Ok(())
}

/// An approval is consumed by the first call's intent; it goes on to cover the calls after it and the undo.
fn state(approval: &Approval, begun: bool) -> Result<(), ApprovalFault> {
    match approval.state {
        ApprovalState::Approved => Ok(()),
        ApprovalState::Consumed if begun => Ok(()),
        ApprovalState::Consumed => Err(ApprovalFault::State("used up")),
        ApprovalState::Pending => Err(ApprovalFault::State("not decided yet")),
        ApprovalState::Denied => Err(ApprovalFault::State("denied")),
        ApprovalState::Expired => Err(ApprovalFault::State("expired")),
        ApprovalState::Voided => Err(ApprovalFault::State("void")),
    }
}

fn terms(approval: &Approval, risk: Risk, ruling: &Ruling) -> Result<(), ApprovalFault> {
    if approval.risk < risk {
        return Err(ApprovalFault::Weaker(format!("the risk is {risk}, and {} was shown", approval.risk)));
    }
    if approval.quorum < ruling.quorum {
        return Err(ApprovalFault::Weaker(format!("{} must approve, not {}", ruling.quorum, approval.quorum)));
    }
    let role = Role::named(&approval.role);
    if role.is_some_and(|role| role >= ruling.role) {
        Ok(())
    } else {
        Err(ApprovalFault::Weaker(format!("role {} is needed, not {}", ruling.role.as_str(), approval.role)))
    }
}

fn deciders(approval: &Approval) -> Result<(), ApprovalFault> {
    let different: BTreeSet<&String> = approval.decided_by.iter().collect();
    if different.len() < approval.quorum.max(1) as usize {
        return Err(ApprovalFault::Deciders(format!("{} of {} approved", different.len(), approval.quorum.max(1))));
    }
    match &approval.excluded {
        Some(name) if different.contains(name) => {
            Err(ApprovalFault::Deciders(format!("{name} asked for this and may not approve it")))
        }
        _ => Ok(()),
    }
}

//! May it be done? The gate says, and people where it says so.

use super::by_hand::by_hand;
use super::case::{Case, remedy, skipped};
use super::undo;
use crate::config::{Config, Role};
use crate::domain::{
    Action, Approval, ApprovalId, ApprovalState, Digest, EventBody, GateDecision, GateRecord, Incident, Risk, StepId,
    TimeSpan, Trigger,
};
use crate::flow::{Effect, Next, decide::record};
use crate::gate::{self, Purpose, Ruling};

/// How long a target that another step has is left alone before it is looked at again.
const BUSY_PAUSE: TimeSpan = TimeSpan::from_secs(5);

/// Asks the gate, and people where it says so.
pub(super) fn permission(case: Case<'_>) -> Next {
    let approval = case.approval();
    match approval.map(|approval| approval.state) {
        Some(ApprovalState::Pending) => return Next::idle(),
        Some(ApprovalState::Denied) => {
            let by = approval.map(|approval| approval.decided_by.join(", ")).unwrap_or_default();
            return Next::Append(refused(case, format!("denied by {by}")));
        }
        Some(ApprovalState::Expired) => {
            let mut events = refused(case, "nobody decided in time".into());
            // Whoever asked for it by hand knows, and can ask again.
            if !matches!(case.incident.trigger, Trigger::Operation { .. }) {
                events.push(EventBody::IncidentEscalated { reason: "nobody decided on the remedy in time".into() });
            }
            return Next::Append(events);
        }
        _ => {}
    }
    let ruling = case.ask_gate(Purpose::Begin, approval, gate::decide);
    if let Some(wait) = busy(case, &ruling) {
        return wait;
    }
    let mut events = told(case.step(), case.action, &ruling);
    match ruling.decision {
        GateDecision::Run if events.is_empty() => {
            let effect = Effect::Inspect { step: case.step(), index: 0, undo: false };
            return Next::Wait { effects: vec![effect], wakes_at: None };
        }
        GateDecision::Run => {}
        GateDecision::Ask => match approval.filter(|approval| approval.state == ApprovalState::Approved) {
            Some(approval) => events.push(outdated(approval, &ruling)),
            None => {
                events.extend(unused(case));
                events.push(request(case, &ruling, Subject::Action));
            }
        },
        GateDecision::Refuse => events.extend(refused(case, ruling.reason)),
    }
    Next::Append(events)
}

/// Waiting for another step to be done with the target, if that is all that the gate has against it.
pub(super) fn busy(case: Case<'_>, ruling: &Ruling) -> Option<Next> {
    let until = case.snapshot.now + BUSY_PAUSE.as_chrono();
    (ruling.rule == gate::rule::BUSY).then_some(Next::Wait { effects: Vec::new(), wakes_at: Some(until) })
}

/// The end of an approval that does not do any more, because more is asked for now. People are asked anew after that.
pub(super) fn outdated(approval: &Approval, ruling: &Ruling) -> EventBody {
    EventBody::ApprovalVoided { approval: approval.id.clone(), reason: ruling.reason.clone() }
}

/// The gate's ruling, if it is news.
pub(super) fn told(step: StepId, action: &Action, ruling: &Ruling) -> Vec<EventBody> {
    let record = GateRecord { decision: ruling.decision, rule: ruling.rule.clone(), reason: ruling.reason.clone() };
    if action.gate.as_ref() == Some(&record) {
        return Vec::new();
    }
    let GateRecord { decision, rule, reason } = record;
    vec![EventBody::GateDecided { step, decision, rule, reason }]
}

/// A remedy that oncalld may not carry out is told to people instead: what is left of it, not only the step refused.
pub(super) fn refused(case: Case<'_>, reason: String) -> Vec<EventBody> {
    let instructions = by_hand(case.incident);
    vec![skipped(case.step(), &reason), EventBody::RemedyManual { remedy: case.remedy(), instructions, reason }]
}

/// A remedy that nobody can carry out from here, whoever approves it: people are told what is left of it, and not asked.
pub fn impossible(incident: &Incident, step: &StepId, reason: String) -> Vec<EventBody> {
    let failed = EventBody::PrepareFailed { step: step.clone(), error: reason.clone(), transient: false };
    let told = record(incident, step).map(|record| EventBody::RemedyManual {
        remedy: remedy(record),
        instructions: by_hand(incident),
        reason,
    });
    [Some(failed), told].into_iter().flatten().collect()
}

/// Approvals of this step that were not used and are of something else than is asked about now.
fn unused(case: Case<'_>) -> impl Iterator<Item = EventBody> {
    let unused = case
        .incident
        .approvals
        .iter()
        .filter(move |approval| approval.step == case.record.step.id && approval.state == ApprovalState::Approved);
    unused.map(|approval| EventBody::ApprovalVoided {
        approval: approval.id.clone(),
        reason: "people are asked again, about what is so now".into(),
    })
}

/// What people are asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The action.
    Action,
    /// Taking it back.
    Undo,
}

/// A request for a decision on an action, or on taking it back.
pub(super) fn request(case: Case<'_>, ruling: &Ruling, subject: Subject) -> EventBody {
    let Case { incident, snapshot, record, action } = case;
    let step = &record.step;
    let forth = action.binding.commands().join("\n");
    let back = action.binding.undo_commands().join("\n");
    let (digest, command, undo, diff) = match subject {
        Subject::Action => (action.digest.clone(), forth, back, action.diff.clone()),
        Subject::Undo => (undo::digest(action), back, String::new(), undo::diff(action)),
    };
    EventBody::ApprovalRequested {
        approval: Approval {
            id: ApprovalId::for_request(&step.id, &digest, incident.approvals.len()),
            incident: incident.id.clone(),
            step: step.id.clone(),
            environment: incident.environment.clone(),
            operation: step.operation.clone(),
            target: step.target.clone(),
            arguments: step.arguments.clone(),
            command,
            undo,
            diff,
            risk: action.risk.max(highest_intrinsic(action, subject)),
            reason: ruling.reason.clone(),
            digest,
            quorum: ruling.quorum,
            role: ruling.role.as_str().to_owned(),
            excluded: excluded(incident, snapshot.current, ruling.role),
            state: ApprovalState::Pending,
            requested_at: snapshot.now,
            expires_at: snapshot.now + ruling.expires.as_chrono(),
            decided_by: Vec::new(),
            comment: None,
            void_because: None,
        },
    }
}

fn highest_intrinsic(action: &Action, subject: Subject) -> Risk {
    let calls = action.binding.calls.iter().map(|prepared| match (subject, &prepared.undo) {
        (Subject::Undo, Some(undo)) => undo.risk(),
        _ => prepared.call.risk(),
    });
    calls.max().unwrap_or(Risk::Destructive)
}

/// Where a second approver exists, nobody approves a run that they started by hand.
fn excluded(incident: &Incident, current: &Config, role: Role) -> Option<String> {
    let (Trigger::Diagnose { name, .. } | Trigger::Operation { name, .. }) = &incident.trigger else { return None };
    let another = current.platform.tokens.iter().any(|token| token.role >= role && token.name != *name);
    another.then(|| name.clone())
}

/// The request that has a digest and is not void, the latest if there are several.
pub(super) fn request_with<'a>(incident: &'a Incident, digest: &Digest) -> Option<&'a Approval> {
    let is_about = |approval: &&Approval| approval.digest == *digest && approval.state != ApprovalState::Voided;
    incident.approvals.iter().rev().find(is_about)
}

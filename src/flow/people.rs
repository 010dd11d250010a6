//! What people may say to an incident, and what it means.

use super::decide::{is_acting, is_given_up, void_live};
use crate::config::Role;
use crate::domain::{Approval, ApprovalId, ApprovalState, Decision, Digest, EventBody, Incident, Timestamp, Trigger};

/// Something that a person says about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// I have the wheel.
    TakeOver,
    /// You have it again.
    Release,
    /// It is over.
    Close,
    /// A remark.
    Comment,
}

/// Why a person's word is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It makes no sense in the present state.
    Conflict(String),
    /// They may not.
    Forbidden(String),
}

/// What a word makes happen.
///
/// # Errors
/// The incident's state does not allow it.
pub fn word(incident: &Incident, word: Word, by: &str, text: &str) -> Result<Vec<EventBody>, Refusal> {
    let by = by.to_owned();
    if incident.closed_at.is_some() {
        return Err(Refusal::Conflict(format!("{} is closed", incident.id)));
    }
    let mut events = Vec::new();
    match word {
        Word::TakeOver => match &incident.taken_over_by {
            Some(holder) => return Err(Refusal::Conflict(format!("{holder} has taken over {} already", incident.id))),
            None => events.push(EventBody::IncidentTakenOver { by: by.clone() }),
        },
        Word::Release if incident.taken_over_by.is_none() => {
            return Err(Refusal::Conflict(format!("nobody has taken over {}", incident.id)));
        }
        Word::Release => events.push(EventBody::IncidentReleased { by: by.clone() }),
        Word::Close if is_under_way(incident) => {
            return Err(Refusal::Conflict(format!(
                "{} is carrying out a remedy; wait for its end, or take over",
                incident.id
            )));
        }
        Word::Close => {
            events.extend(void_live(incident, "the incident was closed"));
            let reason = if text.is_empty() { "closed by hand".to_owned() } else { text.to_owned() };
            events.push(EventBody::IncidentClosed { by: Some(by), reason });
            return Ok(events);
        }
        Word::Comment if text.trim().is_empty() => return Err(Refusal::Conflict("a comment needs a text".into())),
        Word::Comment => {}
    }
    if !text.trim().is_empty() {
        events.push(EventBody::CommentAdded { by, text: text.to_owned() });
    }
    Ok(events)
}

/// A new diagnosis of an incident that has its verdict, for a person who asked for one; nothing while it is worked on,
/// or a person has the wheel.
pub fn diagnose_again(open: &Incident, by: &str, note: &str) -> Option<Vec<EventBody>> {
    let concluded = open.verdict.is_some() && open.taken_over_by.is_none() && !is_acting(open);
    if !concluded || matches!(open.trigger, Trigger::Operation { .. }) {
        return None;
    }
    let mut events = void_live(open, "it is diagnosed anew");
    events.push(EventBody::DiagnosisRequested { by: by.to_owned(), note: note.to_owned() });
    Some(events)
}

/// Why the same is not begun once more beside an open incident; nothing if that incident is the answer.
pub fn in_the_way(open: &Incident) -> Option<Refusal> {
    let Trigger::Operation { name, operation, .. } = &open.trigger else { return None };
    let (id, place) = (&open.id, open.service.as_deref().unwrap_or(&open.environment));
    let pending = open.approvals.iter().find(|approval| approval.state == ApprovalState::Pending);
    let close = format!("close it (`oncalld close {id}`)");
    let what = match (&open.taken_over_by, &open.lost, pending) {
        (Some(holder), ..) => {
            format!("stands still: {holder} has taken it over; release it (`oncalld release {id}`) or {close}")
        }
        (None, Some(lost), _) => format!("waits for its environment: {lost}; wait too, or {close}"),
        _ if is_given_up(open) => {
            format!("is open: nobody knows how it left {place}; look at it (`oncalld show {id}`), then {close}")
        }
        (.., Some(asked)) => {
            format!("waits for a decision on {0}; decide (`oncalld approve {0}` or `deny`), or {close}", asked.id)
        }
        (.., None) => format!("is at work on it; wait for its end (`oncalld watch {id}`)"),
    };
    Some(Refusal::Conflict(format!("{name} asked for {operation} on {place} already: {id} {what}")))
}

/// Whether something goes on by itself: once a person has taken over, only what was sent and has not ended.
fn is_under_way(incident: &Incident) -> bool {
    let mut actions = incident.steps.iter().filter_map(|record| record.action.as_ref());
    let sending =
        actions.any(|action| action.calls.iter().chain(&action.undo_calls).any(|call| call.outcome.is_none()));
    sending || is_acting(incident) && incident.taken_over_by.is_none()
}

/// What a decision on a request makes happen.
///
/// # Errors
/// The request is not pending, has another digest, or the person may not decide on it.
pub fn decision(
    incident: &Incident,
    id: &ApprovalId,
    decision: Decision,
    digest: &Digest,
    by: (&str, Role),
    comment: Option<String>,
    now: Timestamp,
) -> Result<Vec<EventBody>, Refusal> {
    let (name, role) = by;
    let approval = incident
        .approvals
        .iter()
        .find(|approval| approval.id == *id)
        .ok_or_else(|| Refusal::Conflict(format!("there is no request {id}")))?;
    pending(approval, now)?;
    if approval.digest != *digest {
        return Err(Refusal::Conflict(format!(
            "the digest is not that of {id}: it is about something else than what you saw; look at it again"
        )));
    }
    let needed: Role = Role::named(&approval.role).unwrap_or(Role::Admin);
    if role < needed {
        return Err(Refusal::Forbidden(format!("{name} is {}; {id} needs {}", role.as_str(), needed.as_str())));
    }
    if decision == Decision::Approve {
        if approval.excluded.as_deref() == Some(name) {
            return Err(Refusal::Forbidden(format!("{name} started this run by hand; someone else must approve it")));
        }
        if approval.decided_by.iter().any(|decided| decided == name) {
            return Err(Refusal::Conflict(format!(
                "{name} has approved {id} already; it needs {} people",
                approval.quorum
            )));
        }
    }
    Ok(vec![EventBody::ApprovalDecided { approval: id.clone(), decision, by: name.to_owned(), comment }])
}

fn pending(approval: &Approval, now: Timestamp) -> Result<(), Refusal> {
    match said(approval, now) {
        None => Ok(()),
        Some(said) => Err(Refusal::Conflict(format!("{} {said}", approval.id))),
    }
}

/// What a decision on a request of a closed incident is answered with.
pub fn too_late(approval: &Approval, now: Timestamp) -> Refusal {
    let said = said(approval, now).unwrap_or_else(|| "is not needed any more".to_owned());
    Refusal::Conflict(format!("{} {said}; its incident {} is closed", approval.id, approval.incident))
}

/// What became of a request; none while it is pending.
fn said(approval: &Approval, now: Timestamp) -> Option<String> {
    let by = || approval.decided_by.join(" and ");
    Some(match approval.state {
        ApprovalState::Pending if approval.expires_at <= now => "has expired".to_owned(),
        ApprovalState::Pending => return None,
        ApprovalState::Approved | ApprovalState::Consumed => format!("was approved by {} already", by()),
        ApprovalState::Denied => format!("was denied by {} already", by()),
        ApprovalState::Expired => "has expired".to_owned(),
        ApprovalState::Voided => format!("is void: {}", approval.void_because.as_deref().unwrap_or("it has changed")),
    })
}

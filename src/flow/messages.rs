//! Who is told what, and when.

use super::{Effect, Snapshot, decide::earliest};
use crate::config::Notice;
use crate::domain::{ApprovalState, Incident, Message, TimeSpan, Timestamp};

/// The longest pause before a message that did not arrive is sent again.
const LONGEST_PAUSE: TimeSpan = TimeSpan::from_secs(300);

/// How long after its end people are still to be told of it.
const NEWS: TimeSpan = TimeSpan::from_secs(3_600);

/// Messages that are due, and when the next one is.
pub(super) fn due(incident: &Incident, snapshot: &Snapshot<'_>) -> (Vec<Effect>, Option<Timestamp>) {
    let mut effects = Vec::new();
    let mut next = None;
    let mut tell = |subject: &str, topic: Notice| {
        for channel in snapshot.current.platform.channels.iter().filter(|channel| channel.on.contains(&topic)) {
            let key = format!("{subject} {}", channel.name);
            let again = incident.untold.get(&key).map(|untold| untold.at + pause(untold.attempts).as_chrono());
            if incident.notified.contains_key(&key) {
                continue;
            }
            match again.filter(|again| *again > snapshot.now) {
                Some(again) => next = earliest(next, Some(again)),
                None => {
                    effects.push(Effect::Notify { subject: subject.to_owned(), channel: channel.name.clone() });
                }
            }
        }
    };
    for approval in incident.approvals.iter().filter(|approval| approval.state == ApprovalState::Pending) {
        tell(&format!("approval:{}", approval.id), Notice::Approval);
    }
    if let Some(closed_at) = incident.closed_at {
        // Whoever was called for it hears that it is over.
        let called = incident.escalated.is_some() || !incident.approvals.is_empty();
        if called && snapshot.now < closed_at + NEWS.as_chrono() {
            tell("closed", Notice::Closed);
        }
    } else if incident.escalated.is_some() && incident.taken_over_by.is_none() {
        let (number, at) = escalation(incident, snapshot);
        tell(&format!("escalation:{number}"), Notice::Escalation);
        next = earliest(next, at);
    }
    (effects, next)
}

/// The pause after so many attempts at a message that did not arrive: 2, 4, 8 seconds, in the end five minutes.
fn pause(attempts: u32) -> TimeSpan {
    TimeSpan::from_secs(2u64.saturating_pow(attempts.clamp(1, 9))).min(LONGEST_PAUSE)
}

/// The number of the current call for help, and when the next one is due.
fn escalation(incident: &Incident, snapshot: &Snapshot<'_>) -> (u32, Option<Timestamp>) {
    let last =
        incident.notified.iter().filter(|(subject, _)| subject.starts_with("escalation:")).map(|(_, at)| *at).max();
    let every = snapshot.current.policies.defaults.escalate_every.as_chrono();
    match last.map(|last| last + every) {
        Some(next) if next <= snapshot.now => (incident.escalations + 1, None),
        Some(next) => (incident.escalations, Some(next)),
        None => (1, None),
    }
}

/// The text of a message.
pub fn message(incident: &Incident, subject: &str, public_url: Option<&str>) -> Message {
    let approval = subject
        .strip_prefix("approval:")
        .and_then(|id| incident.approvals.iter().find(|approval| approval.id.as_str() == id))
        .cloned();
    let service = incident.service.clone().unwrap_or_default();
    let place = if service.is_empty() {
        incident.environment.clone()
    } else {
        format!("{service} in {}", incident.environment)
    };
    let cause =
        incident.cause.as_ref().map(|cause| format!("Cause: {} ({})\n", cause.summary, cause.code)).unwrap_or_default();
    let (title, body) = match &approval {
        Some(approval) => (
            format!("Approve {} on {place}?", approval.operation),
            format!(
                "{cause}Command: {}\nUndo: {}\nDecide before {}: oncalld approve {}",
                approval.command,
                if approval.undo.is_empty() { "none" } else { &approval.undo },
                approval.expires_at.format("%H:%M UTC"),
                approval.id
            ),
        ),
        None if subject == "closed" => (
            format!("{}: {}", incident.verdict.map_or("closed", |verdict| verdict.as_str()), incident.title),
            incident.verdict_reason.clone(),
        ),
        None => (
            format!("{place} needs a person: {}", incident.title),
            format!("{cause}{}", incident.escalated.clone().unwrap_or_default()),
        ),
    };
    Message {
        subject: subject.to_owned(),
        incident: incident.id.clone(),
        environment: incident.environment.clone(),
        service,
        severity: incident.severity.clone(),
        title,
        body,
        link: public_url.map(|url| format!("{}/#/incidents/{}", url.trim_end_matches('/'), incident.id)),
        approval,
    }
}

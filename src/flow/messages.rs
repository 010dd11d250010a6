//! Who is told what, and when.

use super::{Effect, Snapshot, decide::earliest, diagnose};
use crate::config::Notice;
use crate::domain::{ApprovalState, Incident, Message, TimeSpan, Timestamp, clean_text};

/// The longest pause before a message that did not arrive is sent again.
const LONGEST_PAUSE: TimeSpan = TimeSpan::from_secs(300);

/// How long after its end people are still to be told of it.
const NEWS: TimeSpan = TimeSpan::from_secs(3_600);

/// The most that a call for help says of what to do: it is read on a telephone.
const MAX_TO_DO: usize = 800;

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
        let escalated = incident.escalated.is_some() || incident.escalations > 0;
        let called = escalated || !incident.approvals.is_empty();
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
        None => (incident.escalations + 1, None),
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
            format!("{cause}{}{}", incident.escalated.as_deref().unwrap_or_default(), to_do(incident)),
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

/// What people are called to do: what they were told in this diagnosis, the first choice first, and what nobody decided on.
fn to_do(incident: &Incident) -> String {
    let told: Vec<&str> = incident.manual.iter().map(|manual| manual.instructions.trim()).collect();
    let mut parts = vec![paragraph("What a person can do", &told.join("\n"), incident)];
    // A remedy that was asked about is among what is told. Taking one back is not.
    let asked = incident.approvals.last().filter(|approval| approval.state == ApprovalState::Expired);
    let asked =
        asked.filter(|approval| diagnose::current_steps(incident).any(|record| record.step.id == approval.step));
    if let Some(approval) = asked.filter(|approval| !told.iter().any(|told| told.contains(&approval.command))) {
        parts.push(paragraph("Nobody decided on", &approval.command, incident));
    }
    parts.concat()
}

/// Whole lines, as many as fit: half a command is worse than none.
fn paragraph(title: &str, text: &str, incident: &Incident) -> String {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return String::new();
    }
    let (all, mut length) = (lines.len(), 0);
    lines.retain(|line| {
        length += line.chars().count() + 1;
        length <= MAX_TO_DO
    });
    let more = if lines.len() < all { format!("\nAll of it: oncalld show {}", incident.id) } else { String::new() };
    let kept: String = lines.iter().map(|line| format!("\n{line}")).collect();
    format!("\n{title}:{}{more}", clean_text(&kept, 2 * MAX_TO_DO))
}

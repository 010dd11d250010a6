//! The fold: what an incident is, given what happened. Total: any event applies to any state, because the journal is
//! the truth and folding it must never fail.

mod action;
mod approval;
mod away;
mod diagnosis;
mod exchange;
mod state;

use crate::domain::{Comment, Event, EventBody, Incident, IncidentState, ManualRemedy, Recheck, Timestamp, Untold};

/// Folds an incident's events. None if they do not begin with its opening.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Incident> {
    let mut incident = None;
    for event in events {
        match &mut incident {
            None => incident = opened(event),
            Some(incident) => apply(incident, event),
        }
    }
    incident
}

/// The incident that an `incident_opened` begins.
pub fn opened(event: &Event) -> Option<Incident> {
    let EventBody::IncidentOpened {
        environment,
        target,
        group_key,
        title,
        severity,
        trigger,
        config,
        follows,
        read_only,
    } = &event.body
    else {
        return None;
    };
    Some(Incident {
        id: event.incident.clone()?,
        state: IncidentState::Open,
        environment: environment.clone(),
        service: target.clone(),
        group_key: group_key.clone(),
        severity: severity.clone(),
        title: title.clone(),
        trigger: trigger.clone(),
        config: config.clone(),
        follows: follows.clone(),
        read_only: read_only.clone(),
        circumstances: Default::default(),
        alerts: Vec::new(),
        resolutions: Default::default(),
        plan: None,
        diagnosed_since: 1,
        finished_phases: Vec::new(),
        steps: Vec::new(),
        retrying: Vec::new(),
        findings: Vec::new(),
        cause: None,
        manual: Vec::new(),
        exchanges: Vec::new(),
        not_asked: Vec::new(),
        thought: Default::default(),
        prose: None,
        approvals: Vec::new(),
        waiting_on: None,
        waiting_since: None,
        verdict: None,
        verdict_reason: String::new(),
        taken_over_by: None,
        lost: None,
        escalated: None,
        escalations: 0,
        notified: Default::default(),
        untold: Default::default(),
        recheck: None,
        comments: Vec::new(),
        opened_at: event.at,
        closed_at: None,
        seq: event.seq,
        updated_at: event.at,
    })
}

/// Applies one event.
pub fn apply(incident: &mut Incident, event: &Event) {
    let at = event.at;
    match &event.body {
        EventBody::IncidentOpened { .. }
        | EventBody::KillSwitchSet { .. }
        | EventBody::AlertsLeftOut { .. }
        | EventBody::LeftOutFetched { .. } => {}
        EventBody::AlertsReceived { alerts, .. } => {
            alerts.iter().for_each(|alert| diagnosis::receive(incident, alert, at));
        }
        EventBody::WaitingStarted { on, dependency } => {
            incident.waiting_on = Some(on.clone());
            incident.waiting_since = Some((dependency.clone(), at));
        }
        EventBody::WaitingEnded { .. } | EventBody::DiagnosisRequested { .. } | EventBody::FreezeEnded { .. } => {
            diagnosis::start_over(incident);
        }
        EventBody::CircumstancesNoted { circumstances } => incident.circumstances.update(circumstances),
        EventBody::ExchangeBegun { .. }
        | EventBody::ModelsNotAsked { .. }
        | EventBody::ExchangeEnded { .. }
        | EventBody::ExchangeSettled { .. } => exchange::apply(incident, event),
        EventBody::PlanMade { plan, .. } => diagnosis::plan(incident, plan),
        EventBody::StepStarted { step, attempt } => diagnosis::step_started(incident, step, *attempt, at),
        EventBody::StepFinished { step, attempt, outcome, .. } => {
            diagnosis::step_finished(incident, step, *attempt, outcome, at);
        }
        EventBody::PhaseFinished { phase, .. } => incident.finished_phases.push(*phase),
        EventBody::ExpectationJudged { step, judged } => diagnosis::judged(incident, step, judged),
        EventBody::FindingMade { finding } => diagnosis::found(incident, finding),
        EventBody::RemedyManual { remedy, instructions, reason } => {
            let (remedy, instructions, reason) = (remedy.clone(), instructions.clone(), reason.clone());
            incident.manual.push(ManualRemedy { remedy, instructions, reason });
        }
        EventBody::StepPrepared { .. }
        | EventBody::PrepareFailed { .. }
        | EventBody::GateDecided { .. }
        | EventBody::CallIntended { .. }
        | EventBody::CallFinished { .. }
        | EventBody::VerifyFinished { .. }
        | EventBody::UndoRequested { .. }
        | EventBody::UndoFinished { .. } => action::apply(incident, event),
        EventBody::ApprovalRequested { .. }
        | EventBody::ApprovalDecided { .. }
        | EventBody::ApprovalExpired { .. }
        | EventBody::ApprovalVoided { .. } => approval::apply(incident, event),
        EventBody::TargetRechecked { healthy, probed, detail } => {
            let looks = incident.recheck.as_ref().map_or(0, |before| before.looks).saturating_add(1);
            incident.recheck = Some(Recheck { at, healthy: *healthy, probed: *probed, detail: detail.clone(), looks });
        }
        EventBody::VerdictReached { verdict, reason, .. } => diagnosis::concluded(incident, *verdict, reason),
        EventBody::IncidentEscalated { reason } => incident.escalated = Some(reason.clone()),
        EventBody::EnvironmentLost { problem } => away::lost(incident, problem),
        EventBody::EnvironmentReturned {} => away::returned(incident),
        EventBody::IncidentTakenOver { by } => incident.taken_over_by = Some(by.clone()),
        EventBody::IncidentReleased { .. } => released(incident),
        EventBody::CommentAdded { by, text } => commented(incident, by, text, at),
        EventBody::IncidentClosed { .. } => {
            diagnosis::end(incident);
            incident.closed_at = Some(at);
        }
        EventBody::NotificationFinished { subject, channel, error: None } => told(incident, subject, channel, at),
        EventBody::NotificationFinished { subject, channel, error: Some(_) } => untold(incident, subject, channel, at),
    }
    incident.seq = event.seq;
    incident.updated_at = at;
    incident.state = state::state_of(incident);
    incident.retrying = state::retrying(incident);
}

/// Whoever had the wheel may have changed things: what was seen before does not count.
fn released(incident: &mut Incident) {
    incident.taken_over_by = None;
    incident.recheck = None;
}

fn commented(incident: &mut Incident, by: &str, text: &str, at: Timestamp) {
    incident.comments.push(Comment { at, by: by.to_owned(), text: text.to_owned() });
}

/// Several channels carry the same call for help; it counts once.
fn told(incident: &mut Incident, subject: &str, channel: &str, at: Timestamp) {
    let prefix = format!("{subject} ");
    if subject.starts_with("escalation:") && !incident.notified.keys().any(|told| told.starts_with(&prefix)) {
        incident.escalations += 1;
    }
    incident.untold.remove(&format!("{prefix}{channel}"));
    incident.notified.insert(format!("{prefix}{channel}"), at);
}

fn untold(incident: &mut Incident, subject: &str, channel: &str, at: Timestamp) {
    let untold = incident.untold.entry(format!("{subject} {channel}")).or_insert(Untold { attempts: 0, at });
    *untold = Untold { attempts: untold.attempts.saturating_add(1), at };
}

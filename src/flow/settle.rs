//! How it ends: choosing the next remedy, the verdict, closing, escalating, and reading again what has recovered.

use super::{
    Effect, Next, Snapshot,
    decide::{all_resolved, is_acting, is_given_up, void_live},
    diagnose,
    storm::{self, Hold},
    think,
};
use crate::config::{Autonomy, Config};
use crate::domain::{
    CallOutcome, EventBody, Finding, Incident, PhaseName, Recheck, StepId, StepRecord, StepRole, StepStatus, TimeSpan,
    Trigger, Verdict,
};
use crate::{judge, plan};

/// When an incident that was given up is read again first. The pause doubles with each look, up to one of these.
const FIRST_PAUSE: TimeSpan = TimeSpan::from_secs(60);

/// While an alert fires, nothing that is seen ends the incident, and the sender's word has it read again at once.
const PAUSE_WHILE_FIRING: TimeSpan = TimeSpan::from_secs(3_600);

/// It closes by itself once somebody has repaired things: often enough for that, seldom enough to fill no journal.
const PAUSE_AFTERWARDS: TimeSpan = TimeSpan::from_secs(600);

/// What comes when nothing is left to read or to do in the current plan.
pub(super) fn next(incident: &Incident, snapshot: &Snapshot<'_>) -> Next {
    if let Some(verdict) = incident.verdict {
        return finish(incident, snapshot, verdict);
    }
    if incident.waiting_on.is_some() {
        return Next::idle();
    }
    let remedies = resolution(incident);
    let by_hand = matches!(incident.trigger, Trigger::Operation { .. });
    if let Some(why) = unfinished(incident) {
        let reason = format!("{why}; nothing more is done before a person has looked");
        return Next::Append(vec![EventBody::VerdictReached {
            verdict: Verdict::Unresolved,
            reason,
            cites: Vec::new(),
        }]);
    }
    if by_hand && remedies.iter().all(|record| record.action.is_none()) {
        return Next::Append(vec![close(operation_summary(incident))]);
    }
    if !remedies.is_empty() && remedies.iter().all(|record| record.status == StepStatus::Succeeded) {
        return Next::Append(vec![verdict_of_remedy(&remedies)]);
    }
    if by_hand {
        return Next::Append(vec![close(operation_summary(incident))]);
    }
    match incident.cause {
        Some(_) if is_observed(incident, snapshot) => Next::Append(vec![observed(incident, snapshot)]),
        Some(_) => next_remedy(incident, snapshot),
        None => Next::Append(vec![verdict_without_remedy(incident, snapshot)]),
    }
}

/// A call of an action that has ended, of which nobody can tell whether it was done, and why not.
fn in_doubt(record: &StepRecord) -> Option<String> {
    let action = record.action.as_ref().filter(|_| record.status.is_final())?;
    let mut calls = action.calls.iter().chain(&action.undo_calls);
    calls.find_map(|call| match &call.outcome {
        Some(CallOutcome::Unknown { error }) => {
            Some(format!("nobody can tell whether '{}' was done: {error}", call.command))
        }
        None => Some(format!("nobody can tell whether '{}' was done", call.command)),
        Some(CallOutcome::Done { .. } | CallOutcome::NotDone { .. }) => None,
    })
}

/// What an action left in a state that nobody has checked: whatever is done next may meet it, or may still be met by it.
/// It counts for the whole incident, however often that is diagnosed.
pub(super) fn unfinished(incident: &Incident) -> Option<String> {
    incident.steps.iter().filter(|record| record.status.is_final()).find_map(|record| {
        let (action, operation) = (record.action.as_ref()?, &record.step.operation);
        if let Some(doubt) = in_doubt(record) {
            return Some(doubt);
        }
        let done = action.calls.iter().filter(|call| matches!(call.outcome, Some(CallOutcome::Done { .. }))).count();
        match action.undone {
            Some(true) => None,
            Some(false) => Some(format!("{operation} was not taken back")),
            None if done > 0 && done < action.binding.calls.len() => Some(format!("{operation} was only half done")),
            None => None,
        }
    })
}

/// Reads the target again once its alerts are over, or from time to time while people are looking. That it is well proves
/// nothing while an alert fires, and does not tell what became of an operation that was run by hand, of a call that may
/// have been done, or of a change that was half done or not taken back: there a person has the last word. A storm ends
/// with its alerts, whatever is seen.
pub(super) fn recheck(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    if storm::is_storm(incident) {
        return storm::calm(incident, snapshot).map(Next::Append);
    }
    let firing = incident.fires();
    let given_up = is_given_up(incident) && !matches!(incident.trigger, Trigger::Operation { .. });
    let unfinished = unfinished(incident).is_some();
    let over = all_resolved(incident) && incident.verdict.is_none() && !has_helped(incident) && !unfinished;
    if is_acting(incident) || !(over || given_up) {
        return None;
    }
    match &incident.recheck {
        None => Some(Next::Wait { effects: vec![Effect::Recheck], wakes_at: None }),
        Some(seen) if seen.healthy == Some(true) && !firing && !unfinished => {
            Some(Next::Append(recovered(incident, seen)))
        }
        Some(seen) if given_up && !unfinished => {
            let due = seen.at + pause(seen.looks, firing).as_chrono();
            let effects = if due <= snapshot.now { vec![Effect::Recheck] } else { Vec::new() };
            Some(Next::Wait { effects, wakes_at: Some(due).filter(|due| *due > snapshot.now) })
        }
        Some(_) => None,
    }
}

/// The pause after so many looks at a target that was given up.
fn pause(looks: u32, firing: bool) -> TimeSpan {
    let longest = if firing { PAUSE_WHILE_FIRING } else { PAUSE_AFTERWARDS };
    let doublings = looks.saturating_sub(1).min(10);
    TimeSpan::from_secs(FIRST_PAUSE.as_secs() << doublings).min(longest)
}

/// Whether a remedy was carried out and checked, and its verdict is all that is missing: what its check found out is worth
/// more than another look.
fn has_helped(incident: &Incident) -> bool {
    let remedies = resolution(incident);
    let helped = |record: &&StepRecord| record.status == StepStatus::Succeeded && record.action.is_some();
    !remedies.is_empty() && remedies.iter().all(helped)
}

/// The fault is gone without us: pending requests are void, and the incident ends.
fn recovered(incident: &Incident, seen: &Recheck) -> Vec<EventBody> {
    let detail = &seen.detail;
    let mut events = void_live(incident, "the fault is gone");
    let (verdict, reason) = if incident.alerts.is_empty() {
        (Verdict::Mitigated, format!("the target is healthy again: {detail}"))
    } else if seen.probed {
        (Verdict::Resolved, format!("the alerts are over and the target is healthy: {detail}"))
    } else {
        (
            Verdict::Mitigated,
            format!("the alerts are over and the target runs, which is all that can be seen: {detail}"),
        )
    };
    events.push(EventBody::VerdictReached { verdict, reason, cites: Vec::new() });
    events.push(close(verdict.as_str().to_owned()));
    events
}

/// Steps of the current plan's resolution phase, in order.
pub(super) fn resolution(incident: &Incident) -> Vec<&StepRecord> {
    let ids: Vec<&StepId> = incident
        .plan
        .iter()
        .flat_map(|plan| plan.steps())
        .filter(|(phase, _)| *phase == PhaseName::Resolution)
        .map(|(_, step)| &step.id)
        .collect();
    incident.steps.iter().filter(|record| ids.contains(&&record.step.id)).collect()
}

/// The verdict that a remedy's verification earns.
fn verdict_of_remedy(remedies: &[&StepRecord]) -> EventBody {
    let cites: Vec<StepId> = remedies.iter().map(|record| record.step.id.clone()).collect();
    let verified = remedies.iter().rev().find_map(|record| record.action.as_ref()?.verify.as_ref());
    let (verdict, reason) = match verified {
        Some(verified) => {
            let done: Vec<&str> = remedies.iter().map(|record| record.step.operation.as_str()).collect();
            let verdict = match verified.independent {
                Some(true) => Verdict::Resolved,
                Some(false) => Verdict::Unresolved,
                None => Verdict::Mitigated,
            };
            (verdict, format!("after {}, {}", done.join(" and "), verified.detail))
        }
        // A reading operation that was asked for by hand.
        None => (Verdict::Mitigated, "done".to_owned()),
    };
    EventBody::VerdictReached { verdict, reason, cites }
}

/// The next remedy that was not tried, or the end.
fn next_remedy(incident: &Incident, snapshot: &Snapshot<'_>) -> Next {
    let tried = tried(incident);
    let verdict = || verdict_without_remedy(incident, snapshot);
    // What a model merely claims is no reason to treat what a runbook finds well.
    if tried.is_empty()
        && Finding::surest(&incident.findings).is_some_and(|(finding, _)| finding.is_claimed())
        && let no_fault @ EventBody::VerdictReached { verdict: Verdict::NoFault, .. } = verdict()
    {
        return Next::Append(vec![no_fault]);
    }
    let chosen = plan::remedies(
        &diagnose::input(incident, snapshot),
        &incident.findings,
        &diagnose::evidence(incident),
        &tried,
        think::choice(incident),
        diagnose::revision(incident),
    );
    Next::Append(match chosen {
        plan::RemedyPlan::Steps(plan) => vec![EventBody::PlanMade { plan, reason: "a remedy for the cause".into() }],
        plan::RemedyPlan::Manual { remedy, instructions, reason } => {
            vec![EventBody::RemedyManual { remedy, instructions, reason }]
        }
        // What was over before anything was done needs nothing done.
        plan::RemedyPlan::None if tried.is_empty() => vec![verdict()],
        plan::RemedyPlan::None => vec![unresolved(incident)],
    })
}

/// Whether the environment's owner wants it diagnosed and nothing else, now or when the incident began.
fn is_observed(incident: &Incident, snapshot: &Snapshot<'_>) -> bool {
    let observes = |config: &&Config| config.autonomy(&incident.environment) == Autonomy::Observe;
    [snapshot.current, snapshot.pinned].iter().any(observes)
}

/// The end of a diagnosis after which no remedy is so much as looked for.
fn observed(incident: &Incident, snapshot: &Snapshot<'_>) -> EventBody {
    // It may be so only since a reload.
    if !tried(incident).is_empty() {
        return unresolved(incident);
    }
    match verdict_without_remedy(incident, snapshot) {
        EventBody::VerdictReached { verdict: Verdict::Unresolved, reason, cites } => {
            let reason = format!("{reason}: the environment is at autonomy 'observe'");
            EventBody::VerdictReached { verdict: Verdict::Unresolved, reason, cites }
        }
        well => well,
    }
}

fn verdict_without_remedy(incident: &Incident, snapshot: &Snapshot<'_>) -> EventBody {
    let (verdict, reason, cites) = judge::verdict_without_remedy(
        &snapshot.pinned.catalog,
        &diagnose::evidence(incident),
        &incident.alerts,
        diagnose::service(incident, snapshot),
        &incident.findings,
    );
    EventBody::VerdictReached { verdict, reason, cites }
}

/// Remedies of the present diagnosis that were tried or told.
fn tried(incident: &Incident) -> Vec<String> {
    let run = diagnose::current_steps(incident).filter_map(|record| match &record.step.role {
        StepRole::Remedy(remedy) => Some(remedy.id.clone()),
        StepRole::Diagnose => None,
    });
    run.chain(incident.manual.iter().map(|manual| manual.remedy.clone())).collect()
}

fn unresolved(incident: &Incident) -> EventBody {
    let cause = incident.cause.as_ref().map_or("", |cause| cause.summary.as_str());
    let why = match (failure(incident), incident.manual.last()) {
        (Some(error), _) => error.to_owned(),
        (None, Some(manual)) => format!("a person must act: {}", manual.reason),
        (None, None) => "no runbook has a remedy for it".to_owned(),
    };
    let cites =
        incident.findings.iter().filter(|finding| finding.cause.is_some()).flat_map(|f| f.cites.clone()).collect();
    EventBody::VerdictReached { verdict: Verdict::Unresolved, reason: format!("{cause}; {why}"), cites }
}

/// What went wrong with the last remedy: its later steps only say that a step before them was not done.
fn failure(incident: &Incident) -> Option<&str> {
    let failed = |record: &&StepRecord| {
        matches!(record.step.role, StepRole::Remedy(_))
            && record.status != StepStatus::Succeeded
            && record.error.is_some()
    };
    let last = diagnose::revision_of(incident.steps.iter().rev().find(failed)?);
    let mut of_last = incident.steps.iter().filter(|record| diagnose::revision_of(record) == last);
    of_last.find(failed)?.error.as_deref()
}

/// Prose for people who were called for help: nothing waits for it, least of all the call.
pub(super) fn prose(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    is_given_up(incident).then(|| think::report(incident, snapshot)).flatten()
}

/// Closes what is over, and escalates what is not.
fn finish(incident: &Incident, snapshot: &Snapshot<'_>, verdict: Verdict) -> Next {
    // Whoever asked by hand reads the answer; nobody is paged for it.
    let asked = incident.alerts.is_empty() && incident.escalated.is_none();
    if (verdict.is_well() || asked) && !storm::is_storm(incident) {
        if let Some(next) = think::report(incident, snapshot) {
            return next;
        }
        return match storm::hold(incident, snapshot) {
            Some(Hold::Storm) => Next::idle(),
            Some(Hold::Until(at)) => Next::Wait { effects: Vec::new(), wakes_at: Some(at) },
            None => Next::Append(vec![close(verdict.as_str().to_owned())]),
        };
    }
    match &incident.escalated {
        None => Next::Append(vec![EventBody::IncidentEscalated { reason: incident.verdict_reason.clone() }]),
        Some(_) => recheck(incident, snapshot).unwrap_or_else(Next::idle),
    }
}

fn close(reason: String) -> EventBody {
    EventBody::IncidentClosed { by: None, reason }
}

fn operation_summary(incident: &Incident) -> String {
    match incident.steps.last() {
        Some(record) => match &record.error {
            Some(error) => format!("{}: {error}", record.step.operation),
            None => format!("{} was done", record.step.operation),
        },
        None => "nothing was to be done".into(),
    }
}

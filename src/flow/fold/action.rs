//! The life of a mutating step: from its preparation to its verification or undo.

use super::{approval, diagnosis::with_step};
use crate::domain::{
    Action, ApprovalState, Binding, CallRecord, Event, EventBody, GateRecord, Incident, Risk, StepId, StepStatus,
    Timestamp, UndoWanted, Unsent, Values, VerifyRecord,
};

pub(super) fn apply(incident: &mut Incident, event: &Event) {
    match &event.body {
        EventBody::StepPrepared { .. } | EventBody::PrepareFailed { .. } | EventBody::GateDecided { .. } => {
            made_ready(incident, event);
        }
        EventBody::CallIntended { .. } | EventBody::CallFinished { .. } => sent(incident, event),
        EventBody::VerifyFinished { .. } | EventBody::UndoRequested { .. } | EventBody::UndoFinished { .. } => {
            checked(incident, event);
        }
        _ => {}
    }
}

/// Before anything is sent.
fn made_ready(incident: &mut Incident, event: &Event) {
    let at = event.at;
    match &event.body {
        EventBody::StepPrepared { step, binding, risk, before, diff } => {
            let mut action = prepared(binding, *risk, before, diff);
            action.approval = approval::standing(incident, step, &action.digest);
            with_step(incident, step, |record| {
                record.status = StepStatus::Running;
                record.attempt += 1;
                record.started_at.get_or_insert(at);
                record.action = Some(action);
                record.error = None;
            });
        }
        EventBody::PrepareFailed { step, error, transient } => with_step(incident, step, |record| {
            record.attempt += 1;
            record.action = None;
            record.error = Some(error.clone());
            record.finished_at = Some(at);
            record.status = if *transient { StepStatus::Retrying } else { StepStatus::Failed };
        }),
        EventBody::GateDecided { step, decision, rule, reason } => with_action(incident, step, |action| {
            action.gate = Some(GateRecord { decision: *decision, rule: rule.clone(), reason: reason.clone() });
        }),
        _ => {}
    }
}

/// What was sent, and what came of it.
fn sent(incident: &mut Incident, event: &Event) {
    let at = event.at;
    match &event.body {
        EventBody::CallIntended { step, index, undo, process, approval, before, .. } => {
            if let Some(approval) = approval {
                approval::set(incident, approval, ApprovalState::Consumed);
            }
            let record = CallRecord {
                index: *index,
                command: event.body.command().unwrap_or_default(),
                intended_at: at,
                process: process.clone(),
                outcome: None,
                probed: false,
                left: None,
            };
            with_action(incident, step, |action| {
                // What was read when it was prepared may be an hour old.
                if action.calls.is_empty() && !*undo {
                    action.before.clone_from(before);
                }
                if *undo { action.undo_calls.push(record) } else { action.calls.push(record) }
            });
        }
        EventBody::CallFinished { step, index, undo, outcome, probed, .. } => {
            let first = !undo && *index == 0;
            match outcome.unsent().filter(|_| !probed) {
                Some(error) if !first => {
                    with_action(incident, step, |action| unsent(action, *index, *undo, error, at));
                    if *undo {
                        approval::give_undo_back(incident, step);
                    }
                }
                not_sent => {
                    with_action(incident, step, |action| ended(action, event));
                    if not_sent.is_some() {
                        approval::give_back(incident, step);
                    }
                }
            }
        }
        _ => {}
    }
}

/// Whether it helped, and what follows where it did not.
fn checked(incident: &mut Incident, event: &Event) {
    let at = event.at;
    match &event.body {
        EventBody::VerifyFinished { step, held, independent, detail, criterion, evidence } => {
            with_step(incident, step, |record| {
                if evidence.is_some() {
                    record.evidence.clone_from(evidence);
                }
                record.finished_at = Some(at);
                if *held {
                    record.status = StepStatus::Succeeded;
                }
                if let Some(action) = &mut record.action {
                    action.verify = Some(VerifyRecord {
                        held: *held,
                        independent: *independent,
                        detail: detail.clone(),
                        criterion: criterion.clone(),
                        at,
                    });
                }
            })
        }
        EventBody::UndoRequested { step, reason, why, clean, seen } => with_action(incident, step, |action| {
            let (reason, why, clean, seen) = (*reason, why.clone(), *clean, seen.clone());
            action.undo_wanted = Some(UndoWanted { reason, why, clean, seen });
        }),
        EventBody::UndoFinished { step, undone, detail } => with_step(incident, step, |record| {
            record.status = StepStatus::Failed;
            record.finished_at = Some(at);
            record.error = Some(detail.clone());
            if let Some(action) = &mut record.action {
                action.undone = Some(*undone);
            }
        }),
        _ => {}
    }
}

/// A call after the first, or one that takes back, that certainly was not sent: it is due as it was before its intent.
fn unsent(action: &mut Action, index: usize, undo: bool, error: &str, at: Timestamp) {
    let calls = if undo { &mut action.undo_calls } else { &mut action.calls };
    if let Some(position) = calls.iter().rposition(|call| call.index == index) {
        calls.remove(position);
    }
    let before = action.unsent.take().filter(|known| (known.index, known.undo) == (index, undo));
    let attempts = before.map_or(0, |known| known.attempts).saturating_add(1);
    action.unsent = Some(Unsent { index, undo, attempts, at, error: error.to_owned() });
}

/// What came of a call that was sent, or may have been.
fn ended(action: &mut Action, event: &Event) {
    let EventBody::CallFinished { index, undo, outcome, probed, left, .. } = &event.body else { return };
    action.unsent = None;
    let calls = if *undo { &mut action.undo_calls } else { &mut action.calls };
    if let Some(call) = calls.iter_mut().rev().find(|call| call.index == *index) {
        call.outcome = Some(outcome.clone());
        call.probed = *probed;
        call.left.clone_from(left);
    }
}

fn prepared(binding: &Binding, risk: Risk, before: &Values, diff: &[String]) -> Action {
    Action {
        digest: binding.digest(),
        commands: binding.commands(),
        binding: binding.clone(),
        risk,
        before: before.clone(),
        diff: diff.to_vec(),
        gate: None,
        approval: None,
        calls: Vec::new(),
        undo_calls: Vec::new(),
        unsent: None,
        verify: None,
        undo_wanted: None,
        undone: None,
    }
}

pub(super) fn with_action(incident: &mut Incident, step: &StepId, change: impl FnOnce(&mut Action)) {
    with_step(incident, step, |record| {
        if let Some(action) = &mut record.action {
            change(action);
        }
    });
}

//! The life of a mutating step: prepare, pass the gate, ask, inspect, send, verify, and take back what did not help.
//!
//! ```text
//! Prepare ─► StepPrepared ─► gate ─┬─ run ─► Inspect ─► CallIntended ─► Send ─► CallFinished ─► … ─► Verify ─► held
//!                                  ├─ ask ─► ApprovalRequested ─► decided ─┘                                    │ not held
//!                                  └─ refuse ─► told, never sent                    UndoFinished ◄─ undo ◄─ Compare
//! ```
//!
//! What the environment can never do is told to people at Prepare: nobody is asked about it. A first call that was certainly not sent makes the step begin again at Prepare, after a pause. Its approval, consumed
//! by the intent, is given back: it still allows one sending, of the same digest, before the same time. A later call that
//! was certainly not sent is due again after a pause, with another look at the target, and so is one that takes back.

mod again;
mod by_hand;
mod case;
mod inspect;
mod permission;
mod undo;

pub use inspect::{Inspected, inspected};
pub use permission::impossible;
pub use undo::compared;

use super::{Effect, MAX_ATTEMPTS, Next, Snapshot, backoff, decide::record};
use crate::domain::{CallOutcome, EventBody, Incident, PhaseName, StepOutcome, StepRecord, StepStatus};
use crate::gate::{self, Purpose};
use again::{Again, again};
use case::{Case, failed, skipped};

/// The next move of the current remedy; none when there is none, or it is over.
pub(super) fn next(incident: &Incident, snapshot: &Snapshot<'_>) -> Option<Next> {
    let plan = incident.plan.as_ref()?;
    let phase = plan.phases.iter().find(|phase| phase.name == PhaseName::Resolution)?;
    let records: Vec<&StepRecord> = phase.steps.iter().filter_map(|step| record(incident, &step.id)).collect();
    let current = *records.iter().find(|record| !record.status.is_final())?;
    if records.iter().any(|record| matches!(record.status, StepStatus::Failed | StepStatus::Skipped)) {
        return Some(Next::Append(vec![skipped(current.step.id.clone(), "a step before it was not done")]));
    }
    let Some(action) = &current.action else {
        return Some(if incident.waiting_on.is_some() { Next::idle() } else { prepare(current, snapshot) });
    };
    let case = Case { incident, snapshot, record: current, action };
    Some(match action.calls.is_empty() {
        true if incident.waiting_on.is_some() => Next::idle(),
        true => permission::permission(case),
        false => act(case),
    })
}

fn prepare(record: &StepRecord, snapshot: &Snapshot<'_>) -> Next {
    let step = record.step.id.clone();
    if record.attempt >= MAX_ATTEMPTS && snapshot.inventory.stale.is_some() {
        return Next::idle();
    }
    if record.attempt >= MAX_ATTEMPTS {
        let why = record.error.as_deref().unwrap_or("the target keeps changing");
        return Next::Append(vec![failed(step, format!("gave up after {MAX_ATTEMPTS} attempts: {why}"))]);
    }
    if let (StepStatus::Retrying, Some(at)) = (record.status, record.finished_at) {
        let due = at + backoff(record.attempt).as_chrono();
        if due > snapshot.now {
            return Next::Wait { effects: Vec::new(), wakes_at: Some(due) };
        }
    }
    Next::Wait { effects: vec![Effect::Prepare { step, attempt: record.attempt + 1 }], wakes_at: None }
}

/// After the first call: send the next, check the effect, or take it back.
fn act(case: Case<'_>) -> Next {
    let (step, action) = (case.step(), case.action);
    if action.undo_wanted.is_some() {
        return undo::take_back(case);
    }
    match action.calls.last().and_then(|call| call.outcome.as_ref()) {
        None => Next::idle(),
        Some(CallOutcome::NotDone { error, transient }) if action.calls.len() == 1 => {
            // Certainly not sent, or not done as a probe found: it is prepared anew and goes through the gate again.
            let again = *transient || action.calls.iter().any(|call| call.probed);
            let outcome = StepOutcome::Failed { error: error.clone(), transient: again };
            let attempt = case.record.attempt;
            Next::Append(vec![EventBody::StepFinished { step, attempt, outcome, milliseconds: 0 }])
        }
        Some(CallOutcome::NotDone { .. }) => undo::take_back(case),
        Some(CallOutcome::Unknown { error }) => {
            let command = action.calls.last().map_or("", |call| call.command.as_str());
            let reason = format!("nobody can tell whether '{command}' was done: {error}");
            Next::Append(vec![failed(step, error.clone()), EventBody::IncidentEscalated { reason }])
        }
        Some(CallOutcome::Done { .. }) if action.calls.len() < action.binding.calls.len() => proceed(case),
        Some(CallOutcome::Done { .. }) if action.verify.is_none() => {
            Next::Wait { effects: vec![Effect::Verify { step }], wakes_at: None }
        }
        Some(CallOutcome::Done { .. }) => undo::take_back(case),
    }
}

/// The next call of an action that has begun.
fn proceed(case: Case<'_>) -> Next {
    match again(case, false) {
        Again::Now => {}
        Again::Later(next) => return next,
        Again::Never(_) => return undo::take_back(case),
    }
    let ruling = case.ask_gate(Purpose::Continue, case.approval(), gate::decide);
    permission::busy(case, &ruling).unwrap_or_else(|| {
        let effect = Effect::Inspect { step: case.step(), index: case.action.calls.len(), undo: false };
        Next::Wait { effects: vec![effect], wakes_at: None }
    })
}

//! The moment of truth: read the target, send one native call, or find out whether one was sent.

use super::read::operation;
use super::{EffectResult, Job, Runner, fact, failure::Failure};
use crate::domain::{ActCall, CallOutcome, EventBody, Left, Service, StepId, TimeSpan, UndoReason, Values};
use crate::execute::{ExecuteError, Probed};
use crate::expr::Truth;
use crate::flow::Inspected;
use crate::gate::Cleared;
use crate::judge;
use std::time::Duration;

/// How long reading a target's state may take.
const CAPTURE: Duration = Duration::from_secs(15);

/// Added to an operation's own time-out before a call that does not answer counts as unknown.
const GRACE: TimeSpan = TimeSpan::from_secs(15);

impl Runner {
    /// Reads the target for the gate. A target that cannot be read now is read again later.
    pub(super) async fn inspect(&self, job: &Job, id: &StepId) -> EffectResult {
        let inspected = async {
            let record = job.record(id)?;
            let seen = self.left(job, &record.step.target).await?;
            let condition = record.action.as_ref().and_then(|action| action.binding.precondition.as_ref());
            let precondition = condition.map(|condition| judge::precondition(condition, &seen.status));
            Ok::<_, Failure>(Inspected { seen, precondition })
        };
        match inspected.await {
            Ok(inspected) => EffectResult::Inspected(inspected),
            Err(failure) if failure.transient => {
                tracing::warn!(incident = %job.incident.id, problem = failure.problem, "the target cannot be read; trying again");
                tokio::time::sleep(Duration::from_secs(2)).await;
                EffectResult::Stopped
            }
            // A target that is gone is as drifted as can be.
            Err(_) => EffectResult::Inspected(Inspected { seen: Left::default(), precondition: Some(Truth::False) }),
        }
    }

    /// Sends one native call. The kill switch is read once more, as the very last thing.
    pub(super) async fn send(
        &self,
        job: &Job,
        id: &StepId,
        index: usize,
        undo: bool,
        cleared: Option<Cleared>,
    ) -> EffectResult {
        let outcome = match cleared {
            None => CallOutcome::NotDone { error: "the clearance was lost before it was sent".into() },
            Some(_) if self.shared.is_stopped() => CallOutcome::NotDone { error: "the kill switch is on".into() },
            Some(cleared) => self.act(job, id, cleared).await,
        };
        let target = job.record(id).map(|record| record.step.target.clone()).unwrap_or_default();
        let left = match &outcome {
            CallOutcome::Done { .. } => self.left(job, &target).await.ok(),
            _ => None,
        };
        fact(EventBody::CallFinished { step: id.clone(), index, undo, outcome, probed: false, left })
    }

    async fn act(&self, job: &Job, id: &StepId, cleared: Cleared) -> CallOutcome {
        let (family, name) = (cleared.call().family(), cleared.call().name());
        let executor = match self.place(job).and_then(|place| Ok(place.executor(family, name)?)) {
            Ok(executor) => executor,
            Err(failure) => return CallOutcome::NotDone { error: failure.problem },
        };
        let timeout = job.record(id).map(|record| record.step.timeout).unwrap_or_default();
        let deadline = timeout.as_std() + GRACE.as_std();
        match tokio::time::timeout(deadline, executor.act(cleared)).await {
            Ok(Ok(result)) => CallOutcome::Done { result: self.redacted(result) },
            Ok(Err(ExecuteError::Unknown { problem, .. })) => CallOutcome::Unknown { error: problem },
            Ok(Err(error)) => CallOutcome::NotDone { error: self.redactor.text(&error.to_string()).into_owned() },
            Err(_) => CallOutcome::Unknown { error: format!("{name} did not answer within {} s", deadline.as_secs()) },
        }
    }

    /// Finds out whether a call that another process intended was done. Never sends it.
    pub(super) async fn probe(&self, job: &Job, id: &StepId, index: usize, undo: bool) -> EffectResult {
        let probed = loop {
            match self.probed(job, id, index, undo).await {
                // An environment that is away says nothing; the question stands until it returns.
                Err(failure) if failure.transient => tokio::time::sleep(Duration::from_secs(5)).await,
                Err(failure) => break Probed::Unknown(failure.problem),
                Ok(probed) => break probed,
            }
        };
        let target = job.record(id).map(|record| record.step.target.clone()).unwrap_or_default();
        let (outcome, left) = match probed {
            Probed::Happened => (CallOutcome::Done { result: Values::new() }, self.left(job, &target).await.ok()),
            Probed::NotHappened => (CallOutcome::NotDone { error: "oncalld ended before it was sent".into() }, None),
            Probed::Unknown(why) => (CallOutcome::Unknown { error: why }, None),
        };
        fact(EventBody::CallFinished { step: id.clone(), index, undo, outcome, probed: true, left })
    }

    async fn probed(&self, job: &Job, id: &StepId, index: usize, undo: bool) -> Result<Probed, Failure> {
        let record = job.record(id)?;
        let action = record.action.as_ref().ok_or_else(|| Failure::permanent("nothing was prepared"))?;
        let prepared = action.binding.calls.get(index);
        let call: &ActCall = prepared
            .and_then(|prepared| if undo { prepared.undo.as_ref() } else { Some(&prepared.call) })
            .ok_or_else(|| Failure::permanent("there is no such call"))?;
        let executor = self.place(job)?.executor(call.family(), call.name())?;
        if let Some(probed) = executor.probe(call).await? {
            return Ok(probed);
        }
        if undo {
            return Ok(Probed::Unknown(
                "whether it was taken back cannot be told by itself; look at the target".into(),
            ));
        }
        // The operation's own probe speaks of the whole step, so it decides only where the step is one call.
        if action.binding.calls.len() > 1 {
            return Ok(Probed::Unknown("one of several calls; which of them were done cannot be told".into()));
        }
        let operation = operation(job, &record.step.operation)?;
        let now = self.left(job, &record.step.target).await?;
        Ok(match judge::probe(operation, &action.before, &now.status, &record.step.arguments) {
            Truth::True => Probed::Happened,
            Truth::False => Probed::NotHappened,
            Truth::Unknown(why) => Probed::Unknown(why),
        })
    }

    /// Compares the target with what it was before and with what the action left: an undo by itself needs it untouched
    /// since, and worse than before.
    pub(super) async fn compare(&self, job: &Job, id: &StepId) -> EffectResult {
        let clean = async {
            let record = job.record(id)?;
            let action = record.action.as_ref().ok_or_else(|| Failure::permanent("nothing was done"))?;
            let left = action.calls.last().and_then(|call| call.left.as_ref());
            let now = self.left(job, &record.step.target).await?;
            let untouched = left.is_some_and(|left| {
                let same = |field: &String| left.status.get(field) == now.status.get(field);
                left.identity == now.identity && action.binding.guard.keys().all(same)
            });
            Ok::<_, Failure>(untouched && wellness(&now.status) < wellness(&action.before))
        };
        let clean = clean.await.unwrap_or(false);
        fact(EventBody::UndoRequested { step: id.clone(), reason: UndoReason::VerifyFailed, clean })
    }

    /// State and identity of a target now.
    async fn left(&self, job: &Job, target: &str) -> Result<Left, Failure> {
        let service: Service = self.service(job, target)?;
        let capture = self.capture(job, &service);
        let captured = tokio::time::timeout(CAPTURE, capture)
            .await
            .map_err(|_| Failure::transient(format!("{target} was not read within {} s", CAPTURE.as_secs())))??;
        Ok(Left { status: self.redacted(captured.status), identity: captured.identity })
    }
}

/// How well a target is: not running, running, ready.
fn wellness(status: &Values) -> u8 {
    let holds = |field: &str| status.get(field).and_then(serde_json::Value::as_bool).unwrap_or(false);
    match (holds("running"), holds("ready")) {
        (_, true) => 2,
        (true, false) => 1,
        (false, false) => 0,
    }
}

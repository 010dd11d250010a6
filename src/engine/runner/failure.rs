//! Failures of effects, by what may be concluded from them.

use super::{EffectResult, fact};
use crate::domain::{CallOutcome, EventBody, StepOutcome, UndoReason};
use crate::execute::ExecuteError;
use crate::flow::Effect;
use crate::translate::TranslateError;

/// Why something was not seen or not made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub problem: String,
    /// Whether trying again may help.
    pub transient: bool,
}

impl Failure {
    pub fn permanent(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), transient: false }
    }

    pub fn transient(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), transient: true }
    }
}

impl From<ExecuteError> for Failure {
    /// Of a reading call: whether it happened does not matter, so anything but a permanent failure may pass.
    fn from(error: ExecuteError) -> Self {
        let transient = !matches!(error, ExecuteError::Permanent { .. });
        let (ExecuteError::Transient { call, problem }
        | ExecuteError::Permanent { call, problem }
        | ExecuteError::Unknown { call, problem }) = error;
        Self { problem: format!("{call}: {problem}"), transient }
    }
}

impl From<TranslateError> for Failure {
    fn from(error: TranslateError) -> Self {
        Self::permanent(error.to_string())
    }
}

/// The outcome of an effect whose task panicked: the most cautious one that there is.
pub(super) fn panicked(effect: &Effect) -> EffectResult {
    const WHY: &str = "a defect of oncalld; please report it";
    let error = || WHY.to_owned();
    match effect.clone() {
        Effect::Ask { index } => fact(EventBody::ExchangeEnded { index, end: super::think::nothing(WHY) }),
        Effect::RunStep { step, attempt } => fact(EventBody::StepFinished {
            step,
            attempt,
            outcome: StepOutcome::Failed { error: error(), transient: false },
            milliseconds: 0,
        }),
        Effect::Prepare { step, .. } => fact(EventBody::PrepareFailed { step, error: error(), transient: false }),
        Effect::Inspect { step, .. } => fact(EventBody::PrepareFailed { step, error: error(), transient: false }),
        Effect::Send { step, index, undo } | Effect::Probe { step, index, undo } => fact(EventBody::CallFinished {
            step,
            index,
            undo,
            outcome: CallOutcome::Unknown { error: error() },
            probed: false,
            left: None,
        }),
        Effect::Verify { step } => {
            let (detail, criterion) = (error(), None);
            fact(EventBody::VerifyFinished { step, held: false, independent: None, detail, criterion, evidence: None })
        }
        Effect::Compare { step } => {
            let (reason, why) = (UndoReason::VerifyFailed, error());
            fact(EventBody::UndoRequested { step, reason, why, clean: false, seen: None })
        }
        Effect::Recheck => fact(EventBody::TargetRechecked { healthy: None, probed: false, detail: error() }),
        Effect::Notify { subject, channel } => {
            fact(EventBody::NotificationFinished { channel, subject, error: Some(error()) })
        }
    }
}

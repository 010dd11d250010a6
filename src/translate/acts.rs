//! Acting calls, resolved wholly before any is sent: an approval binds exactly these.

use super::{ReadPlan, Round, TranslateError, reads::render};
use crate::{
    catalog::CallTemplate,
    domain::{ActCall, Effect, PreparedCall, ReadCall, Values},
    expr::Template,
};

/// An operation that acts, after the reading that its calls need.
#[derive(Clone, Debug)]
pub struct ActPlan {
    reads: ReadPlan,
}

impl ActPlan {
    pub(super) fn new(reads: ReadPlan) -> Self {
        Self { reads }
    }

    /// The next reading call to make first; none when all are made. See [`ReadPlan::next_call`].
    ///
    /// # Errors
    /// A field has no value, or one of the wrong type.
    pub fn next_call(&mut self) -> Result<Option<ReadCall>, TranslateError> {
        self.reads.next_call()
    }

    /// Takes the result of the call that [`Self::next_call`] gave last.
    pub fn record(&mut self, result: Values) {
        self.reads.record(result);
    }

    /// The acts in order, each with what takes it back.
    ///
    /// # Errors
    /// A field has no value, or one of the wrong type.
    pub fn prepared(self) -> Result<Vec<PreparedCall>, TranslateError> {
        let operation = &self.reads.operation;
        let acts = self.reads.rounds.iter().flat_map(|round| {
            let acting = round.calls.iter().filter(|call| call.effect != Effect::Read);
            acting.map(move |call| prepare(operation, call, round))
        });
        acts.collect()
    }
}

fn prepare(operation: &str, call: &CallTemplate, round: &Round) -> Result<PreparedCall, TranslateError> {
    let undo = call.undo.as_ref().map(|(name, with)| act(operation, name, with, round)).transpose()?;
    Ok(PreparedCall::new(act(operation, &call.name, &call.with, round)?, undo))
}

fn act(operation: &str, name: &str, with: &Template, round: &Round) -> Result<ActCall, TranslateError> {
    let fields = render(operation, name, with, round)?;
    ActCall::decode(name, fields).map_err(|source| TranslateError::Call { operation: operation.to_owned(), source })
}

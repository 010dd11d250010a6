//! Reading calls, rendered one after the other, because a later one may need what an earlier one returned.

use super::{Context, Round, TranslateError};
use crate::{
    catalog::{CallTemplate, Entry},
    domain::{Effect, ReadCall, Shape, Values, spec_of},
    expr::Template,
};
use serde_json::Value;

/// The reading calls of an operation.
#[derive(Clone, Debug)]
pub struct ReadPlan {
    pub(super) operation: String,
    pub(super) rounds: Vec<Round>,
    /// Reading calls still to come, as indexes of round and call, last first.
    waiting: Vec<(usize, usize)>,
    /// The call whose result is awaited.
    asked: Option<(usize, usize)>,
    result: Option<Values>,
    returns: Option<Template>,
    shape: Shape,
}

impl ReadPlan {
    pub(super) fn new(context: &Context<'_>, entry: &Entry, rounds: Vec<Round>) -> Self {
        let reading = |call: &CallTemplate| call.effect == Effect::Read;
        let indexes = rounds.iter().enumerate().flat_map(|(round, entry)| {
            let calls = entry.calls.iter().enumerate().filter(|(_, call)| reading(call));
            calls.map(move |(call, _)| (round, call)).collect::<Vec<_>>()
        });
        let mut waiting: Vec<_> = indexes.collect();
        waiting.reverse();
        Self {
            operation: context.operation.name.clone(),
            rounds,
            waiting,
            asked: None,
            result: None,
            returns: entry.returns.clone(),
            shape: context.operation.returns.clone(),
        }
    }

    /// The next call to make, whose result goes to [`Self::record`]; none when all are made.
    ///
    /// # Errors
    /// A field has no value, or one of the wrong type.
    pub fn next_call(&mut self) -> Result<Option<ReadCall>, TranslateError> {
        let Some((round, call)) = self.waiting.pop() else { return Ok(None) };
        self.asked = Some((round, call));
        let (name, fields) = {
            let round = &self.rounds[round]; // indexes were made from these very lists
            let call = &round.calls[call];
            (&call.name, render(&self.operation, &call.name, &call.with, round)?)
        };
        let call = ReadCall::decode(name, fields);
        call.map(Some).map_err(|source| TranslateError::Call { operation: self.operation.clone(), source })
    }

    /// Takes the result of the call that [`Self::next_call`] gave last.
    pub fn record(&mut self, result: Values) {
        if let Some((round, call)) = self.asked.take() {
            let round = &mut self.rounds[round];
            let call = &round.calls[call];
            if let (Some(name), Some(spec)) = (&call.bind, spec_of(&call.name)) {
                round.bindings.set(name, &Value::Object(result.clone()), &spec.returns);
            }
            self.result = Some(result);
        }
    }

    /// The operation's declared result.
    ///
    /// # Errors
    /// The result has not the declared type, or nothing was read.
    pub fn finish(self) -> Result<Values, TranslateError> {
        let failed = |problem: String| TranslateError::NoValue {
            operation: self.operation.clone(),
            call: "returns".into(),
            problem,
        };
        let result = match (&self.returns, self.rounds.last(), self.result) {
            (Some(template), Some(round), _) => {
                template.render(&round.bindings).map_err(|error| failed(error.to_string()))?
            }
            (_, _, Some(result)) => Value::Object(result),
            _ => return Err(failed("nothing was read".into())),
        };
        match self.shape.coerce(result).map_err(|error| failed(error.to_string()))? {
            Value::Object(fields) => Ok(fields),
            _ => Err(failed("the result is not an object".into())),
        }
    }
}

/// The fields of a call.
pub(super) fn render(operation: &str, call: &str, with: &Template, round: &Round) -> Result<Values, TranslateError> {
    let failed =
        |problem: String| TranslateError::NoValue { operation: operation.to_owned(), call: call.to_owned(), problem };
    match with.render(&round.bindings).map_err(|error| failed(error.to_string()))? {
        Value::Object(fields) => Ok(fields),
        _ => Err(failed("its fields are not an object".into())),
    }
}

//! Making a mutating step ready: exactly what would be sent, what takes it back, and what it would change.

use super::read::{declared, is_allowed, is_environment, operation};
use super::{EffectResult, Job, Runner, fact, failure::Failure};
use crate::domain::{ActCall, Binding, EventBody, PreparedCall, Service, Step, StepId, StepRole, Values};
use crate::execute::{Captured, NativeCall};
use crate::flow;
use crate::translate::{self, Context, TranslateError, Translated};
use serde_json::Value;

impl Runner {
    pub(super) async fn prepare(&self, job: &Job, id: &StepId) -> EffectResult {
        let prepared = async {
            let step = &job.record(id)?.step;
            let limit = step.timeout.as_std();
            tokio::time::timeout(limit, self.prepared(job, step))
                .await
                .unwrap_or_else(|_| Err(Failure::transient(format!("not ready within {}", step.timeout))))
        };
        match prepared.await {
            Ok(result) => result,
            Err(Failure { problem, transient }) => {
                fact(EventBody::PrepareFailed { step: id.clone(), error: problem, transient })
            }
        }
    }

    async fn prepared(&self, job: &Job, step: &Step) -> Result<EffectResult, Failure> {
        let service = self.service(job, &step.target)?;
        let operation = operation(job, &step.operation)?;
        let declared = declared(job, &service.name);
        let captured = self.capture(job, &service).await?;
        let context = Context {
            operation,
            translation: self.translation(job, &step.operation)?,
            service: &service,
            declared: &declared,
            arguments: &step.arguments,
            before: Some(&captured.status),
            step: &step.id,
            reason: &step.reason,
            allowed: is_allowed(job, &step.arguments),
        };
        let mut plan = match translate::translate(&context) {
            Ok(Translated::Act(plan)) => plan,
            Err(why @ TranslateError::Refused { .. }) => return Ok(impossible(job, step, why.to_string())),
            Err(error) => return Err(error.into()),
            // With these arguments it changes nothing, so there is nothing to ask about.
            Ok(Translated::Read(_)) => {
                let attempt = job.record(&step.id)?.attempt + 1;
                return Ok(self.run_step(job, &step.id, attempt).await);
            }
        };
        while let Some(call) = plan.next_call()? {
            plan.record(self.read(job, &call).await?);
        }
        let mut calls = plan.prepared()?;
        for prepared in &calls {
            if let Some(why) = self.refusal(job, &prepared.call).await? {
                return Ok(impossible(job, step, format!("{}: {why}", operation.name)));
            }
        }
        self.put_into_words(job, &mut calls).await?;
        // Redacted first: what is read just before acting is redacted too, and the two are compared.
        let before = self.redacted(captured.status);
        let risk = translate::raised_risk(operation, &step.arguments, &service, &calls);
        let diff = translate::diff(operation, &step.arguments, &service, &before);
        let precondition = match &step.role {
            StepRole::Remedy(remedy) => remedy.precondition.clone(),
            StepRole::Diagnose => None,
        };
        let binding = Binding {
            environment: job.incident.environment.clone(),
            target: step.target.clone(),
            operation: step.operation.clone(),
            calls,
            identity: captured.identity,
            guard: translate::guard(operation, &before),
            precondition,
        };
        Ok(fact(EventBody::StepPrepared {
            step: step.id.clone(),
            binding,
            risk,
            before,
            diff: diff.iter().map(|line| self.equipment().redactor.text(line).into_owned()).collect(),
        }))
    }

    /// Gives calls the words that people will see. One that would show a secret is none to go on with.
    async fn put_into_words(&self, job: &Job, calls: &mut [PreparedCall]) -> Result<(), Failure> {
        for prepared in calls.iter_mut() {
            prepared.command = self.command(job, NativeCall::Act(&prepared.call)).await;
            if let Some(undo) = &prepared.undo {
                prepared.undo_command = self.command(job, NativeCall::Act(undo)).await;
            }
        }
        // Wherever it comes from: what is journaled, shown and logged has no secret in it.
        let redactor = &self.equipment().redactor;
        let shown = calls.iter().flat_map(|prepared| [Some(&prepared.call), prepared.undo.as_ref()]).flatten();
        if let Some(call) = shown.into_iter().find(|call| redactor.knows(&call.command())) {
            return Err(Failure::permanent(format!(
                "{} would show a secret in the journal; not prepared",
                call.name()
            )));
        }
        Ok(())
    }

    /// Why a call can never be carried out here.
    async fn refusal(&self, job: &Job, call: &ActCall) -> Result<Option<String>, Failure> {
        Ok(self.place(job)?.executor(call.family(), call.name())?.refusal(call).await?)
    }

    /// The target's state now; nothing for the environment itself.
    pub(super) async fn capture(&self, job: &Job, service: &Service) -> Result<Captured, Failure> {
        if is_environment(service) {
            return Ok(Captured::default());
        }
        Ok(self.place(job)?.environment.capture(service).await?)
    }

    pub(super) fn redacted(&self, values: Values) -> Values {
        let mut value = Value::Object(values);
        self.equipment().redactor.value(&mut value);
        match value {
            Value::Object(values) => values,
            _ => Values::new(),
        }
    }
}

fn impossible(job: &Job, step: &Step, why: String) -> EffectResult {
    EffectResult::Facts { events: flow::impossible(&job.incident, &step.id, why), blobs: Vec::new() }
}

//! Reading operations: from an operation and a target to its declared result.

use super::{EffectResult, Job, Runner, failure::Failure, since};
use crate::catalog::Operation;
use crate::domain::{
    Digest, EventBody, Evidence, ReadCall, Service, Step, StepId, StepOutcome, TimeSpan, Values, clean_text,
};
use crate::engine::now;
use crate::execute::{NativeCall, allow::allowed};
use crate::flow::MAX_ATTEMPTS;
use crate::translate::{self, Context, Declared, Translated};
use serde_json::Value;
use std::time::Duration;

/// Characters of one text in facts. Logs have lines of megabytes; nobody reads them at three in the morning.
const LONGEST_TEXT: usize = 4_096;

/// How long it may take to find the words for a call.
const COMMAND: Duration = Duration::from_secs(2);

/// One reading of an operation.
pub(super) struct Reading {
    /// The declared result, redacted and cleaned.
    pub facts: Values,
    /// What was run.
    pub commands: Vec<String>,
}

/// What is asked of a reading operation.
pub(super) struct Question<'a> {
    pub operation: &'a str,
    pub target: &'a str,
    pub arguments: &'a Values,
    pub step: &'a StepId,
    pub timeout: TimeSpan,
}

impl Runner {
    /// Runs a step of a reading phase.
    pub(super) async fn run_step(&self, job: &Job, id: &StepId, attempt: u32) -> EffectResult {
        let start = std::time::Instant::now();
        let finished =
            |outcome| EventBody::StepFinished { step: id.clone(), attempt, outcome, milliseconds: since(start) };
        let read = async {
            let step = &job.record(id)?.step;
            let question = Question {
                operation: &step.operation,
                target: &step.target,
                arguments: &step.arguments,
                step: id,
                timeout: step.timeout,
            };
            Ok((step, self.ask(job, &question).await?))
        };
        match read.await {
            Ok((step, reading)) => {
                let (evidence, blob) = self.evidence(job, step, reading);
                EffectResult::Facts { events: vec![finished(StepOutcome::Succeeded { evidence })], blobs: vec![blob] }
            }
            Err(Failure { problem, transient }) => {
                // What fails because its environment is away goes on when that is back.
                let last = transient && attempt >= MAX_ATTEMPTS && !self.is_away(job).await;
                let error =
                    if transient && last { format!("gave up after {attempt} attempts: {problem}") } else { problem };
                super::fact(finished(StepOutcome::Failed { error, transient: transient && !last }))
            }
        }
    }

    /// Asks one operation that only reads, within its time.
    pub(super) async fn ask(&self, job: &Job, question: &Question<'_>) -> Result<Reading, Failure> {
        let answer = self.translate_and_read(job, question);
        match tokio::time::timeout(question.timeout.as_std(), answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::transient(format!("{}: no answer within {}", question.operation, question.timeout))),
        }
    }

    async fn translate_and_read(&self, job: &Job, question: &Question<'_>) -> Result<Reading, Failure> {
        let service = self.service(job, question.target)?;
        let operation = operation(job, question.operation)?;
        let declared = declared(job, &service.name);
        let context = Context {
            operation,
            translation: self.translation(job, question.operation)?,
            service: &service,
            declared: &declared,
            arguments: question.arguments,
            before: None,
            step: question.step,
            reason: "",
            allowed: is_allowed(job, question.arguments),
        };
        let Translated::Read(mut plan) = translate::translate(&context)? else {
            return Err(Failure::permanent(format!("{} would change something", question.operation)));
        };
        let mut commands = Vec::new();
        while let Some(call) = plan.next_call()? {
            commands.push(self.command(job, NativeCall::Read(&call)).await);
            plan.record(self.read(job, &call).await?);
        }
        let mut facts = Value::Object(plan.finish()?);
        self.equipment().redactor.value(&mut facts);
        clean(&mut facts);
        match facts {
            Value::Object(facts) => Ok(Reading { facts, commands }),
            _ => Err(Failure::permanent(format!("{} returned no object", question.operation))),
        }
    }

    /// Sends one reading call to the executor that serves it here.
    pub(super) async fn read(&self, job: &Job, call: &ReadCall) -> Result<Values, Failure> {
        Ok(self.place(job)?.executor(call.family(), call.name())?.read(call).await?)
    }

    /// What a person would type, redacted. A command that nobody can tell in time is told in the call's own words.
    pub(super) async fn command(&self, job: &Job, call: NativeCall<'_>) -> String {
        let (family, name) = match call {
            NativeCall::Read(call) => (call.family(), call.name()),
            NativeCall::Act(call) => (call.family(), call.name()),
        };
        let place = self.place(job).ok();
        let known = match place.as_ref().map(|place| place.executor(family, name)) {
            Some(Ok(executor)) => tokio::time::timeout(COMMAND, executor.command(call)).await.ok().flatten(),
            _ => None,
        };
        clean_text(&self.equipment().redactor.text(&known.unwrap_or_else(|| call.command())), LONGEST_TEXT)
    }

    /// How an operation is done in the incident's kind of environment.
    pub(super) fn translation<'a>(
        &self,
        job: &'a Job,
        operation: &str,
    ) -> Result<&'a crate::catalog::Translation, Failure> {
        let kind = self.place(job)?.kind;
        let known = job.pinned.catalog.translations.get(&kind).and_then(|all| all.get(operation));
        known.ok_or_else(|| Failure::permanent(format!("{operation} is not supported in {kind} environments")))
    }

    /// Evidence of a reading, cut to the configured size, and the whole of it as bytes.
    pub(super) fn evidence(&self, job: &Job, step: &Step, reading: Reading) -> (Evidence, Vec<u8>) {
        let blob = serde_json::to_vec(&reading.facts).unwrap_or_default();
        let limit = usize::try_from(job.pinned.platform.limits.evidence.0).unwrap_or(usize::MAX);
        let mut facts = reading.facts;
        let truncated = blob.len() > limit;
        if truncated {
            cut(&mut facts, limit);
        }
        let evidence = Evidence {
            step: step.id.clone(),
            name: step.name.clone(),
            operation: step.operation.clone(),
            target: step.target.clone(),
            at: now(),
            facts,
            commands: reading.commands,
            digest: Digest::of(&blob),
            truncated,
        };
        (evidence, blob)
    }
}

/// The operation in the incident's catalogue.
pub(super) fn operation<'a>(job: &'a Job, name: &str) -> Result<&'a Operation, Failure> {
    let known = job.pinned.catalog.operations.get(name);
    known.ok_or_else(|| Failure::permanent(format!("there is no operation {name}")))
}

/// What environments.yml says of a service, as far as translations see it.
pub(super) fn declared(job: &Job, service: &str) -> Declared {
    let environment = job.pinned.environments.get(&job.incident.environment);
    let known = environment.and_then(|environment| environment.services.get(service));
    known.map_or_else(Declared::default, |known| Declared {
        data_store: known.data_store.map(|store| store.as_str().to_owned()),
        clearable: known.clearable.clone(),
    })
}

/// Whether an `argv` among the arguments is on the environment's list of read-only commands.
pub(super) fn is_allowed(job: &Job, arguments: &Values) -> bool {
    let list =
        job.pinned.environments.get(&job.incident.environment).map(|environment| &environment.read_only_commands);
    let argv: Option<Vec<String>> = arguments.get("argv").and_then(|argv| serde_json::from_value(argv.clone()).ok());
    matches!((list, argv), (Some(list), Some(argv)) if allowed(&argv, list))
}

/// An empty service is the environment itself.
pub(super) fn is_environment(service: &Service) -> bool {
    service.name.is_empty()
}

/// Strips what deceives from every text, and cuts long ones.
fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = clean_text(text, LONGEST_TEXT),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Halves the longest list, keeping its end (of logs and events that is the latest), until the facts fit.
fn cut(facts: &mut Values, limit: usize) {
    while serde_json::to_vec(&*facts).map_or(0, |bytes| bytes.len()) > limit {
        let longest = facts
            .values_mut()
            .filter_map(Value::as_array_mut)
            .max_by_key(|list| serde_json::to_vec(&**list).map_or(0, |bytes| bytes.len()));
        match longest {
            Some(list) if list.len() > 1 => {
                let half = list.len() / 2;
                list.drain(..half);
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_are_cut_to_fit_and_keep_the_latest() {
        let lines: Vec<String> = (0..1_000).map(|n| format!("line {n}")).collect();
        let mut facts: Values = serde_json::from_value(json!({"lines": lines, "matched": 1000})).unwrap();
        cut(&mut facts, 2_000);
        let kept = facts["lines"].as_array().unwrap();
        assert!(kept.len() < 200 && kept.last().unwrap() == "line 999");
        assert_eq!(facts["matched"], 1_000);
    }
}

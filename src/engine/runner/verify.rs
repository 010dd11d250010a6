//! Did it help? The operation's own criterion must come true and hold through the soak, and something independent,
//! asked after the action, must agree.

use super::read::{Question, Reading, operation};
use super::{EffectResult, Job, Runner, fact, failure::Failure};
use crate::catalog::{Operation, Verify};
use crate::domain::{Action, CallOutcome, EventBody, Step, StepId, Values};
use crate::expr::Truth;
use crate::judge;
use std::time::Duration;
use tokio::time::Instant;

/// Pause between looks while waiting for the criterion to come true.
const PAUSE: Duration = Duration::from_millis(500);

/// The criterion as last seen.
struct Look {
    truth: Truth,
    reading: Option<Reading>,
}

impl Runner {
    pub(super) async fn verify(&self, job: &Job, id: &StepId) -> EffectResult {
        match self.verified(job, id).await {
            Ok(result) => result,
            Err(failure) if failure.transient => self.later(job, &failure).await,
            Err(failure) => fact(EventBody::VerifyFinished {
                step: id.clone(),
                held: false,
                independent: None,
                detail: failure.problem,
                criterion: None,
                evidence: None,
            }),
        }
    }

    async fn verified(&self, job: &Job, id: &StepId) -> Result<EffectResult, Failure> {
        let began = Instant::now();
        let record = job.record(id)?;
        let operation = operation(job, &record.step.operation)?;
        let before = record.action.as_ref().map(|action| &action.before);
        let Some(verify) = &operation.verify else {
            return Ok(fact(EventBody::VerifyFinished {
                step: id.clone(),
                held: true,
                independent: None,
                detail: format!("{} was done; it declares nothing to check", operation.name),
                criterion: None,
                evidence: None,
            }));
        };
        let arguments = judge::verify_arguments(operation, before, &record.step.arguments)
            .map_err(|error| Failure::permanent(error.to_string()))?;
        let expected = judge::expected(operation, before, &record.step.arguments).unwrap_or_default();
        let result = record.action.as_ref().map(did).unwrap_or_default();
        let check = Check { job, step: &record.step, operation, verify, before, arguments, result, expected };
        let (held, detail, last) = self.soaked(&check).await?;
        let mut blobs = Vec::new();
        let evidence = last.map(|reading| {
            let step = Step { name: "verify".into(), operation: verify.operation.clone(), ..record.step.clone() };
            let (evidence, blob) = self.evidence(job, &step, reading);
            blobs.push(blob);
            evidence
        });
        // A step that others follow is not expected to end the fault, so asking whether it did proves nothing yet.
        let asked = held && is_last(job, id);
        let (independent, said) = match asked {
            true => self.independent(job, &record.step, verify.within, began).await,
            false => (None, String::new()),
        };
        let detail = if said.is_empty() { detail } else { format!("{detail}; {said}") };
        let criterion = Some(verify.expect.source().split_whitespace().collect::<Vec<_>>().join(" "));
        let event = EventBody::VerifyFinished { step: id.clone(), held, independent, detail, criterion, evidence };
        Ok(EffectResult::Facts { events: vec![event], blobs })
    }

    /// Waits until the criterion is true, then watches it through the soak.
    async fn soaked(&self, check: &Check<'_>) -> Result<(bool, String, Option<Reading>), Failure> {
        let deadline = Instant::now() + check.verify.within.as_std();
        let mut look = self.look(check).await;
        while look.truth != Truth::True {
            if Instant::now() >= deadline {
                self.unless_away(check, &look).await?;
                let detail = format!("within {}, {}", check.verify.within, check.missed(&look));
                return Ok((false, detail, look.reading));
            }
            tokio::time::sleep(PAUSE).await;
            look = self.look(check).await;
        }
        let soak = check.verify.soak;
        let end = Instant::now() + soak.as_std();
        // A dozen looks, but neither a storm of them nor one a minute.
        let pause = (soak.as_std() / 12).clamp(PAUSE, Duration::from_secs(5));
        while Instant::now() < end {
            tokio::time::sleep(pause.min(end - Instant::now())).await;
            let next = self.look(check).await;
            match next.truth {
                Truth::True => look = next,
                Truth::False => {
                    let detail = format!("it did not last through the {soak} of watching: {}", check.missed(&next));
                    return Ok((false, detail, next.reading));
                }
                // Not seen is not broken; but what was not seen at the end is not proven.
                Truth::Unknown(_) if Instant::now() >= end => {
                    self.unless_away(check, &next).await?;
                    let detail = format!("at the end of the {soak} of watching, {}", check.missed(&next));
                    return Ok((false, detail, look.reading));
                }
                Truth::Unknown(_) => {}
            }
        }
        Ok((true, format!("{}; watched for {soak}{}", check.expected, after_colon(&check.found(&look))), look.reading))
    }

    /// What could not be seen because the environment is away is neither good nor bad: it is looked at again from the
    /// beginning when it is back.
    async fn unless_away(&self, check: &Check<'_>, look: &Look) -> Result<(), Failure> {
        match &look.truth {
            Truth::Unknown(why) if look.reading.is_none() && self.is_away(check.job).await => {
                Err(Failure::transient(why.clone()))
            }
            _ => Ok(()),
        }
    }

    async fn look(&self, check: &Check<'_>) -> Look {
        let question = Question {
            operation: &check.verify.operation,
            target: &check.step.target,
            arguments: &check.arguments,
            step: &check.step.id,
            timeout: check
                .job
                .pinned
                .catalog
                .operations
                .get(&check.verify.operation)
                .map_or(check.step.timeout, |o| o.timeout),
        };
        match self.ask(check.job, &question).await {
            Ok(reading) => {
                let catalog = &check.job.pinned.catalog;
                let (facts, arguments) = (&reading.facts, &check.step.arguments);
                let truth = judge::expectation(catalog, check.operation, facts, &check.result, check.before, arguments);
                Look { truth, reading: Some(reading) }
            }
            Err(failure) => Look { truth: Truth::Unknown(failure.problem), reading: None },
        }
    }
}

/// What the last call that was done says that it did; nothing, if only a probe found it out.
fn did(action: &Action) -> Values {
    let last = action.calls.last().and_then(|call| call.outcome.clone());
    match last {
        Some(CallOutcome::Done { result }) => result,
        _ => Values::new(),
    }
}

/// Whether no other step of the plan comes after this one.
fn is_last(job: &Job, id: &StepId) -> bool {
    let plan = job.incident.plan.as_ref();
    plan.and_then(|plan| plan.steps().last()).is_none_or(|(_, step)| step.id == *id)
}

/// A criterion to look at.
struct Check<'a> {
    job: &'a Job,
    step: &'a Step,
    operation: &'a Operation,
    verify: &'a Verify,
    before: Option<&'a Values>,
    arguments: Values,
    /// What the last call did, by its own word.
    result: Values,
    /// What is expected, for people.
    expected: String,
}

impl Check<'_> {
    /// What was expected, and what was seen instead.
    fn missed(&self, look: &Look) -> String {
        let expected = &self.expected;
        match (&look.truth, self.found(look)) {
            (Truth::Unknown(why), _) => {
                // The criterion itself is told elsewhere.
                let why = why
                    .strip_prefix(self.verify.expect.source())
                    .map_or(why.as_str(), |why| why.trim_start_matches(": "));
                format!("expected was that {expected}, and it could not be seen: {why}")
            }
            (_, seen) if seen.is_empty() => format!("expected was that {expected}, and it is not so"),
            (_, seen) => format!("expected was that {expected}; seen: {seen}"),
        }
    }

    fn found(&self, look: &Look) -> String {
        let found = |reading: &Reading| judge::found(self.operation, &reading.facts, self.before);
        look.reading.as_ref().map(found).unwrap_or_default()
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

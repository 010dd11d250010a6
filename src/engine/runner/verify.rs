//! Did it help? The operation's own criterion must come true and hold through the soak, and something independent,
//! asked after the action, must agree.

use super::read::{Question, Reading, operation};
use super::{EffectResult, Job, Runner, fact, failure::Failure};
use crate::catalog::{Operation, Verify};
use crate::domain::{EventBody, Step, StepId, Values};
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
                evidence: None,
            }),
        }
    }

    async fn verified(&self, job: &Job, id: &StepId) -> Result<EffectResult, Failure> {
        let record = job.record(id)?;
        let operation = operation(job, &record.step.operation)?;
        let before = record.action.as_ref().map(|action| &action.before);
        let Some(verify) = &operation.verify else {
            let detail = format!("{} was done; it declares nothing to check", operation.name);
            return Ok(finished(id, true, None, detail, None));
        };
        let arguments = judge::verify_arguments(operation, before, &record.step.arguments)
            .map_err(|error| Failure::permanent(error.to_string()))?;
        let check = Check { job, step: &record.step, operation, verify, before, arguments };
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
            true => self.independent(job, &record.step, verify.within).await,
            false => (None, String::new()),
        };
        let detail = if said.is_empty() { detail } else { format!("{detail}; {said}") };
        let event = EventBody::VerifyFinished { step: id.clone(), held, independent, detail, evidence };
        Ok(EffectResult::Facts { events: vec![event], blobs })
    }

    /// Waits until the criterion is true, then watches it through the soak.
    async fn soaked(&self, check: &Check<'_>) -> Result<(bool, String, Option<Reading>), Failure> {
        let expect = check.verify.expect.source();
        let deadline = Instant::now() + check.verify.within.as_std();
        let mut look = self.look(check).await;
        while look.truth != Truth::True {
            if Instant::now() >= deadline {
                self.unless_away(check, &look).await?;
                let why = match &look.truth {
                    Truth::Unknown(why) => format!(" ({why})"),
                    _ => String::new(),
                };
                let detail = format!("'{expect}' did not come true within {}{why}", check.verify.within);
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
                    return Ok((false, format!("'{expect}' did not hold through the soak of {soak}"), next.reading));
                }
                // Not seen is not broken; but what was not seen at the end is not proven.
                Truth::Unknown(ref why) if Instant::now() >= end => {
                    self.unless_away(check, &next).await?;
                    let detail = format!("'{expect}' could not be seen at the end of the soak: {why}");
                    return Ok((false, detail, look.reading));
                }
                Truth::Unknown(_) => {}
            }
        }
        Ok((true, format!("'{expect}' held for {soak}"), look.reading))
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
                let truth =
                    judge::expectation(catalog, check.operation, &reading.facts, check.before, &check.step.arguments);
                Look { truth, reading: Some(reading) }
            }
            Err(failure) => Look { truth: Truth::Unknown(failure.problem), reading: None },
        }
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
}

fn finished(
    step: &StepId,
    held: bool,
    independent: Option<bool>,
    detail: String,
    evidence: Option<crate::domain::Evidence>,
) -> EffectResult {
    fact(EventBody::VerifyFinished { step: step.clone(), held, independent, detail, evidence })
}

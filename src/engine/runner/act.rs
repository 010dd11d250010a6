//! The moment of truth: read the target, send one native call, or find out whether one was sent.

use super::read::operation;
use super::{EffectResult, Job, Runner, fact, failure::Failure};
use crate::domain::{ActCall, CallOutcome, EventBody, Left, Service, StepId, TimeSpan, Values};
use crate::execute::{ExecuteError, Probed};
use crate::expr::Truth;
use crate::flow::{self, Inspected};
use crate::gate::Cleared;
use crate::judge;
use std::time::Duration;
use tokio::time::Instant;

/// How long reading a target's state may take.
const CAPTURE: Duration = Duration::from_secs(15);

/// Pause between probes of an environment that is away, and of a call that may be on its way.
const AWAY_PAUSE: Duration = Duration::from_secs(5);
const SETTLING_PAUSE: Duration = Duration::from_secs(1);

/// Looks at a target just before a call, and the pause between them.
const LOOKS: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// How long a probe may go without an answer while the environment is there; then people must look.
const PROBE: Duration = Duration::from_secs(300);

/// How long an environment may take over a call that waits for nothing on purpose, once it has it.
const SETTLING: Duration = Duration::from_secs(10);

/// Added to an operation's own time-out before a call that does not answer counts as unknown.
const GRACE: TimeSpan = TimeSpan::from_secs(15);

impl Runner {
    /// Reads the target for the gate. A target that cannot be read now is read again later.
    pub(super) async fn inspect(&self, job: &Job, id: &StepId) -> EffectResult {
        let look = async || {
            let record = job.record(id)?;
            let seen = self.seen(job, &record.step.target).await?;
            let condition = record.action.as_ref().and_then(|action| action.binding.precondition.as_ref());
            let precondition = condition.map(|condition| judge::precondition(condition, &seen.status));
            Ok::<_, Failure>(Inspected { seen, precondition })
        };
        let mut inspected = look().await;
        for _ in 1..LOOKS {
            if !matches!(&inspected, Err(failure) if failure.transient) {
                break;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
            inspected = look().await;
        }
        match inspected {
            Ok(inspected) => EffectResult::Inspected(inspected),
            Err(failure) if failure.transient => self.unread(job, id, &failure).await,
            // A target that is gone is as drifted as can be.
            Err(_) => EffectResult::Inspected(Inspected { seen: Left::default(), precondition: Some(Truth::False) }),
        }
    }

    /// What comes of a target that cannot be read. While its environment is away the incident says so and waits; else
    /// preparing it has failed, which is counted, or what has begun cannot go on.
    async fn unread(&self, job: &Job, id: &StepId, failure: &Failure) -> EffectResult {
        if self.is_away(job).await {
            return self.later(job, failure).await;
        }
        let begun =
            job.record(id).is_ok_and(|record| record.action.as_ref().is_some_and(|action| !action.calls.is_empty()));
        if begun {
            tracing::warn!(incident = %job.incident.id, problem = failure.problem, "a target that was acted on cannot be read");
            return EffectResult::Inspected(Inspected { seen: Left::default(), precondition: Some(Truth::False) });
        }
        let error = format!("it could not be read just before acting: {}", failure.problem);
        fact(EventBody::PrepareFailed { step: id.clone(), error, transient: true })
    }

    /// Ends an effect without a fact, after a pause: the same state asks for it again.
    pub(super) async fn later(&self, job: &Job, failure: &Failure) -> EffectResult {
        tracing::warn!(incident = %job.incident.id, problem = failure.problem, "the target cannot be read; trying again");
        tokio::time::sleep(Duration::from_secs(2)).await;
        EffectResult::Stopped
    }

    /// Sends one native call. Whether anybody has stopped it is read once more, as the very last thing.
    pub(super) async fn send(
        &self,
        job: &Job,
        id: &StepId,
        index: usize,
        undo: bool,
        cleared: Option<Cleared>,
    ) -> EffectResult {
        let outcome = match (self.stopped(job), cleared) {
            (Some(outcome), _) => outcome,
            (None, None) => not_done("the clearance was lost before it was sent", true),
            (None, Some(cleared)) => self.act(job, id, cleared).await,
        };
        if let CallOutcome::Unknown { error } = &outcome {
            tracing::warn!(incident = %job.incident.id, problem = error, "a call may have been done; probing");
            return self.probed_outcome(job, id, (index, undo), Some(error)).await;
        }
        let target = job.record(id).map(|record| record.step.target.clone()).unwrap_or_default();
        let left = match &outcome {
            CallOutcome::Done { .. } => self.left(job, &target).await.ok(),
            _ => None,
        };
        fact(EventBody::CallFinished { step: id.clone(), index, undo, outcome, probed: false, left })
    }

    /// Why nothing may be sent any more, if so: whoever was told that nothing further runs must find it so.
    fn stopped(&self, job: &Job) -> Option<CallOutcome> {
        if self.shared.is_stopped() {
            return Some(not_done("the kill switch is on", true));
        }
        let now = self.shared.incident(&job.incident.id)?;
        now.taken_over_by.as_ref().map(|name| not_done(format!("{name} has taken over"), true))
    }

    async fn act(&self, job: &Job, id: &StepId, cleared: Cleared) -> CallOutcome {
        let (family, name) = (cleared.call().family(), cleared.call().name());
        let executor = match self.place(job).and_then(|place| Ok(place.executor(family, name)?)) {
            Ok(executor) => executor,
            Err(failure) => return not_done(failure.problem, false),
        };
        let timeout = job.record(id).map(|record| record.step.timeout).unwrap_or_default();
        let deadline = timeout.as_std() + GRACE.as_std();
        match tokio::time::timeout(deadline, executor.act(cleared)).await {
            Ok(Ok(result)) => CallOutcome::Done { result: self.redacted(result) },
            Ok(Err(ExecuteError::Unknown { problem, .. })) => CallOutcome::Unknown { error: problem },
            Ok(Err(error)) => {
                let transient = matches!(error, ExecuteError::Transient { .. });
                not_done(self.equipment().redactor.text(&error.to_string()), transient)
            }
            Err(_) => CallOutcome::Unknown { error: format!("{name} did not answer within {} s", deadline.as_secs()) },
        }
    }

    /// Finds out whether a call was done that another process intended, or whose answer did not come. Never sends it.
    pub(super) async fn probe(&self, job: &Job, id: &StepId, index: usize, undo: bool) -> EffectResult {
        self.probed_outcome(job, id, (index, undo), None).await
    }

    async fn probed_outcome(
        &self,
        job: &Job,
        id: &StepId,
        (index, undo): (usize, bool),
        sent: Option<&str>,
    ) -> EffectResult {
        let settled = Instant::now() + settling(job, id, index, undo);
        let mut deadline = Instant::now() + PROBE;
        let probed = loop {
            match self.probed(job, id, index, undo).await {
                // An environment that is away says nothing; the incident tells so, and the question stands.
                Err(failure) if failure.transient && self.is_away(job).await => {
                    tokio::time::sleep(AWAY_PAUSE).await;
                    deadline = Instant::now() + PROBE;
                }
                Err(failure) if failure.transient && Instant::now() >= deadline => {
                    break Probed::Unknown(format!(
                        "no probe was answered for {} s: {}",
                        PROBE.as_secs(),
                        failure.problem
                    ));
                }
                Err(failure) if failure.transient => tokio::time::sleep(AWAY_PAUSE).await,
                Ok(Probed::Happened) => break Probed::Happened,
                // Whoever carries it out may still be at it: only later does that mean anything.
                _ if Instant::now() < settled => tokio::time::sleep(SETTLING_PAUSE).await,
                Err(failure) => break Probed::Unknown(failure.problem),
                Ok(probed) => break probed,
            }
        };
        let target = job.record(id).map(|record| record.step.target.clone()).unwrap_or_default();
        let (outcome, left) = match probed {
            Probed::Happened => (CallOutcome::Done { result: Values::new() }, self.left(job, &target).await.ok()),
            Probed::NotHappened => (not_done(with("no answer came, and it did not happen", sent), false), None),
            Probed::Unknown(why) => (CallOutcome::Unknown { error: with(&why, sent) }, None),
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
            // A restart that stopped and could not start is no restart; but the target is not as it was, either.
            Truth::False if is_as_it_was(&action.before, &now.status) => Probed::NotHappened,
            Truth::False => Probed::Unknown(format!(
                "it did not happen wholly, and the target is {} now",
                now.status.get("state").and_then(serde_json::Value::as_str).unwrap_or("not as it was")
            )),
            Truth::Unknown(why) => Probed::Unknown(why),
        })
    }

    /// Reads the target before an undo.
    pub(super) async fn compare(&self, job: &Job, id: &StepId) -> EffectResult {
        let seen = async { self.left(job, &job.record(id)?.step.target).await };
        let seen = match seen.await {
            Ok(seen) => Some(seen),
            Err(failure) if failure.transient => return self.later(job, &failure).await,
            Err(_) => None,
        };
        match flow::compared(&job.incident, id, seen) {
            Some(event) => fact(event),
            None => EffectResult::Stopped,
        }
    }

    /// State and identity of a target after an act. What makes a target anew gives it other instances, which the
    /// inventory in memory, as old as its interval, does not know.
    async fn left(&self, job: &Job, target: &str) -> Result<Left, Failure> {
        let environment = &job.incident.environment;
        if !target.is_empty() && self.place(job).is_ok() && !self.read_inventory(environment, CAPTURE).await {
            return Err(Failure::transient(format!("{environment} does not answer")));
        }
        self.seen(job, target).await
    }

    /// State and identity of a target now, by the inventory in memory.
    async fn seen(&self, job: &Job, target: &str) -> Result<Left, Failure> {
        let service: Service = self.service(job, target)?;
        let capture = self.capture(job, &service);
        let captured = tokio::time::timeout(CAPTURE, capture)
            .await
            .map_err(|_| Failure::transient(format!("{target} was not read within {} s", CAPTURE.as_secs())))??;
        Ok(Left { status: self.redacted(captured.status), identity: captured.identity })
    }
}

fn not_done(error: impl Into<String>, transient: bool) -> CallOutcome {
    CallOutcome::NotDone { error: error.into(), transient }
}

fn with(why: &str, sent: Option<&str>) -> String {
    sent.map_or_else(|| why.to_owned(), |said| format!("{said}; {why}"))
}

/// Whether a target stands as it did before a call, in what a call may change of it.
fn is_as_it_was(before: &Values, now: &Values) -> bool {
    let same = |field: &&str| before.get(*field) == now.get(*field);
    ["state", "started_at", "config_digest", "desired_instances", "running_instances"].iter().all(same)
}

/// How long a call whose answer did not come may still be on its way, counted from now on, since nobody knows when the
/// environment took it up.
fn settling(job: &Job, id: &StepId, index: usize, undo: bool) -> Duration {
    let action = job.record(id).ok().and_then(|record| record.action.as_ref());
    let prepared = action.and_then(|action| action.binding.calls.get(index));
    let call = prepared.and_then(|prepared| if undo { prepared.undo.as_ref() } else { Some(&prepared.call) });
    call.map_or(SETTLING, |call| call.patience().as_std() + SETTLING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::domain::{Digest, Event, EventBody, IncidentId, Trigger};
    use crate::engine::{metrics::Metrics, place::Equipment, shared::Shared};
    use crate::flow::{self, Effect};
    use std::{collections::BTreeMap, sync::Arc};

    fn event(seq: u64, body: EventBody) -> Event {
        Event { seq, at: crate::engine::now(), incident: Some(IncidentId::new("inc_1")), body, hash: Digest::new("") }
    }

    fn opening(config: &Config) -> EventBody {
        EventBody::IncidentOpened {
            environment: "local".into(),
            target: Some("api".into()),
            group_key: "local/api".into(),
            title: String::new(),
            severity: "none".into(),
            trigger: Trigger::Alert,
            config: config.digest.clone(),
            follows: None,
            read_only: None,
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_once_a_person_was_told_that_they_have_the_wheel() {
        let config = Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap());
        let shared = Arc::new(Shared::new(config.clone(), Metrics::new(Arc::default())));
        let folder = tempfile::tempdir().unwrap();
        let (journal, _writer) =
            crate::journal::sqlite::SqliteJournal::build(&folder.path().join("journal.db")).await.unwrap();
        let runner = Runner::new(Equipment::default(), shared.clone(), Arc::new(journal));
        let mut incident = flow::opened(&event(1, opening(&config))).unwrap();
        // What was decided on before the wheel was taken.
        let (step, effect) = (incident.id.step(1, 1), Effect::Recheck);
        let job = Job { incident: Arc::new(incident.clone()), pinned: config, effect, cleared: None, run: 1 };
        let said = async || match runner.send(&job, &step, 0, false, None).await {
            EffectResult::Facts { mut events, .. } => match events.remove(0) {
                EventBody::CallFinished { outcome, .. } => outcome.unsent().expect("certainly not sent").to_owned(),
                other => panic!("{other:?}"),
            },
            _ => panic!("no fact"),
        };
        shared.put_incident(Arc::new(incident.clone()));
        assert_eq!(said().await, "the clearance was lost before it was sent");
        flow::apply(&mut incident, &event(2, EventBody::IncidentTakenOver { by: "alice".into() }));
        shared.put_incident(Arc::new(incident));
        assert_eq!(said().await, "alice has taken over");
        shared.throw_kill_switch();
        assert_eq!(said().await, "the kill switch is on");
    }
}

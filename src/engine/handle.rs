//! What the rest of the program sees of the engine: questions and commands, nothing of its insides.

use super::answer::{Accepted, EngineError, Identity, KillSwitch, Page, Readiness, RejectedAlert};
use super::command::{Command, Reply};
use super::place::Equipment;
use super::runner::Runner;
use super::shared::Shared;
use crate::config::Config;
use crate::domain::{
    Approval, ApprovalId, ApprovalState, Decision, Delivery, Digest, EnvironmentKind, Event, Incident, IncidentId,
    Inventories, Values,
};
use crate::flow;
use crate::journal::{IncidentFilter, Journal};
use std::{sync::Arc, time::Duration};
use tokio::sync::{broadcast, mpsc, oneshot};

/// How long a command may wait for the loop and the disk together. Alertmanager's own deadline for a webhook is ten
/// seconds by default; this leaves it time to hear the refusal.
const COMMAND_DEADLINE: Duration = Duration::from_secs(8);

/// Percent of the queue that deliveries may take: a flood of alerts must not keep people from deciding and stopping.
const FOR_DELIVERIES: usize = 75;

/// Events of one incident read per page when it is folded from the journal: what the journal gives at most.
const FOLD_PAGE: u32 = 1_000;

/// A handle to the running engine.
#[derive(Clone)]
pub struct Engine {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) shared: Arc<Shared>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) runner: Arc<Runner>,
}

impl Engine {
    /// Makes a delivery's alerts durable and says which incidents they belong to.
    ///
    /// # Errors
    /// `Full` or `Unavailable`: nothing was stored, the sender should try again.
    pub async fn deliver(&self, delivery: Delivery, rejected: Vec<RejectedAlert>) -> Result<Accepted, EngineError> {
        // Of one that left something out, what it brought says nothing about the rest.
        if delivery.truncated == 0 && self.journal.knows(delivery.id.clone()).await? {
            self.shared.metrics.duplicate(&delivery.sender);
            let (accepted, alerts) = (delivery.alerts.len(), delivery.alerts);
            let incidents = self.ask(|reply| Command::Belong { alerts, reply }).await?;
            return Ok(Accepted { accepted, rejected, duplicate: true, incidents });
        }
        let mut accepted = self.ask_among(FOR_DELIVERIES, |reply| Command::Deliver { delivery, reply }).await?;
        accepted.rejected = rejected;
        Ok(accepted)
    }

    /// Starts a diagnosis by hand.
    ///
    /// # Errors
    /// `NotFound` with near names; `Invalid` where the name is in several environments and none was given.
    pub async fn diagnose(
        &self,
        environment: Option<String>,
        service: String,
        note: String,
        by: &Identity,
    ) -> Result<IncidentId, EngineError> {
        let by = by.clone();
        self.ask(|reply| Command::Diagnose { environment, service, note, by, reply }).await
    }

    /// Runs one operation by hand, through the same gate and journal as any.
    ///
    /// # Errors
    /// `NotFound` for the operation, environment or target; `Invalid` names what is wrong with the arguments.
    pub async fn run_operation(
        &self,
        environment: Option<String>,
        operation: String,
        target: Option<String>,
        arguments: Values,
        by: &Identity,
    ) -> Result<IncidentId, EngineError> {
        let by = by.clone();
        self.ask(|reply| Command::Operate { environment, operation, target, arguments, by, reply }).await
    }

    /// Records a decision. `digest` must be that of the request: it proves that the person saw what they decide on.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, or `Conflict` if the request is no longer pending or the digest is another.
    pub async fn decide(
        &self,
        approval: ApprovalId,
        decision: Decision,
        digest: Digest,
        by: &Identity,
        comment: Option<String>,
    ) -> Result<Approval, EngineError> {
        let by = by.clone();
        self.ask(|reply| Command::Decide { approval, decision, digest, by, comment, reply }).await
    }

    /// Gives a person the wheel: nothing further runs until released.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` if the incident is closed.
    pub async fn take_over(&self, incident: IncidentId, by: &Identity, text: String) -> Result<(), EngineError> {
        self.say(incident, by, flow::Word::TakeOver, text).await
    }

    /// Gives the wheel back.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` if nobody has it.
    pub async fn release(&self, incident: IncidentId, by: &Identity, text: String) -> Result<(), EngineError> {
        self.say(incident, by, flow::Word::Release, text).await
    }

    /// Closes an incident by hand.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` if it is closed or a native call is under way.
    pub async fn close(&self, incident: IncidentId, by: &Identity, text: String) -> Result<(), EngineError> {
        self.say(incident, by, flow::Word::Close, text).await
    }

    /// Adds a comment.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` if the incident is closed.
    pub async fn comment(&self, incident: IncidentId, by: &Identity, text: String) -> Result<(), EngineError> {
        self.say(incident, by, flow::Word::Comment, text).await
    }

    /// Throws or resets the kill switch, durably.
    ///
    /// # Errors
    /// `Unavailable` if it could not be made durable; it is then thrown in memory all the same.
    pub async fn set_kill_switch(&self, on: bool, by: &Identity, reason: String) -> Result<KillSwitch, EngineError> {
        if on {
            // Stopping must not wait for a disk: the loop and the senders see this at once.
            self.shared.throw_kill_switch();
        }
        let (by, throws) = (by.name.clone(), self.shared.throws());
        self.ask(|reply| Command::KillSwitch { on, throws, by, reason, reply }).await
    }

    /// Incidents in short form.
    ///
    /// # Errors
    /// `Unavailable` if the journal cannot be read.
    pub async fn incidents(&self, filter: IncidentFilter) -> Result<Page, EngineError> {
        let limit = filter.limit as usize;
        let rows = self.journal.incidents(filter).await?;
        let next = (limit > 0 && rows.len() == limit).then(|| rows.last().map(|row| row.id.to_string())).flatten();
        Ok(Page { items: rows.into_iter().map(|row| row.summary).collect(), next })
    }

    /// One incident, whole.
    ///
    /// # Errors
    /// `NotFound`, or `Unavailable` if the journal cannot be read.
    pub async fn incident(&self, id: &IncidentId) -> Result<Arc<Incident>, EngineError> {
        if let Some(open) = self.shared.incident(id) {
            return Ok(open);
        }
        let events = self.all_events(id).await?;
        flow::fold(&events).map(Arc::new).ok_or_else(|| unknown_incident(id))
    }

    /// Events of one incident or of all, oldest first.
    ///
    /// # Errors
    /// `Unavailable` if the journal cannot be read.
    pub async fn events(
        &self,
        incident: Option<IncidentId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Event>, EngineError> {
        Ok(self.journal.events(incident, after, limit).await?)
    }

    /// All events of an incident.
    ///
    /// # Errors
    /// `NotFound`, or `Unavailable` if the journal cannot be read.
    pub async fn all_events(&self, id: &IncidentId) -> Result<Vec<Event>, EngineError> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.seq);
            let page = self.journal.events(Some(id.clone()), after, FOLD_PAGE).await?;
            let last = page.len() < FOLD_PAGE as usize;
            events.extend(page);
            if last {
                break;
            }
        }
        if events.is_empty() { Err(unknown_incident(id)) } else { Ok(events) }
    }

    /// The report in Markdown.
    ///
    /// # Errors
    /// As [`Self::incident`].
    pub async fn report_markdown(&self, id: &IncidentId) -> Result<String, EngineError> {
        let events = self.all_events(id).await?;
        let incident = flow::fold(&events).ok_or_else(|| unknown_incident(id))?;
        Ok(crate::report::markdown(&incident, &events))
    }

    /// The report as data.
    ///
    /// # Errors
    /// As [`Self::incident`].
    pub async fn report_json(&self, id: &IncidentId) -> Result<serde_json::Value, EngineError> {
        let events = self.all_events(id).await?;
        let incident = flow::fold(&events).ok_or_else(|| unknown_incident(id))?;
        Ok(crate::report::json(&incident, &events))
    }

    /// Pending requests for decisions, oldest first.
    pub fn approvals(&self) -> Vec<Approval> {
        let mut pending: Vec<Approval> = self
            .shared
            .open_incidents()
            .iter()
            .flat_map(|incident| incident.approvals.iter().filter(|a| a.state == ApprovalState::Pending).cloned())
            .collect();
        pending.sort_by(|one, other| one.requested_at.cmp(&other.requested_at).then_with(|| one.id.cmp(&other.id)));
        pending
    }

    /// The whole captured result behind a piece of evidence of an incident; none if none of its evidence has this digest,
    /// or if retention deleted it. Other things that are kept under digests are not for everybody's eyes.
    ///
    /// # Errors
    /// `NotFound` for the incident, or `Unavailable` if the journal cannot be read.
    pub async fn captured(&self, id: &IncidentId, digest: Digest) -> Result<Option<Vec<u8>>, EngineError> {
        let events = self.all_events(id).await?;
        if !events.iter().filter_map(|event| event.body.evidence()).any(|evidence| evidence.digest == digest) {
            return Ok(None);
        }
        Ok(self.journal.blob(digest).await?)
    }

    /// The kill switch.
    pub fn kill_switch(&self) -> KillSwitch {
        self.shared.kill_switch()
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.shared.config()
    }

    /// Puts another configuration in force, with what follows from it, all at once. Open incidents keep the one that they
    /// began with; the policy of both holds. `seen` has the inventories of environments that are new or others than before.
    ///
    /// # Errors
    /// `Unavailable` if it could not be made durable; the old one stays in force.
    pub async fn reload(
        &self,
        config: Arc<Config>,
        equipment: Equipment,
        seen: Inventories,
    ) -> Result<(), EngineError> {
        self.journal.put_blob(config.sources.to_bytes()).await?;
        self.ask(|reply| Command::Reload { config, equipment, seen, reply }).await
    }

    /// Takes note that a changed configuration is not put in force: metrics and readiness say so until one is.
    pub fn refuse_reload(&self) {
        let at = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S UTC");
        self.shared
            .refuse_config(format!("changed, and refused at {at}; the one before is in force, and the log says why"));
    }

    /// What runs where, as last seen.
    pub fn inventories(&self) -> Arc<Inventories> {
        self.shared.inventories()
    }

    /// Kind of a configured environment, `auto` resolved.
    pub fn kind(&self, environment: &str) -> EnvironmentKind {
        self.runner.kind(environment)
    }

    /// Events as they become durable. A receiver that lags loses the oldest and is told so.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.shared.subscribe()
    }

    /// Whether alerts can be made durable.
    pub fn readiness(&self) -> Readiness {
        let problem = self.journal.ready().err();
        Readiness {
            ready: problem.is_none(),
            reason: problem.map(|problem| problem.to_string()),
            degraded: self.shared.degraded(),
        }
    }

    /// Metrics in the OpenMetrics text format.
    pub fn metrics_text(&self) -> String {
        self.shared.metrics_text()
    }

    /// Counts alerts of a webhook that go no further: those that were not understood, and our own.
    pub fn count_left_aside(&self, sender: &str, rejected: usize, ignored: usize) {
        self.shared.metrics.left_aside(sender, rejected, ignored);
    }

    /// Counts a webhook that was refused before it reached the engine, by reason.
    pub fn count_refused(&self, reason: &'static str) {
        self.shared.metrics.webhook_refused(reason);
    }

    async fn say(
        &self,
        incident: IncidentId,
        by: &Identity,
        word: flow::Word,
        text: String,
    ) -> Result<(), EngineError> {
        let (by, id) = (by.name.clone(), incident.clone());
        match self.ask(|reply| Command::Say { incident, by, word, text, reply }).await {
            // The loop knows open incidents only.
            Err(EngineError::NotFound { .. }) if !self.journal.events(Some(id.clone()), 0, 1).await?.is_empty() => {
                Err(EngineError::Conflict(format!("{id} is closed")))
            }
            answer => answer,
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, EngineError> {
        self.ask_among(100, command).await
    }

    /// Asks the loop, if less than this share of the queue is taken.
    async fn ask_among<T>(&self, percent: usize, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, EngineError> {
        // A reload may change the limit, but not how many the channel holds. Whoever comes when it is reached is told to
        // come again, which webhook senders do.
        let limit = (self.shared.config().platform.limits.queue * percent / 100).max(1);
        let full = || EngineError::Full(format!("{limit} requests are waiting already (limits.queue); try again"));
        if self.commands.max_capacity() - self.commands.capacity() >= limit {
            return Err(full());
        }
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(command(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => full(),
            mpsc::error::TrySendError::Closed(_) => EngineError::Unavailable("oncalld is shutting down".into()),
        })?;
        match tokio::time::timeout(COMMAND_DEADLINE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(EngineError::Unavailable("oncalld is shutting down".into())),
            Err(_) => Err(EngineError::Unavailable(
                "the journal did not answer in time; it may have been done all the same: look before you try again"
                    .into(),
            )),
        }
    }
}

fn unknown_incident(id: &IncidentId) -> EngineError {
    EngineError::NotFound { what: format!("there is no incident {id}"), near: Vec::new() }
}

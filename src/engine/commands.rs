//! What the loop does when it is asked.

use super::answer::{Accepted, EngineError, Identity, KillSwitch};
use super::command::{Command, Reply};
use super::ledger::{Entry, Origin};
use super::now;
use super::run::Loop;
use crate::config::Config;
use crate::domain::{
    Approval, ApprovalId, ApprovalState, Decision, Delivery, Digest, EventBody, IncidentId, Inventories, nearest,
};
use crate::flow::{self, Correlated, Known, Refusal, Word};
use crate::journal::Append;
use std::{collections::BTreeSet, sync::Arc};

/// Names that are listed where none is near; more would bury the message.
const MOST_LISTED: usize = 12;

/// Open incidents at once: a storm of alerts without a common target ends here instead of in memory.
pub(super) const MAX_OPEN: usize = 1_000;

impl Loop {
    pub(super) fn command(&mut self, command: Command) {
        if command.is_abandoned() {
            return;
        }
        match command {
            Command::Deliver { delivery, reply } => self.deliver(&delivery, reply),
            Command::Belong { alerts, reply } => {
                let _ = reply.send(Ok(self.ledger.belong(&alerts)));
            }
            Command::Diagnose { environment, service, note, by, reply } => {
                self.diagnose(environment.as_deref(), &service, &note, &by, reply);
            }
            Command::Operate { environment, operation, target, arguments, by, reply } => {
                let (environment, target) = (environment.as_deref(), target.as_deref());
                self.operate(environment, &operation, target, arguments, &by, reply);
            }
            Command::Decide { approval, decision, digest, by, comment, reply } => {
                self.decide_approval(approval, decision, &digest, &by, comment, reply);
            }
            Command::Say { incident, by, word, text, reply } => self.say(incident, word, &by, &text, reply),
            Command::KillSwitch { on, throws, by, reason, reply } => self.kill_switch(on, throws, by, reason, reply),
            Command::Reload { config, equipment, seen, reply } => {
                self.runner.equip(equipment);
                self.reload(config, seen);
                let _ = reply.send(Ok(()));
            }
        }
    }

    fn deliver(&mut self, delivery: &Delivery, reply: Reply<Accepted>) {
        if let Some(problem) = self.not_looked_at(delivery) {
            let _ = reply.send(Err(EngineError::Unavailable(problem)));
            return;
        }
        let left_out = delivery.left_out();
        let correlated = self.correlated(delivery);
        let full = if !self.has_room(&correlated) {
            Some(format!("{MAX_OPEN} incidents are open; close some, then the sender's next try is taken"))
        } else if left_out.as_ref().is_some_and(|left_out| !self.fetching.has_room(left_out)) {
            Some("too many deliveries have left alerts out; the sender's next try is taken".to_owned())
        } else {
            None
        };
        if let Some(problem) = full {
            let _ = reply.send(Err(EngineError::Full(problem)));
            return;
        }
        let mut incidents: Vec<IncidentId> = correlated.iter().map(|one| one.incident.clone()).collect();
        let belong = self.ledger.belong(&delivery.alerts);
        incidents.extend(belong.into_iter().filter(|id| !correlated.iter().any(|one| one.incident == *id)));
        let facts = left_out.map(|left_out| EventBody::AlertsLeftOut { left_out }).into_iter().collect();
        let accepted = Accepted { accepted: delivery.alerts.len(), incidents, ..Accepted::default() };
        self.take_in(delivery, correlated, facts).then(Box::new(move |result, _| {
            let _ = reply.send(result.map(|()| accepted));
        }));
    }

    /// Which incidents a delivery is about.
    pub(super) fn correlated(&self, delivery: &Delivery) -> Vec<Correlated> {
        let (config, inventories) = (self.shared.config(), self.shared.inventories());
        let open = self.ledger.open();
        let closed = |key: &str| self.ledger.closed.of_group(key);
        flow::correlate(delivery, &config, &inventories, &Known { open: &open, closed: &closed }, &mut new_id)
    }

    /// Whether so many further incidents may be opened.
    pub(super) fn has_room(&self, correlated: &[Correlated]) -> bool {
        let fresh = correlated.iter().filter(|one| !self.ledger.slots.contains_key(&one.incident)).count();
        self.ledger.slots.len() + fresh <= MAX_OPEN
    }

    /// Puts a delivery on its way, with facts about it. All of it is in one batch: the delivery is known exactly if its
    /// alerts are durable.
    pub(super) fn take_in(
        &mut self,
        delivery: &Delivery,
        correlated: Vec<Correlated>,
        facts: Vec<EventBody>,
    ) -> &mut Entry {
        let (config, at) = (self.shared.config(), now());
        for one in correlated.into_iter().filter(|one| !one.events.is_empty()) {
            self.ledger.push(&one.incident, one.events, at, Origin::Command, &config);
        }
        self.open_storms(&config);
        let facts = Append { at, events: facts, ..Append::default() };
        self.ledger.push_daemon(facts).with_delivery(delivery.id.clone())
    }

    /// Opens an environment's incident where so many targets alert that the fault is likely shared.
    fn open_storms(&mut self, config: &Arc<Config>) {
        let inventories = self.shared.inventories();
        // Of how many targets so many alert, nobody knows before the environment was looked at.
        for (name, inventory) in inventories.iter().filter(|(_, inventory)| inventory.read_at.is_some()) {
            let (targets, window) = (inventory.services.len(), config.policies.storm.window);
            let alerting = self.ledger.alerting(name, targets, now(), window);
            if let Some(opened) = flow::storm(config, name, alerting) {
                self.ledger.push(&new_id(), vec![opened], now(), Origin::Command, config);
            }
        }
    }

    fn decide_approval(
        &mut self,
        id: ApprovalId,
        decision: Decision,
        digest: &Digest,
        by: &Identity,
        comment: Option<String>,
        reply: Reply<Approval>,
    ) {
        let found = self.ledger.slots.iter().find(|(_, slot)| slot.latest().approvals.iter().any(|a| a.id == id));
        let Some((incident, slot)) = found else {
            let error = match self.ledger.closed.approval(&id) {
                Some(ended) => flow::too_late(ended, now()).into(),
                None => {
                    let open = self.ledger.slots.values().flat_map(|slot| &slot.latest().approvals);
                    let pending = open.filter(|approval| approval.state == ApprovalState::Pending);
                    unknown("request", id.as_str(), pending.map(|approval| approval.id.as_str()))
                }
            };
            let _ = reply.send(Err(error));
            return;
        };
        let events = flow::decision(slot.latest(), &id, decision, digest, (&by.name, by.role), comment, now());
        let (incident, pinned) = (incident.clone(), slot.pinned.clone());
        match events {
            Err(refusal) => {
                let _ = reply.send(Err(refusal.into()));
            }
            Ok(events) => {
                let entry = self.ledger.push(&incident, events, now(), Origin::Command, &pinned);
                entry.then(Box::new(move |result, slots| {
                    let decided = || {
                        let slot = slots.get(&incident)?;
                        slot.incident.approvals.iter().find(|approval| approval.id == id).cloned()
                    };
                    let gone = || EngineError::Conflict(format!("{id} is no longer open"));
                    let _ = reply.send(result.and_then(|()| decided().ok_or_else(gone)));
                }));
            }
        }
    }

    fn say(&mut self, incident: IncidentId, word: Word, by: &str, text: &str, reply: Reply<()>) {
        let Some(slot) = self.ledger.slots.get(&incident) else {
            let open = self.ledger.slots.keys().map(IncidentId::as_str);
            let _ = reply.send(Err(unknown("open incident", incident.as_str(), open)));
            return;
        };
        let pinned = slot.pinned.clone();
        match flow::word(slot.latest(), word, by, text) {
            Err(refusal) => {
                let _ = reply.send(Err(refusal.into()));
            }
            Ok(events) => {
                let entry = self.ledger.push(&incident, events, now(), Origin::Command, &pinned);
                entry.then(Box::new(move |result, _| {
                    let _ = reply.send(result);
                }));
            }
        }
    }

    fn kill_switch(&mut self, on: bool, throws: u64, by: String, reason: String, reply: Reply<KillSwitch>) {
        let at = now();
        let state = KillSwitch { on, by: Some(by.clone()), reason: Some(reason.clone()), at: Some(at) };
        let shared = self.shared.clone();
        let events = vec![EventBody::KillSwitchSet { on, by, reason }];
        self.ledger.push_daemon(Append { at, events, ..Append::default() }).then(Box::new(move |result, _| {
            if result.is_ok() {
                shared.put_kill_switch(state.clone(), throws);
            }
            let _ = reply.send(result.map(|()| state));
        }));
    }

    fn reload(&mut self, config: Arc<Config>, seen: Inventories) {
        tracing::info!(digest = config.digest.short(), "configuration reloaded");
        self.configs.insert(config.digest.clone(), config.clone());
        let pinned: Vec<Digest> = self.ledger.slots.values().map(|slot| slot.pinned.digest.clone()).collect();
        self.configs.retain(|digest, _| *digest == config.digest || pinned.contains(digest));
        self.shared.put_config(config, seen);
        self.everybody();
    }
}

impl From<Refusal> for EngineError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Conflict(why) => Self::Conflict(why),
            Refusal::Forbidden(why) => Self::Forbidden(why),
        }
    }
}

pub(super) fn unknown<'a>(kind: &str, name: &str, candidates: impl Iterator<Item = &'a str>) -> EngineError {
    let known: BTreeSet<&str> = candidates.collect();
    let near: Vec<String> = nearest(name, known.iter().copied()).into_iter().map(str::to_owned).collect();
    let listed = match (near.is_empty(), known.len()) {
        (true, 1..=MOST_LISTED) => format!("; there are {}", known.into_iter().collect::<Vec<_>>().join(", ")),
        _ => String::new(),
    };
    EngineError::NotFound { what: format!("there is no {kind} '{name}'{listed}"), near }
}

/// A fresh identifier.
pub(super) fn new_id() -> IncidentId {
    IncidentId::from_entropy(random())
}

/// Random bytes of the operating system. Before its generator is seeded, at boot, this waits; it never fails on Linux
/// since 3.17, and a clock serves where it does.
pub(super) fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => bytes,
        _ => now().timestamp_micros().to_be_bytes(),
    }
}

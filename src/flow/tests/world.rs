//! A target made of facts, and the loop around `decide`.

use super::target::{identity, well};
use crate::config::{Config, Sources};
use crate::domain::{
    ActCall, Alert, AlertStatus, Alerting, Approval, ApprovalState, Binding, CallOutcome, Decision, DeliveryId, Digest,
    EnvironmentKind, Event, EventBody, Evidence, ExchangeOutcome, Incident, IncidentId, Inventory, Labels, Left,
    PreparedCall, Risk, Service, Spent, Step, StepId, StepOutcome, StepRole, TimeSpan, Timestamp, Trigger, Values,
};
use crate::flow::{
    Busy, Dependency, Effect, Inspected, Next, Snapshot, apply, compared, decide, decision, impossible, inspected,
    opened,
};
use crate::gate::{Cleared, History};
use crate::{config::Role, expr::Truth, judge, translate};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// A world with one environment, one target `api`, and one incident.
pub struct World {
    pub config: Config,
    pub now: Timestamp,
    pub process: String,
    pub kill_switch: bool,
    pub dependency: Option<Dependency>,
    pub awaited_is_open: bool,
    pub busy: Vec<Busy>,
    pub reading: usize,
    /// What models answer, in order; then they are away.
    pub answers: VecDeque<ExchangeOutcome>,
    /// What models have cost today.
    pub thought: Spent,
    /// What was read of the service when it was last good.
    pub good: Vec<Evidence>,
    /// How much of the environment alerts.
    pub alerting: Alerting,
    /// Whether the environment was not looked at since this process began.
    pub unseen: bool,
    /// Whether the environment does not answer, and when it last did.
    pub away: bool,
    pub seen_at: Option<Timestamp>,
    /// How the next calls that are sent end, instead of being done.
    pub outcomes: Vec<CallOutcome>,
    /// Why the environment can never do what is prepared.
    pub impossible: Option<&'static str>,
    /// Whether channels to people are away.
    pub undeliverable: bool,
    /// Configurations that came into force meanwhile; the last one is in force.
    pub reloaded: Vec<Config>,
    /// Native calls that an action has.
    pub calls: usize,
    /// How calls end that are not simply done, by their position among all that are sent.
    pub endings: BTreeMap<usize, CallOutcome>,
    /// What becomes of the facts once a verification has ended.
    pub after_verify: Option<fn(&mut BTreeMap<&'static str, Value>)>,
    /// Facts by operation that differ from "all is well".
    pub facts: BTreeMap<&'static str, Value>,
    /// What a call makes of the facts.
    pub on_act: fn(&mut BTreeMap<&'static str, Value>, &ActCall),
    /// Every call that was sent, as a person would type it.
    pub sent: Vec<String>,
    /// Whether a test changed what no event tells of: then it cannot be decided on again.
    pub bent: bool,
    pub events: Vec<Event>,
    pub incident: Incident,
    cleared: Vec<(Effect, Cleared)>,
}

fn built_in() -> Config {
    Config::load(Sources::built_in(), &BTreeMap::new()).unwrap()
}

impl World {
    /// An incident that an alert opened.
    pub fn new(facts: BTreeMap<&'static str, Value>) -> Self {
        let mut world = Self::opened(facts, Trigger::Alert);
        world.report(AlertStatus::Firing);
        world
    }

    /// An incident of one operation that `carol` asked for.
    pub fn by_hand(operation: &str, facts: BTreeMap<&'static str, Value>) -> Self {
        let config = built_in();
        let arguments = config.catalog.operations[operation].check_arguments(Values::new()).unwrap();
        let trigger = Trigger::Operation { name: "carol".into(), operation: operation.into(), arguments };
        Self::opened(facts, trigger)
    }

    /// An incident as it is opened.
    pub fn opened(facts: BTreeMap<&'static str, Value>, trigger: Trigger) -> Self {
        let config = built_in();
        let now = "2026-11-21T03:00:00Z".parse().unwrap();
        let opening = EventBody::IncidentOpened {
            environment: "local".into(),
            target: (!matches!(trigger, Trigger::Storm { .. })).then(|| "api".into()),
            group_key: "local/api".into(),
            title: "ContainerKilled on api".into(),
            severity: "critical".into(),
            trigger,
            config: config.digest.clone(),
            follows: None,
            read_only: None,
        };
        let incident = Some(IncidentId::new("inc_test"));
        let first = Event { seq: 1, at: now, incident, body: opening, hash: Digest::new("") };
        Self {
            incident: opened(&first).unwrap(),
            config,
            now,
            process: "one".into(),
            kill_switch: false,
            dependency: None,
            awaited_is_open: false,
            busy: Vec::new(),
            reading: 0,
            answers: VecDeque::new(),
            thought: Spent::default(),
            good: Vec::new(),
            alerting: Alerting { count: 1, targets: 1, in_storm: false },
            unseen: false,
            away: false,
            seen_at: None,
            outcomes: Vec::new(),
            impossible: None,
            undeliverable: false,
            reloaded: Vec::new(),
            calls: 1,
            endings: BTreeMap::new(),
            after_verify: None,
            facts,
            on_act: |_, _| {},
            sent: Vec::new(),
            bent: false,
            events: vec![first],
            cleared: Vec::new(),
        }
    }

    /// The sender reports the incident's alert, as it is from now on.
    pub fn report(&mut self, status: AlertStatus) {
        self.report_named("ContainerKilled", "critical", status);
    }

    /// The sender reports an alert.
    pub fn report_named(&mut self, name: &str, severity: &str, status: AlertStatus) {
        let labels = [("alertname", name), ("name", "api"), ("severity", severity)];
        let labels: Labels = labels.map(|(label, value)| (label.into(), value.into())).into();
        let alert = Alert {
            fingerprint: Alert::fingerprint_of(&labels),
            status,
            labels,
            annotations: Labels::new(),
            starts_at: self.now,
            ends_at: None,
            expression: None,
        };
        let delivery = DeliveryId::new(format!("delivery-{}", self.events.len()));
        self.append(vec![EventBody::AlertsReceived { delivery, sender: "test".into(), alerts: vec![alert] }]);
    }

    pub fn append(&mut self, bodies: Vec<EventBody>) {
        for body in bodies {
            let seq = self.events.len() as u64 + 1;
            let incident = Some(self.incident.id.clone());
            let event = Event { seq, at: self.now, incident, body, hash: Digest::new("") };
            apply(&mut self.incident, &event);
            self.events.push(event);
        }
    }

    /// Decides and carries out, until only people or time can bring news. Returns the effects that are still wanted.
    pub fn settle(&mut self) -> Vec<Effect> {
        for _ in 0..500 {
            match self.next() {
                Next::Append(events) => {
                    assert!(!events.is_empty(), "an empty decision would be made for ever");
                    self.append(events);
                }
                Next::Wait { effects, .. } if effects.is_empty() => return effects,
                Next::Wait { effects, .. } => effects.iter().for_each(|effect| self.carry_out(effect)),
            }
            self.now += TimeSpan::from_millis(100).as_chrono();
        }
        panic!("the incident never comes to rest: {:#?}", self.kinds());
    }

    /// Decides and carries out until an event of this kind is there.
    pub fn settle_until(&mut self, kind: &str) {
        for _ in 0..500 {
            if self.kinds().iter().any(|known| known == kind) {
                return;
            }
            match self.next() {
                Next::Append(events) => self.append(events),
                Next::Wait { effects, .. } => effects.iter().for_each(|effect| self.carry_out(effect)),
            }
        }
        panic!("there is no {kind}: {:#?}", self.kinds());
    }

    pub fn next(&self) -> Next {
        let (history, inventory) = (History::default(), self.inventory());
        decide(&self.incident, &self.snapshot(&history, &inventory))
    }

    pub fn kinds(&self) -> Vec<String> {
        self.events.iter().map(|event| event.body.kind()).collect()
    }

    pub fn pending(&self) -> Option<&Approval> {
        self.incident.approvals.iter().find(|approval| approval.state == ApprovalState::Pending)
    }

    /// A person decides on the pending request.
    pub fn decide(&mut self, decided: Decision) {
        self.decide_as("alice", decided);
    }

    /// This person decides on the pending request.
    pub fn decide_as(&mut self, name: &str, decided: Decision) {
        let approval = self.pending().expect("a request is pending").clone();
        let by = (name, Role::Approver);
        let events = decision(&self.incident, &approval.id, decided, &approval.digest, by, None, self.now).unwrap();
        self.append(events);
    }

    fn inventory(&self) -> Inventory {
        if self.unseen {
            return Inventory::default();
        }
        let api = Service { name: "api".into(), ..Service::default() };
        let read_at = if self.away { self.seen_at } else { Some(self.now) };
        let stale = self.away.then(|| "no answer".to_owned());
        Inventory { services: BTreeMap::from([("api".into(), api)]), read_at, stale }
    }

    fn snapshot<'a>(&'a self, history: &'a History, inventory: &'a Inventory) -> Snapshot<'a> {
        Snapshot {
            now: self.now,
            process: &self.process,
            pinned: &self.config,
            current: self.reloaded.last().unwrap_or(&self.config),
            kind: EnvironmentKind::Process,
            inventory,
            kill_switch: self.kill_switch,
            history,
            good: self.good.iter().collect(),
            thought: self.thought,
            alerting: self.alerting,
            reading: self.reading,
            dependency: self.dependency.clone(),
            awaited_is_open: self.awaited_is_open,
            busy: &self.busy,
        }
    }

    /// The result of an operation: what its type's values are when all is well, with this world's facts on top.
    pub fn read(&self, operation: &str) -> Values {
        let shape = &self.config.catalog.operations[operation].returns;
        let Value::Object(mut result) = well(shape) else { panic!("{operation} returns no object") };
        if let Some(Value::Object(facts)) = self.facts.get(operation) {
            result.extend(facts.clone());
        }
        result
    }

    /// Carries out one effect.
    pub fn settle_one(&mut self, effect: &Effect) {
        self.carry_out(effect);
    }

    pub fn carry_out(&mut self, effect: &Effect) {
        match effect.clone() {
            Effect::Ask { index } => self.answer(index),
            Effect::RunStep { step, attempt } => {
                let outcome = StepOutcome::Succeeded { evidence: self.evidence(&self.step(&step)) };
                self.append(vec![EventBody::StepFinished { step, attempt, outcome, milliseconds: 1 }]);
            }
            Effect::Prepare { step, .. } => {
                let events = match self.impossible {
                    Some(why) => impossible(&self.incident, &step, why.to_owned()),
                    None => vec![self.prepared(&self.step(&step))],
                };
                self.append(events);
            }
            Effect::Inspect { step, index, undo } => self.inspect(&step, index, undo),
            Effect::Send { step, index, undo } => self.send(effect, step, index, undo),
            Effect::Probe { step, index, undo } => {
                let outcome = CallOutcome::Done { result: Values::new() };
                self.append(vec![EventBody::CallFinished { step, index, undo, outcome, probed: true, left: None }]);
            }
            Effect::Verify { step } => self.verify(step),
            Effect::Compare { step } => {
                let seen = Left { status: self.read("get_status"), identity: identity() };
                self.append(compared(&self.incident, &step, Some(seen)).into_iter().collect());
            }
            Effect::Recheck => {
                let healthy = self.read("get_status")["ready"].as_bool();
                let probed = self.read("check_health")["source"] != "process";
                self.append(vec![EventBody::TargetRechecked { healthy, probed, detail: "read again".into() }]);
            }
            Effect::Notify { subject, channel } => {
                let error = self.undeliverable.then(|| "no answer".to_owned());
                self.append(vec![EventBody::NotificationFinished { channel, subject, error }]);
            }
        }
    }

    fn step(&self, id: &StepId) -> Step {
        self.incident.steps.iter().find(|record| record.step.id == *id).unwrap().step.clone()
    }

    fn evidence(&self, step: &Step) -> Evidence {
        Evidence {
            step: step.id.clone(),
            name: step.name.clone(),
            operation: step.operation.clone(),
            target: step.target.clone(),
            at: self.now,
            facts: self.read(&step.operation),
            commands: Vec::new(),
            digest: Digest::of(b""),
            truncated: false,
        }
    }

    fn prepared(&self, step: &Step) -> EventBody {
        let operation = &self.config.catalog.operations[&step.operation];
        let call = ActCall::ProcessStart { service: step.target.clone() };
        let undo = (operation.undo != crate::catalog::Undo::None)
            .then(|| ActCall::ProcessStop { service: step.target.clone(), stop_timeout: TimeSpan::from_secs(1) });
        let before = self.read("get_status");
        let StepRole::Remedy(remedy) = &step.role else { panic!("only remedies are prepared") };
        let binding = Binding {
            environment: self.incident.environment.clone(),
            target: step.target.clone(),
            operation: step.operation.clone(),
            calls: vec![PreparedCall::new(call, undo); self.calls],
            identity: identity(),
            guard: translate::guard(operation, &before),
            precondition: remedy.precondition.clone(),
        };
        EventBody::StepPrepared { step: step.id.clone(), binding, risk: Risk::Reversible, before, diff: Vec::new() }
    }

    fn inspect(&mut self, step: &StepId, index: usize, undo: bool) {
        let status = self.read("get_status");
        let record = self.incident.steps.iter().find(|record| record.step.id == *step).unwrap();
        let condition = record.action.as_ref().and_then(|action| action.binding.precondition.clone());
        let precondition: Option<Truth> = condition.map(|condition| judge::precondition(&condition, &status));
        let seen = Left { status, identity: identity() };
        let (history, inventory) = (History::default(), self.inventory());
        let seen = Inspected { seen, precondition };
        let (events, cleared) =
            inspected(&self.incident, &self.snapshot(&history, &inventory), step, index, undo, &seen);
        self.append(events);
        self.cleared.extend(cleared.map(|cleared| (Effect::Send { step: step.clone(), index, undo }, cleared)));
    }

    /// Sending takes the clearance that was given with the intent.
    fn send(&mut self, effect: &Effect, step: StepId, index: usize, undo: bool) {
        let position = self.cleared.iter().position(|(cleared, _)| cleared == effect).expect("a clearance");
        let (_, cleared) = self.cleared.remove(position);
        if let Some(outcome) = self.outcomes.pop() {
            self.append(vec![EventBody::CallFinished { step, index, undo, outcome, probed: false, left: None }]);
            return;
        }
        let position = self.sent.len();
        self.sent.push(cleared.call().command());
        if let Some(outcome) = self.endings.remove(&position) {
            self.append(vec![EventBody::CallFinished { step, index, undo, outcome, probed: false, left: None }]);
            return;
        }
        (self.on_act)(&mut self.facts, cleared.call());
        let left = Some(Left { status: self.read("get_status"), identity: identity() });
        let outcome = CallOutcome::Done { result: Values::new() };
        self.append(vec![EventBody::CallFinished { step, index, undo, outcome, probed: false, left }]);
    }

    fn verify(&mut self, step: StepId) {
        let held = self.read("get_status")["ready"].as_bool() == Some(true);
        let independent = held.then(|| self.read("check_health")["healthy"].as_bool().unwrap());
        let detail = "looked".into();
        self.append(vec![EventBody::VerifyFinished {
            step,
            held,
            independent,
            detail,
            criterion: None,
            evidence: None,
        }]);
        if let Some(change) = self.after_verify.take() {
            change(&mut self.facts);
        }
    }
}

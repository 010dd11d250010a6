//! What people ask for by hand: a diagnosis, or one operation.

use super::answer::{EngineError, Identity};
use super::command::Reply;
use super::commands::{MAX_OPEN, new_id, unknown};
use super::ledger::Origin;
use super::now;
use super::run::Loop;
use super::slot::Slot;
use crate::catalog::{On, Operation};
use crate::domain::{EventBody, Incident, IncidentId, Service, Shape, Trigger, Values};
use crate::flow;
use serde_json::Value;

/// Operations by hand that may be open at once, of those that only read and of the others: they must not take the room
/// that alerts need, nor the former that of the latter.
const MOST_BY_HAND: usize = MAX_OPEN / 10;

impl Loop {
    /// Diagnoses a service. One that has an incident already is answered with that one, and diagnosed anew if it was
    /// concluded.
    pub(super) fn diagnose(
        &mut self,
        environment: Option<&str>,
        service: &str,
        note: &str,
        by: &Identity,
        reply: Reply<IncidentId>,
    ) {
        let opened = self.find_service(environment, service).map(|(environment, service)| {
            flow::diagnose_by_hand(&self.shared.config(), &environment, &service, &by.name, note)
        });
        self.open_by_hand(new_id(), opened, reply);
    }

    /// Runs one operation. What changes something is not begun twice; what only reads keeps out of everybody's way.
    pub(super) fn operate(
        &mut self,
        environment: Option<&str>,
        name: &str,
        target: Option<&str>,
        arguments: Values,
        by: &Identity,
        reply: Reply<IncidentId>,
    ) {
        let id = new_id();
        let opened = self.asked(environment, name, target, arguments).and_then(|(environment, service, arguments)| {
            let config = self.shared.config();
            let reads = self.only_reads(&environment, name);
            self.has_room_by_hand(reads)?;
            if reads {
                self.is_within_reach(&environment, name)?;
            }
            let place = (environment.as_str(), service.as_deref());
            Ok(flow::operate_by_hand(&config, place, &by.name, name, arguments, reads.then_some(&id)))
        });
        self.open_by_hand(id, opened, reply);
    }

    fn only_reads(&self, environment: &str, operation: &str) -> bool {
        flow::only_reads(&self.shared.config(), self.runner.kind(environment), operation)
    }

    /// Whether one more operation by hand may be open, of those that only read or of the others.
    fn has_room_by_hand(&self, reads: bool) -> Result<(), EngineError> {
        let alike = |slot: &&Slot| {
            let open = slot.latest();
            match &open.trigger {
                Trigger::Operation { operation, .. } => self.only_reads(&open.environment, operation) == reads,
                _ => false,
            }
        };
        if self.ledger.slots.values().filter(alike).count() < MOST_BY_HAND {
            return Ok(());
        }
        let which = if reads { "only read" } else { "change something" };
        Err(EngineError::Full(format!(
            "{MOST_BY_HAND} operations by hand that {which} have not ended; wait, or close some"
        )))
    }

    /// Whether what an operation reads can be read now. What changes something waits for its environment instead.
    fn is_within_reach(&self, environment: &str, operation: &str) -> Result<(), EngineError> {
        let inventories = self.shared.inventories();
        let stale = inventories.get(environment).and_then(|inventory| inventory.stale.as_ref());
        match stale.filter(|_| self.is_of_environment(environment, operation)) {
            None => Ok(()),
            Some(problem) => Err(EngineError::Unavailable(format!(
                "{environment} does not answer: {problem}; nothing was begun, ask again when GET /ready does not name it \
                 any more"
            ))),
        }
    }

    /// Whether an operation reads anything of its environment itself: Prometheus and Alertmanager may answer without it.
    fn is_of_environment(&self, environment: &str, operation: &str) -> bool {
        let (config, equipment) = (self.shared.config(), self.runner.equipment());
        let Some(place) = equipment.places.get(environment) else { return true };
        let translation = config.catalog.translations.get(&place.kind).and_then(|all| all.get(operation));
        let mut calls = translation.iter().flat_map(|translation| &translation.entries).flat_map(|entry| &entry.calls);
        let families = place.environment.families();
        calls.any(|call| call.name.split('.').next().is_some_and(|family| families.contains(&family)))
    }

    fn open_by_hand(&mut self, id: IncidentId, opened: Result<EventBody, EngineError>, reply: Reply<IncidentId>) {
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        let existing = match &opened {
            EventBody::IncidentOpened { group_key, trigger, .. } => {
                self.ledger.open().get(group_key).map(|open| (open.id.clone(), joined(open, trigger)))
            }
            _ => None,
        };
        if let Some((id, joined)) = existing {
            match joined {
                Ok(events) if events.is_empty() => drop(reply.send(Ok(id))),
                Ok(events) => self.append_by_hand(id, events, reply),
                Err(refusal) => drop(reply.send(Err(refusal.into()))),
            }
            return;
        }
        if self.ledger.slots.len() >= MAX_OPEN {
            let _ = reply.send(Err(EngineError::Full(format!("{MAX_OPEN} incidents are open; close some"))));
            return;
        }
        self.append_by_hand(id, vec![opened], reply);
    }

    /// Makes events of an incident durable, then answers with it.
    fn append_by_hand(&mut self, id: IncidentId, events: Vec<EventBody>, reply: Reply<IncidentId>) {
        let entry = self.ledger.push(&id, events, now(), Origin::Command, &self.shared.config());
        entry.then(Box::new(move |result, _| {
            let _ = reply.send(result.map(|()| id));
        }));
    }

    /// A service by name or alias, in one environment or, where only one has it, in any.
    fn find_service(&self, environment: Option<&str>, name: &str) -> Result<(String, String), EngineError> {
        let inventories = self.shared.inventories();
        if let Some(environment) = environment.filter(|environment| !inventories.contains_key(*environment)) {
            return Err(unknown("environment", environment, inventories.keys().map(String::as_str)));
        }
        let places = inventories.iter().filter(|(place, _)| environment.is_none_or(|wanted| wanted == place.as_str()));
        let found: Vec<(&String, &Service)> =
            places.flat_map(|(place, inventory)| inventory.named(name).into_iter().map(move |s| (place, s))).collect();
        match found.as_slice() {
            [(place, service)] => Ok(((*place).clone(), service.name.clone())),
            [] if inventories.values().any(|inventory| inventory.read_at.is_none()) => Err(EngineError::Unavailable(
                format!("there is no service '{name}' yet: not every environment was looked at; try again"),
            )),
            [] => {
                Err(unknown("service", name, inventories.values().flat_map(|i| i.services.keys().map(String::as_str))))
            }
            several => Err(EngineError::Invalid(format!(
                "'{name}' may be {}; say which",
                several
                    .iter()
                    .map(|(place, service)| format!("{} in {place}", service.name))
                    .collect::<Vec<_>>()
                    .join(" or ")
            ))),
        }
    }

    /// Where an operation is to run, on what and with what, if it can be run at all.
    fn asked(
        &self,
        environment: Option<&str>,
        name: &str,
        target: Option<&str>,
        arguments: Values,
    ) -> Result<(String, Option<String>, Values), EngineError> {
        let config = self.shared.config();
        let catalog = &config.catalog;
        let Some(operation) = catalog.operations.get(name) else {
            return Err(unknown("operation", name, catalog.operations.keys().map(String::as_str)));
        };
        let arguments = operation.check_arguments(arguments).map_err(|errors| {
            EngineError::Invalid(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        // What is asked for is journaled, shown and sent to those who decide.
        if let Some(place) = self.runner.equipment().redactor.secret_in(&arguments) {
            return Err(EngineError::Invalid(format!(
                "{place} looks like a secret, and what is asked for can be read in the journal and by whoever is asked; \
                 declare it in environments.yml (`{{file: …}}`), and `update_config` takes it from there with `restore` \
                 and `from: declared`"
            )));
        }
        let (environment, service) = match (target, operation.on) {
            (Some(target), _) => {
                let (environment, service) = self.find_service(environment, target)?;
                (environment, Some(service))
            }
            (None, On::Service) => {
                return Err(EngineError::Invalid(format!("{name} needs a target")));
            }
            (None, On::Environment) => (self.only_environment(environment)?, None),
        };
        let arguments = self.with_targets(&environment, operation, arguments)?;
        Ok((environment, service, arguments))
    }

    /// The arguments that name services, as the inventory names them.
    fn with_targets(
        &self,
        environment: &str,
        operation: &Operation,
        mut arguments: Values,
    ) -> Result<Values, EngineError> {
        for (parameter, declared) in &operation.parameters {
            let Some(given) = arguments.get_mut(parameter) else { continue };
            match (declared.shape.inner(), given) {
                (Shape::Target, Value::String(name)) => *name = self.find_service(Some(environment), name)?.1,
                (Shape::List(item), Value::Array(names)) if *item.inner() == Shape::Target => {
                    for name in names {
                        let Value::String(name) = name else { continue };
                        *name = self.find_service(Some(environment), name)?.1;
                    }
                }
                _ => {}
            }
        }
        Ok(arguments)
    }

    fn only_environment(&self, wanted: Option<&str>) -> Result<String, EngineError> {
        let inventories = self.shared.inventories();
        let mut names = inventories.keys();
        match (wanted, names.next(), names.next()) {
            (Some(wanted), ..) if inventories.contains_key(wanted) => Ok(wanted.to_owned()),
            (Some(wanted), ..) => Err(unknown("environment", wanted, inventories.keys().map(String::as_str))),
            (None, Some(only), None) => Ok(only.clone()),
            _ => Err(EngineError::Invalid("there are several environments; say which".into())),
        }
    }
}

/// What becomes of an open incident when the same is asked for by hand once more: a diagnosis of one that was concluded is
/// made anew.
fn joined(open: &Incident, trigger: &Trigger) -> Result<Vec<EventBody>, flow::Refusal> {
    let anew = match trigger {
        Trigger::Diagnose { name, note } => flow::diagnose_again(open, name, note),
        _ => None,
    };
    match (anew, flow::in_the_way(open)) {
        (Some(events), _) => Ok(events),
        (None, Some(refusal)) => Err(refusal),
        (None, None) => Ok(Vec::new()),
    }
}

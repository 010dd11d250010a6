//! Values for the variables that the scopes of the catalogue declare, and which runbooks those call for.

use super::{Catalog, Operation, Runbook, alert_shape, status_shape, target_shape};
use crate::{
    domain::{Alert, Evidence, Service, Values},
    expr::{Bindings, Expression, Truth},
};
use serde_json::{Value, json};

/// Alerts, target and evidence of one incident.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The catalogue whose runbooks are asked.
    pub catalog: &'a Catalog,
    /// As last reported; none for a diagnosis by hand.
    pub alerts: &'a [Alert],
    /// The target; none where none resolved.
    pub service: Option<&'a Service>,
    /// What was seen so far, oldest first.
    pub evidence: &'a [&'a Evidence],
}

impl<'a> Case<'a> {
    /// What conditions and templates of runbooks see. `alert` is the first alert; of two pieces of evidence with one
    /// name the later counts.
    pub fn bindings(&self) -> Bindings {
        let mut bindings = Bindings::new();
        bindings.set("target", &target_value(self.service), &target_shape());
        if let Some(alert) = self.alerts.first() {
            bindings.set("alert", &alert_value(alert), &alert_shape());
        }
        for evidence in self.evidence {
            if let Some(operation) = self.catalog.operations.get(&evidence.operation) {
                bindings.set(&evidence.name, &Value::Object(evidence.facts.clone()), &operation.returns);
            }
        }
        bindings
    }

    /// The runbooks that take part, best match first: those of every diagnosis, those that an alert names, and those
    /// that the evidence calls for.
    pub fn joined(&self, bindings: &Bindings) -> Vec<&'a Runbook> {
        let joins = |runbook: &&Runbook| {
            runbook.always
                || self.alerts.iter().any(|alert| runbook.matching.by_alert(alert))
                || runbook.matching.when.as_ref().is_some_and(|when| when.holds(bindings).is_true())
        };
        self.catalog.runbooks.iter().filter(joins).collect()
    }

    /// The latest evidence with this name.
    pub fn named(&self, name: &str) -> Option<&'a Evidence> {
        self.evidence.iter().rev().find(|evidence| evidence.name == name).copied()
    }
}

impl Operation {
    /// Its arguments, and the status before where there is one. A parameter that is left out is null.
    pub fn bindings(&self, arguments: &Values, before: Option<&Values>) -> Bindings {
        let mut bindings = Bindings::new();
        for (name, parameter) in &self.parameters {
            bindings.set(name, arguments.get(name).unwrap_or(&Value::Null), &parameter.bound_shape());
        }
        if let Some(before) = before {
            bindings.set("before", &Value::Object(before.clone()), &status_shape());
        }
        bindings
    }
}

/// A condition that may be left out, and then holds.
pub fn holds(condition: Option<&Expression>, bindings: &Bindings) -> Truth {
    condition.map_or(Truth::True, |condition| condition.holds(bindings))
}

/// `target`, with an empty name where there is none.
pub fn target_value(service: Option<&Service>) -> Value {
    let none = Service::default();
    let service = service.unwrap_or(&none);
    json!({
        "name": service.name,
        "containers": service.instances.iter().map(|instance| &instance.id).collect::<Vec<_>>(),
        "depends_on": service.depends_on,
        "addresses": service.addresses,
        "health": service.health,
        "networks": service.networks,
        "job": service.job,
        "protected": service.protected.is_some(),
        "replicas": service.instances.len(),
    })
}

fn alert_value(alert: &Alert) -> Value {
    json!({
        "name": alert.name(),
        "severity": alert.severity(),
        "labels": alert.labels,
        "annotations": alert.annotations,
    })
}

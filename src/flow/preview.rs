//! What a delivery would lead to: its incidents, their first plan, and the native calls of it. Nothing is run, and
//! nothing is stored.

use super::correlate::{Known, correlate};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::domain::{
    Alert, Delivery, EnvironmentKind, EventBody, IncidentId, Inventories, Inventory, PhaseName, PlanSource, Service,
    Step,
};
use crate::plan::{self, PlanInput};
use crate::translate::{self, Context, Declared, Translated};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One incident that would be opened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// Where.
    pub environment: String,
    /// The resolved target, if one was.
    pub service: Option<String>,
    /// For people.
    pub title: String,
    /// The most severe alert's.
    pub severity: String,
    /// Why only reading would be allowed, if so.
    pub read_only: Option<String>,
    /// Runbooks that match, best first.
    pub runbooks: Vec<String>,
    /// The steps that the diagnosis would begin with; more may join, by what they show.
    pub steps: Vec<PreviewStep>,
    /// What these runbooks could do about what they can find.
    pub remedies: Vec<PreviewRemedy>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreviewStep {
    /// Phase.
    pub phase: PhaseName,
    /// The step.
    pub step: Step,
    /// Native calls as a person would type them.
    pub commands: Vec<String>,
    /// What cannot be known beforehand, or why it cannot be done here.
    pub open: Option<String>,
}

/// One way to put something right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreviewRemedy {
    /// Remedy id.
    pub id: String,
    /// The runbook.
    pub runbook: String,
    /// Causes that it is for.
    pub causes: Vec<String>,
    /// Its operations, in order; empty if people have to do it.
    pub operations: Vec<String>,
}

/// Previews a delivery as if no incident were open. An environment without an inventory has no services.
pub fn preview(
    delivery: &Delivery,
    config: &Config,
    inventories: &Inventories,
    kinds: &BTreeMap<String, EnvironmentKind>,
) -> Vec<Preview> {
    let open = BTreeMap::new();
    let known = Known { open: &open, closed: &|_| None };
    let mut count = 0;
    // Ids only tell steps apart here.
    let mut new_id = || {
        count += 1;
        IncidentId::new(format!("preview{count}"))
    };
    let correlated = correlate(delivery, config, inventories, &known, &mut new_id);
    correlated.iter().filter_map(|one| incident(&one.incident, &one.events, config, inventories, kinds)).collect()
}

fn incident(
    id: &IncidentId,
    events: &[EventBody],
    config: &Config,
    inventories: &Inventories,
    kinds: &BTreeMap<String, EnvironmentKind>,
) -> Option<Preview> {
    let alerts: Vec<Alert> = events.iter().flat_map(alerts).cloned().collect();
    let EventBody::IncidentOpened { environment, target, title, severity, read_only, .. } =
        events.iter().find(|event| matches!(event, EventBody::IncidentOpened { .. }))?
    else {
        return None;
    };
    let nothing = Inventory::default();
    let inventory = inventories.get(environment).unwrap_or(&nothing);
    let service = target.as_ref().and_then(|name| inventory.services.get(name));
    let kind = *kinds.get(environment)?;
    let input = PlanInput { catalog: &config.catalog, kind, service, inventory, alerts: &alerts, incident: id };
    let plan = plan::first(&input, 1);
    let runbooks = match &plan.source {
        PlanSource::Runbook { runbooks } => runbooks.clone(),
        PlanSource::Person { .. } | PlanSource::Model { .. } => Vec::new(),
    };
    let steps = plan.steps().map(|(phase, step)| {
        let (commands, open) = calls(step, environment, config, inventory, kind);
        PreviewStep { phase, step: step.clone(), commands, open }
    });
    Some(Preview {
        environment: environment.clone(),
        service: target.clone(),
        title: title.clone(),
        severity: severity.clone(),
        read_only: read_only.clone(),
        steps: steps.collect(),
        remedies: remedies(&config.catalog, &runbooks),
        runbooks,
    })
}

fn alerts(event: &EventBody) -> &[Alert] {
    match event {
        EventBody::AlertsReceived { alerts, .. } => alerts,
        _ => &[],
    }
}

/// The calls that can be told beforehand. One that needs what an earlier call returns cannot.
fn calls(
    step: &Step,
    environment: &str,
    config: &Config,
    inventory: &Inventory,
    kind: EnvironmentKind,
) -> (Vec<String>, Option<String>) {
    let catalog = &config.catalog;
    let operation = catalog.operations.get(&step.operation);
    let translation = catalog.translations.get(&kind).and_then(|all| all.get(&step.operation));
    let (Some(operation), Some(translation)) = (operation, translation) else {
        return (Vec::new(), Some(format!("not supported in {kind} environments")));
    };
    let nobody = Service::default();
    let declared = config.environments.get(environment).and_then(|place| place.services.get(&step.target));
    let context = Context {
        operation,
        translation,
        service: inventory.services.get(&step.target).unwrap_or(&nobody),
        declared: &declared.map(Declared::from).unwrap_or_default(),
        arguments: &step.arguments,
        before: None,
        step: &step.id,
        reason: &step.reason,
        allowed: false, // asks for more than the daemon might: the safe side to err on
    };
    let mut plan = match translate::translate(&context) {
        Ok(Translated::Read(plan)) => plan,
        Ok(Translated::Act(_)) => return (Vec::new(), Some("it would change something, so it is asked for".into())),
        Err(error) => return (Vec::new(), Some(error.to_string())),
    };
    let mut commands = Vec::new();
    loop {
        match plan.next_call() {
            Ok(Some(call)) => commands.push(call.command()),
            Ok(None) => return (commands, None),
            Err(_) if !commands.is_empty() => {
                return (commands, Some("then more, with what the calls before return".into()));
            }
            Err(error) => return (commands, Some(error.to_string())),
        }
    }
}

fn remedies(catalog: &Catalog, runbooks: &[String]) -> Vec<PreviewRemedy> {
    let matching = catalog.runbooks.iter().filter(|runbook| runbooks.contains(&runbook.id));
    matching
        .flat_map(|runbook| {
            runbook.remedies.values().map(|remedy| {
                let finds = runbook.findings.iter().filter(|finding| finding.remedies.contains(&remedy.id));
                let causes: BTreeSet<String> = finds.filter_map(|finding| finding.cause.clone()).collect();
                PreviewRemedy {
                    id: remedy.id.clone(),
                    runbook: runbook.id.clone(),
                    causes: causes.into_iter().collect(),
                    operations: remedy.steps.iter().map(|step| step.operation.clone()).collect(),
                }
            })
        })
        .collect()
}

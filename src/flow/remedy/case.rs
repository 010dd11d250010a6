//! A mutating step with everything around it, and how the gate is asked about it.

use crate::catalog::Operation;
use crate::config::Config;
use crate::domain::{
    Action, Approval, ApprovalState, Digest, EventBody, Finding, Incident, StepId, StepOutcome, StepRecord, StepRole,
};
use crate::flow::Snapshot;
use crate::gate::{GateRequest, IncidentFacts, Purpose, Rulebook};

/// A mutating step that is prepared.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub incident: &'a Incident,
    pub snapshot: &'a Snapshot<'a>,
    pub record: &'a StepRecord,
    pub action: &'a Action,
}

impl<'a> Case<'a> {
    /// The step's identifier.
    pub fn step(self) -> StepId {
        self.record.step.id.clone()
    }

    /// The step's operation, in the catalogue that the incident is pinned to.
    pub fn operation(self) -> Option<&'a Operation> {
        self.snapshot.pinned.catalog.operations.get(&self.record.step.operation)
    }

    /// The request for a decision on the action, if people were asked.
    pub fn approval(self) -> Option<&'a Approval> {
        let id = self.action.approval.as_ref()?;
        self.incident.approvals.iter().find(|approval| approval.id == *id)
    }

    /// What people call the remedy.
    pub fn remedy(self) -> String {
        remedy(self.record)
    }

    /// Builds the gate's request and both rulebooks for `ask`.
    pub fn ask_gate<T>(
        self,
        purpose: Purpose,
        approval: Option<&Approval>,
        ask: impl FnOnce(&GateRequest<'_>, &Rulebook<'_>, &Rulebook<'_>) -> T,
    ) -> T {
        let Self { incident, snapshot, record, action } = self;
        let alerts: Vec<String> = incident.alerts.iter().map(|alert| alert.name().to_owned()).collect();
        let denied: Vec<Digest> = incident
            .approvals
            .iter()
            .filter(|approval| approval.state == ApprovalState::Denied)
            .map(|approval| approval.digest.clone())
            .collect();
        let request = GateRequest {
            kind: snapshot.kind,
            target: snapshot.inventory.services.get(&record.step.target),
            step: &record.step.id,
            binding: &action.binding,
            arguments: &record.step.arguments,
            risk: action.risk,
            incident: IncidentFacts {
                id: &incident.id,
                severity: &incident.severity,
                cause: incident.cause.as_ref().map_or("", |cause| cause.code.as_str()),
                confidence: incident.cause.as_ref().map_or(0.0, |cause| cause.confidence),
                claimed: Finding::surest(&incident.findings).is_some_and(|(finding, _)| finding.is_claimed()),
                alerts: &alerts,
                read_only: incident.read_only.as_deref(),
                denied: &denied,
            },
            kill_switch: snapshot.kill_switch,
            history: snapshot.history,
            alerting: snapshot.alerting,
            busy: snapshot.busy.iter().find(|busy| busy.target == record.step.target).map(|busy| &busy.step),
            purpose,
            undo_seen: action.undo_wanted.as_ref().and_then(|wanted| wanted.seen.as_ref()),
            approval,
            now: snapshot.now,
        };
        ask(&request, &self.rulebook(snapshot.current), &self.rulebook(snapshot.pinned))
    }

    /// What a configuration says for the incident's environment; one that it does not have may only be observed.
    fn rulebook(self, config: &Config) -> Rulebook<'_> {
        Rulebook { policies: &config.policies, autonomy: config.autonomy(&self.incident.environment) }
    }
}

/// What people call the remedy that a step is of.
pub(super) fn remedy(record: &StepRecord) -> String {
    match &record.step.role {
        StepRole::Remedy(remedy) => remedy.id.clone(),
        StepRole::Diagnose => record.step.operation.clone(),
    }
}

/// The step is not carried out.
pub(super) fn skipped(step: StepId, reason: &str) -> EventBody {
    finished(step, StepOutcome::Skipped { reason: reason.to_owned() })
}

/// The step did not do what it was for.
pub(super) fn failed(step: StepId, error: String) -> EventBody {
    finished(step, StepOutcome::Failed { error, transient: false })
}

fn finished(step: StepId, outcome: StepOutcome) -> EventBody {
    EventBody::StepFinished { step, attempt: 0, outcome, milliseconds: 0 }
}

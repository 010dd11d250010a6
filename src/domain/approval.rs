//! Recorded decisions of people, each bound to exact native calls.

use super::{ActCall, ApprovalId, Digest, IncidentId, Risk, StepId, Timestamp, Values};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A native call that is ready to be sent, with what it takes to know whether it happened and to take it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreparedCall {
    /// Exactly what will be sent.
    pub call: ActCall,
    /// What takes it back, if anything does.
    pub undo: Option<ActCall>,
    /// What a person would type here and now; where it is empty, the call's own words serve. It is for reading: neither
    /// digest nor drift looks at it, for a pid may be another one by the time that people have decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// The same of what takes it back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undo_command: String,
}

impl PreparedCall {
    /// A call in its own words.
    pub fn new(call: ActCall, undo: Option<ActCall>) -> Self {
        Self { call, undo, command: String::new(), undo_command: String::new() }
    }

    /// What a person would type.
    pub fn command(&self) -> String {
        if self.command.is_empty() { self.call.command() } else { self.command.clone() }
    }

    /// What a person would type to take it back; none if nothing does.
    pub fn undo_command(&self) -> Option<String> {
        let undo = self.undo.as_ref()?;
        Some(if self.undo_command.is_empty() { undo.command() } else { self.undo_command.clone() })
    }
}

/// What an approval is about. Its digest covers all of it: any change voids the approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Name of the environment.
    pub environment: String,
    /// Name of the target.
    pub target: String,
    /// Operation.
    pub operation: String,
    /// Ordered native calls with their undo.
    pub calls: Vec<PreparedCall>,
    /// Immutable identity of every instance (container id, image digest).
    pub identity: BTreeMap<String, String>,
    /// The operation's guard fields as they were; drift is a change in these.
    pub guard: Values,
    /// The remedy's precondition, if it has one.
    pub precondition: Option<String>,
}

impl Binding {
    /// The digest that an approver echoes.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&self.essence())
    }

    /// What it is about, without the words for people.
    pub fn essence(&self) -> Self {
        let calls = self.calls.iter().map(|prepared| PreparedCall::new(prepared.call.clone(), prepared.undo.clone()));
        Self { calls: calls.collect(), ..self.clone() }
    }

    /// What a person would type, a line a call.
    pub fn commands(&self) -> Vec<String> {
        self.calls.iter().map(PreparedCall::command).collect()
    }

    /// What a person would type to take it back, last call first.
    pub fn undo_commands(&self) -> Vec<String> {
        self.calls.iter().rev().filter_map(PreparedCall::undo_command).collect()
    }
}

/// Where a request for a decision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Waiting for people.
    Pending,
    /// Approved by as many as policy asks for.
    Approved,
    /// Denied; the same digest is not asked again.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// What it was about has changed.
    Voided,
    /// The intent that it allowed is in the journal.
    Consumed,
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Do it.
    Approve,
    /// Do not.
    Deny,
}

/// A request for a decision, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Its identifier.
    pub id: ApprovalId,
    /// The incident.
    pub incident: IncidentId,
    /// The step that it allows.
    pub step: StepId,
    /// Environment.
    pub environment: String,
    /// Operation.
    pub operation: String,
    /// Target.
    pub target: String,
    /// The operation's arguments.
    #[schema(value_type = Object)]
    pub arguments: Values,
    /// What a person would type, a line a call.
    pub command: String,
    /// What would take it back, a line a call; empty if nothing does.
    pub undo: String,
    /// What changes, a line a field: `memory: 16MiB → 32MiB`.
    pub diff: Vec<String>,
    /// Effective risk.
    pub risk: Risk,
    /// Why it is asked: which rule of the gate.
    pub reason: String,
    /// Digest of the binding; `approve` echoes it.
    pub digest: Digest,
    /// How many approvers are needed.
    pub quorum: u32,
    /// The role that a decision needs.
    pub role: String,
    /// Someone who may not approve it: who started the run by hand, where another approver exists.
    pub excluded: Option<String>,
    /// Where it stands.
    pub state: ApprovalState,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// When it lapses.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Who decided so far.
    pub decided_by: Vec<String>,
    /// What they said.
    pub comment: Option<String>,
    /// Why it is void, if it is.
    #[serde(default)]
    pub void_because: Option<String>,
}

//! The values that everything else passes around.
//!
//! Plain data: no I/O, no clock, no randomness, and nothing of the layers above. One type per hop of the flow:
//!
//! ```text
//! Alert ─► Incident ─► Plan ─► Step ─► ReadCall | ActCall ─► Evidence ─► Finding ─► Verdict
//!                                   every fact in between is an Event
//! ```

mod alert;
mod approval;
mod call;
mod circumstances;
mod event;
mod evidence;
mod exchange;
mod exit;
mod id;
mod incident;
mod inventory;
mod log_level;
mod message;
mod ordered;
mod plan;
mod proposal;
mod redact;
mod seen;
mod shape;
mod state;
mod tokens;
mod units;

pub use alert::{Alert, AlertStatus, Delivery, Labels, LeftOut, SenderKind};
pub use approval::{Approval, ApprovalState, Binding, Decision, PreparedCall};
pub use call::{
    ActCall, CallError, CallSpec, Effect, FieldSpec, ReadCall, quoted as shell_word, spec_of, words as shell_words,
};
pub use circumstances::{Alerting, Circumstances, Mutation};
pub use event::{CallOutcome, Event, EventBody, GateDecision, Left, StepOutcome, Trigger, UndoReason};
pub use evidence::{Cause, Difference, Evidence, Finding, Verdict};
pub use exchange::{AgentRole, Cost, Exchange, ExchangeEnd, ExchangeOutcome, NotAsked, Prose, Spent, Thought, Usage};
pub use exit::ExitReason;
pub use id::{ApprovalId, DeliveryId, Digest, IncidentId, StepId};
pub use incident::{
    Action, CallRecord, Comment, GateRecord, Incident, ManualRemedy, Recheck, Retry, StepRecord, StepStatus,
    UndoWanted, Unsent, Untold, VerifyRecord,
};
pub use inventory::{EnvironmentKind, Instance, Inventories, Inventory, Service, nearest};
pub use log_level::LogLevel;
pub use message::Message;
pub use ordered::Ordered;
pub use plan::{Phase, PhaseName, Plan, PlanSource, Remedy, Risk, Step, StepRole};
pub use proposal::{
    Claim, ClaimedCause, Claims, Expectation, Judged, Meaning, Proposal, ProposedRemedy, ProposedStep, Window,
};
pub use redact::{LONGEST_KEY, Redactor, SecretNumbers, clean_text, is_secret_name, secret_of};
pub use seen::seen;
pub use shape::{Shape, ShapeError};
pub use state::IncidentState;
pub use tokens::estimate as estimate_tokens;
pub use units::{ByteSize, TimeSpan, UnitError};

/// A point in time, UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// Arguments of an operation or fields of a result, by name.
pub type Values = serde_json::Map<String, serde_json::Value>;

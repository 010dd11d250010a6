//! The one gate that every mutation passes, twice: when it is decided, and again just before each native call is sent.
//!
//! ```text
//! StepPrepared ─► decide ─┬─ Run ────────────────────────────┐
//!                         ├─ Ask ─► people ─► decide again ──┤
//!                         └─ Refuse: told, never sent        ▼
//!                            state read just now ─► clear (decides once more) ─► Cleared ─► Executor::act
//! ```
//!
//! Every rule gives an opinion, under the current policy and under the one that the incident is pinned to, and the
//! strictest wins. An approval turns *ask* into *run*; nothing turns *refuse* into anything else.
//!
//! What is only read-only at heart (`notify.send` changes nothing in any environment) runs even under the kill switch
//! and in a storm: people must hear of both. A policy rule can still refuse it.

mod approval;
mod autonomy;
mod budget;
mod clear;
mod decide;
mod freeze;
mod request;
mod rules;
mod storm;
#[cfg(test)]
mod tests;

pub use approval::{ApprovalFault, undo_digest};
pub use clear::{Clearing, Observed, Refused, changes_since, clear, left_by};
pub use decide::decide;
pub use freeze::is_frozen;
pub use request::{GateRequest, History, IncidentFacts, Purpose, Rulebook, Ruling, rule};

use crate::domain::{ActCall, StepId};

/// Permission to send one native call, once. Only [`clear`] can make one, it cannot be cloned, and executors take
/// nothing else for an act.
#[derive(Debug)]
pub struct Cleared {
    call: ActCall,
    step: StepId,
}

impl Cleared {
    /// Exactly what may be sent.
    pub fn call(&self) -> &ActCall {
        &self.call
    }

    /// The step that it belongs to.
    pub fn step(&self) -> &StepId {
        &self.step
    }
}

//! What happens next: pure, and the only place that combines planning, judging and the gate.
//!
//! ```text
//!            facts (alerts, decisions, results)
//!                     │ durable
//!                     ▼
//!   events ─► fold ─► Incident ─► decide(incident, snapshot) ─┬─► Append(events)   decisions: made durable, then folded,
//!     ▲                                                       │                   then decided again
//!     └───────────────────────────────────────────────────────┴─► Wait{effects}    what must be running now
//! ```
//!
//! Deciding looks at the state, never at what just happened. So there is no separate recovery: after a crash the same
//! state asks for the same effects, and a call that was intended by another process is probed instead of sent.

mod allowance;
mod answer;
mod away;
mod backoff;
mod circumstances;
mod correlate;
mod decide;
mod diagnose;
mod fold;
mod freeze;
mod messages;
mod people;
mod preview;
mod question;
mod remedy;
pub mod replay;
mod settle;
mod snapshot;
mod storm;
#[cfg(test)]
mod tests;
mod think;
mod waiting;

pub use allowance::{agent, patience, remembered};
pub use answer::answered;
pub use backoff::{MAX_ATTEMPTS, backoff};
pub use correlate::{Correlated, Episodes, Known, correlate, diagnose_by_hand, only_reads, operate_by_hand};
pub use decide::decide;
pub use fold::{apply, fold, opened};
pub use messages::message;
pub use people::{Refusal, Word, decision, diagnose_again, in_the_way, too_late, word};
pub use preview::{Preview, PreviewRemedy, PreviewStep, preview};
pub use question::{Asked, Asking, question};
pub use remedy::{Inspected, compared, impossible, inspected};
pub use snapshot::{Busy, Dependency, Effect, Next, Snapshot};
pub use storm::{storm, storm_key};
pub use waiting::{Waiting, is_worked_on};

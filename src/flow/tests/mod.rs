//! The flow, driven through whole incidents with the shipped configuration. Nothing runs: a target is a few facts, and
//! effects change them.

mod allowance;
mod approvals;
mod correlation;
mod endings;
mod incidents;
mod policies;
mod replay;
mod storms;
mod target;
mod telling;
mod thinking;
mod trouble;
mod undo;
mod unsent;
mod verdicts;
mod waiting;
mod world;

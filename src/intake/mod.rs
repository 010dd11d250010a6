//! Webhook bodies become alerts, and alerts find their target.
//!
//! ```text
//! headers ─► authenticate ─► who sends        labels ─► resolve ─► Target | Unknown | Ambiguous ─► group_key
//! bytes ─► alertmanager | grafana ─► Intake {delivery, rejected, ignored}
//! ```
//!
//! Everything here is text from outside: bounded, cleaned, and never contacted.

mod alert;
mod alertmanager;
mod auth;
#[cfg(test)]
mod auth_tests;
mod envelope;
mod expression;
mod grafana;
mod group;
mod labels;
mod resolve;
#[cfg(test)]
mod resolve_tests;

pub use alertmanager::{alertmanager, further_alerts};
pub use auth::{AuthError, Credentials, TIMESTAMP_TOLERANCE, authenticate, identify};
pub use grafana::grafana;
pub use group::{graver, group_key, most_severe, title};
pub use resolve::{Candidate, Resolution, resolve, resolve_among};

use crate::domain::Delivery;
use serde::Serialize;
use utoipa::ToSchema;

/// What a webhook body held.
#[derive(Clone, Debug, PartialEq)]
pub struct Intake {
    /// What was understood.
    pub delivery: Delivery,
    /// Alerts that were not, one by one: a sender does not repeat what it was refused, so the others must not suffer.
    pub rejected: Vec<Rejected>,
    /// How many of our own alerts were left out: oncalld does not diagnose its own pages.
    pub ignored: usize,
}

/// One alert of a body that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Rejected {
    /// Position in the body's `alerts`.
    pub index: usize,
    /// What is wrong, and where.
    pub reason: String,
}

/// A body that could not be understood at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", if pointer.is_empty() { "the body" } else { pointer })]
pub struct IntakeError {
    /// JSON pointer to what is wrong; empty for the body as a whole.
    pub pointer: String,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl IntakeError {
    fn at(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), what: what.into() }
    }
}

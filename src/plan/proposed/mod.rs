//! Plans that a model proposes: what it is offered, the form that its answer must have, and what is made of the answer.
//!
//! ```text
//! catalogue, inventory, evidence ─► Offer ─► schema (strict JSON Schema) ─► model ─► Proposal ─► accept ─► Plan | faults
//! ```
//!
//! A model chooses among what it is offered: operations that only read, targets that the alert is about, remedies of
//! runbooks by their id. It writes no value that a mutating step would use.

mod accept;
mod offer;
mod schema;

pub use accept::accept;
pub use offer::{Left, Offer, OfferedRemedy};
pub use schema::{claims_schema, proposal_schema};

//! The report of an incident: what happened, why, what was done and by whose decision, what was not, and what is left.
//!
//! ```text
//! Incident, [Event] ─► gather ─► Report ─┬─ markdown
//!                                        └─ json
//! ```
//!
//! Logs, labels and comments are text from outside, and so is what a model says: in Markdown it is escaped or fenced, so
//! that nothing in it becomes a heading, a link or HTML.

mod actions;
mod escape;
mod evidence;
mod gather;
mod left_over;
mod render;
#[cfg(test)]
mod tests;
mod thinking;
mod timeline;

pub use actions::{ActionReport, SentCall};
pub use evidence::EvidenceReport;
pub use gather::{AlertReport, FindingReport, Report};
pub use left_over::NotDone;
pub use thinking::{QuestionReport, ThinkingReport};
pub use timeline::Moment;

use crate::domain::{Event, Incident};

/// The report as data. `events` are those of the incident, oldest first.
pub fn gather(incident: &Incident, events: &[Event]) -> Report {
    gather::report(incident, events)
}

/// The report in Markdown.
pub fn markdown(incident: &Incident, events: &[Event]) -> String {
    render::markdown(&gather(incident, events))
}

/// The report in JSON.
pub fn json(incident: &Incident, events: &[Event]) -> serde_json::Value {
    // A tree of strings, numbers and lists always becomes JSON.
    serde_json::to_value(gather(incident, events)).unwrap_or_default()
}

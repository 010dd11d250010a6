//! What people are told.

use super::{Approval, IncidentId};

/// A message to people.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Message {
    /// `approval:apr_…`, `escalation:1`, `operation:<step>`: unique for what it says, so that it is not said twice.
    pub subject: String,
    /// The incident.
    pub incident: IncidentId,
    /// Environment.
    pub environment: String,
    /// Service.
    pub service: String,
    /// Severity of the incident.
    pub severity: String,
    /// One line.
    pub title: String,
    /// More.
    pub body: String,
    /// Address of the incident's page, where one is configured.
    pub link: Option<String>,
    /// The request that is waiting, if it is one.
    pub approval: Option<Approval>,
}

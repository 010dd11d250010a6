//! policies.yml: what runs, what is asked, what is refused.

use super::Role;
use crate::{
    domain::{GateDecision, TimeSpan, Timestamp},
    expr::Expression,
};
use chrono::{NaiveTime, Weekday};

/// The rules of the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Policies {
    /// Each that holds counts; the strictest wins. See [`super::policy_scope`] for what their conditions see.
    pub rules: Vec<Rule>,
    /// How requests for a decision are made.
    pub defaults: Defaults,
    /// How many mutations at most.
    pub budgets: Budgets,
    /// When the same mutation of the same target no longer helps.
    pub flap: Flap,
    /// When nothing may be changed.
    pub freeze: Vec<Freeze>,
    /// Protected services that may be acted on after all.
    pub unprotect: Vec<Unprotect>,
    /// When too much alerts at once.
    pub storm: Storm,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, in the journal and in reports.
    pub name: String,
    /// When it counts. An error in it refuses.
    pub when: Expression,
    /// What it says.
    pub decision: GateDecision,
    /// The role that a decision needs.
    pub role: Role,
    /// How many people have to approve.
    pub quorum: u32,
    /// Why, for people.
    pub reason: String,
}

/// How requests for a decision are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// How long one waits.
    pub expires: TimeSpan,
    /// The role that a decision needs.
    pub role: Role,
    /// How many people have to approve.
    pub quorum: u32,
    /// How often people are reminded of what escalated.
    pub escalate_every: TimeSpan,
    /// What becomes of a change whose cause only a model claims.
    pub claimed: GateDecision,
}

/// How many mutations at most, counted across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Of one target.
    pub per_target: u32,
    /// Of one environment.
    pub per_environment: u32,
    /// In this time.
    pub window: TimeSpan,
}

/// When the same operation on the same target no longer helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flap {
    /// So many times,
    pub times: u32,
    /// in this time.
    pub window: TimeSpan,
}

/// A time in which nothing may be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Its name.
    pub name: String,
    /// When.
    pub window: Window,
    /// Where; none given means everywhere.
    pub environments: Vec<String>,
}

/// A span of time, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// Once.
    Once {
        /// First moment.
        from: Timestamp,
        /// First moment after it.
        to: Timestamp,
    },
    /// Every day of these, from the start; one that ends before it begins ends on the next day.
    Daily {
        /// First moment.
        from: NaiveTime,
        /// First moment after it.
        to: NaiveTime,
        /// Days on which it begins; none given means all.
        days: Vec<Weekday>,
    },
}

/// A protected service that may be acted on after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unprotect {
    /// Its environment.
    pub environment: String,
    /// Its name.
    pub service: String,
}

/// When too much begins to alert at once: one incident for the environment opens, and nothing is changed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// This part of the environment's services,
    pub percent: u32,
    /// and at least so many,
    pub minimum: u32,
    /// within this time.
    pub window: TimeSpan,
}

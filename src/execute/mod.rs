//! Executors: what carries native calls out. Each serves one or more families of calls.
//!
//! ```text
//! engine ─► Executors ─┬─ container.*     docker      the Docker Engine's API, or Podman's
//!                      ├─ process.*       process     child processes under the shim
//!                      ├─ prometheus.*    prometheus  HTTP API
//!                      ├─ alertmanager.*  alertmanager v2 API
//!                      └─ notify.*        notify      webhooks
//! ```

pub mod alertmanager;
pub mod allow;
pub mod comparison;
pub mod data_store;
pub mod docker;
pub mod endpoint;
pub mod logfilter;
pub mod matcher;
pub mod probe;
pub mod process;
pub mod prometheus;
pub mod protection;
pub mod restore;

use crate::domain::{ActCall, Inventory, ReadCall, Service, Timestamp, Values};
use crate::gate::Cleared;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};

/// Why a native call failed, by what its caller may conclude.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// It did not happen, and trying again may help: the engine does not answer, a connection was refused.
    #[error("{call}: {problem}; it was not done and will be tried again")]
    Transient {
        /// Native call.
        call: String,
        /// What went wrong.
        problem: String,
    },
    /// It did not happen, and trying again will not help: no such container, not permitted.
    #[error("{call}: {problem}")]
    Permanent {
        /// Native call.
        call: String,
        /// What went wrong, and what to do.
        problem: String,
    },
    /// It may or may not have happened: the connection broke after the request was sent, or the deadline passed.
    #[error("{call}: {problem}; it may have been done")]
    Unknown {
        /// Native call.
        call: String,
        /// What went wrong.
        problem: String,
    },
}

impl ExecuteError {
    /// Not done; may be tried again.
    pub fn transient(call: &str, problem: impl ToString) -> Self {
        Self::Transient { call: call.into(), problem: problem.to_string() }
    }

    /// Not done; trying again is of no use.
    pub fn permanent(call: &str, problem: impl ToString) -> Self {
        Self::Permanent { call: call.into(), problem: problem.to_string() }
    }

    /// Perhaps done.
    pub fn unknown(call: &str, problem: impl ToString) -> Self {
        Self::Unknown { call: call.into(), problem: problem.to_string() }
    }

    /// The same, of a change that others came before: whatever went wrong with it, those were done.
    pub fn after_others(self, some_done: bool) -> Self {
        match self {
            Self::Transient { call, problem } | Self::Permanent { call, problem } if some_done => {
                Self::Unknown { call, problem: format!("{problem}; some of the change was done") }
            }
            other => other,
        }
    }
}

/// What a probe after a crash found out about a call that was sent, or perhaps not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It was done, wholly.
    Happened,
    /// It was not done at all.
    NotHappened,
    /// Half done, or nobody can tell.
    Unknown(String),
}

/// A native call of either kind.
#[derive(Clone, Copy, Debug)]
pub enum NativeCall<'a> {
    /// One that only reads.
    Read(&'a ReadCall),
    /// One that changes something.
    Act(&'a ActCall),
}

impl NativeCall<'_> {
    /// The call's own words, which know only its fields.
    pub fn command(self) -> String {
        match self {
            Self::Read(call) => call.command(),
            Self::Act(call) => call.command(),
        }
    }
}

/// Carries out native calls of its families. Every call ends within the deadline of its own that its fields or the
/// executor's configuration give; results have the shape that the call declares, and are bounded in size.
pub trait Executor: Send + Sync {
    /// The call families served, such as `container`.
    fn families(&self) -> &'static [&'static str];

    /// Reads.
    fn read<'a>(&'a self, call: &'a ReadCall) -> BoxFuture<'a, Result<Values, ExecuteError>>;

    /// Acts. The clearance is used up: the same one cannot act twice.
    fn act(&self, cleared: Cleared) -> BoxFuture<'_, Result<Values, ExecuteError>>;

    /// Whether a call that another process may have sent was done. `None`: ask the operation's `probe` expression.
    fn probe<'a>(&'a self, call: &'a ActCall) -> BoxFuture<'a, Result<Option<Probed>, ExecuteError>>;

    /// Why a call can never be carried out here, whatever its target: to be known before anybody is asked about it.
    fn refusal<'a>(&'a self, call: &'a ActCall) -> BoxFuture<'a, Result<Option<String>, ExecuteError>> {
        let _ = call;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// What a person would type to the same effect here and now, secrets left out. `None`: the call's own words are true,
    /// or nothing better is known.
    fn command<'a>(&'a self, call: NativeCall<'a>) -> BoxFuture<'a, Option<String>> {
        let _ = call;
        Box::pin(std::future::ready(None))
    }
}

/// The state of a target at one moment, for guards, probes and undo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Captured {
    /// The same fields as the result of `container.status`.
    pub status: Values,
    /// Immutable identity of every instance: container id to image digest, process name to program digest.
    pub identity: BTreeMap<String, String>,
}

/// An executor that is a place where services run.
pub trait Environment: Executor {
    /// Lists the services.
    fn inventory(&self) -> BoxFuture<'_, Result<Inventory, ExecuteError>>;

    /// Reads a target's state.
    fn capture<'a>(&'a self, service: &'a Service) -> BoxFuture<'a, Result<Captured, ExecuteError>>;

    /// Deletes what was kept before a time so that a change could be taken back, but for the keys that are `needed`.
    /// Answers with what is gone, in words. What others made, or changed since, is left alone; so are volumes.
    fn discard<'a>(
        &'a self,
        before: Timestamp,
        needed: &'a BTreeSet<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, ExecuteError>>;
}

//! What went wrong between us and the engine, by what may be concluded from it.

use crate::execute::ExecuteError;
use std::{future::Future, time::Duration};

/// A request to the engine that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EngineError {
    /// Nothing was sent: no socket, connection refused.
    #[error("the engine cannot be reached: {0}; check that it runs and that its socket or address is right")]
    Unreachable(String),
    /// The engine answered that it will not.
    #[error("the engine answered {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In its words.
        message: String,
    },
    /// It was sent, and no whole answer came.
    #[error("no answer: {0}")]
    Broken(String),
    /// It was answered well, in words that we do not understand.
    #[error("the engine's answer is not understood: {0}")]
    Unreadable(String),
    /// Some of it was done, and the rest was not.
    #[error("{0}; some of the change was done")]
    Partly(String),
    /// We will not.
    #[error("{0}")]
    Declined(String),
}

/// Result of a request to the engine.
pub(super) type Answer<T> = Result<T, EngineError>;

impl EngineError {
    /// Declines for a reason.
    pub fn declined(why: impl ToString) -> Self {
        Self::Declined(why.to_string())
    }

    /// Whether what was asked about does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether what was asked for may have been done all the same.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Unreadable(_) | Self::Partly(_) => true,
            // An engine that fails in the middle says so: it may have stopped what it cannot start again.
            Self::Refused { status, .. } => *status >= 500,
            Self::Unreachable(_) | Self::Declined(_) => false,
        }
    }

    /// The same, of a change that others came before: whatever went wrong with it, those were done.
    pub fn after_others(self, some_done: bool) -> Self {
        if some_done { Self::Partly(self.to_string()) } else { self }
    }

    /// For a call that only reads: what did not come may come next time.
    pub fn for_read(&self, call: &str) -> ExecuteError {
        match self {
            Self::Unreachable(_) | Self::Broken(_) | Self::Partly(_) => ExecuteError::transient(call, self),
            // 501 is for what it never will be able to: reading the logs of a driver that keeps none.
            Self::Refused { status: 500 | 502..=504, .. } => ExecuteError::transient(call, self),
            Self::Refused { .. } | Self::Unreadable(_) | Self::Declined(_) => ExecuteError::permanent(call, self),
        }
    }

    /// For a call that acts: only what was certainly not sent may be tried again, and only what was certainly not done
    /// is told as not done.
    pub fn for_act(&self, call: &str) -> ExecuteError {
        match self {
            open if open.is_open() => ExecuteError::unknown(call, self),
            Self::Unreachable(_) => ExecuteError::transient(call, self),
            _ => ExecuteError::permanent(call, self),
        }
    }
}

impl EngineError {
    /// For a call that acts in several requests: some may have been answered before one could not be sent.
    pub fn for_composite_act(&self, call: &str) -> ExecuteError {
        match self {
            Self::Unreachable(_) => ExecuteError::unknown(call, self),
            _ => self.for_act(call),
        }
    }
}

impl From<bollard::errors::Error> for EngineError {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as E;
        match error {
            E::DockerResponseServerError { status_code, message } => Self::Refused { status: status_code, message },
            E::DockerStreamError { error } => Self::Refused { status: 500, message: error },
            E::SocketNotFoundError(path) => Self::Unreachable(format!("there is no socket {path}")),
            E::HyperLegacyError { err } if err.is_connect() => Self::Unreachable(innermost(&err)),
            E::RequestTimeoutError => Self::Broken("it took too long".into()),
            E::JsonDataError { message, .. } => Self::Unreadable(message),
            other => Self::Broken(innermost(&other)),
        }
    }
}

impl From<reqwest::Error> for EngineError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable(innermost(&error))
        } else if error.is_builder() {
            Self::Declined(innermost(&error))
        } else {
            Self::Broken(innermost(&error))
        }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Waits for a request no longer than `limit`.
pub(super) async fn within<T, E: Into<EngineError>>(
    limit: Duration,
    request: impl Future<Output = Result<T, E>>,
) -> Answer<T> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(EngineError::Broken(format!("the engine took longer than {} s", limit.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_sent_is_transient_for_an_act() {
        let refused = EngineError::Refused { status: 409, message: "is restarting".into() };
        let broken = EngineError::Broken("reset".into());
        let unreachable = EngineError::Unreachable("refused".into());
        assert!(matches!(refused.for_act("a"), ExecuteError::Permanent { .. }));
        assert!(matches!(broken.for_act("a"), ExecuteError::Unknown { .. }));
        assert!(matches!(broken.for_read("a"), ExecuteError::Transient { .. }));
        assert!(matches!(unreachable.for_act("a"), ExecuteError::Transient { .. }));
        assert!(matches!(unreachable.for_composite_act("a"), ExecuteError::Unknown { .. }));
        assert!(matches!(refused.for_composite_act("a"), ExecuteError::Permanent { .. }));
    }

    #[test]
    fn what_may_have_been_done_is_never_told_as_not_done() {
        let failed = EngineError::Refused { status: 500, message: "stopped, and the port is taken".into() };
        let unreadable =
            EngineError::from(bollard::errors::Error::JsonDataError { message: "missing field".into(), column: 1 });
        let second = EngineError::Refused { status: 409, message: "the name is taken".into() }.after_others(true);
        let stream = EngineError::from(bollard::errors::Error::DockerStreamError { error: "gone".into() });
        for open in [failed, unreadable, second, stream, EngineError::Unreachable("gone".into()).after_others(true)] {
            assert!(matches!(open.for_act("a"), ExecuteError::Unknown { .. }), "{open}");
        }
    }
}

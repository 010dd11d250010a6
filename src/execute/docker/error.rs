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

    /// For a call that only reads: what did not come may come next time.
    pub fn for_read(&self, call: &str) -> ExecuteError {
        match self {
            Self::Unreachable(_) | Self::Broken(_) => ExecuteError::transient(call, self),
            // 501 is for what it never will be able to: reading the logs of a driver that keeps none.
            Self::Refused { status: 500 | 502..=504, .. } => ExecuteError::transient(call, self),
            Self::Refused { .. } | Self::Declined(_) => ExecuteError::permanent(call, self),
        }
    }

    /// For a call that acts: only what was certainly not sent may be tried again.
    pub fn for_act(&self, call: &str) -> ExecuteError {
        match self {
            Self::Unreachable(_) => ExecuteError::transient(call, self),
            Self::Broken(_) => ExecuteError::unknown(call, self),
            Self::Refused { .. } | Self::Declined(_) => ExecuteError::permanent(call, self),
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
            E::JsonDataError { message, .. } => {
                Self::Declined(format!("the engine's answer is not understood: {message}"))
            }
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
}

//! Why a command did not do what was asked, and the exit code that says so.

use std::{fmt, process::ExitCode};

/// An error on its way to the terminal: one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was tried and did not work: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It was asked for in the wrong way, or the configuration is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// It was tried and did not work.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// It was asked for in the wrong way.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    /// 1 or 2.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::FAILURE,
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

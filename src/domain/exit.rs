//! Why a container or a process ended, in the words of `exit_reason`: the same in every kind of environment.

use serde::{Deserialize, Serialize};

/// Why it ended. The words are those of results, and of the files that a shim keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// It runs, or never ran.
    #[default]
    None,
    /// It was killed for want of memory: by the kernel, or by the shim at the limit of its service.
    Oom,
    /// The kernel ended a child for want of memory; a shim kills all or nothing, so it never says this.
    OomChild,
    /// A signal that no stop sent.
    Killed,
    /// It was asked to stop and did not within the grace period.
    StopTimeout,
    /// It was asked to stop, and did.
    Stopped,
    /// By itself, with a code that says failure.
    Error,
    /// By itself, with 0.
    Completed,
    /// It never started.
    StartFailed,
}

impl ExitReason {
    /// As in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Oom => "oom",
            Self::OomChild => "oom_child",
            Self::Killed => "killed",
            Self::StopTimeout => "stop_timeout",
            Self::Stopped => "stopped",
            Self::Error => "error",
            Self::Completed => "completed",
            Self::StartFailed => "start_failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn files_and_results_use_the_same_words() {
        let words =
            ["none", "oom", "oom_child", "killed", "stop_timeout", "stopped", "error", "completed", "start_failed"];
        for word in words {
            let reason: ExitReason = from_value(json!(word)).unwrap();
            assert_eq!((reason.as_str(), to_value(reason).unwrap()), (word, json!(word)));
        }
    }
}

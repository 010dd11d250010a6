//! The faults that the demo knows, and what oncalld should make of each.

use crate::domain::Verdict;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// A setting of the api was changed to something that it cannot read: it crashes at every start.
    CrashOnSetting,
    /// A setting that the api needs was lost: it crashes at every start.
    MissingSetting,
    /// The api runs, and answers nothing any more.
    Hang,
    /// The api needs more memory than it may have, and is killed for it.
    Leak,
    /// The cache, which the api needs, was stopped.
    DependencyDown,
    /// Another service took the api's port.
    PortTaken,
    /// The api was frozen.
    Paused,
    /// The api was killed from outside.
    Killed,
    /// Nothing is wrong: the alert is mistaken.
    None,
}

/// What is expected of a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Cause code, if there is a cause.
    pub cause: Option<&'static str>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Fault {
    /// In the order in which they are listed.
    pub const ALL: [Self; 9] = [
        Self::CrashOnSetting,
        Self::MissingSetting,
        Self::Hang,
        Self::Leak,
        Self::DependencyDown,
        Self::PortTaken,
        Self::Paused,
        Self::Killed,
        Self::None,
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrashOnSetting => "crash-on-setting",
            Self::MissingSetting => "missing-setting",
            Self::Hang => "hang",
            Self::Leak => "leak",
            Self::DependencyDown => "dependency-down",
            Self::PortTaken => "port-taken",
            Self::Paused => "paused",
            Self::Killed => "killed",
            Self::None => "none",
        }
    }

    /// What is being done to the services, for people.
    pub fn story(self) -> &'static str {
        match self {
            Self::CrashOnSetting => "someone deploys the api with API_WORKERS=many, which it cannot read",
            Self::MissingSetting => "someone deploys the api without its API_TOKEN",
            Self::Hang => "a transaction in the api never releases its lock: it runs, but answers nothing",
            Self::Leak => "a backlog is more than the api's memory limit allows",
            Self::DependencyDown => "someone stops the cache, which the api needs",
            Self::PortTaken => "someone starts a second api with the port of the first",
            Self::Paused => "someone freezes the api and forgets about it",
            Self::Killed => "a stray kill -9 hits the api",
            Self::None => "nothing is wrong, but the alert says so",
        }
    }

    /// Name of the alert that a monitoring system would raise.
    pub fn alert(self) -> &'static str {
        match self {
            Self::CrashOnSetting | Self::MissingSetting | Self::PortTaken => "ServiceDown",
            Self::Hang | Self::Paused => "ServiceNotAnswering",
            Self::Leak => "ServiceOutOfMemory",
            Self::DependencyDown | Self::None => "ServiceErrors",
            Self::Killed => "ServiceAbsent",
        }
    }

    /// What oncalld should find.
    pub fn expected(self) -> Expected {
        let cause = match self {
            Self::CrashOnSetting => "bad_config",
            Self::MissingSetting => "missing_env_var",
            Self::Hang => "service_hung",
            Self::Leak => "memory_limit_too_small",
            Self::DependencyDown => "dependency_down",
            Self::PortTaken => "port_conflict",
            Self::Paused => "container_paused",
            Self::Killed => "killed_externally",
            Self::None => return Expected { cause: None, verdict: Verdict::NoFault },
        };
        Expected { cause: Some(cause), verdict: Verdict::Resolved }
    }

    /// The restart policy of the api: with some faults it would be up again before anybody could look.
    pub fn restart(self) -> &'static str {
        match self {
            Self::Leak | Self::Killed => "no",
            _ => "on-failure",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn names_are_those_of_the_command_line() {
        assert_eq!(Fault::ALL.len(), Fault::value_variants().len());
        for fault in Fault::ALL {
            assert_eq!(Fault::from_str(fault.name(), false), Ok(fault));
        }
    }
}

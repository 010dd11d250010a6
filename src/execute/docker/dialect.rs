//! What kind of engine answers, and what follows from it. Podman serves Docker's API, and answers some of it otherwise:
//!
//! | asked for | Podman (seen with 4.3.1) | here |
//! |---|---|---|
//! | `POST …/update` | 404 before 5.1 | refused before anybody is asked |
//! | events | `stop` not always, no `oom`, no signal of a kill; `restart` comes first, `until` cuts them short | read with that in mind |
//! | `State` | no word of why a start failed or that memory ran out | said as not known |
//! | `inspect` | defaults written out, what the engine added among the variables | put as Docker would |
//! | `top` | other columns | asked for in its words |

use super::podman;
use crate::domain::ActCall;
use serde_json::Value;
use std::fmt;

/// A version, as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The first that can change a container that exists.
const FIRST_UPDATE: Version = Version { major: 5, minor: 1, patch: 0 };

impl Version {
    /// `4.3.1`, `5.0.0-rc1`; what cannot be read counts as the oldest.
    fn read(text: &str) -> Self {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self { major: next(), minor: next(), patch: next() }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Who speaks Docker's API here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Docker, or who speaks as it does.
    #[default]
    Docker,
    /// Podman.
    Podman(Version),
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Docker => f.write_str("Docker"),
            Self::Podman(version) => write!(f, "Podman {version}"),
        }
    }
}

impl Dialect {
    /// By the answer to `GET /version`.
    pub fn of(version: &Value) -> Self {
        let mut components = version["Components"].as_array().into_iter().flatten();
        match components.find(|component| component["Name"] == "Podman Engine") {
            Some(podman) => Self::Podman(Version::read(podman["Version"].as_str().unwrap_or_default())),
            None => Self::Docker,
        }
    }

    /// Whether limits and restart policy of a container that exists can be changed.
    pub fn can_update(self) -> bool {
        match self {
            Self::Docker => true,
            Self::Podman(version) => version >= FIRST_UPDATE,
        }
    }

    /// Why a call can never be carried out, whatever the container.
    pub fn refusal(self, call: &ActCall) -> Option<String> {
        let what = match call {
            ActCall::ContainerUpdate { .. } => "limits",
            ActCall::ContainerSetRestartPolicy { .. } => "restart policy",
            _ => return None,
        };
        (!self.can_update()).then(|| {
            format!(
                "{self} cannot change the {what} of a container that exists (its API can since {FIRST_UPDATE}); create the \
                 container again with what is wanted"
            )
        })
    }

    /// Whether events tell of every stop, of shortages of memory, and of the signal of a kill.
    pub fn tells_ends(self) -> bool {
        self == Self::Docker
    }

    /// Whether asking for events up to a time gives all of them.
    pub fn ends_history(self) -> bool {
        self == Self::Docker
    }

    /// An event's action, as Docker calls it.
    pub fn action(self, action: &str) -> &str {
        match (self, action) {
            (Self::Podman(_), "died") => "die",
            (Self::Podman(_), "remove") => "destroy",
            (_, action) => action,
        }
    }

    /// The columns of a list of processes; resident size in KiB.
    pub fn columns(self) -> &'static str {
        match self {
            Self::Docker => "-eo pid,ppid,user,stat,rss,args",
            Self::Podman(_) => "pid,ppid,user,state,rss,args",
        }
    }

    /// A container as Docker would describe it.
    pub fn container(self, told: Value) -> Value {
        match self {
            Self::Docker => told,
            Self::Podman(_) => podman::as_docker(told),
        }
    }

    /// What a container made like another one lacks of it all the same, each by Podman's own description.
    pub fn lost(self, old: &Value, new: &Value) -> Vec<String> {
        match self {
            Self::Docker => Vec::new(),
            Self::Podman(_) => podman::lost(old, new),
        }
    }

    /// Why a container that is gone is not made again of its description, which Podman's does not show all of.
    pub fn cannot_remake(self, service: &str) -> Option<String> {
        match self {
            Self::Docker => None,
            Self::Podman(_) => Some(format!(
                "{service} is gone, and what was kept of its configuration may lack what {self} does not tell (secrets, a \
                 fixed address, --sysctl): it cannot be compared any more; make it by hand"
            )),
        }
    }

    /// A path that a container's own files differ in because the engine itself wrote there.
    pub fn writes(self, path: &str) -> bool {
        matches!(self, Self::Podman(_)) && ["/etc", "/run", "/dev", "/proc", "/sys"].contains(&path)
    }

    /// What is not known about an end, where its reason cannot be told for sure.
    pub fn unsure(self, exit_code: i64, oom_killed: bool) -> Option<String> {
        match self {
            Self::Docker => oom_killed.then(|| {
                format!(
                    "it ended with {exit_code} and the engine's mark of memory shortage, but the events of that time are gone: \
                     a shortage then and a kill after an earlier shortage cannot be told apart"
                )
            }),
            Self::Podman(_) => Some(format!(
                "it ended with {exit_code}, and {self} does not tell why: a stop, a signal from outside and a shortage of \
                 memory look alike"
            )),
        }
    }

    /// What is not known about a container that was made and does not run.
    pub fn unstarted(self, name: &str) -> Option<String> {
        match self {
            Self::Docker => None,
            Self::Podman(_) => Some(format!(
                "it was made and does not run; had its start failed, {self} would not know why: `podman start {name}` tells"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Values;
    use serde_json::json;

    fn podman(version: &str) -> Dialect {
        Dialect::of(&json!({"Components": [{"Name": "Podman Engine", "Version": version}, {"Name": "Conmon"}]}))
    }

    #[test]
    fn the_engine_is_told_by_its_components() {
        assert_eq!(Dialect::of(&json!({"Version": "20.10.24", "Components": [{"Name": "Engine"}]})), Dialect::Docker);
        assert_eq!(Dialect::of(&json!({})), Dialect::Docker);
        for (version, shown) in [("4.3.1", "4.3.1"), ("5.1.0-rc1", "5.1.0"), ("5", "5.0.0"), ("", "0.0.0")] {
            assert_eq!(podman(version).to_string(), format!("Podman {shown}"));
        }
    }

    #[test]
    fn what_an_engine_cannot_do_is_refused_by_name() {
        let call = |name: &str, fields: Value| {
            let Value::Object(fields) = fields else { return None };
            ActCall::decode(name, Values::from_iter(fields)).ok()
        };
        let limits = call("container.update", json!({"container": "a", "memory": 1})).unwrap();
        let policy =
            call("container.set_restart_policy", json!({"container": "a", "policy": "no", "retries": 0})).unwrap();
        let start = call("container.start", json!({"container": "a"})).unwrap();
        let refused = podman("4.3.1").refusal(&limits).unwrap();
        assert!(refused.starts_with("Podman 4.3.1 cannot change the limits"), "{refused}");
        assert!(podman("4.9.3").refusal(&policy).is_some_and(|why| why.contains("restart policy")));
        assert_eq!(podman("4.3.1").refusal(&start), None);
        for able in [podman("5.1.0"), podman("6.0"), Dialect::Docker] {
            assert_eq!((able.refusal(&limits), able.refusal(&policy)), (None, None), "{able}");
        }
    }
}

//! How a service's configuration differs from the one it should have. Pure, and the same for every kind of environment.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a service runs with. Values of the environment may be secret: this is never shown, only its differences are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// Variables.
    pub environment: BTreeMap<String, String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Image reference or program, empty if not known.
    pub image: String,
    /// Limits by name; only those that are set.
    pub limits: BTreeMap<String, i64>,
    /// Names of networks.
    pub networks: BTreeSet<String>,
    /// Published ports.
    pub ports: BTreeSet<String>,
}

/// What a configuration is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What `environments.yml` declares: whatever it leaves out may be anything.
    Declared,
    /// The whole configuration under which the service was last seen ready.
    LastGood,
    /// Nothing is known.
    Nothing,
}

impl Source {
    /// As in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::LastGood => "last_good",
            Self::Nothing => "none",
        }
    }
}

/// Differences, by name only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Variables that should be there.
    pub missing: Vec<String>,
    /// Variables with another value.
    pub changed: Vec<String>,
    /// Variables that should not be there.
    pub added: Vec<String>,
    /// Another program or arguments.
    pub command_changed: bool,
    /// Another image.
    pub image_changed: bool,
    /// Other limits.
    pub limits_changed: bool,
    /// Networks that it should be attached to.
    pub networks_missing: Vec<String>,
    /// Other published ports.
    pub ports_changed: bool,
}

impl Difference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What differs, in words, for histories.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        let mut list = |what: &str, names: &[String]| {
            if !names.is_empty() {
                parts.push(format!("{what} {}", names.join(", ")));
            }
        };
        list("without", &self.missing);
        list("changed", &self.changed);
        list("added", &self.added);
        list("left network", &self.networks_missing);
        for (differs, what) in [
            (self.command_changed, "command changed"),
            (self.image_changed, "image changed"),
            (self.limits_changed, "limits changed"),
            (self.ports_changed, "ports changed"),
        ] {
            if differs {
                parts.push(what.to_owned());
            }
        }
        parts.join("; ")
    }
}

/// Compares what is with what should be.
pub fn compare(now: &Configuration, wanted: &Configuration, source: Source) -> Difference {
    if source == Source::Nothing {
        return Difference::default();
    }
    let whole = source == Source::LastGood;
    let names = |chosen: &dyn Fn(&str, &str) -> bool| -> Vec<String> {
        wanted.environment.iter().filter(|(name, value)| chosen(name, value)).map(|(name, _)| name.clone()).collect()
    };
    let limits_changed = if whole {
        now.limits != wanted.limits
    } else {
        wanted.limits.iter().any(|(name, value)| now.limits.get(name) != Some(value))
    };
    Difference {
        missing: names(&|name, _| !now.environment.contains_key(name)),
        changed: names(&|name, value| now.environment.get(name).is_some_and(|is| is != value)),
        added: if whole {
            now.environment.keys().filter(|name| !wanted.environment.contains_key(*name)).cloned().collect()
        } else {
            Vec::new()
        },
        command_changed: (whole || !wanted.command.is_empty()) && now.command != wanted.command,
        image_changed: !wanted.image.is_empty() && now.image != wanted.image,
        limits_changed,
        networks_missing: wanted.networks.difference(&now.networks).cloned().collect(),
        ports_changed: whole && now.ports != wanted.ports,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(environment: &[(&str, &str)], image: &str) -> Configuration {
        Configuration {
            environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            image: image.into(),
            command: vec!["serve".into()],
            ..Configuration::default()
        }
    }

    #[test]
    fn what_is_declared_may_be_part_of_the_whole() {
        let now = configuration(&[("A", "1"), ("B", "x")], "app:v2");
        let declared = Configuration { command: Vec::new(), ..configuration(&[("A", "2"), ("C", "3")], "") };
        let difference = compare(&now, &declared, Source::Declared);
        assert_eq!(
            (difference.missing, difference.changed, difference.added),
            (vec!["C".into()], vec!["A".into()], vec![])
        );
        assert!(!difference.command_changed && !difference.image_changed);
    }

    #[test]
    fn the_last_good_one_is_whole() {
        let now = configuration(&[("A", "1"), ("B", "x")], "app:v2");
        let good = configuration(&[("A", "1")], "app:v1");
        let difference = compare(&now, &good, Source::LastGood);
        assert_eq!(difference.added, ["B"]);
        assert_eq!(difference.words(), "added B; image changed");
        assert!(compare(&now, &now, Source::LastGood).is_empty());
    }
}

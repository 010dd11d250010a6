//! Reading the configuration for commands that need no daemon, and for the daemon itself.

use super::failure::Failure;
use crate::config::{
    Config,
    read::{self, LoadError, Loaded},
};
use std::path::Path;

/// Reads and checks the whole configuration.
///
/// # Errors
/// Everything that is wrong as one text, a line a mistake; exit code 2.
pub(super) fn load(folder: Option<&Path>) -> Result<Config, Failure> {
    load_with_variables(folder).map(|loaded| loaded.config)
}

/// As [`load`], with the variables that it was layered with.
///
/// # Errors
/// As [`load`].
pub(super) fn load_with_variables(folder: Option<&Path>) -> Result<Loaded, Failure> {
    read::load(folder).map_err(|error| Failure::usage(told(&error)))
}

/// As [`load_with_variables`], without the need for secrets: for commands that only read what the journal has.
///
/// # Errors
/// As [`load`].
pub(super) fn load_to_read(folder: Option<&Path>) -> Result<Loaded, Failure> {
    read::load_to_read(folder).map_err(|error| Failure::usage(told(&error)))
}

/// All mistakes, and how many.
pub(super) fn told(error: &LoadError) -> String {
    match error {
        LoadError::Read { .. } | LoadError::Nested { .. } => error.to_string(),
        LoadError::Wrong(problems) => {
            let count = problems.0.len();
            let mistakes = if count == 1 { "mistake" } else { "mistakes" };
            format!("the configuration has {count} {mistakes}:\n{problems}")
        }
    }
}

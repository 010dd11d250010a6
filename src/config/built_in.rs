//! The configuration that is compiled in, so that the bare binary runs.

use super::Sources;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../", $path)))),*]
    };
}

/// Path in the repository, and text. A test compares the list with the folders.
const FILES: &[(&str, &str)] = files![
    "config/agents.yml",
    "config/environments.yml",
    "config/operations.yml",
    "config/platform.yml",
    "config/policies.yml",
    "config/prompts/analyst.md",
    "config/prompts/planner.md",
    "config/prompts/reporter.md",
    "runbooks/configuration.yml",
    "runbooks/dependencies.yml",
    "runbooks/disk.yml",
    "runbooks/general.yml",
    "runbooks/hang.yml",
    "runbooks/job.yml",
    "runbooks/killed.yml",
    "runbooks/memory.yml",
    "runbooks/paused.yml",
    "runbooks/ports.yml",
    "runbooks/release.yml",
    "translations/docker.yml",
    "translations/process.yml",
];

/// What the path of a compiled-in text begins with.
pub(super) const FOLDER: &str = "built-in/";

impl Sources {
    /// All compiled-in texts.
    pub fn built_in() -> Self {
        Self(FILES.iter().map(|(path, text)| (format!("{FOLDER}{path}"), (*text).to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_shipped_file_is_compiled_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut shipped: Vec<String> = ["config", "config/prompts", "runbooks", "translations"]
            .into_iter()
            .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap().map(move |entry| (folder, entry.unwrap())))
            .filter(|(_, entry)| entry.path().is_file())
            .map(|(folder, entry)| format!("{folder}/{}", entry.file_name().to_string_lossy()))
            .collect();
        shipped.sort();
        assert_eq!(FILES.iter().map(|(path, _)| *path).collect::<Vec<_>>(), shipped);
    }
}

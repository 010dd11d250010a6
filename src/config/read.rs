//! Reading configurations from disk and environment: the one place of this layer that does.

use super::{Config, Sources, built_in::FOLDER};
use crate::document::{Problems, Reports, parse};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("{}: {source}; name the folder that holds platform.yml with --config", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Wrong(#[from] Problems),
}

/// A configuration with the variables that it was layered with.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The process's environment, and the texts of secret files by path.
    pub variables: BTreeMap<String, String>,
}

/// Loads the configuration in a folder, or the compiled-in one, layered with the process's environment.
///
/// # Errors
/// A file cannot be read, or something in it is wrong.
pub fn load(folder: Option<&Path>) -> Result<Loaded, LoadError> {
    let sources = sources(folder)?;
    let mut variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    for path in Config::secret_files(&sources, &variables) {
        // One that cannot be read is told where it is named.
        if let Ok(text) = std::fs::read_to_string(&path) {
            variables.insert(path, text);
        }
    }
    let config = Config::load(sources, &variables)?;
    Ok(Loaded { config, variables })
}

/// The texts of a configuration: the compiled-in ones, replaced or layered over by those of a folder.
///
/// # Errors
/// The folder or a file in it cannot be read.
pub fn sources(folder: Option<&Path>) -> Result<Sources, LoadError> {
    let mut sources = Sources::built_in();
    let Some(folder) = folder else { return Ok(sources) };
    let files = documents(folder)?;
    for (name, path, text) in &files {
        // These two are the user's as a whole; the others are layered over the compiled-in ones.
        if matches!(name.as_str(), "environments.yml" | "operations.yml") {
            sources.0.remove(&format!("{FOLDER}config/{name}"));
        }
        sources.0.insert(path.clone(), text.clone());
    }
    let platform = files.iter().find(|(name, _, _)| name == "platform.yml");
    let setting = |key: &str| {
        let reports = Reports::default(); // told when it is loaded
        let (_, path, text) = platform?;
        parse(path, text, &reports)?.get(key)?.text().map(PathBuf::from)
    };
    for (key, default) in [("translations", "../translations"), ("runbooks", "../runbooks")] {
        let named = setting(key);
        let place = folder.join(named.clone().unwrap_or_else(|| PathBuf::from(default)));
        if named.is_none() && !place.is_dir() {
            continue;
        }
        for (name, path, text) in documents(&place)? {
            if key == "translations" {
                sources.0.remove(&format!("{FOLDER}translations/{name}"));
            } else {
                // Whoever has runbooks of their own wants those, and no others beside them.
                sources.0.retain(|path, _| !path.starts_with(&format!("{FOLDER}runbooks/")));
            }
            sources.0.insert(path, text);
        }
    }
    Ok(sources)
}

/// The YAML documents in a folder: name, path as shown, text.
fn documents(folder: &Path) -> Result<Vec<(String, String, String)>, LoadError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LoadError::Read { path, source }
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".yml") && !name.starts_with('.') {
            let text = std::fs::read_to_string(&path).map_err(failed(&path))?;
            found.push((name, shown(&path), text));
        }
    }
    found.sort();
    Ok(found)
}

/// A path without `..`, so that problems name a file as people would.
fn shown(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        let can_go_up = parts.file_name().is_some();
        if part == std::path::Component::ParentDir && can_go_up {
            parts.pop();
        } else if part != std::path::Component::CurDir {
            parts.push(part);
        }
    }
    parts.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_replaces_what_it_has() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("config");
        for (path, text) in [
            ("config/platform.yml", "runbooks: ../ours\n"),
            ("config/environments.yml", "shop: {kind: process}\n"),
            ("config/.hidden.yml", "["),
            ("config/notes.txt", "["),
            ("translations/docker.yml", "operations: {}\n"),
            ("ours/cache.yml", "id: cache\n"),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let sources = sources(Some(&folder)).unwrap();
        let own = root.path().display().to_string();
        let names: Vec<String> = sources.0.keys().map(|path| path.replace(&own, "")).collect();
        assert_eq!(
            names,
            [
                "/config/environments.yml",
                "/config/platform.yml",
                "/ours/cache.yml",
                "/translations/docker.yml",
                "built-in/config/agents.yml",
                "built-in/config/operations.yml",
                "built-in/config/platform.yml",
                "built-in/config/policies.yml",
                "built-in/translations/process.yml",
            ]
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let error = sources(Some(Path::new("/nowhere/config"))).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/config: "), "{error}");
    }
}

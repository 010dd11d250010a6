//! Reading configurations from disk and environment: the one place of this layer that does.

use super::{Config, Sources, built_in::FOLDER, load};
use crate::document::Problems;
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
    /// A folder lies where only files are read.
    #[error(
        "{}: YAML files in a folder of this one are not read; move them up beside the others, or out of {}",
        path.display(),
        among.display()
    )]
    Nested {
        /// Which.
        path: PathBuf,
        /// The folder that is read.
        among: PathBuf,
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

/// Loads the configuration in a folder, or the compiled-in one, layered with the process's environment. Relative paths of
/// secrets and certificates count from that folder.
///
/// # Errors
/// A file cannot be read, or something in it is wrong.
pub fn load(folder: Option<&Path>) -> Result<Loaded, LoadError> {
    load_by(folder, Config::load)
}

/// As [`load`], for whoever only reads what a journal has: secrets need not be there.
///
/// # Errors
/// As [`load`].
pub fn load_to_read(folder: Option<&Path>) -> Result<Loaded, LoadError> {
    load_by(folder, Config::load_to_read)
}

fn load_by(
    folder: Option<&Path>,
    load: impl Fn(Sources, &BTreeMap<String, String>) -> Result<Config, Problems>,
) -> Result<Loaded, LoadError> {
    let mut variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let sources = sources(folder, &variables)?;
    let from = folder.unwrap_or(Path::new(""));
    for path in Config::secret_files(&sources, &variables) {
        // One that cannot be read is told where it is named.
        if let Ok(text) = std::fs::read_to_string(from.join(&path)) {
            variables.insert(path, text);
        }
    }
    let mut config = load(sources, &variables)?;
    for environment in config.environments.values_mut() {
        if let Some(certificates) = &mut environment.docker.certificates {
            *certificates = from.join(&*certificates);
        }
    }
    Ok(Loaded { config, variables })
}

/// The texts of a configuration: the compiled-in ones, replaced or layered over by those of a folder.
///
/// # Errors
/// The folder or a file in it cannot be read.
pub fn sources(folder: Option<&Path>, variables: &BTreeMap<String, String>) -> Result<Sources, LoadError> {
    let mut sources = Sources::built_in();
    let own = folder.map_or(Ok(Vec::new()), |folder| documents(folder, Below::Other))?;
    for (name, path, text) in own {
        // These two are the user's as a whole; the others are layered over the compiled-in ones.
        if matches!(name.as_str(), "environments" | "operations") {
            sources.0.remove(&format!("{FOLDER}config/{name}.yml"));
        }
        sources.0.insert(path, text);
    }
    if let Some(folder) = folder {
        prompts(&folder.join("prompts"), &mut sources)?;
    }
    for key in ["translations", "runbooks"] {
        let Some(named) = Config::setting(&sources, variables, key) else { continue };
        let place = folder.unwrap_or(Path::new("")).join(&named);
        let by_default = Config::setting(&Sources::built_in(), &BTreeMap::new(), key).as_ref() == Some(&named);
        if by_default && (folder.is_none() || !place.is_dir()) {
            continue;
        }
        for (name, path, text) in documents(&place, Below::Nothing)? {
            if key == "translations" {
                sources.0.remove(&format!("{FOLDER}translations/{name}.yml"));
            } else {
                // Whoever has runbooks of their own wants those, and no others beside them.
                sources.0.retain(|path, _| !path.starts_with(&format!("{FOLDER}runbooks/")));
            }
            sources.0.insert(path, text);
        }
    }
    Ok(sources)
}

/// The user's prompts, each in the place of the compiled-in one.
fn prompts(folder: &Path, sources: &mut Sources) -> Result<(), LoadError> {
    if !folder.is_dir() {
        return Ok(());
    }
    for path in entries(folder)?.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        sources.0.remove(&format!("{FOLDER}config/prompts/{name}"));
        sources.0.insert(shown(&path), text);
    }
    Ok(())
}

/// What folders may be in one that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// Others, which are read for themselves or are nobody's business here.
    Other,
    /// None with YAML files: these would be lost.
    Nothing,
}

/// The YAML documents in a folder: name without ending, path as shown, text.
fn documents(folder: &Path, below: Below) -> Result<Vec<(String, String, String)>, LoadError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if load::is_document(&path.to_string_lossy()) && !path.is_dir() {
            let text =
                std::fs::read_to_string(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            found.push((name, shown(&path), text));
        } else if below == Below::Nothing && path.is_dir() {
            let lost = entries(&path)?.iter().any(|path| load::is_document(&path.to_string_lossy()));
            if lost {
                return Err(LoadError::Nested { path, among: folder.to_owned() });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What lies in a folder, without hidden names: editors, and volumes of Kubernetes, have those.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
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
            ("config/agents.yaml", "{}\n"),
            ("config/prompts/planner.md", "Plan.\n"),
            ("translations/docker.YML", "operations: {}\n"),
            ("ours/cache.yml", "id: cache\n"),
            ("ours/queue.yaml", "id: queue\n"),
            ("ours/.old/queue.yaml", "["),
            ("ours/pictures/queue.svg", "["),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let sources = sources(Some(&folder), &BTreeMap::new()).unwrap();
        let own = root.path().display().to_string();
        let names: Vec<String> = sources.0.keys().map(|path| path.replace(&own, "")).collect();
        assert_eq!(
            names,
            [
                "/config/agents.yaml",
                "/config/environments.yml",
                "/config/platform.yml",
                "/config/prompts/planner.md",
                "/ours/cache.yml",
                "/ours/queue.yaml",
                "/translations/docker.YML",
                "built-in/config/agents.yml",
                "built-in/config/operations.yml",
                "built-in/config/platform.yml",
                "built-in/config/policies.yml",
                "built-in/config/prompts/analyst.md",
                "built-in/config/prompts/reporter.md",
                "built-in/translations/process.yml",
            ]
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let error = sources(Some(Path::new("/nowhere/config")), &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/config: "), "{error}");
    }

    #[test]
    fn a_runbook_in_a_folder_below_is_told_of() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("config")).unwrap();
        std::fs::create_dir_all(root.path().join("runbooks/team")).unwrap();
        std::fs::write(root.path().join("runbooks/team/cache.yaml"), "id: cache\n").unwrap();
        let error = sources(Some(&root.path().join("config")), &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("runbooks/team: "), "{error}");
    }

    #[test]
    fn a_variable_names_the_folder_of_runbooks_too() {
        let root = tempfile::tempdir().unwrap();
        let (folder, ours) = (root.path().join("config"), root.path().join("ours/"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&ours).unwrap();
        std::fs::write(ours.join("cache.yml"), "id: cache\n").unwrap();
        for named in [ours.display().to_string(), "../ours".into(), "../ours/".into()] {
            let variables = BTreeMap::from([("ONCALLD_RUNBOOKS".to_owned(), named)]);
            let sources = sources(Some(&folder), &variables).unwrap();
            assert!(sources.0.keys().any(|path| path.ends_with("ours/cache.yml")), "{:?}", sources.0.keys());
            let problems = Config::load(sources, &variables).unwrap_err().to_string();
            assert!(problems.contains("ours/cache.yml:1:1") && !problems.contains("is named"), "{problems}");
        }
    }

    #[test]
    fn secrets_and_certificates_are_found_from_the_folder_of_the_configuration() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        write("platform.yml", "tokens: [{name: a, role: viewer, token_file: secret}]\n");
        write("environments.yml", "far: {kind: docker, docker: {host: 'tcp://h:1', certificates: tls}}\n");
        write("secret", "0123456789abcdef\n");
        let config = load(Some(root.path())).unwrap().config;
        assert_eq!(config.platform.tokens[0].hash, crate::domain::Digest::of(b"0123456789abcdef"));
        assert_eq!(config.environments["far"].docker.certificates, Some(root.path().join("tls")));
    }
}

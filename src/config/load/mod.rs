//! From texts and variables to a checked configuration.

mod agents;
mod environments;
mod layers;
mod platform;
mod policies;
mod safety;
mod secrets;
mod urls;

use super::{
    Config, Sources,
    built_in::{self, FOLDER},
};
use crate::{
    catalog::{Catalog, Documents},
    document::{Content, Node, Place, Problem, Problems, Reports, parse},
    domain::{EnvironmentKind, nearest},
};
use std::collections::BTreeMap;

impl Config {
    /// Layers, reads and checks a configuration. Pure: `variables` holds the process's environment, and the text of
    /// every file that [`Config::secret_files`] names, under its path.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place and what to do.
    pub fn load(sources: Sources, variables: &BTreeMap<String, String>) -> Result<Self, Problems> {
        let reports = Reports::default();
        let documents = parse_all(&sources, &reports);
        twice(&documents, &reports);
        let mut settings = layers::merge(&documents, variables, &reports);
        secrets::substitute(&mut settings, variables, &reports);
        let secrets = secrets::Files::of(variables);
        let platform = platform::read(&settings, &secrets, &reports);
        let environments = environments::read(&settings, &secrets, &reports);
        let agents = agents::read(&settings, &sources, &secrets, &reports);
        let policies = policies::read(&settings, &environments, &reports);
        let catalog = Catalog::read(&catalogue(&documents, &settings, &reports), &reports);
        if let Some(platform) = &platform {
            safety::check(platform, &settings, &reports);
        }
        let sources = secrets.taken_out_of(sources.clone(), &documents);
        let digest = sources.digest();
        let problems = reports.into_problems();
        match (platform, agents, policies) {
            (Some(platform), Some(agents), Some(policies)) if problems.0.is_empty() => {
                Ok(Self { digest, sources, platform, agents, environments, policies, catalog })
            }
            _ => Err(problems),
        }
    }

    /// As [`Config::load`], for whoever only reads: secrets that cannot be had here are replaced by what says so.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_to_read(sources: Sources, variables: &BTreeMap<String, String>) -> Result<Self, Problems> {
        let mut variables = variables.clone();
        let reports = Reports::default();
        let documents = parse_all(&sources, &reports);
        let settings = layers::merge(&documents, &variables, &reports);
        for name in secrets::unset(&settings, &variables) {
            variables.insert(name, secrets::NOT_KEPT.to_owned());
        }
        for path in Self::secret_files(&sources, &variables) {
            variables.entry(path).or_insert_with(|| secrets::NOT_KEPT.to_owned());
        }
        Self::load(sources, &variables)
    }

    /// The files with secrets that a configuration names, so that who calls [`Config::load`] can read them.
    pub fn secret_files(sources: &Sources, variables: &BTreeMap<String, String>) -> Vec<String> {
        secrets::files(&layered(sources, variables))
    }

    /// The text of one setting of platform.yml, so that who calls [`Config::load`] knows where to read.
    pub fn setting(sources: &Sources, variables: &BTreeMap<String, String>, key: &str) -> Option<String> {
        layered(sources, variables).get(key)?.text().map(str::to_owned)
    }
}

/// All settings in one tree, as far as they can be read: what is wrong is told when they are loaded.
fn layered(sources: &Sources, variables: &BTreeMap<String, String>) -> Node {
    let reports = Reports::default();
    let documents = parse_all(sources, &reports);
    let mut settings = layers::merge(&documents, variables, &reports);
    secrets::substitute(&mut settings, variables, &reports);
    settings
}

/// Documents by path.
type Parsed<'a> = BTreeMap<&'a str, Node>;

fn parse_all<'a>(sources: &'a Sources, reports: &Reports) -> Parsed<'a> {
    let documents = sources.0.iter().filter(|(path, _)| is_document(path));
    documents.filter_map(|(path, text)| Some((path.as_str(), parse(path, text, reports)?))).collect()
}

/// What names of YAML files end in. In other letters too: whoever typed `.YAML` meant it.
const ENDINGS: [&str; 2] = [".yml", ".yaml"];

/// Whether a path names a YAML file.
pub(super) fn is_document(path: &str) -> bool {
    without_ending(path).is_some()
}

fn without_ending(path: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| {
        let (name, last) = path.split_at_checked(path.len().checked_sub(ending.len())?)?;
        last.eq_ignore_ascii_case(ending).then_some(name)
    })
}

/// Folder and file name, without its ending.
fn split(path: &str) -> (&str, &str) {
    let path = path.trim_end_matches('/');
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    (folder.rsplit('/').next().unwrap_or(folder), without_ending(file).unwrap_or(file))
}

/// Reports files that differ in their endings only: one would hide the other.
fn twice(documents: &Parsed<'_>, reports: &Reports) {
    let mut seen = BTreeMap::new();
    for path in documents.keys() {
        if let Some(other) = seen.insert(without_ending(path).unwrap_or(path), path) {
            let place = Place { file: (*path).into(), line: 1, column: 1 };
            reports.add(Problem::new(&place, format!("{other} has the same name"), "keep one of them"));
        }
    }
}

/// Sorts the documents that are not settings: the catalogue's. What a document is, its folder and its name say.
fn catalogue(documents: &Parsed<'_>, settings: &Node, reports: &Reports) -> Documents {
    let named = |key: &str| settings.get(key).and_then(Node::text).map(|path| split(path).1.to_owned());
    let (translations, runbooks) = (named("translations"), named("runbooks"));
    let mut catalogue = Documents::default();
    for (path, node) in documents {
        let (folder, name) = split(path);
        let lies_in = |key: &str, named: &Option<String>| match path.starts_with(FOLDER) {
            true => folder == key,
            false => Some(folder) == named.as_deref(),
        };
        if lies_in("translations", &translations) {
            match EnvironmentKind::ALL.into_iter().find(|kind| kind.as_str() == name) {
                Some(kind) => drop(catalogue.translations.insert(kind, node.clone())),
                None => misnamed(path, &EnvironmentKind::ALL.map(EnvironmentKind::as_str), reports),
            }
        } else if lies_in("runbooks", &runbooks) {
            catalogue.runbooks.push(node.clone());
        } else if name == "operations" {
            catalogue.operations = Some(node.clone());
        } else if !layers::NAMES.contains(&name) {
            misnamed(path, &[&layers::NAMES[..], &["operations"]].concat(), reports);
        }
    }
    for kind in EnvironmentKind::ALL.into_iter().filter(|kind| !catalogue.translations.contains_key(kind)) {
        let place = Place { file: format!("translations/{kind}.yml").into(), line: 1, column: 1 };
        reports.add(Problem::new(&place, format!("there is no translation to {kind}"), "add the file"));
    }
    catalogue
}

/// Reports a file that nothing would read.
fn misnamed(path: &str, names: &[&str], reports: &Reports) {
    let name = split(path).1;
    let fix = match nearest(name, names.iter().copied()).first() {
        Some(near) => format!("did you mean {near}.yml?"),
        None => format!("name it {}.yml, or remove it", names.join(".yml, ")),
    };
    let place = Place { file: path.into(), line: 1, column: 1 };
    reports.add(Problem::new(&place, format!("no file of this folder is named '{name}.yml'"), fix));
}

/// A tree with nothing in it.
fn empty(place: Place) -> Node {
    Node::new(place, Content::Fields(Vec::new()))
}

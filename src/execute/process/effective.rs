//! Effective configurations: what they are compared with, how their changes are noted, what was last good.
//!
//! Beside `launch.json`, which the shims read, a service's folder holds `declared.json` (digest of the declaration that
//! was last taken over), `seen.json` (the configuration as last noted) and `changes.jsonl` (the history of changes).

use super::{ProcessConfig, service::Managed};
use crate::{
    domain::{Digest, Timestamp},
    execute::comparison::{Configuration, Source, compare},
    shim::{
        Launch,
        folder::{read_json, write_json},
    },
};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::PoisonError,
};

/// Changes that are remembered; older ones are forgotten when the file is twice as long.
const MOST_CHANGES: usize = 200;

/// A change of a configuration that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    /// In words, by name only: no value of a variable is in here.
    pub(super) what: String,
    /// Program and digest before and after.
    pub(super) from: Version,
    pub(super) to: Version,
}

/// A configuration, without anything that may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) program: String,
    pub(super) digest: Digest,
}

impl Version {
    fn of(launch: &Launch) -> Self {
        Self { program: program(launch).to_owned(), digest: launch.digest() }
    }
}

/// The configuration under which a service was last seen ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastGood {
    pub(super) at: Timestamp,
    pub(super) launch: Launch,
}

/// What stands for an image here.
pub(super) fn program(launch: &Launch) -> &str {
    launch.argv.first().map_or("", String::as_str)
}

/// In the form in which configurations of all kinds of environment are compared.
pub(super) fn comparable(launch: &Launch) -> Configuration {
    let memory = launch.memory.and_then(|memory| i64::try_from(memory).ok());
    Configuration {
        environment: launch.environment.clone(),
        command: launch.argv.clone(),
        image: program(launch).to_owned(),
        limits: memory.map(|memory| ("memory".to_owned(), memory)).into_iter().collect(),
        ..Configuration::default()
    }
}

/// Takes a declaration over that is new since the last time; whether it was. What runs goes on as it is until it is
/// started again.
pub(super) fn take_over_declaration(managed: &Managed) -> io::Result<bool> {
    let declared = managed.declared_launch();
    let digest = declared.digest();
    let known: Option<Digest> = read_json(&file(managed, "declared.json"))?;
    if known.as_ref() == Some(&digest) && managed.folder.launch()?.is_some() {
        return Ok(false);
    }
    managed.folder.set_launch(&declared)?;
    write_json(&file(managed, "declared.json"), &digest, true)?;
    Ok(true)
}

/// Notes a change since the last time, whoever made it.
pub(super) fn note_changes(managed: &Managed) -> io::Result<()> {
    let _one = managed.noting.lock().unwrap_or_else(PoisonError::into_inner);
    let now = managed.launch()?;
    let seen: Option<Launch> = read_json(&file(managed, "seen.json"))?;
    match seen {
        Some(seen) if seen == now => return Ok(()),
        Some(seen) => append(managed, &change(&seen, &now))?,
        None => {}
    }
    write_json(&file(managed, "seen.json"), &now, true)
}

fn change(seen: &Launch, now: &Launch) -> Change {
    let mut what = compare(&comparable(now), &comparable(seen), Source::LastGood).words();
    if (&seen.restart, seen.retries) != (&now.restart, now.retries) {
        what = [what.as_str(), "restart policy changed"]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
    }
    if what.is_empty() {
        what = "working folder or log file changed".into();
    }
    Change { at: Utc::now(), what, from: Version::of(seen), to: Version::of(now) }
}

fn append(managed: &Managed, change: &Change) -> io::Result<()> {
    let path = file(managed, "changes.jsonl");
    let mut all = changes(managed)?;
    if all.len() >= 2 * MOST_CHANGES {
        all.drain(..MOST_CHANGES);
        let text = all.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?.join("\n") + "\n";
        fs::write(&path, text)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(format!("{}\n", serde_json::to_string(change)?).as_bytes())
}

/// Noted changes, oldest first.
pub(super) fn changes(managed: &Managed) -> io::Result<Vec<Change>> {
    match fs::read_to_string(file(managed, "changes.jsonl")) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Remembers that the service is well with this configuration.
pub(super) async fn record_last_good(config: &ProcessConfig, managed: &Managed, launch: Launch) -> io::Result<()> {
    let document = serde_json::to_value(LastGood { at: Utc::now(), launch })?;
    config.store.write_document(&last_good_name(config, managed), &document).await
}

/// What the service was last well with.
pub(super) async fn last_good(config: &ProcessConfig, managed: &Managed) -> io::Result<Option<LastGood>> {
    let document = config.store.read_document(&last_good_name(config, managed)).await?;
    document.map(serde_json::from_value).transpose().map_err(io::Error::from)
}

fn last_good_name(config: &ProcessConfig, managed: &Managed) -> String {
    let plain = |text: &str| text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
    // The digest keeps names apart that differ in what a file name cannot have.
    let digest = Digest::of(format!("{}/{}", config.name, managed.name).as_bytes());
    format!("process.{:.60}.{:.60}.{}", plain(&config.name), plain(&managed.name), digest.short())
}

fn file(managed: &Managed, name: &str) -> PathBuf {
    managed.folder.path().join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_without_values() {
        let before = Launch {
            argv: vec!["api".into()],
            environment: [("TOKEN".to_owned(), "secret-1".to_owned())].into(),
            ..Launch::default()
        };
        let mut after = before.clone();
        after.environment.insert("TOKEN".into(), "secret-2".into());
        after.memory = Some(1 << 20);
        let seen = change(&before, &after);
        assert_eq!(seen.what, "changed TOKEN; limits changed");
        assert!(!serde_json::to_string(&seen).unwrap().contains("secret"));
        let after = Launch { restart: "always".into(), ..before.clone() };
        assert_eq!(change(&before, &after).what, "restart policy changed");
    }
}

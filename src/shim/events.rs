//! Life-cycle events of an instance: one line of JSON each, only ever appended to.

use super::rotated;
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// A file of this size is put aside as `events.jsonl.1`, and the one before it is forgotten: some 10,000 events.
const LIMIT: u64 = 1 << 20;

/// Something that happened to an instance: `start`, `die`, `oom`, `kill`, `stop`, `restart`, `pause`, `unpause`, `update`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: String,
    /// Details: `exit_code`, `signal`, `reason`, `memory`, `limit`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

impl LifeEvent {
    /// An event of now.
    pub fn now<const N: usize>(action: &str, attributes: [(&str, String); N]) -> Self {
        Self {
            at: chrono::Utc::now(),
            action: action.into(),
            attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}

/// Appends an event.
///
/// # Errors
/// The disk refuses.
pub fn append(path: &Path, event: &LifeEvent) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    file.write_all(&line)?;
    if file.metadata()?.len() > LIMIT {
        fs::rename(path, rotated(path))?;
    }
    Ok(())
}

/// The last events, oldest first, at most `limit`. A line that is not one (the disk was full) is left out.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path, limit: usize) -> io::Result<Vec<LifeEvent>> {
    let mut events = Vec::new();
    for path in [rotated(path), path.to_owned()] {
        let text = match File::open(&path) {
            Ok(file) => tail(file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        events.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
    }
    Ok(events.split_off(events.len().saturating_sub(limit)))
}

fn tail(mut file: File) -> io::Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(2 * LIMIT)))?;
    let mut bytes = Vec::new();
    file.take(2 * LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_in_order_and_damage_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        assert_eq!(read(&path, 10).unwrap(), []);
        append(&path, &LifeEvent::now("start", [])).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{half\n").unwrap();
        append(&path, &LifeEvent::now("die", [("exit_code", "1".into())])).unwrap();
        let actions = |limit| read(&path, limit).unwrap().into_iter().map(|e| e.action).collect::<Vec<_>>();
        assert_eq!(actions(10), ["start", "die"]);
        assert_eq!(actions(1), ["die"]);
    }

    #[test]
    fn the_file_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let long = "x".repeat(100_000);
        for _ in 0..40 {
            append(&path, &LifeEvent::now("die", [("error", long.clone())])).unwrap();
        }
        let size: u64 = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(size < 3 * LIMIT, "{size}");
        assert!(!read(&path, 5).unwrap().is_empty());
    }
}

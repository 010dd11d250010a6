//! Freeing disk: paths that are declared clearable, logs, dangling images and build cache. Never a volume, a container
//! or an image with a tag.

use super::{
    DockerEnvironment,
    act::acted,
    connect::DEADLINE,
    error::{Answer, EngineError, within},
    exec::Program,
    files::{clear_below, owner, set_owner},
    inspect::Container,
    paths::declared,
};
use crate::domain::{ByteSize, TimeSpan, Values};
use bollard::query_parameters::{ListImagesOptionsBuilder, PruneBuildOptions, RemoveImageOptionsBuilder};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    time::Duration,
};

/// Deleting many small files takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Of a log that is truncated, this much of its end is kept in the restore store.
const LOG_TAIL: u64 = 1 << 20;

impl DockerEnvironment {
    /// `container.clear_path`.
    pub(super) async fn clear_path(
        &self,
        id: &str,
        service: &str,
        path: &str,
        older_than: Option<TimeSpan>,
    ) -> Answer<Values> {
        let nothing = Vec::new();
        let list = self.declared(service).map_or(&nothing, |facts| &facts.clearable);
        let path = declared(path, list, "clearable", service).map_err(EngineError::declined)?;
        let container = self.container(id).await?;
        if let Some(place) = self.inside(&container, path).await {
            let limit = older_than.map(|age| chrono::Utc::now() - age.as_chrono());
            let task = tokio::task::spawn_blocking(move || clear_below(&place, limit));
            let done =
                within(PATIENCE, async { task.await.map_err(|error| EngineError::Broken(error.to_string())) }).await?;
            let done = done.map_err(|stopped| {
                EngineError::declined(format!("{path}: {}", stopped.why)).after_others(stopped.entries > 0)
            })?;
            let left = if done.left > 0 { format!(", {} left", done.left) } else { String::new() };
            let detail = format!("{} entries deleted below {path}, {} freed{left}", done.entries, ByteSize(done.bytes));
            return Ok(acted(done.entries > 0, &detail, ""));
        }
        if container.pid().is_none() {
            return Err(EngineError::declined(format!(
                "{} does not run, so {path} cannot be reached",
                container.name()
            )));
        }
        // A link on the way would lead elsewhere: the path must be what it says.
        let real = self.run(&container, &program(&["readlink", "-f", path])).await?.success("readlink")?;
        if real.trim_end_matches('\n') != path {
            return Err(EngineError::declined(format!(
                "{path} leads through a link to {}",
                real.trim().escape_debug()
            )));
        }
        let minutes = older_than.map(|age| format!("+{}", age.as_secs() / 60));
        let aged: Vec<&str> = minutes.as_deref().map_or_else(Vec::new, |minutes| vec!["-mmin", minutes]);
        let below = [&["find", path, "-xdev", "-mindepth", "1"], aged.as_slice()].concat();
        let listed = self.run(&container, &program(&below)).await?.success("find")?;
        if self.run(&container, &program(&[&below[..], &["-delete"]].concat())).await?.success("find").is_err() {
            // Not every find can delete: files and links first, then the folders that are empty, innermost first.
            let partly = |error: EngineError| error.after_others(true);
            let files = [&below[..], &["!", "-type", "d", "-exec", "rm", "-f", "--", "{}", "+"]].concat();
            self.run(&container, &program(&files)).await.map_err(partly)?.success("find").map_err(partly)?;
            let folders = [&below[..], &["-depth", "-type", "d", "-exec", "rmdir", "--", "{}", ";"]].concat();
            self.run(&container, &program(&folders)).await.map_err(partly)?; // one that is not empty stays
        }
        let count = listed.lines().count();
        Ok(acted(count > 0, &format!("{count} entries deleted below {path}"), ""))
    }

    /// `container.set_ownership`: of the declared path itself.
    pub(super) async fn set_ownership(&self, id: &str, service: &str, path: &str, wanted: &str) -> Answer<Values> {
        let nothing = Vec::new();
        let list = self.declared(service).map_or(&nothing, |facts| &facts.ownable);
        let path = declared(path, list, "ownable", service).map_err(EngineError::declined)?;
        let container = self.container(id).await?;
        let (user, group) = numbers(wanted).map_err(EngineError::declined)?;
        let before = self.owner_at(&container, path).await?;
        match self.inside(&container, path).await {
            Some(place) => {
                let task = tokio::task::spawn_blocking(move || set_owner(&place, user, group));
                let answer = task.await.map_err(|error| EngineError::Broken(error.to_string()))?;
                answer.map_err(|error| EngineError::declined(format!("{path}: {error}")))?;
            }
            None => {
                let argv = ["chown", "-h", wanted, path].map(str::to_owned).to_vec();
                let as_root = Program { argv, user: Some("0".into()), timeout: PATIENCE, ..Program::default() };
                self.run(&container, &as_root).await?.success("chown")?;
            }
        }
        let now = self.owner_at(&container, path).await.map_err(|error| error.after_others(true))?;
        let has_it = now == wanted || now.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(':'));
        Ok(acted(has_it, &format!("{path} belongs to {now} (before: {before})"), ""))
    }

    /// The result of `container.owner`.
    pub(super) async fn owner(&self, id: &str, service: &str, path: &str) -> Answer<Values> {
        let nothing = Vec::new();
        let list = self.declared(service).map_or(&nothing, |facts| &facts.ownable);
        let path = declared(path, list, "ownable", service).map_err(EngineError::declined)?;
        let owner = self.owner_at(&self.container(id).await?, path).await?;
        Ok(Values::from_iter([("path".to_owned(), json!(path)), ("owner".to_owned(), json!(owner))]))
    }

    async fn owner_at(&self, container: &Container, path: &str) -> Answer<String> {
        let Some(place) = self.inside(container, path).await else {
            let said = self.run(container, &program(&["stat", "-c", "%u:%g", path])).await?.success("stat")?;
            return Ok(said.trim().to_owned());
        };
        let found = tokio::task::spawn_blocking(move || owner(&place)).await;
        let found = found.map_err(|error| EngineError::Broken(error.to_string()))?;
        found.map_err(|error| EngineError::declined(format!("{path}: {error}")))
    }

    /// `container.rotate_logs`.
    pub(super) async fn rotate_logs(&self, id: &str) -> Answer<Values> {
        let container = self.container(id).await?;
        let path = container.log_path().to_owned();
        if !self.shared.engine.local || path.is_empty() || !["json-file", "k8s-file"].contains(&container.log_driver())
        {
            return Err(EngineError::declined(format!(
                "the log of {} is not a file on this machine (driver {}); rotate it where it is",
                container.name(),
                container.log_driver()
            )));
        }
        let (tail, size) = self.with_log(path.clone(), read_tail).await?;
        let kept = self.shared.config.store.put(tail).await;
        let kept = kept
            .map_err(|error| EngineError::declined(format!("its end cannot be kept, so nothing was done: {error}")))?;
        self.with_log(path, |file| file.set_len(0)).await?;
        Ok(acted(size > 0, &format!("{} freed; the end is kept as {}", ByteSize(size), kept.short()), kept.as_str()))
    }

    /// Does something with a log file, blocking, on a thread for that.
    async fn with_log<T: Send + 'static>(
        &self,
        path: String,
        act: impl FnOnce(&mut std::fs::File) -> std::io::Result<T> + Send + 'static,
    ) -> Answer<T> {
        let opened = move || {
            // The engine appends: after a truncation it goes on at the new end.
            let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
            let mut file = std::fs::OpenOptions::new().read(true).write(true).custom_flags(no_follow).open(&path)?;
            if !file.metadata()?.is_file() {
                return Err(std::io::Error::other("it is not a plain file"));
            }
            act(&mut file)
        };
        let answer =
            tokio::task::spawn_blocking(opened).await.map_err(|error| EngineError::Broken(error.to_string()))?;
        answer.map_err(|error| EngineError::declined(format!("the log file: {error}")))
    }

    /// `container.prune`.
    pub(super) async fn prune(&self) -> Answer<Values> {
        let needed = self.needed_images().await?;
        let (mut removed, mut freed) = (0_u64, 0_u64);
        // An image that others are made of can go only after them.
        for _ in 0..5 {
            let before = removed;
            self.remove_dangling(&needed, &mut removed, &mut freed)
                .await
                .map_err(|error| error.after_others(removed > 0))?;
            if removed == before {
                break;
            }
        }
        let docker = self.shared.engine.patient(PATIENCE)?;
        let cache = match within(DEADLINE + PATIENCE, docker.prune_build(None::<PruneBuildOptions>)).await {
            Ok(pruned) => pruned.space_reclaimed.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
            // Podman keeps no build cache of that kind.
            Err(EngineError::Refused { status: 404 | 405, .. }) => 0,
            Err(error) => return Err(error.after_others(removed > 0)),
        };
        let detail =
            format!("{removed} dangling images ({}) and {} of build cache removed", ByteSize(freed), ByteSize(cache));
        Ok(acted(removed > 0 || cache > 0, &detail, ""))
    }

    /// Images of containers, those put aside included, and of good configurations: an undo may need them.
    async fn needed_images(&self) -> Answer<BTreeSet<String>> {
        let containers = self.containers().await?;
        let mut needed: BTreeSet<String> = containers.iter().map(|container| container.image_id().to_owned()).collect();
        needed.extend(self.shared.snapshots.lock().await.images());
        Ok(needed)
    }

    async fn remove_dangling(&self, needed: &BTreeSet<String>, count: &mut u64, bytes: &mut u64) -> Answer<()> {
        let docker = self.shared.engine.docker()?;
        let filters = HashMap::from([("dangling", vec!["true"])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let dangling = within(DEADLINE, docker.list_images(Some(options))).await?;
        for image in dangling
            .iter()
            .filter(|image| !needed.contains(&image.id) && image.repo_tags.iter().all(|tag| tag == "<none>:<none>"))
        {
            let options = RemoveImageOptionsBuilder::default().force(false).noprune(true).build();
            match within(DEADLINE, docker.remove_image(&image.id, Some(options), None)).await {
                Ok(_) => {
                    *count += 1;
                    *bytes += u64::try_from(image.size).unwrap_or(0);
                }
                // Something still uses it, or it went by itself.
                Err(EngineError::Refused { status: 404 | 409, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn program(argv: &[&str]) -> Program {
    Program { argv: argv.iter().map(|word| (*word).to_owned()).collect(), timeout: PATIENCE, ..Program::default() }
}

fn read_tail(file: &mut std::fs::File) -> std::io::Result<(Vec<u8>, u64)> {
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LOG_TAIL)))?;
    let mut tail = Vec::new();
    file.take(LOG_TAIL).read_to_end(&mut tail)?;
    Ok((tail, size))
}

/// `1000` or `1000:1000`: names mean something else in every container.
fn numbers(owner: &str) -> Result<(u32, Option<u32>), String> {
    let wrong = || format!("'{}' is not an owner; write user or user:group in numbers", owner.escape_debug());
    let number = |text: &str| text.parse::<u32>().ok().filter(|id| *id < u32::MAX);
    let (user, group) = owner.split_once(':').map_or((owner, None), |(user, group)| (user, Some(group)));
    let user = number(user).ok_or_else(wrong)?;
    match group {
        Some(group) => Ok((user, Some(number(group).ok_or_else(wrong)?))),
        None => Ok((user, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_numbers() {
        assert_eq!(numbers("1000:100"), Ok((1000, Some(100))));
        assert_eq!(numbers("0"), Ok((0, None)));
        for wrong in ["root", "1:", "-1", "", "1:2:3", "4294967295"] {
            assert!(numbers(wrong).is_err(), "{wrong}");
        }
    }
}

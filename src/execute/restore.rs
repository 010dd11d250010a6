//! The restore store: what undo needs, values and secrets included, apart from the journal, which holds only digests.
//!
//! ```text
//! <folder> 0700
//!   objects/<digest>        bytes under their own digest: configurations of containers, tails of logs
//!   documents/<name>.json   what changes in place: the last good configuration of a service
//! ```
//!
//! Files have mode 0600. Every write goes to a temporary file that is fsynced, renamed and made durable with its
//! folder, so that a crash leaves the old content or the new, never half of one.

use crate::domain::{Digest, TimeSpan};
use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// The largest object or document. A container's whole configuration takes tens of KiB, a log's tail a few MiB;
/// more is a mistake of the caller.
const LARGEST: usize = 64 << 20;

/// The longest name of a document: leaves room for `.json` and a temporary suffix in the 255 bytes of a file name.
const LONGEST_NAME: usize = 200;

/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;

/// Marks files that are being written; what a crash leaves behind is swept with the rest.
const TEMPORARY: &str = ".tmp-";

/// A folder of bytes that undo needs. Clones share the folder.
#[derive(Clone, Debug)]
pub struct RestoreStore {
    folders: Arc<Folders>,
}

#[derive(Debug)]
struct Folders {
    objects: PathBuf,
    documents: PathBuf,
    /// Tells apart temporary files of simultaneous writes.
    writes: AtomicU64,
}

impl RestoreStore {
    /// Opens the store in `folder`, making it if need be.
    ///
    /// # Errors
    /// The folder cannot be made or its mode cannot be set.
    pub async fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        blocking(move || {
            let folders = Folders {
                objects: folder.join("objects"),
                documents: folder.join("documents"),
                writes: AtomicU64::new(0),
            };
            for path in [&folder, &folders.objects, &folders.documents] {
                make_private(path).map_err(|error| in_file(path, &error))?;
            }
            Ok(Self { folders: Arc::new(folders) })
        })
        .await
    }

    /// Stores bytes durably. Storing the same ones again renews their age.
    ///
    /// # Errors
    /// The disk refuses, or there are too many bytes.
    pub async fn put(&self, bytes: Vec<u8>) -> io::Result<Digest> {
        let folders = self.folders.clone();
        blocking(move || {
            let digest = Digest::of(&bytes);
            folders.write(&folders.objects, digest.as_str(), &bytes)?;
            Ok(digest)
        })
        .await
    }

    /// Stored bytes; none if there are none of this digest.
    ///
    /// # Errors
    /// The disk refuses, or what is there is not what was stored.
    pub async fn get(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        check_name(digest.as_str())?;
        let path = self.folders.objects.join(digest.as_str());
        let digest = digest.clone();
        blocking(move || match read(&path)? {
            Some(bytes) if Digest::of(&bytes) != digest => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: the content is not what was stored; restore it from a backup", path.display()),
            )),
            found => Ok(found),
        })
        .await
    }

    /// Writes a document, replacing the one of the same name.
    ///
    /// # Errors
    /// The name is not made of letters, digits, `.`, `_` and `-`, or the disk refuses.
    pub async fn write_document(&self, name: &str, document: &serde_json::Value) -> io::Result<()> {
        check_name(name)?;
        let folders = self.folders.clone();
        let file = format!("{name}.json");
        let bytes = serde_json::to_vec_pretty(document)?;
        blocking(move || folders.write(&folders.documents, &file, &bytes)).await
    }

    /// Reads a document; none if there is none of this name.
    ///
    /// # Errors
    /// The name is not valid, the disk refuses, or the document is not JSON.
    pub async fn read_document(&self, name: &str) -> io::Result<Option<serde_json::Value>> {
        check_name(name)?;
        let path = self.folders.documents.join(format!("{name}.json"));
        blocking(move || match read(&path)? {
            Some(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| in_file(&path, &error.into())),
            None => Ok(None),
        })
        .await
    }

    /// Deletes objects that are older than `age`, not in `keep` and named by no document, and what crashes left half
    /// written. Documents stay, also those of environments that are not configured now: they may be again. Answers with
    /// how many objects were deleted.
    ///
    /// # Errors
    /// A folder or a document cannot be read, or a file cannot be deleted; what was deleted before stays deleted.
    pub async fn sweep(&self, age: TimeSpan, keep: BTreeSet<Digest>) -> io::Result<usize> {
        let folders = self.folders.clone();
        blocking(move || {
            sweep_folder(&folders.documents, age, |name| !name.starts_with(TEMPORARY))?;
            let mut keep: BTreeSet<String> = keep.iter().map(|digest| digest.as_str().to_owned()).collect();
            folders.named(&mut keep)?;
            sweep_folder(&folders.objects, age, |name| keep.contains(name))
        })
        .await
    }
}

impl Folders {
    /// Adds the digests that documents name.
    fn named(&self, found: &mut BTreeSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.documents).map_err(|error| in_file(&self.documents, &error))? {
            // One that is gone again was half written.
            let Some(bytes) = read(&entry?.path())? else { continue };
            let digits = bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|digits| digits.len() == DIGITS);
            found.extend(digits.filter_map(|digits| std::str::from_utf8(digits).ok()).map(str::to_owned));
        }
        Ok(())
    }

    fn write(&self, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = folder.join(name);
        if bytes.len() > LARGEST {
            let problem = format!("{} bytes are more than the {LARGEST} that the restore store takes", bytes.len());
            return Err(in_file(&path, &io::Error::new(io::ErrorKind::FileTooLarge, problem)));
        }
        let write = self.writes.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!("{TEMPORARY}{}-{write}", std::process::id()));
        let result = replace(&temporary, &path, bytes).and_then(|()| File::open(folder)?.sync_all());
        if result.is_err() {
            let _ = fs::remove_file(&temporary); // the first error is the one to report; a sweep takes the rest
        }
        result.map_err(|error| in_file(&path, &error))
    }
}

fn replace(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A process of the same id may have crashed here and left its file.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(in_file(path, &error)),
    }
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // It may have existed with a wider mode.
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

fn sweep_folder(folder: &Path, age: TimeSpan, keep: impl Fn(&str) -> bool) -> io::Result<usize> {
    let now = SystemTime::now();
    let mut deleted = 0;
    for entry in fs::read_dir(folder).map_err(|error| in_file(folder, &error))? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(&keep) {
            continue;
        }
        let modified = entry.metadata()?.modified()?;
        // A file from the future (the clock was set back) is young.
        if now.duration_since(modified).unwrap_or_default() > age.as_std() {
            fs::remove_file(entry.path()).map_err(|error| in_file(&entry.path(), &error))?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Names become file names, so nothing in them may lead out of the folder, hide the file, or look like a temporary one.
fn check_name(name: &str) -> io::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !name.is_empty() && name.len() <= LONGEST_NAME && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(());
    }
    let problem = format!("'{name}' cannot name something in the restore store; use letters, digits, '.', '_' and '-'");
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

fn in_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("restore store: {}: {error}", path.display()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    async fn store() -> (tempfile::TempDir, RestoreStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = RestoreStore::open(folder.path().join("restore")).await.unwrap();
        (folder, store)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn bytes_and_documents_come_back_and_are_private() {
        let (folder, store) = store().await;
        let digest = store.put(b"secret".to_vec()).await.unwrap();
        assert_eq!(store.put(b"secret".to_vec()).await.unwrap(), digest);
        assert_eq!(store.get(&digest).await.unwrap().as_deref(), Some(b"secret".as_slice()));
        assert_eq!(store.get(&Digest::of(b"other")).await.unwrap(), None);

        assert_eq!(store.read_document("shop.api").await.unwrap(), None);
        store.write_document("shop.api", &json!({"env": {"A": "1"}})).await.unwrap();
        store.write_document("shop.api", &json!({"env": {"A": "2"}})).await.unwrap();
        assert_eq!(store.read_document("shop.api").await.unwrap(), Some(json!({"env": {"A": "2"}})));

        let root = folder.path().join("restore");
        assert_eq!((mode(&root), mode(&root.join("objects"))), (0o700, 0o700));
        assert_eq!(mode(&root.join("objects").join(digest.as_str())), 0o600);
        assert_eq!(mode(&root.join("documents/shop.api.json")), 0o600);
        assert_eq!(fs::read_dir(root.join("documents")).unwrap().count(), 1, "no temporary file stays");
    }

    #[tokio::test]
    async fn names_cannot_lead_elsewhere() {
        let (_folder, store) = store().await;
        for name in ["", "../x", "a/b", ".hidden", "a\0b", "ä", &"x".repeat(201)] {
            let error = store.write_document(name, &json!(1)).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
            assert!(store.read_document(name).await.is_err());
        }
        assert!(store.get(&Digest::new("../documents/x.json")).await.is_err());
    }

    #[tokio::test]
    async fn damage_is_told_from_content() {
        let (folder, store) = store().await;
        let digest = store.put(b"whole".to_vec()).await.unwrap();
        fs::write(folder.path().join("restore/objects").join(digest.as_str()), "half").unwrap();
        assert_eq!(store.get(&digest).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_sweep_deletes_what_is_old_and_not_kept() {
        let (folder, store) = store().await;
        let kept = store.put(b"kept".to_vec()).await.unwrap();
        let gone = store.put(b"gone".to_vec()).await.unwrap();
        let named = store.put(b"named".to_vec()).await.unwrap();
        store.write_document("record", &json!({"good": [{"stored": named}]})).await.unwrap();
        fs::write(folder.path().join("restore/objects/.tmp-1-1"), "half").unwrap();
        fs::write(folder.path().join("restore/documents/.tmp-1-2"), "half").unwrap();
        store.write_document("stays", &json!(1)).await.unwrap();

        assert_eq!(store.sweep(TimeSpan::from_secs(60), BTreeSet::new()).await.unwrap(), 0, "all are young");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert_eq!(store.sweep(TimeSpan::from_millis(1), BTreeSet::from([kept.clone()])).await.unwrap(), 2);
        assert!(store.get(&kept).await.unwrap().is_some());
        assert!(store.get(&gone).await.unwrap().is_none());
        assert!(store.get(&named).await.unwrap().is_some(), "a document names it");
        assert!(store.read_document("stays").await.unwrap().is_some());
        assert_eq!(fs::read_dir(folder.path().join("restore/documents")).unwrap().count(), 2);
    }
}

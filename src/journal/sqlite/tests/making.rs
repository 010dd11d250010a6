//! A journal where there was none, or only a part of one.

use super::*;

/// What a crash in the middle of making a journal leaves does not count, and does not stay.
#[tokio::test]
async fn a_journal_that_was_half_made_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    for left in ["journal.db.new", "journal.db.new-wal", "journal.db.blobs.new"] {
        fs::write(folder.path().join(left), "half a database").unwrap();
    }
    let opened = open_in(folder).await;
    opened.journal.append(fact("a", &["one"])).await.unwrap();
    opened.journal.put_blob(b"bytes".to_vec()).await.unwrap();
    assert_eq!(opened.journal.verify().await.unwrap().events, 1);
    let names = fs::read_dir(opened.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains(".new")).collect();
    assert!(left.is_empty(), "{left:?}");
    for file in ["journal.db", "journal.db.blobs"] {
        let mode = fs::metadata(opened.folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

/// As somebody leaves it who used `touch`, or a link to another disk.
#[tokio::test]
async fn an_empty_file_becomes_a_journal_and_so_does_what_a_link_leads_to() {
    let elsewhere = tempfile::tempdir().unwrap();
    for made in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join(format!("made-{made}.db"));
        std::os::unix::fs::symlink(&target, folder.path().join("journal.db")).unwrap();
        if made {
            fs::write(&target, "").unwrap();
        }
        fs::write(folder.path().join("journal.db.blobs"), "").unwrap();
        let opened = open_in(folder).await;
        opened.journal.append(fact("a", &["one"])).await.unwrap();
        assert_eq!(opened.journal.verify().await.unwrap().events, 1);
        assert!(fs::metadata(&target).unwrap().len() > 0 && opened.path().is_symlink());
    }
}

/// Whoever moves a journal away and leaves its log would get the log's events into the next one, or a broken file.
#[tokio::test]
async fn the_log_of_another_journal_is_not_taken_over() {
    let opened = opened().await;
    opened.journal.append(fact("a", &["one"])).await.unwrap();
    let image = opened.crash();
    let path = image.path().join("journal.db");
    fs::rename(&path, image.path().join("moved.db")).unwrap();
    for left in [None, Some("")] {
        if let Some(text) = left {
            fs::write(&path, text).unwrap();
        }
        let error = SqliteJournal::build(&path).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("journal.db-wal holds a part of it"), "{error}");
    }
    fs::rename(image.path().join("journal.db-wal"), image.path().join("moved.db-wal")).unwrap();
    let opened = open_in(image).await;
    assert_eq!(opened.journal.verify().await.unwrap().events, 0);
}

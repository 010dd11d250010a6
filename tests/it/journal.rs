//! The journal against a disk that is full and a process that is killed, both for real.

use crate::support::{
    disk::SmallDisk,
    need::{Need, have},
};
use oncalld::domain::{DeliveryId, Event, EventBody, IncidentId, Timestamp};
use oncalld::journal::{Append, Journal, JournalError, sqlite::SqliteJournal};
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where the process that is to be killed writes its journal.
const VICTIM: &str = "ONCALLD_TEST_JOURNAL";

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

async fn open(path: &Path) -> SqliteJournal {
    for _ in 0..100 {
        match SqliteJournal::build(path).await {
            Ok((journal, task)) => {
                tokio::spawn(task);
                return journal;
            }
            // Another test's child holds a copy of the lock from its fork to its exec.
            Err(JournalError::Locked(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the journal stays locked");
}

fn comment(number: usize, size: usize) -> Append {
    Append {
        incident: Some(IncidentId::new("inc_1")),
        at: Timestamp::UNIX_EPOCH,
        events: vec![EventBody::CommentAdded { by: "test".into(), text: "x".repeat(size) }],
        delivery: Some(DeliveryId::new(number.to_string())),
        ..Append::default()
    }
}

#[test]
fn a_full_disk_loses_nothing_and_passes() {
    if !have(&[Need::Mount]) {
        return;
    }
    let disk = SmallDisk::mount(4).unwrap();
    run(async {
        let path = disk.path().join("journal.db");
        let journal = open(&path).await;
        for number in 0..50 {
            journal.append(comment(number, 2_000)).await.unwrap();
        }
        disk.fill();
        // Evidence has a file of its own: without room for it no incident goes on, so that is trouble already.
        assert!(journal.put_blob(vec![1; 500_000]).await.is_err());
        let problem = journal.ready().unwrap_err().to_string();
        assert!(problem.contains(".blobs: the disk") && problem.contains("full"), "{problem}");
        let mut stored = 50;
        let error = loop {
            match journal.append(comment(stored, 2_000)).await {
                Ok(_) => stored += 1, // the log may have had room
                Err(error) => break error,
            }
        };
        assert!(matches!(&error, JournalError::Unavailable(text) if text.contains("disk is full")), "{error}");
        assert_eq!(journal.ready(), Err(error));
        assert_eq!(journal.verify().await.unwrap().events, stored as u64);
        assert_eq!(journal.knows(DeliveryId::new(stored.to_string())).await, Ok(false), "its sender will repeat it");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(journal.ready().is_err(), "still");

        disk.free();
        for _ in 0..50 {
            if journal.ready().is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let next = journal.append(comment(stored, 2_000)).await.unwrap()[0].seq;
        assert_eq!((next, journal.ready()), (stored as u64 + 1, Ok(())));
        journal.close().await;
        let again = open(&path).await;
        assert_eq!(again.verify().await.unwrap().events, next);
        again.close().await;
    });
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    const NAME: &str = "journal::what_was_acknowledged_survives_a_kill";
    if let Some(path) = std::env::var_os(VICTIM) {
        return run(write_until_killed(path.into()));
    }
    for acknowledged in [1, 40, 200] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let events = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str::<Event>(&line).ok());
        let seen: Vec<Event> = events.take(acknowledged).collect();
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert_eq!(seen.len(), acknowledged);
        run(async {
            let journal = open(&path).await; // the kernel gave the dead one's lock up
            let stored = journal.verify().await.unwrap().events;
            for event in seen {
                assert!(event.seq <= stored);
                assert_eq!(journal.events(None, event.seq - 1, 1).await.unwrap(), [event]);
            }
            journal.close().await;
        });
    }
}

async fn write_until_killed(path: PathBuf) {
    let journal = open(&path).await;
    let writers = (0..8).map(|writer| {
        let journal = journal.clone();
        tokio::spawn(async move {
            for number in 0..100_000 {
                let event = journal.append(comment(writer * 100_000 + number, 300)).await.unwrap().remove(0);
                println!("\n{}", serde_json::to_string(&event).unwrap());
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

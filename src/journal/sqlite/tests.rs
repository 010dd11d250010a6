mod making;

use super::*;
use crate::domain::EventBody;
use proptest::prelude::*;
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt};

struct Opened {
    folder: tempfile::TempDir,
    journal: SqliteJournal,
    task: tokio::task::JoinHandle<()>,
}

impl Opened {
    fn path(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    /// Stops the writer where it is and copies what a crash at this moment would leave on the disk.
    fn crash(self) -> tempfile::TempDir {
        self.task.abort();
        let image = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            // The shared-memory index does not survive a machine's crash.
            if !entry.file_name().to_string_lossy().ends_with("-shm") {
                fs::copy(entry.path(), image.path().join(entry.file_name())).unwrap();
            }
        }
        image
    }
}

async fn open_in(folder: tempfile::TempDir) -> Opened {
    let (journal, task) = SqliteJournal::build(&folder.path().join("journal.db")).await.unwrap();
    Opened { folder, journal, task: tokio::spawn(task) }
}

async fn opened() -> Opened {
    open_in(tempfile::tempdir().unwrap()).await
}

fn id(text: &str) -> IncidentId {
    IncidentId::new(text)
}

fn said(text: impl Into<String>) -> EventBody {
    EventBody::CommentAdded { by: "test".into(), text: text.into() }
}

fn fact(incident: &str, texts: &[&str]) -> Append {
    let events = texts.iter().map(|text| said(*text)).collect();
    Append { incident: Some(id(incident)), events, at: chrono::Utc::now(), ..Append::default() }
}

fn decided(incident: &str, after: u64) -> Append {
    Append { after: Some(after), ..fact(incident, &["decided"]) }
}

fn row(incident: &str, group_key: &str, open: bool) -> IncidentRow {
    IncidentRow {
        id: id(incident),
        group_key: group_key.into(),
        environment: "shop".into(),
        service: "api".into(),
        open,
        state: if open { "open" } else { "closed" }.into(),
        verdict: String::new(),
        opened_at: chrono::Utc::now(),
        summary: json!({"title": incident}),
    }
}

fn with_row(incident: &str, group_key: &str, open: bool) -> Append {
    Append { row: Some(row(incident, group_key, open)), ..fact(incident, &["x"]) }
}

#[tokio::test]
async fn events_come_back_as_they_were_answered() {
    let opened = opened().await;
    let first = opened.journal.append(fact("inc_1", &["a", "b"])).await.unwrap();
    let daemon = Append { incident: None, ..fact("", &["c"]) };
    let second = opened.journal.append(daemon).await.unwrap();
    let third = opened.journal.append(fact("inc_1", &["quote \" and ünï\u{0}"])).await.unwrap();
    let all = [first.clone(), second, third.clone()].concat();
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(opened.journal.events(None, 0, 100).await.unwrap(), all);
    assert_eq!(opened.journal.events(None, 1, 2).await.unwrap(), all[1..3]);
    let of_one = [first, third.clone()].concat();
    assert_eq!(opened.journal.events(Some(id("inc_1")), 0, 100).await.unwrap(), of_one);
    let expected = Verification { events: 4, head: Some(third[0].hash.clone()) };
    assert_eq!(opened.journal.verify().await, Ok(expected.clone()));
    assert_eq!(verify(&opened.path()).await, Ok(expected), "also from outside, while it is open");
}

#[tokio::test]
async fn a_decision_conflicts_with_a_fact_that_came_between() {
    let opened = opened().await;
    opened.journal.append(decided("inc_1", 0)).await.unwrap();
    opened.journal.append(fact("inc_2", &["elsewhere"])).await.unwrap();
    opened.journal.append(decided("inc_1", 1)).await.unwrap();
    opened.journal.append(fact("inc_1", &["an alert"])).await.unwrap();
    let error = opened.journal.append(decided("inc_1", 3)).await.unwrap_err();
    assert_eq!(error, JournalError::Conflict { incident: id("inc_1"), at: 4, after: 3 });
    assert_eq!(opened.journal.append(decided("inc_1", 4)).await.unwrap()[0].seq, 5, "nothing of it was stored");
}

#[tokio::test]
async fn of_several_appends_all_are_stored_or_none() {
    let opened = opened().await;
    let batch = vec![with_row("inc_1", "shop/api", true), decided("inc_1", 1), decided("inc_2", 7)];
    let error = opened.journal.append_all(batch).await.unwrap_err();
    assert_eq!(error, JournalError::Conflict { incident: id("inc_2"), at: 0, after: 7 });
    assert!(opened.journal.events(None, 0, 10).await.unwrap().is_empty());
    let good = vec![with_row("inc_1", "shop/api", true), decided("inc_1", 1)];
    assert_eq!(opened.journal.append_all(good).await.unwrap().concat().len(), 2);
}

#[tokio::test]
async fn one_incident_is_open_per_group() {
    let opened = opened().await;
    let open = |incident| with_row(incident, "shop/api", true);
    opened.journal.append(open("inc_1")).await.unwrap();
    let taken = JournalError::GroupOpen { group_key: "shop/api".into(), existing: id("inc_1") };
    assert_eq!(opened.journal.append(open("inc_2")).await, Err(taken));
    // Closing one and opening the next may be one transaction, whichever of the two sorts first.
    let closed = with_row("inc_1", "shop/api", false);
    opened.journal.append_all(vec![closed, open("inc_0")]).await.unwrap();
    let taken = JournalError::GroupOpen { group_key: "shop/api".into(), existing: id("inc_0") };
    assert_eq!(opened.journal.append(open("inc_3")).await, Err(taken.clone()));
    // A late note on the closed one does not free the key.
    opened.journal.append(with_row("inc_1", "shop/api", false)).await.unwrap();
    assert_eq!(opened.journal.append(open("inc_3")).await, Err(taken));
}

#[tokio::test]
async fn lists_are_filtered_and_paged_newest_first() {
    let opened = opened().await;
    for n in 0..5 {
        let key = format!("shop/{n}");
        opened.journal.append(with_row(&format!("inc_{n}"), &key, n % 2 == 0)).await.unwrap();
    }
    let list = async |filter: IncidentFilter| {
        let rows = opened.journal.incidents(IncidentFilter { limit: 2, ..filter }).await.unwrap();
        rows.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(IncidentFilter::default()).await, ["inc_4", "inc_3"]);
    assert_eq!(list(IncidentFilter { after: Some(id("inc_3")), ..Default::default() }).await, ["inc_2", "inc_1"]);
    assert_eq!(list(IncidentFilter { open: Some(false), ..Default::default() }).await, ["inc_3", "inc_1"]);
    let open = IncidentFilter { open: Some(true), state: Some("open".into()), ..Default::default() };
    assert_eq!(list(open).await, ["inc_4", "inc_2"]);
    assert!(list(IncidentFilter { environment: Some("other".into()), ..Default::default() }).await.is_empty());
    let stored = &opened.journal.incidents(IncidentFilter { limit: 1, ..Default::default() }).await.unwrap()[0];
    assert_eq!(stored.summary, json!({"title": "inc_4"}));
}

#[tokio::test]
async fn deliveries_and_blobs_are_known_until_retention() {
    let opened = opened().await;
    let delivery = DeliveryId::new("d1");
    let append = Append { delivery: Some(delivery.clone()), ..fact("inc_1", &["alert"]) };
    assert_eq!(opened.journal.knows(delivery.clone()).await, Ok(false));
    opened.journal.append(append.clone()).await.unwrap();
    opened.journal.append(append).await.unwrap();
    assert_eq!(opened.journal.knows(delivery.clone()).await, Ok(true));

    let digest = opened.journal.put_blob(b"log".to_vec()).await.unwrap();
    assert_eq!(opened.journal.put_blob(b"log".to_vec()).await.unwrap(), digest);
    assert_eq!(opened.journal.blob(digest.clone()).await.unwrap().as_deref(), Some(b"log".as_slice()));

    let needed = opened.journal.put_blob(b"needed".to_vec()).await.unwrap();
    let now = chrono::Utc::now();
    let past = now - chrono::Duration::minutes(1);
    assert_eq!(opened.journal.sweep_blobs(past, &[]).await, Ok(0));
    assert_eq!(opened.journal.sweep_blobs(now, std::slice::from_ref(&needed)).await, Ok(1));
    assert!(opened.journal.blob(needed).await.unwrap().is_some(), "what is needed stays");
    assert_eq!(opened.journal.sweep_deliveries(past).await, Ok(0));
    assert_eq!(opened.journal.sweep_deliveries(now).await, Ok(1));
    assert_eq!(opened.journal.blob(digest).await, Ok(None));
    assert_eq!(opened.journal.knows(delivery).await, Ok(false));
    assert_eq!(opened.journal.verify().await.unwrap().events, 2);
}

#[tokio::test]
async fn a_second_daemon_is_refused_until_the_first_closes() {
    let opened = opened().await;
    let error = SqliteJournal::build(&opened.path()).await.err().unwrap();
    assert!(matches!(&error, JournalError::Locked(text) if text.contains(&std::process::id().to_string())), "{error}");
    opened.journal.append(fact("inc_1", &["a"])).await.unwrap();
    opened.journal.close().await;
    opened.task.await.unwrap();
    assert!(matches!(opened.journal.append(fact("inc_1", &["b"])).await, Err(JournalError::Unavailable(_))));
    assert!(opened.journal.ready().is_err());
    let again = open_in(opened.folder).await;
    assert_eq!(again.journal.append(fact("inc_1", &["c"])).await.unwrap()[0].seq, 2);
}

#[tokio::test]
async fn what_was_answered_survives_a_crash_and_a_torn_write_vanishes_whole() {
    let opened = opened().await;
    opened.journal.append(fact("inc_1", &["a", "b"])).await.unwrap();
    let kept = opened.journal.verify().await.unwrap();
    let log = opened.folder.path().join("journal.db-wal");
    let sound = fs::metadata(&log).unwrap().len();
    opened.journal.append(with_row("inc_1", "shop/api", true)).await.unwrap();

    let image = opened.crash();
    let log = image.path().join("journal.db-wal");
    let torn = tempfile::tempdir().unwrap();
    fs::copy(image.path().join("journal.db"), torn.path().join("journal.db")).unwrap();
    let bytes = fs::read(&log).unwrap();
    assert!(bytes.len() as u64 > sound);
    fs::write(torn.path().join("journal.db-wal"), &bytes[..bytes.len() - 100]).unwrap();

    let whole = open_in(image).await;
    assert_eq!(whole.journal.verify().await.unwrap().events, 3);
    assert_eq!(whole.journal.append(decided("inc_1", 3)).await.unwrap()[0].seq, 4);

    let torn = open_in(torn).await;
    assert_eq!(torn.journal.verify().await, Ok(kept));
    assert!(torn.journal.incidents(IncidentFilter { limit: 9, ..Default::default() }).await.unwrap().is_empty());
    assert_eq!(torn.journal.append(decided("inc_1", 2)).await.unwrap()[0].seq, 3);
}

#[tokio::test]
async fn tampering_is_found_at_its_place() {
    let cases = [
        ("UPDATE events SET body = replace(body, 'e3', 'e9') WHERE seq = 3", 3),
        ("UPDATE events SET at = '2020-01-01T00:00:00.000000000Z' WHERE seq = 5", 5),
        ("UPDATE events SET incident = 'inc_2' WHERE seq = 1", 1),
        ("UPDATE events SET hash = (SELECT hash FROM events WHERE seq = 1) WHERE seq = 2", 2),
        ("DELETE FROM events WHERE seq = 4", 4),
        ("DELETE FROM events WHERE seq > 5", 6),
    ];
    for (statement, seq) in cases {
        let opened = opened().await;
        for n in 1..=6 {
            let text = format!("e{n}");
            let append = Append { row: Some(row("inc_1", "shop/api", true)), ..fact("inc_1", &[&text]) };
            opened.journal.append(append).await.unwrap();
        }
        let pool = database::pool(database::writable(&opened.path()), 1);
        sqlx::query(statement).execute(&pool).await.unwrap();
        let error = opened.journal.verify().await.unwrap_err();
        assert!(matches!(&error, JournalError::Damaged { seq: found, .. } if *found == seq), "{statement}: {error}");
    }
}

#[tokio::test]
async fn a_full_disk_stores_nothing_half_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, mut writer) = SqliteJournal::open(&folder.path().join("journal.db")).await.unwrap();
    let group = |text: &str| Group::encode(vec![with_row("inc_1", "shop/api", true), fact("inc_1", &[text])]).unwrap();
    assert!(writer.append(vec![group("small")]).await[0].is_ok());
    let before = journal.reader.verify().await.unwrap();

    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut writer.connection).await.unwrap();
    let limit = async |writer: &mut Writer, pages: i64| {
        let statement = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::raw_sql(statement).execute(&mut writer.connection).await.unwrap();
    };
    limit(&mut writer, pages + 1).await;
    let large = "x".repeat(100_000);
    let answers = writer.append(vec![group("small"), group(&large)]).await;
    let expected =
        JournalError::Unavailable(format!("{}: the disk is full; free some space", journal.reader.path.display()));
    assert_eq!(answers, [Err(expected.clone()), Err(expected.clone())]);
    assert_eq!(journal.ready(), Err(expected));
    assert_eq!(journal.reader.verify().await, Ok(before));

    // The running writer notices by itself that there is space again.
    limit(&mut writer, pages + 1_000).await;
    let mut trouble = journal.trouble.clone();
    let task = tokio::spawn(writer.run());
    trouble.wait_for(Option::is_none).await.unwrap();
    assert_eq!(journal.ready(), Ok(()));
    assert_eq!(journal.append(fact("inc_1", &[&large])).await.unwrap()[0].seq, 3);
    assert_eq!((journal.gauges().failures(), journal.gauges().events(), journal.gauges().queued()), (1, 3, 0));
    journal.close().await;
    task.await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, task) = SqliteJournal::build(&folder.path().join("journal.db")).await.unwrap();
    let mut waiting: Vec<_> = (0..QUEUE).map(|_| journal.append(fact("inc_1", &["x"]))).collect();
    for append in &mut waiting {
        assert!(append.now_or_never().is_none());
    }
    assert!(matches!(journal.append(fact("inc_1", &["x"])).await, Err(JournalError::Unavailable(_))));
    assert!(journal.ready().is_err());
    assert_eq!(journal.gauges().queued(), QUEUE as u64);
    let task = tokio::spawn(task);
    for append in waiting {
        append.await.unwrap();
    }
    assert_eq!(journal.ready(), Ok(()));
    assert!(journal.gauges().commits() <= 4, "appends that wait together share a commit");
    journal.close().await;
    task.await.unwrap();
}

#[test]
fn only_files_are_journals() {
    assert_eq!(path_of("sqlite:///var/lib/oncalld/journal.db"), Ok("/var/lib/oncalld/journal.db".into()));
    assert_eq!(path_of("sqlite://journal.db"), Ok("journal.db".into()));
    for url in ["sqlite::memory:", "sqlite://:memory:", "postgres://db/oncalld", "sqlite://", "sqlite://a?mode=ro"] {
        assert!(path_of(url).is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_newer_format_is_left_alone() {
    let opened = opened().await;
    opened.journal.close().await;
    let pool = database::pool(database::writable(&opened.path()), 1);
    sqlx::raw_sql("PRAGMA user_version = 2").execute(&pool).await.unwrap();
    pool.close().await;
    let error = SqliteJournal::build(&opened.path()).await.err().unwrap();
    assert!(error.to_string().contains("format 2"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever is appended at the same time, positions have no gap, every append is together and in order, of
    /// decisions on the same state one wins, and the chain is sound.
    #[test]
    fn concurrent_appends_are_gap_free_and_chained(plan in prop::collection::vec((0..4u8, 0..4usize, any::<bool>()), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let opened = opened().await;
            let tasks: Vec<_> = plan.iter().enumerate().map(|(n, (incident, count, decision))| {
                let texts: Vec<String> = (0..*count).map(|event| format!("{n}.{event}")).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let after = decision.then_some(0);
                let append = Append { after, ..fact(&format!("inc_{incident}"), &texts) };
                let journal = opened.journal.clone();
                tokio::spawn(async move { journal.append(append).await })
            }).collect();
            let mut stored = Vec::new();
            for (task, (incident, count, decision)) in tasks.into_iter().zip(&plan) {
                match task.await.unwrap() {
                    Ok(events) => {
                        assert_eq!(events.len(), *count);
                        assert!(events.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
                        stored.extend(events);
                    }
                    Err(JournalError::Conflict { incident: which, .. }) => {
                        assert!(*decision && which == id(&format!("inc_{incident}")));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            stored.sort_by_key(|event| event.seq);
            assert!(stored.iter().zip(1..).all(|(event, seq)| event.seq == seq));
            assert_eq!(opened.journal.events(None, 0, 1_000).await.unwrap(), stored);
            assert_eq!(opened.journal.verify().await.unwrap().events, stored.len() as u64);
        });
    }
}

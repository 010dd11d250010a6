//! More deliveries than the journal takes: those that wait are bounded, the rest is told to come again, and people are
//! answered all the while. The journal is slow because somebody else holds the lock of its file.

use crate::support::daemon::{Daemon, Settings, delivery};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long people wait for an answer at most while a flood waits.
const ANSWER: Duration = Duration::from_secs(2);

/// Below the number of connections that the daemon takes, so that people find a free one.
const FLOOD: usize = 450;

fn body(number: usize) -> Value {
    let labels = json!({"alertname": format!("Down{number}"), "service": "api", "severity": "critical"});
    delivery("firing", &labels)
}

/// Posts all at once; status, whether it says when to come again, what it says, and how long it took, by number.
fn post_all(runtime: &Runtime, daemon: &Daemon, numbers: &[usize]) -> BTreeMap<usize, (u16, bool, String)> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().expect("a client");
    let url = format!("{}/api/v1/alerts/alertmanager", daemon.http.base());
    let posts: Vec<_> = numbers
        .iter()
        .map(|number| {
            let (request, number) = (client.post(&url).json(&body(*number)), *number);
            runtime.spawn(async move {
                let answer = request.send().await.expect("an answer");
                let (status, again) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
                (number, (status, again, answer.text().await.expect("a body")))
            })
        })
        .collect();
    runtime
        .block_on(async { futures_util::future::join_all(posts).await })
        .into_iter()
        .map(|one| one.expect("it ended"))
        .collect()
}

/// Holds the lock that whoever writes to the journal needs.
async fn hold(daemon: &Daemon) -> SqliteConnection {
    let path = daemon.folder().join("data/journal.db");
    let mut other = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("the journal");
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock");
    other
}

#[test]
fn a_flood_is_refused_whole_and_people_are_answered() {
    let mut settings = Settings::of(super::idle("api"));
    // Fewer than even a slow machine takes in before the first of them gives up.
    settings.platform = json!({"limits": {"queue": 32}});
    let daemon = Daemon::start(&settings);
    daemon.sees_services();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let numbers: Vec<usize> = (0..FLOOD).collect();
    let events = |daemon: &Daemon| daemon.http.get("/api/v1/incidents").expect("an answer").ok()["items"].clone();

    let mut other = runtime.block_on(hold(&daemon));
    let answers = std::thread::scope(|scope| {
        let flood = scope.spawn(|| post_all(&runtime, &daemon, &numbers));
        std::thread::sleep(Duration::from_millis(1_500));
        for path in ["/health", "/ready", "/metrics", "/api/v1/approvals", "/api/v1/incidents", "/api/v1/kill-switch"] {
            let ask = || {
                let start = Instant::now();
                let status = daemon.http.get(path).expect("an answer").status;
                assert!([200, 503].contains(&status) && (status == 200 || path == "/ready"), "{path}: {status}");
                start.elapsed()
            };
            // What else this machine does may hold one answer up, but not every one.
            let mut took = ask();
            while took > ANSWER && !flood.is_finished() {
                took = ask();
            }
            assert!(took < ANSWER, "{path} took {took:?}");
        }
        flood.join().expect("answers")
    });
    let full = answers.values().filter(|(_, _, text)| text.contains("requests are waiting already")).count();
    assert!(full > 0 && full < FLOOD, "{full} of {FLOOD} found no place");
    for (number, (status, again, text)) in &answers {
        assert!(*status == 503 && *again, "{number}: {status} {text}");
    }
    assert_eq!(events(&daemon), json!([]), "nothing is stored by half");

    runtime.block_on(async { sqlx::raw_sql("ROLLBACK").execute(&mut other).await }).expect("the lock is given back");
    let mut left = numbers.clone();
    for _ in 0..100 {
        let answers = post_all(&runtime, &daemon, &left);
        left = answers.into_iter().filter(|(_, (status, ..))| *status != 200).map(|(number, _)| number).collect();
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(left, Vec::<usize>::new(), "they are taken when they come again");
    // The service is well, so its incident may have closed in between; each alert is in one all the same.
    let items = events(&daemon);
    let alerts: u64 = items.as_array().expect("a list").iter().filter_map(|incident| incident["alerts"].as_u64()).sum();
    assert_eq!(alerts, FLOOD as u64, "each of them once: {items}");
}

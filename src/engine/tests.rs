//! The engine on a real journal.

mod by_hand;

use super::command::Command;
use super::inbox::Outcome;
use super::ledger::{self, Ledger, Origin};
use super::recover::recover;
use super::{Engine, Equipment, Parts, build, catch_up, metrics::Metrics, now, shared::Shared};
use crate::config::{Config, Sources};
use crate::domain::{
    Alert, AlertStatus, Delivery, DeliveryId, Digest, EventBody, IncidentId, Labels, SenderKind, Timestamp, Trigger,
};
use crate::flow::{Effect, Word};
use crate::gate::History;
use crate::journal::{Append, IncidentRow, Journal, JournalError, sqlite::SqliteJournal};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

fn config() -> Arc<Config> {
    Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap())
}

async fn journal(folder: &tempfile::TempDir) -> SqliteJournal {
    let (journal, task) = SqliteJournal::build(&folder.path().join("journal.db")).await.unwrap();
    tokio::spawn(task);
    journal
}

fn alert(name: &str, starts_at: Timestamp) -> Alert {
    let labels = Labels::from([("alertname".to_owned(), name.to_owned())]);
    Alert {
        fingerprint: Alert::fingerprint_of(&labels),
        status: AlertStatus::Firing,
        labels,
        annotations: Labels::new(),
        starts_at,
        ends_at: None,
        expression: None,
    }
}

fn delivery(name: &str) -> Delivery {
    Delivery {
        id: DeliveryId::new(name),
        sender: "am".into(),
        kind: SenderKind::Alertmanager,
        group_key: "g".into(),
        alerts: vec![alert(name, now())],
        truncated: 0,
    }
}

/// An engine, and the task that drives it.
async fn engine(journal: &SqliteJournal) -> (Engine, impl Future<Output = ()> + Send + 'static, CancellationToken) {
    let shutdown = CancellationToken::new();
    let parts = Parts {
        config: config(),
        load: Box::new(|_| None),
        journal: Arc::new(journal.clone()),
        gauges: journal.gauges(),
        equipment: Equipment::default(),
        drain: Duration::from_secs(1),
    };
    let (engine, task) = build(parts, shutdown.clone()).await.unwrap();
    (engine, task, shutdown)
}

/// A ledger on a real journal.
struct Books {
    ledger: Ledger,
    shared: Shared,
    journal: Arc<dyn Journal>,
    config: Arc<Config>,
}

impl Books {
    async fn open(folder: &tempfile::TempDir) -> Self {
        let (journal, config) = (journal(folder).await, config());
        let shared = Shared::new(config.clone(), Metrics::new(journal.gauges()));
        let ledger = Ledger::new(BTreeMap::new(), History::default());
        Self { ledger, shared, journal: Arc::new(journal), config }
    }

    fn push(&mut self, id: &str, events: Vec<EventBody>, origin: Origin) -> &mut ledger::Entry {
        self.ledger.push(&IncidentId::new(id), events, now(), origin, &self.config)
    }

    async fn write(&mut self) -> Result<(), JournalError> {
        let stored = self.ledger.batch(&self.journal).expect("something to write").await;
        stored.map(|stored| drop(self.ledger.durable(stored, &self.shared)))
    }

    /// What the loop does after a write that failed.
    async fn catch_up(&mut self) {
        let (results, mut outcomes) = tokio::sync::mpsc::channel(8);
        let journal = self.journal.clone();
        catch_up::read(journal, self.ledger.behind.clone(), results).await;
        while let Some(Outcome::CaughtUp { incident, events }) = outcomes.recv().await {
            self.ledger.caught_up(&incident, events, &self.shared, &BTreeMap::new());
        }
        assert!(!self.ledger.is_behind());
    }

    fn comments(&self, id: &str) -> Vec<&str> {
        let incident = &self.ledger.slots[&IncidentId::new(id)].incident;
        incident.comments.iter().map(|comment| comment.text.as_str()).collect()
    }
}

fn opening(service: &str) -> Vec<EventBody> {
    let opened = EventBody::IncidentOpened {
        environment: "shop".into(),
        target: Some(service.into()),
        group_key: format!("shop/{service}"),
        title: String::new(),
        severity: "none".into(),
        trigger: Trigger::Alert,
        config: Digest::new(""),
        follows: None,
        read_only: None,
    };
    let alerts = vec![alert(&format!("Down{service}"), now())];
    vec![opened, EventBody::AlertsReceived { delivery: DeliveryId::new("d"), sender: "am".into(), alerts }]
}

fn comment(text: &str) -> EventBody {
    EventBody::CommentAdded { by: "test".into(), text: text.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_is_out_of_date_costs_nobody_else_anything() {
    let folder = tempfile::tempdir().unwrap();
    let mut books = Books::open(&folder).await;
    books.push("inc_a", opening("a"), Origin::Command);
    books.write().await.unwrap();
    // As a commit does that happened although it reported an error.
    let unseen =
        Append { incident: Some(IncidentId::new("inc_a")), events: vec![comment("unseen")], ..Append::default() };
    books.journal.append(Append { at: now(), ..unseen }).await.unwrap();
    books.push("inc_a", vec![comment("decided")], Origin::Decision);
    let (told, hears) = tokio::sync::oneshot::channel();
    books.push("inc_b", opening("b"), Origin::Command).then(Box::new(move |result, _| drop(told.send(result))));
    books.push("inc_a", vec![comment("found")], Origin::Fact(Effect::Recheck));
    let error = books.write().await.unwrap_err();
    assert!(matches!(error, JournalError::Conflict { .. }), "{error}");
    books.ledger.failed(&error);
    assert!(books.ledger.batch(&books.journal).is_none(), "nothing is written before it has caught up");
    books.catch_up().await;
    books.write().await.unwrap();
    assert_eq!(books.comments("inc_a"), ["unseen", "found"], "the decision is made anew on what is known now");
    hears.await.unwrap().unwrap();
    let stored = books.journal.events(Some(IncidentId::new("inc_a")), 0, 100).await.unwrap();
    let known = books.ledger.slots[&IncidentId::new("inc_a")].incident.as_ref().clone();
    assert_eq!(Some(known), crate::flow::fold(&stored), "memory is what the journal says");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_happened_all_the_same_is_not_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut books = Books::open(&folder).await;
    books.push("inc_a", opening("a"), Origin::Command);
    books.write().await.unwrap();
    books.push("inc_a", vec![comment("found")], Origin::Fact(Effect::Recheck));
    books.push("inc_b", opening("b"), Origin::Command);
    // It is stored, and the answer is an error.
    books.ledger.batch(&books.journal).unwrap().await.unwrap();
    books.ledger.failed(&JournalError::Unavailable("the disk answered with an error".into()));
    books.catch_up().await;
    assert_eq!(books.comments("inc_a"), ["found"]);
    assert!(books.ledger.batch(&books.journal).is_none(), "the fact is there already");
    assert_eq!(books.ledger.slots[&IncidentId::new("inc_b")].incident.alerts.len(), 1, "nothing that is there is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_giver_has_gone_is_not_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder).await;
    let (engine, task, shutdown) = engine(&journal).await;
    let (reply, answer) = tokio::sync::oneshot::channel();
    engine.commands.try_send(Command::Deliver { delivery: delivery("Gone"), reply }).ok().unwrap();
    drop(answer);
    let task = tokio::spawn(task);
    let accepted = engine.deliver(delivery("Here"), Vec::new()).await.unwrap();
    let incident = engine.incident(&accepted.incidents[0]).await.unwrap();
    assert_eq!(incident.alerts.len(), 1, "the sender was told to come again: {:?}", incident.alerts);
    let (reply, answer) = tokio::sync::oneshot::channel();
    drop(answer);
    let (incident, by, text) = (incident.id.clone(), "alice".into(), "too late".into());
    assert!(Command::Say { incident, by, word: Word::Comment, text, reply }.is_abandoned());
    shutdown.cancel();
    task.await.unwrap();
}

/// A closed incident of a service that alerted, and was perhaps acted on.
fn closed(number: u32, service: &str, opened_at: Timestamp, acted: bool) -> Append {
    let id = IncidentId::new(format!("inc_{number:05}"));
    let mut events = opening(service);
    if let Some(EventBody::AlertsReceived { alerts, .. }) = events.last_mut() {
        *alerts = vec![alert(&format!("Alert{number}"), opened_at)];
    }
    if acted {
        events.extend(ledger::tests::begun(&id, service));
    }
    events.push(EventBody::IncidentClosed { by: None, reason: String::new() });
    let row = IncidentRow {
        id: id.clone(),
        group_key: format!("shop/{service}"),
        environment: "shop".into(),
        service: service.into(),
        open: false,
        state: "closed".into(),
        verdict: String::new(),
        opened_at,
        summary: serde_json::json!({"closed_at": now()}),
    };
    Append { incident: Some(id), at: now(), events, row: Some(row), ..Append::default() }
}

async fn recovered(journal: &SqliteJournal) -> Ledger {
    let shared = Shared::new(config(), Metrics::new(journal.gauges()));
    recover(journal, &shared, &(Box::new(|_| None) as super::Load)).await.unwrap().ledger
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_remember_an_action_of_an_incident_that_was_opened_long_before_many_others() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder).await;
    let (long_ago, lately) = (now() - chrono::Duration::days(30), now());
    let mut all: Vec<Append> = (0..600).map(|number| closed(number, &format!("s{number}"), lately, false)).collect();
    // It acted just now, between others.
    all.insert(50, closed(10_000, "api", long_ago, true));
    journal.append_all(all).await.unwrap();
    let ledger = recovered(&journal).await;
    let targets: Vec<&str> = ledger.history.mutations.iter().map(|mutation| mutation.target.as_str()).collect();
    assert_eq!(targets, ["api"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_closed_incident_of_a_group_counts_with_the_episodes_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder).await;
    let (first, second) = (now() - chrono::Duration::hours(2), now() - chrono::Duration::hours(1));
    journal.append_all(vec![closed(1, "api", first, false), closed(2, "api", second, false)]).await.unwrap();
    let (last, episodes) = recovered(&journal).await.closed.of_group("shop/api").unwrap();
    assert_eq!((last.as_str(), episodes.len()), ("inc_00002", 2));
}

//! Operations that people ask for by hand.

use super::{engine, journal};
use crate::config::Role;
use crate::domain::{IncidentId, Inventory, Service, Timestamp, Values};
use crate::engine::{Engine, EngineError, Identity, now};
use std::collections::BTreeMap;

/// An inventory of one service.
fn inventory(read_at: Option<Timestamp>, stale: Option<&str>) -> Inventory {
    let api = Service { name: "api".into(), ..Service::default() };
    Inventory { services: BTreeMap::from([("api".into(), api)]), read_at, stale: stale.map(str::to_owned) }
}

/// Alice asks for an operation on that service.
async fn ask(engine: &Engine, operation: &str) -> Result<IncidentId, EngineError> {
    let alice = Identity { name: "alice".into(), role: Role::Admin };
    engine.run_operation(None, operation.into(), Some("api".into()), Values::new(), &alice).await
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_of_an_environment_that_is_away_are_answered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder).await;
    let (engine, task, shutdown) = engine(&journal).await;
    let task = tokio::spawn(task);
    engine.shared.put_inventory("local", inventory(Some(now()), Some("no such socket")));
    let Err(EngineError::Unavailable(why)) = ask(&engine, "get_status").await else { panic!("it is away") };
    assert!(why.contains("local does not answer: no such socket") && why.contains("/ready"), "{why}");
    assert_eq!(engine.shared.open_incidents().len(), 0, "nothing is begun");
    ask(&engine, "restart_service").await.expect("what changes something waits");
    engine.shared.put_inventory("local", inventory(Some(now()), None));
    ask(&engine, "get_status").await.expect("it is back");
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_that_do_not_end_keep_nobody_from_changing_something() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder).await;
    let (engine, task, shutdown) = engine(&journal).await;
    let task = tokio::spawn(task);
    // Known, and not looked at since this process began: nothing of it is read yet.
    engine.shared.put_inventory("local", inventory(None, None));
    let asked = (0..100).map(|_| ask(&engine, "get_status"));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let Err(EngineError::Full(why)) = ask(&engine, "get_status").await else { panic!("there is a bound") };
    assert!(why.contains("only read"), "{why}");
    ask(&engine, "restart_service").await.expect("readings take no room of what changes something");
    shutdown.cancel();
    task.await.unwrap();
}

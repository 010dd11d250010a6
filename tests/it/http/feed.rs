//! The live feed: in order, without a gap, resumable.

use super::daemon;
use crate::support::daemon::Daemon;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

async fn connect(daemon: &Daemon, query: &str) -> Result<Socket, Error> {
    let address = format!("ws://127.0.0.1:{}/api/v1/live{query}", daemon.port());
    Ok(connect_async(address.into_client_request()?).await?.0)
}

/// Events until one of this kind.
async fn until(socket: &mut Socket, kind: &str) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let message = timeout(Duration::from_secs(60), socket.next()).await;
        match message.unwrap_or_else(|_| panic!("no {kind} came: {events:?}")) {
            Some(Ok(Message::Text(text))) => {
                let event: Value = serde_json::from_str(&text).expect("one JSON event a message");
                let ends = event["kind"] == kind;
                events.push(event);
                if ends {
                    return events;
                }
            }
            Some(Ok(_)) => {}
            other => panic!("the feed ended: {other:?} after {events:?}"),
        }
    }
}

fn sequence(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect()
}

fn diagnose(daemon: &Daemon) -> String {
    let begun = daemon.http.post("/api/v1/diagnose/api", &json!({"note": "test"})).expect("an answer").ok();
    begun["incident"].as_str().expect("an incident").to_owned()
}

#[test]
fn what_was_missed_comes_first_and_nothing_is_missing() {
    let daemon = daemon();
    let runtime = runtime();
    let id = diagnose(&daemon);
    let numbers = runtime.block_on(async {
        let mut socket = connect(&daemon, "?after=0").await.expect("a feed");
        sequence(&until(&mut socket, "verdict_reached").await)
    });
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "gap-free: {numbers:?}");
    // Resume in the middle, and go on with what happens then.
    let middle = numbers[numbers.len() / 2];
    let mut socket = runtime.block_on(connect(&daemon, &format!("?after={middle}"))).expect("a feed");
    daemon.http.put("/api/v1/kill-switch", &json!({"reason": "test"})).expect("an answer").ok();
    let rest = sequence(&runtime.block_on(until(&mut socket, "kill_switch_set")));
    assert_eq!(rest[0], middle + 1);
    assert!(rest.windows(2).all(|pair| pair[1] == pair[0] + 1), "gap-free: {rest:?}");
    let journal = daemon.journal(&id);
    runtime.block_on(async {
        let mut socket = connect(&daemon, &format!("?after=0&incident={id}")).await.expect("a feed");
        let events = until(&mut socket, "verdict_reached").await;
        assert!(events.iter().all(|event| event["incident"] == id.as_str()), "only this incident's");
        assert_eq!(events, journal[..events.len()], "the feed is the journal");
    });
}

#[test]
fn a_feed_that_cannot_be_is_refused_in_words() {
    let daemon = daemon();
    runtime().block_on(async {
        for (query, status) in [("?after=999999", 400), ("?incident=inc_nope", 404), ("?after=x", 400)] {
            match connect(&daemon, query).await {
                Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), status, "{query}"),
                other => panic!("{query}: {other:?}"),
            }
        }
    });
}

#[test]
fn a_feed_ends_with_a_reason_when_the_daemon_stops() {
    let mut daemon = daemon();
    let runtime = runtime();
    let mut socket = runtime.block_on(connect(&daemon, "")).expect("a feed");
    assert_eq!(daemon.stop(), Some(0));
    runtime.block_on(async {
        loop {
            match timeout(Duration::from_secs(10), socket.next()).await.expect("an end") {
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert_eq!(u16::from(frame.code), 1001);
                    break;
                }
                Some(Ok(_)) => {}
                other => panic!("no reason was given: {other:?}"),
            }
        }
    });
}

//! What happened to containers: a bounded memory of the engine's own short one.

use super::{
    connect::{DEADLINE, Engine},
    dialect::Dialect,
    error::{Answer, EngineError},
    exit::{LifeEvent, deaths},
};
use crate::domain::{ExitReason, Timestamp, Values};
use bollard::{models::EventMessage, query_parameters::EventsOptionsBuilder};
use futures_util::{Stream, StreamExt as _};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};
use tokio::time::timeout;

/// Events kept per container: a crash loop makes four in each round, and fifty rounds tell all there is to tell.
const PER_CONTAINER: usize = 200;

/// Containers remembered, those gone included: more than run on one machine.
const CONTAINERS: usize = 2_000;

/// Events in one result.
const IN_RESULT: usize = 300;

/// How long the engine's own memory is waited for: a busy one takes a while to begin, or its clock is behind ours.
const HISTORY_WAIT: Duration = Duration::from_secs(2);

/// Where an engine's answer about the past has no end, it is taken to be over when nothing more came for this long.
const HISTORY_PAUSE: Duration = Duration::from_millis(300);

/// What is asked of the engine, in Docker's words and Podman's. Health checks make an `exec_create`, an `exec_start` and an
/// `exec_die` every few seconds, which would push everything else out of its memory of 256 events and out of ours.
const ACTIONS: [&str; 15] = [
    "create",
    "start",
    "restart",
    "stop",
    "kill",
    "die",
    "oom",
    "pause",
    "unpause",
    "rename",
    "destroy",
    "update",
    "health_status",
    "died",
    "remove",
];

/// Attributes that say something; the rest are the container's labels.
const ATTRIBUTES: [&str; 8] =
    ["signal", "exitCode", "containerExitCode", "name", "image", "oldName", "execDuration", "health_status"];

/// Events by container id, oldest first.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    rings: BTreeMap<String, VecDeque<LifeEvent>>,
    first: Option<Timestamp>,
}

impl EventLog {
    /// Remembers an event; false if it was known.
    pub fn record(&mut self, id: &str, event: LifeEvent) -> bool {
        self.first = Some(self.first.map_or(event.at, |first| first.min(event.at)));
        if !self.rings.contains_key(id) && self.rings.len() >= CONTAINERS {
            self.forget_quietest();
        }
        let ring = self.rings.entry(id.to_owned()).or_default();
        if ring.contains(&event) {
            return false;
        }
        let place = ring.iter().rposition(|known| known.at <= event.at).map_or(0, |before| before + 1);
        ring.insert(place, event);
        if ring.len() > PER_CONTAINER {
            ring.pop_front();
        }
        true
    }

    fn forget_quietest(&mut self) {
        let quietest = self.rings.iter().min_by_key(|(_, ring)| ring.back().map(|event| event.at));
        if let Some(id) = quietest.map(|(id, _)| id.clone()) {
            self.rings.remove(&id);
        }
    }

    /// A container's events, oldest first.
    pub fn of(&self, id: &str) -> Vec<LifeEvent> {
        self.rings.get(id).map(|ring| ring.iter().cloned().collect()).unwrap_or_default()
    }

    /// The result of `container.events`.
    pub fn result(&self, ids: &[String], since: Option<Timestamp>, dialect: Dialect) -> Values {
        let mut events = Vec::new();
        let (mut starts, mut ends, mut ooms, mut external_kills) = (0, 0, 0, 0);
        let wanted = |at: Timestamp| since.is_none_or(|since| at >= since);
        for id in ids {
            let all = self.of(id);
            // Whether a stop explains an end is seen in the whole run, even where it began before `since`.
            external_kills +=
                deaths(&all, dialect).iter().filter(|d| d.reason == ExitReason::Killed && wanted(d.at)).count();
            for event in all.into_iter().filter(|event| wanted(event.at)) {
                match event.action.as_str() {
                    "start" => starts += 1,
                    "die" => ends += 1,
                    "oom" => ooms += 1,
                    _ => {}
                }
                let name = event.attributes.get("name").cloned().unwrap_or_else(|| id.chars().take(12).collect());
                events.push((event, name));
            }
        }
        events.sort_by_key(|(event, _)| event.at);
        let skip = events.len().saturating_sub(IN_RESULT);
        let events: Vec<_> = events
            .into_iter()
            .skip(skip)
            .map(|(event, name)| {
                json!({"at": event.at, "action": event.action, "instance": name, "attributes": event.attributes})
            })
            .collect();
        Values::from_iter([
            ("events".to_owned(), json!(events)),
            ("starts".to_owned(), json!(starts)),
            ("deaths".to_owned(), json!(ends)),
            ("ooms".to_owned(), json!(ooms)),
            ("external_kills".to_owned(), json!(external_kills)),
            ("since".to_owned(), json!(since.or(self.first))),
        ])
    }
}

/// A container's id and what happened to it, in Docker's words; none for events that are of no interest. Podman sends
/// unfiltered ones.
pub(super) fn understood(message: EventMessage, dialect: Dialect) -> Option<(String, LifeEvent)> {
    let actor = message.actor?;
    let id = actor.id?;
    let nanos = message.time_nano.or_else(|| message.time.map(|seconds| seconds.saturating_mul(1_000_000_000)))?;
    let text = message.action?;
    let (action, detail) =
        text.split_once(": ").map_or((text.as_str(), None), |(action, detail)| (action, Some(detail)));
    if !ACTIONS.contains(&action) || message.typ.is_some_and(|kind| kind.to_string() != "container") {
        return None;
    }
    let mut attributes: BTreeMap<String, String> = actor
        .attributes
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, _)| ATTRIBUTES.contains(&name.as_str()))
        .collect();
    if let Some(detail) = detail {
        attributes.insert("status".into(), detail.into());
    }
    let action = dialect.action(action);
    Some((id, LifeEvent { at: chrono::DateTime::from_timestamp_nanos(nanos), action: action.into(), attributes }))
}

impl Engine {
    /// Events from `since` on: with `until`, those the engine remembers; without, for ever.
    pub fn events(
        &self,
        since: Timestamp,
        until: Option<Timestamp>,
        containers: &[String],
    ) -> Answer<impl Stream<Item = Answer<EventMessage>> + use<>> {
        let seconds = |at: Timestamp| format!("{}.{:09}", at.timestamp(), at.timestamp_subsec_nanos());
        let mut filters: HashMap<&str, Vec<&str>> =
            HashMap::from([("type", vec!["container"]), ("event", ACTIONS.to_vec())]);
        if !containers.is_empty() {
            filters.insert("container", containers.iter().map(String::as_str).collect());
        }
        let mut options = EventsOptionsBuilder::default().since(&seconds(since)).filters(&filters);
        if let Some(until) = until {
            options = options.until(&seconds(until));
        }
        // The stream has no end, so its deadline is for the head of the answer only.
        let docker = self.patient(DEADLINE)?;
        Ok(docker.events(Some(options.build())).map(|item| item.map_err(EngineError::from)))
    }

    /// What the engine itself remembers of some containers.
    pub async fn remembered(&self, containers: &[String], now: Timestamp) -> Answer<Vec<(String, LifeEvent)>> {
        let dialect = self.dialect().await?;
        // Podman ends an answer about the past before it has told all of it: it is asked for what comes as well.
        let (until, pause) = if dialect.ends_history() { (Some(now), HISTORY_WAIT) } else { (None, HISTORY_PAUSE) };
        let stream = self.events(now - chrono::Duration::days(7), until, containers)?;
        let told = past(stream, pause).await?;
        Ok(told.into_iter().filter_map(|message| understood(message, dialect)).collect())
    }
}

/// What a stream tells before it pauses, if it begins to in time.
async fn past<T>(stream: impl Stream<Item = Answer<T>>, pause: Duration) -> Answer<Vec<T>> {
    let mut stream = std::pin::pin!(stream);
    let mut told = Vec::new();
    let Ok(Some(first)) = timeout(HISTORY_WAIT, stream.next()).await else { return Ok(told) };
    told.push(first?);
    let reading = async {
        while let Ok(Some(next)) = timeout(pause, stream.next()).await {
            told.push(next?);
        }
        Ok(())
    };
    match timeout(HISTORY_WAIT, reading).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Ok(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone as _, Utc};

    fn event(second: i64, action: &str) -> LifeEvent {
        let at = Utc.timestamp_opt(1_800_000_000 + second, 0).unwrap();
        LifeEvent { at, action: action.into(), attributes: [("exitCode".into(), "137".into())].into() }
    }

    #[test]
    fn the_memory_is_bounded_and_in_order() {
        let mut log = EventLog::default();
        assert!(log.record("a", event(5, "die")));
        assert!(!log.record("a", event(5, "die")));
        log.record("a", event(1, "start"));
        assert_eq!(log.of("a")[0].action, "start");
        for second in 0..1_000 {
            log.record("a", event(second, "health_status"));
        }
        assert_eq!(log.of("a").len(), PER_CONTAINER);
        for container in 0..CONTAINERS as i64 + 10 {
            log.record(&format!("c{container}"), event(container, "start"));
        }
        assert_eq!(log.rings.len(), CONTAINERS);
    }

    /// Numbers that come after so many milliseconds each, and then nothing for ever.
    fn coming(after: &'static [u64]) -> impl Stream<Item = Answer<usize>> {
        let numbers = futures_util::stream::iter(after.iter().enumerate()).then(|(number, after)| async move {
            tokio::time::sleep(Duration::from_millis(*after)).await;
            Ok(number)
        });
        numbers.chain(futures_util::stream::pending())
    }

    #[tokio::test]
    async fn a_history_may_begin_late_and_is_over_when_it_pauses() {
        let pause = Duration::from_millis(300);
        assert_eq!(past(coming(&[900, 0, 0]), pause).await.unwrap(), [0, 1, 2]);
        assert_eq!(past(coming(&[0, 3_600_000]), pause).await.unwrap(), [0]);
        assert_eq!(past(coming(&[3_600_000]), pause).await.unwrap(), [0; 0]);
        let broken = futures_util::stream::iter([Ok(0), Err(EngineError::Broken("it is gone".into()))]);
        assert!(past(broken, pause).await.is_err());
    }

    #[test]
    fn counts_are_of_the_wanted_time() {
        let mut log = EventLog::default();
        for (second, action) in [(0, "start"), (5, "oom"), (6, "die"), (7, "start"), (20, "die")] {
            log.record("a", event(second, action));
        }
        let all = log.result(&["a".into()], None, Dialect::Docker);
        let counts =
            |result: &Values| ["starts", "deaths", "ooms", "external_kills"].map(|name| result[name].as_i64().unwrap());
        assert_eq!(counts(&all), [2, 2, 1, 1]);
        let late = log.result(&["a".into()], Some(event(10, "").at), Dialect::Docker);
        assert_eq!(counts(&late), [0, 1, 0, 1]);
        let shape = crate::domain::spec_of("container.events").unwrap().returns;
        assert!(shape.coerce(serde_json::Value::Object(all)).is_ok());
    }
}

//! `process.events`.

use super::{
    service::{Managed, blocking},
    snapshot::instances,
};
use crate::{
    domain::{Timestamp, Values},
    execute::ExecuteError,
    shim::{LifeEvent, events},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Events that a result holds, the newest ones. More than a person reads; it bounds what goes into the journal.
const MOST_EVENTS: usize = 200;

/// The fields of a JSON object.
pub(super) fn values(object: Value) -> Values {
    match object {
        Value::Object(fields) => fields,
        other => Values::from_iter([("value".to_owned(), other)]),
    }
}

pub(super) async fn events(
    call: &str,
    managed: &Arc<Managed>,
    since: Option<Timestamp>,
) -> Result<Values, ExecuteError> {
    instances(call, managed).await?; // what has just ended is written down first
    let mut all = blocking(call, managed, |managed| {
        let mut all: Vec<(String, LifeEvent)> = Vec::new();
        for (n, folder) in managed.instances()? {
            let name = managed.instance_name(n);
            let read = events::read(&folder.events(), 10 * MOST_EVENTS)?;
            all.extend(read.into_iter().map(|event| (name.clone(), event)));
        }
        Ok(all)
    })
    .await?;
    all.retain(|(_, event)| since.is_none_or(|since| event.at >= since));
    all.sort_by_key(|(_, event)| event.at);
    Ok(result(&all, since))
}

fn result(all: &[(String, LifeEvent)], since: Option<Timestamp>) -> Values {
    let count = |wanted: &dyn Fn(&LifeEvent) -> bool| all.iter().filter(|(_, event)| wanted(event)).count();
    let died = |event: &LifeEvent, reason: &str| {
        event.action == "die" && event.attributes.get("reason").is_some_and(|found| found == reason)
    };
    let listed: Vec<Value> = all[all.len().saturating_sub(MOST_EVENTS)..]
        .iter()
        .map(|(instance, event)| {
            json!({"at": event.at, "action": event.action, "instance": instance, "attributes": event.attributes})
        })
        .collect();
    values(json!({
        "events": listed,
        "starts": count(&|event| event.action == "start"),
        "deaths": count(&|event| event.action == "die"),
        "ooms": count(&|event| event.action == "oom"),
        "external_kills": count(&|event| died(event, "killed")),
        "since": since,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_explains_is_an_outside_kill() {
        let die = |reason: &str| ("api".to_owned(), LifeEvent::now("die", [("reason", reason.into())]));
        let start = ("api".to_owned(), LifeEvent::now("start", []));
        let oom = ("api".to_owned(), LifeEvent::now("oom", []));
        let counted = result(&[start, die("killed"), oom, die("oom"), die("stopped")], None);
        assert_eq!((&counted["starts"], &counted["deaths"]), (&json!(1), &json!(3)));
        assert_eq!((&counted["ooms"], &counted["external_kills"]), (&json!(1), &json!(1)));
        let shape = crate::domain::spec_of("process.events").unwrap().returns;
        assert!(shape.coerce(Value::Object(counted)).is_ok());
    }
}

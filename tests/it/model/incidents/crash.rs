//! The daemon is killed while a model is asked: the incident goes on, does not ask for ever, and does nothing twice.

use super::{ALL, WAIT, agents, closed, exchanges, settings, thinking, unused};
use crate::model::asked::nothing_new;
use crate::model::scripted::{Reply, Scripted};
use crate::support::again::is_decided_alike;
use crate::support::cache;
use crate::support::command::eventually;
use serde_json::json;

#[test]
fn a_question_that_nobody_waits_for_any_more_is_not_repeated() {
    // The first two questions of a diagnosis, and the first about its end, are never answered.
    let told = std::sync::atomic::AtomicBool::new(false);
    let server = Scripted::with(move |index, asked| {
        let first_of_the_end = asked.form() == "summary" && !told.swap(true, std::sync::atomic::Ordering::Relaxed);
        if index < 2 || first_of_the_end { Reply::hang() } else { Reply::to(asked, &nothing_new(asked)) }
    });
    let mut daemon = cache::daemon(&thinking(&settings(), &agents(server.address(), &ALL)));
    let id = cache::killed(&daemon);
    for count in 1..=2 {
        eventually("a question hangs", WAIT, || match server.asked().len() {
            asked if asked == count => Ok(()),
            asked => Err(format!("{asked} questions")),
        });
        daemon.crash_and_restart();
    }
    eventually("the question about the end hangs", WAIT, || {
        let asked = server.asked();
        let last = asked.last().map_or("", |asked| asked.form());
        if last == "summary" { Ok(()) } else { Err(format!("{} questions, the last for {last}", asked.len())) }
    });
    daemon.crash_and_restart();
    let end = closed(&daemon, &id);
    is_decided_alike(&daemon, &id);
    let lost = "the process that asked ended before there was an answer";
    assert_eq!(unused(&end).iter().filter(|why| why.starts_with(lost)).count(), 3, "{}", daemon.story(&id));
    assert_eq!(unused(&end).len(), 3, "{}", daemon.story(&id));
    // Each exchange was sent once, by the process that began it.
    assert_eq!(exchanges(&end).len(), server.asked().len(), "{}", daemon.story(&id));
}

/// Closing does not stop a question that is under way; a crash does, and then it has an end all the same.
#[test]
fn what_was_asked_for_a_closed_incident_has_an_end_after_a_crash() {
    let server = Scripted::with(|_, _| Reply::hang());
    let mut daemon = cache::daemon(&thinking(&settings(), &agents(server.address(), &["planner"])));
    let id = cache::killed(&daemon);
    eventually("a question hangs", WAIT, || match server.asked().len() {
        1 => Ok(()),
        asked => Err(format!("{asked} questions")),
    });
    let answer = daemon.http.post(&format!("/api/v1/incidents/{id}/close"), &json!({})).expect("an answer");
    assert_eq!(answer.status, 204, "{}", answer.text);
    daemon.crash_and_restart();
    let end =
        daemon.wait_for(&id, "an end of the question", WAIT, |incident| incident["exchanges"][0]["settled"] == true);
    assert_eq!(end["state"], "closed", "{}", daemon.story(&id));
    assert_eq!((exchanges(&end).len(), server.asked().len()), (1, 1), "{}", daemon.story(&id));
    assert!(end["thought"]["usage"]["input"].as_u64().is_some_and(|tokens| tokens > 0), "{end}");
}

//! The daemon is killed while a model is asked: the incident goes on, does not ask for ever, and does nothing twice.

use super::{ALL, WAIT, agents, closed, exchanges, settings, thinking, unused};
use crate::model::asked::nothing_new;
use crate::model::scripted::{Reply, Scripted};
use crate::support::again::is_decided_alike;
use crate::support::cache;
use crate::support::command::eventually;

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

//! What thinking may cost: an incident, a day, in tokens and in money; the day also over a restart.

use super::{agents, asked_about, exchanges, id, resolved, settings, thinking};
use crate::model::asked::nothing_new;
use crate::model::scripted::{Reply, Scripted};
use crate::support::cache;
use crate::support::drive::reload;
use serde_json::json;

#[test]
fn what_may_be_spent_ends_the_asking_and_not_the_incident() {
    let server = Scripted::with(|_, asked| Reply::to(asked, &nothing_new(asked)));
    let plain = settings();
    let with = |budgets: serde_json::Value| {
        let mut agents = agents(server.address(), &super::ALL);
        agents["budgets"] = budgets;
        thinking(&plain, &agents)
    };
    // A question costs 1,100 tokens and 0.003, and might cost 36,096 and 0.10496: it is asked where there is as much left.
    let mut daemon = cache::daemon(&with(json!({"tokens_per_incident": 38_000})));
    let mut round = 0;
    let mut questions = |daemon: &crate::support::daemon::Daemon| {
        round += 1;
        let end = resolved(daemon, round);
        let asked: Vec<_> = exchanges(&end).iter().map(|exchange| exchange["agent"].to_string()).collect();
        assert!(exchanges(&end).iter().all(|exchange| exchange["unused"].is_null()), "{}", daemon.story(id(&end)));
        let why =
            |it: &serde_json::Value| it["why"].as_str().is_some_and(|why| why.contains("might cost more than is left"));
        let not_asked = end["not_asked"].as_array().expect("a list");
        assert!(!not_asked.is_empty() && not_asked.iter().all(why), "{}", daemon.story(id(&end)));
        asked.len()
    };
    assert_eq!(questions(&daemon), 2, "tokens of the incident");
    reload(&daemon, &with(json!({"money_per_incident": 0.11})), 1);
    assert_eq!(questions(&daemon), 2, "money of the incident");
    // Four questions were asked today.
    reload(&daemon, &with(json!({"tokens_per_day": 41_000})), 2);
    assert_eq!(questions(&daemon), 1, "tokens of the day");
    assert_eq!(questions(&daemon), 0, "tokens of the day, once more");
    daemon.crash_and_restart();
    daemon.sees_services();
    assert_eq!(questions(&daemon), 0, "tokens of the day, after a restart");
    reload(&daemon, &with(json!({"money_per_day": 0.1215})), 1);
    assert_eq!(questions(&daemon), 1, "money of the day");
    assert_eq!(questions(&daemon), 0, "money of the day, once more");
    assert_eq!(server.asked().len(), 6);
    assert_eq!(asked_about(&server).len(), 4, "each of four incidents asked for itself, though all have equal alerts");
}

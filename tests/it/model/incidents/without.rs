//! Without models, everything is as it was before there were any.

use super::{ALL, agents, course, exchanges, id, resolved, settings, thinking};
use crate::model::asked::nothing_new;
use crate::model::scripted::{Reply, Scripted};
use crate::support::again::is_decided_alike;
use crate::support::cache;
use serde_json::{Value, json};

#[test]
fn without_models_an_incident_takes_its_course_and_nobody_is_asked() {
    let server = Scripted::with(|_, asked| Reply::to(asked, &nothing_new(asked)));
    let plain = settings();
    // No agents.yml, one without models, one whose models nobody asks; and, for comparison, one that is in use.
    let nobody = agents(server.address(), &[]);
    let cases = [
        ("none", settings()),
        ("empty", thinking(&plain, &json!({"models": {}}))),
        ("unused", thinking(&plain, &nobody)),
        ("in use", thinking(&plain, &agents(server.address(), &ALL))),
    ];
    let mut courses: Vec<Vec<Value>> = Vec::new();
    for (what, settings) in cases {
        let daemon = cache::daemon(&settings);
        let end = resolved(&daemon, 1);
        is_decided_alike(&daemon, id(&end));
        courses.push(course(&daemon, id(&end)));
        let journal = daemon.journal(id(&end));
        let asking = journal.iter().filter(|event| event.to_string().contains("exchange_")).count();
        if what == "in use" {
            // Who only agrees changes nothing either.
            assert!(asking > 0 && server.connections() > 0, "{}", daemon.story(id(&end)));
        } else {
            assert_eq!((asking, exchanges(&end).len(), server.connections()), (0, 0, 0), "{what}");
            let metrics = daemon.http.get("/metrics").expect("an answer").text;
            let counted = metrics.lines().filter(|line| line.starts_with("oncalld_model_questions_total{"));
            assert_eq!(counted.count(), 0, "{metrics}");
        }
    }
    assert!(courses.iter().all(|course| *course == courses[0]), "{courses:#?}");
}

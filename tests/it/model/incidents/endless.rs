//! Models that never have enough: they come to an end, and the incident to its verdict.

use super::{agents, exchanges, id, resolved, settings, thinking, unused};
use crate::model::asked::{Asked, nothing_new};
use crate::model::scripted::{Reply, Scripted};
use crate::support::again::is_decided_alike;
use crate::support::cache;
use crate::support::drive::reload;
use serde_json::{Value, json};

/// Most questions of a diagnosis here.
const QUESTIONS: usize = 5;

/// Another step each time.
fn another_step(index: usize, asked: &Asked) -> Value {
    let mut proposal = asked.proposal();
    proposal["steps"] = json!([asked.step(&format!("again_{index}"), "check_resources")]);
    proposal
}

/// The same step each time.
fn the_same_step(_: usize, asked: &Asked) -> Value {
    another_step(0, asked)
}

/// Another part of what was captured, each time.
fn another_window(index: usize, asked: &Asked) -> Value {
    let mut proposal = asked.proposal();
    let window = |status: String| json!({"evidence": status, "first": index + 1, "lines": 5});
    proposal["windows"] = json!(asked.evidence("status").map(window).into_iter().collect::<Vec<_>>());
    proposal
}

/// The same part each time.
fn the_same_window(_: usize, asked: &Asked) -> Value {
    another_window(0, asked)
}

type Thought = fn(usize, &Asked) -> Value;

fn script(thought: Thought) -> Scripted {
    Scripted::with(move |index, asked| {
        let answer = if asked.form() == "proposal" { thought(index, asked) } else { nothing_new(asked) };
        Reply::to(asked, &answer)
    })
}

#[test]
fn whoever_revises_for_ever_comes_to_an_end() {
    let settings = settings();
    let daemon = cache::daemon(&settings);
    let cases: [(&str, Thought); 4] = [
        ("another step", another_step),
        ("the same step", the_same_step),
        ("another window", another_window),
        ("the same window", the_same_window),
    ];
    for (round, (what, thought)) in cases.into_iter().enumerate() {
        let server = script(thought);
        let mut agents = agents(server.address(), &["planner"]);
        agents["questions"] = json!(QUESTIONS);
        reload(&daemon, &thinking(&settings, &agents), round + 1);
        let end = resolved(&daemon, round + 1);
        is_decided_alike(&daemon, id(&end));
        let story = || format!("{what}\n{}", daemon.story(id(&end)));
        let (exchanges, asked) = (exchanges(&end), server.asked().len());
        assert!(exchanges.len() <= QUESTIONS, "{}", story());
        let journal = daemon.journal(id(&end));
        let by_model = journal.iter().filter(|event| event["plan"]["source"]["by"] == "model").count();
        match what {
            "another step" => assert_eq!((asked, by_model), (QUESTIONS, QUESTIONS), "{}", story()),
            // Its name is taken after the first time, which it is told twice.
            "the same step" => {
                let refused = unused(&end);
                assert!(refused.iter().all(|why| why.contains("name: 'again_0' is taken")), "{}", story());
                assert!(by_model == 1 && refused.len() >= 3, "{}", story());
            }
            "another window" => assert_eq!((asked, exchanges.len()), (QUESTIONS, QUESTIONS), "{}", story()),
            // What was shown is not shown again: what else it says counts.
            _ => {
                let windows = |exchange: &Value| exchange["windows"].as_array().map_or(0, Vec::len);
                let shown: Vec<usize> = exchanges.iter().map(windows).collect();
                let wanted: Vec<usize> = (0..shown.len()).map(|index| index % 2).collect();
                assert!(asked >= 2 && shown == wanted && unused(&end).is_empty(), "{shown:?}\n{}", story());
            }
        }
    }
}

//! Every trouble that a model can make, in one whole incident each: the runbooks come to the same end, the journal says
//! why, and nobody waits longer than the configured time.

use super::{ALL, agents, course, exchanges, id, lasted, resolved, settings, thinking, unused};
use crate::model::asked::{Asked, nothing_new};
use crate::model::scripted::{Reply, Scripted};
use crate::support::again::is_decided_alike;
use crate::support::cache;
use crate::support::drive::reload;
use serde_json::{Value, json};

/// What each agent may wait.
const TIME_OUT: i64 = 1_000;

/// What a machine that does other things as well may take longer over an incident, in milliseconds. What a trouble could
/// cost is far more: a model's own time-out is a minute here, and the wait that it asks for an hour.
const SLACK: i64 = 30_000;

enum Server {
    /// At this address.
    At(&'static str),
    /// Whatever is asked.
    Saying(fn() -> Reply),
    /// By the question.
    Answering(fn(&Asked) -> Reply),
}

/// What is wrong, what plays it, and the words of the journal; none where the answers can be used.
type Trouble = (&'static str, Server, &'static [&'static str]);

fn completion(change: fn(&mut Value)) -> Reply {
    Reply::openai_but("{}", change)
}

/// An answer with something of the vendor's left out or odd.
fn odd(asked: &Asked) -> Reply {
    Reply::openai_but(&nothing_new(asked).to_string(), |answer| {
        answer["choices"][0]["finish_reason"] = Value::Null;
        let fields = answer.as_object_mut().expect("an object");
        fields.retain(|name, _| name == "choices");
    })
}

/// A step that nobody offered, a citation that does not exist, and no summary.
fn invalid(asked: &Asked) -> Reply {
    let mut answer = nothing_new(asked);
    match asked.form() {
        "proposal" => {
            let mut step = asked.step("mend_it", "get_status");
            step["operation"] = json!("restart_service");
            answer["steps"] = json!([step]);
        }
        "claims" => {
            answer["findings"] = json!([{"summary": "so it was", "cites": ["inc_nowhere.r1.1"], "cause": null}])
        }
        _ => answer = json!({}),
    }
    Reply::to(asked, &answer)
}

fn troubles() -> Vec<Trouble> {
    use Server::{Answering, At, Saying};
    let plain = || Reply::json(404, json!({"error": "model 'x' not found, try pulling it first"}));
    let vllm = || Reply::json(400, json!({"object": "error", "message": "too long", "type": "Bad", "code": 400}));
    let hour = || Reply::text(429, "slow down").header("retry-after", "3600");
    let page = || Reply::text(404, "<html><head><title>Nothing here</title></head></html>");
    vec![
        ("nobody listens", At("http://127.0.0.1:1"), &["the model is away"]),
        ("its name is unknown", At("http://model.invalid"), &["the model is away", "did not answer within"]),
        // Some networks answer for whoever is not there.
        ("there is no way to it", At("http://192.0.2.1"), &["the model", "did not answer within"]),
        ("it hangs", Saying(Reply::hang), &["did not answer within"]),
        ("it is slow", Saying(|| Reply::drip(&Reply::openai(&"x".repeat(10_000)))), &["did not answer within"]),
        ("it hangs up", Saying(Reply::close), &["the connection to the model broke"]),
        ("it hangs up half way", Saying(|| Reply::half(&Reply::openai("{}"))), &["the connection to the model broke"]),
        ("it speaks no HTTP", Saying(Reply::garbage), &["the connection to the model broke"]),
        ("the key is wrong", Saying(|| Reply::text(401, "who?")), &["the model's key was refused: who?"]),
        ("it wants an hour", Saying(hour), &["the model takes no more questions now: slow down"]),
        ("it fails", Saying(|| Reply::text(500, "oops")), &["the model's server failed (500): oops"]),
        ("a web page", Saying(page), &["the model refused the question (404): a web page: Nothing here"]),
        ("an error of vLLM", Saying(vllm), &["the model refused the question (400): too long"]),
        ("an error in plain words", Saying(plain), &["refused the question (404): model 'x' not found"]),
        (
            "a refusal",
            Saying(|| completion(|answer| answer["choices"][0]["message"]["refusal"] = json!("I will not."))),
            &["the model declined: I will not."],
        ),
        (
            "it is cut off",
            Saying(|| completion(|answer| answer["choices"][0]["finish_reason"] = json!("length"))),
            &["the answer was cut off"],
        ),
        (
            "it says nothing",
            Saying(|| completion(|answer| answer["choices"][0]["message"]["content"] = json!(""))),
            &["the answer is empty"],
        ),
        ("it says too much", Saying(|| Reply::large(10 << 20, true)), &["the answer is larger than 2048 KiB"]),
        ("no API", Saying(|| Reply::text(200, "OK")), &["the answer is not of this API"]),
        ("no JSON", Saying(|| Reply::openai("It is DNS.")), &["the answer was refused: expected value"]),
        ("an invalid answer", Answering(invalid), &["the answer was refused: "]),
        ("an odd answer", Answering(odd), &[]),
    ]
}

#[test]
fn whatever_the_trouble_the_runbooks_come_to_their_end_in_time() {
    let settings = settings();
    let daemon = cache::daemon(&settings);
    let plain = resolved(&daemon, 0);
    assert_eq!(exchanges(&plain), &[] as &[Value]);
    let (ever, took) = (course(&daemon, id(&plain)), lasted(&daemon, id(&plain)));
    for (round, (what, server, words)) in troubles().into_iter().enumerate() {
        let (address, server) = match server {
            Server::At(address) => (address.to_owned(), None),
            Server::Saying(reply) => served(Scripted::with(move |_, _| reply())),
            Server::Answering(reply) => served(Scripted::with(move |_, asked| reply(asked))),
        };
        let mut agents = agents(&address, &ALL);
        for role in ALL {
            agents[role]["timeout"] = json!("1s");
        }
        reload(&daemon, &thinking(&settings, &agents), round + 1);
        let end = resolved(&daemon, round + 1);
        is_decided_alike(&daemon, id(&end));
        let story = || format!("{what}\n{}", daemon.story(id(&end)));
        assert_eq!(course(&daemon, id(&end)), ever, "{}", story());
        let (asked, unused) = (exchanges(&end), unused(&end));
        assert!(!asked.is_empty() && asked.iter().all(|exchange| exchange["settled"] == true), "{}", story());
        if words.is_empty() {
            assert_eq!(unused, [""; 0], "{}", story());
        } else {
            assert_eq!(unused.len(), asked.len(), "{}", story());
            assert!(words.iter().any(|word| unused[0].contains(word)), "{}", story());
            assert!(unused.iter().any(|why| why.ends_with("; the runbooks serve")), "{}", story());
        }
        if let Some(server) = server {
            assert!(!server.asked().is_empty(), "{}", story());
            if what == "an invalid answer" {
                assert_eq!(server.asked().len(), asked.len(), "what was refused is not answered from memory");
            }
            asked_again_with_faults(&server, asked);
        }
        let failed = asked.iter().filter(|exchange| exchange["end"]["outcome"]["is"] == "failed");
        let lost: i64 = failed.filter_map(|exchange| exchange["end"]["milliseconds"].as_i64()).sum();
        // Whoever is woken at a deadline is woken a little after it; what is lost twice is more than that.
        assert!(lost < 2 * TIME_OUT, "{lost} ms were lost\n{}", story());
        let delay = lasted(&daemon, id(&end)) - took;
        assert!(delay < TIME_OUT + SLACK, "{delay} ms later than without models\n{}", story());
    }
}

fn served(server: Scripted) -> (String, Option<Scripted>) {
    (server.address().to_owned(), Some(server))
}

/// What is asked again has the exact faults, and nothing is asked again more than twice.
fn asked_again_with_faults(server: &Scripted, exchanges: &[Value]) {
    let mut repairs = 0;
    let sent = server.asked();
    for (exchange, asked) in exchanges.iter().zip(&sent) {
        let faults = exchange["faults"].as_array().map_or(&[][..], Vec::as_slice);
        repairs = if faults.is_empty() { 0 } else { repairs + 1 };
        assert!(repairs <= 2, "{exchange}");
        let told = asked.text();
        for fault in faults.iter().filter_map(Value::as_str) {
            assert!(told.contains(fault), "'{fault}' is not told:\n{told}");
        }
        let turns = asked.body["messages"].as_array().map_or(0, Vec::len);
        assert_eq!(turns, if faults.is_empty() { 2 } else { 4 }, "its answer and what is wrong with it");
    }
}

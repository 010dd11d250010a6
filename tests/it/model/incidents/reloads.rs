//! A changed agents.yml, prompt or key: the next question has it, of whatever incident, and what is broken is refused.

use super::{ALL, WAIT, agents, closed, exchanges, id, resolved, settings, thinking};
use crate::model::asked::nothing_new;
use crate::model::scripted::{Reply, Scripted};
use crate::support::again::is_decided_alike;
use crate::support::cache;
use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::drive::{pending, reload};
use serde_json::json;

fn server() -> Scripted {
    Scripted::with(|_, asked| Reply::to(asked, &nothing_new(asked)))
}

/// The settings with this prompt of the reporter and this key.
fn with(settings: &Settings, agents: &serde_json::Value, prompt: &str, key: &str) -> Settings {
    let mut settings = thinking(settings, agents);
    settings.files.push(("config/prompts/reporter.md".to_owned(), format!("{prompt}: ${{{{ marker }}}}\n")));
    settings.files.push(("key".to_owned(), format!("{key}\n")));
    settings
}

#[test]
fn the_next_question_has_what_was_changed() {
    let (one, two) = (server(), server());
    let plain = Settings { policies: None, ..cache::settings("approve") };
    let of = |server: &Scripted| {
        let mut agents = agents(server.address(), &ALL);
        agents["models"]["scripted"]["key_file"] = json!("../key");
        agents
    };
    let daemon = cache::daemon(&with(&plain, &of(&one), "Say it in prose", "sk-first"));
    let first = cache::killed(&daemon);
    let asking = daemon.wait_for(&first, "asking", WAIT, |incident| !pending(incident).is_empty());
    let before = one.asked().len();
    assert!(before > 0 && one.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer sk-first")));

    // While it waits for people: another prompt, and another key for the same server.
    reload(&daemon, &with(&plain, &of(&one), "Say it in verse", "sk-second"), 1);
    daemon.approve(pending(&asking)[0]);
    closed(&daemon, &first);
    let rest = one.asked().split_off(before);
    let [told] = rest.as_slice() else { panic!("its reporter asks: {rest:?}") };
    assert!(told.text().contains("Say it in verse: "), "it goes with the models in force: {}", told.text());
    assert_eq!(told.header("authorization"), Some("Bearer sk-second"), "a key that is exchanged is no more use");

    // Another model.
    reload(&daemon, &with(&plain, &of(&two), "Say it in verse", "sk-third"), 2);
    let second = cache::killed_again(&daemon, 2);
    let asking = daemon.wait_for(&second, "asking", WAIT, |incident| !pending(incident).is_empty());
    daemon.approve(pending(&asking)[0]);
    closed(&daemon, &second);
    for id in [&first, &second] {
        is_decided_alike(&daemon, id);
    }
    assert_eq!(one.asked().len(), before + 1, "nobody asks it any more");
    let asked = two.asked();
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some("Bearer sk-third")));
    assert!(asked.last().is_some_and(|asked| asked.text().contains("Say it in verse: ")));
}

#[test]
fn what_is_broken_is_refused_and_the_old_one_serves() {
    let (server, plain) = (server(), settings());
    let good = agents(server.address(), &ALL);
    let daemon = cache::daemon(&thinking(&plain, &good));
    let mut nobody = good.clone();
    nobody["planner"]["models"] = json!(["gpt"]);
    let mut keyless = good.clone();
    keyless["models"]["scripted"]["key_file"] = json!("/nowhere/key");
    let mut unprompted = thinking(&plain, &good);
    unprompted.files.push(("config/prompts/planner.md".to_owned(), "About ${{ alert }}.\n".to_owned()));
    let broken = [
        (thinking(&plain, &nobody), "agents.yml"),
        (thinking(&plain, &keyless), "/nowhere/key"),
        (unprompted, "planner.md"),
    ];
    for (count, (settings, told)) in broken.iter().enumerate() {
        daemon.reload(settings);
        refused(&daemon, count + 1);
        assert!(daemon.logged().contains(told), "{told} is not told:\n{}", daemon.logged());
        let asked = server.asked().len();
        let end = resolved(&daemon, count + 1);
        assert!(!exchanges(&end).is_empty() && server.asked().len() > asked, "{}", daemon.story(id(&end)));
    }
}

fn refused(daemon: &Daemon, count: usize) {
    eventually("it is refused", WAIT, || {
        let refused = super::metric(daemon, "oncalld_config_reloads_total{outcome=\"refused\"}");
        if refused == count as f64 { Ok(()) } else { Err(daemon.logged()) }
    });
}

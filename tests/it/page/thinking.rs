//! Models that think: seen while they are asked, and what they say is shown as theirs, as text.

use super::{HOSTILE, Scene};
use crate::model::asked::{Asked, nothing_new};
use crate::model::scripted::{Reply, Scripted};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Models that answer the first question when they are let; they plan well once, and then badly.
fn models() -> (Scripted, Sender<()>) {
    let (let_go, held) = channel();
    let (held, plans) = (Mutex::new(held), Arc::new(AtomicUsize::new(0)));
    let server = Scripted::with(move |index, asked| {
        if index == 0 {
            // The page is looked at in the meantime.
            let _ = held.lock().expect("no panic").recv_timeout(Duration::from_secs(120));
        }
        Reply::openai(&answer(asked, &plans).to_string())
    });
    (server, let_go)
}

fn answer(asked: &Asked, plans: &AtomicUsize) -> Value {
    let mut answer = nothing_new(asked);
    match asked.form() {
        "proposal" => {
            let mut step = asked.step("load", "check_resources");
            if plans.fetch_add(1, Ordering::SeqCst) == 0 {
                step["reason"] = json!(format!("to be sure {HOSTILE}"));
                step["expects"] = json!({"when": null, "success": "status.ready", "duration": "5s",
                    "meanings": [{"result": "!status.ready", "meaning": format!("it is down {HOSTILE}")}]});
            } else {
                step["operation"] = json!("get_root");
                step["name"] = json!("root");
            }
            answer["steps"] = json!([step]);
        }
        "summary" => answer["summary"] = json!(format!("It was down.\n\nIt is up again. {HOSTILE}")),
        _ => {}
    }
    answer
}

fn agents(server: &Scripted) -> String {
    let model = json!({"provider": "compatible", "base_url": format!("{}/v1", server.address()), "model": "m",
        "timeout": "150s", "prices": {"input": 1.0, "output": 2.0}});
    let agent = json!({"models": ["mini"], "timeout": "150s"});
    json!({"models": {"mini": model}, "planner": agent, "analyst": agent, "reporter": agent}).to_string()
}

#[test]
fn what_models_are_asked_and_say_is_seen_as_it_happens() {
    let (server, let_go) = models();
    let Some(scene) = Scene::open_with(vec![("config/agents.yml".to_owned(), agents(&server))]) else { return };
    let (browser, daemon) = (&scene.browser, &scene.daemon);
    scene.place.kill(daemon, "api");
    browser.visit("");
    scene.sign_in("approver");
    let labels = json!({"alertname": "ServiceDown", "severity": "critical", "service": "api"});
    let id = daemon.alert(&labels);
    browser.visit(&format!("#/incidents/{id}"));

    browser.reads("[data-name=exchanges] li", "asking mini…");
    browser.fits("thinking-asks");
    let_go.send(()).expect("a model that waits");
    browser.reads("[data-name=exchanges] li", "mini proposed 1 step");
    browser.reads("[data-name=exchanges] li", "the answer was refused: steps[0] (get_root): no such operation");
    browser.reads("[data-name=exchanges] li", "the runbooks serve");
    browser.reads("[data-phase=isolation] dd", "status.ready");
    browser.reads("[data-phase=isolation] dd", &format!("it is down {HOSTILE}"));
    browser.reads("[data-phase=isolation] .step", &format!("to be sure {HOSTILE}"));
    browser.fits("thinking");
    browser.click(".asks button", "Approve");
    browser.reads("[aria-label=\"In a model's words\"]", HOSTILE);
    browser.reads("[aria-label=\"In a model's words\"]", "Written by the model mini");
    browser.click("button", "Report");
    browser.reads(".report h4", "In a model's words");
    browser.reads(".report h4", "Models");
    browser.reads(".report p", HOSTILE);
    browser.fits("thinking-told");

    let incident = daemon.incident(&id);
    let (thought, asked) = (&incident["thought"], server.asked().len());
    assert_eq!(thought["questions"], asked, "{}", daemon.story(&id));
    assert_eq!(thought["usage"], json!({"input": 1_000 * asked, "output": 100 * asked}));
    assert_eq!(thought["cost"], 1_200 * asked);
    assert_eq!(incident["prose"]["model"], "mini");
    scene.is_quiet(&["status of 401"]);
}

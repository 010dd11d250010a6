//! Several models of one agent: who is asked, for how long, and what all of it costs.

use super::{agents, chain, config, question};
use crate::model::scripted::{Reply, Scripted};
use crate::support::waiting::eventually;
use oncalld::{
    config::{ModelConfig, Prices, Provider},
    domain::{AgentRole, Cost, TimeSpan, Usage},
    llm::chains,
};
use serde_json::json;
use std::time::{Duration, Instant};

const LONG: TimeSpan = TimeSpan::from_secs(60);

fn at(server: &Scripted, provider: Provider) -> ModelConfig {
    config(provider, server.address())
}

/// Every kind of trouble leads to the next model, of another vendor, and is told.
#[tokio::test]
async fn the_next_model_is_asked_whatever_the_trouble() {
    let cut_off = Reply::openai_but("{", |answer| answer["choices"][0]["finish_reason"] = json!("length"));
    let filtered = Reply::openai_but("", |answer| answer["choices"][0]["finish_reason"] = json!("content_filter"));
    for (reply, why, input) in [
        (Reply::text(401, "who?"), "mini: the model's key was refused: who?; correct 'key' in agents.yml", 1000),
        (Reply::text(404, "?"), "mini: the model refused the question (404): ?", 1000),
        (Reply::text(429, "later"), "mini: the model takes no more questions now: later", 1000),
        (Reply::text(500, "oops"), "mini: the model's server failed (500): oops", 1000),
        (filtered, "mini: the model declined: its vendor's filter holds the answer back", 2000),
        (cut_off, "mini: the answer was cut off; raise max_output_tokens in agents.yml", 2000),
    ] {
        let (first, second) = (Scripted::playing([reply]), Scripted::playing([Reply::anthropic("{}")]));
        let models = [("mini", at(&first, Provider::OpenAi)), ("sonnet", at(&second, Provider::Anthropic))];
        let asked = chain(&models, LONG).ask(&question(), LONG).await;
        assert_eq!(asked.model, "sonnet", "{why}");
        assert_eq!(asked.answer.as_ref().expect("an answer").text, "{}");
        assert_eq!(asked.words(), why);
        assert_eq!(asked.usage.input, input, "{why}");
    }
}

#[tokio::test]
async fn an_answer_ends_the_asking_and_costs_what_all_cost() {
    let empty = Scripted::playing([Reply::openai(" ")]);
    let good = Scripted::playing([Reply::openai("{}")]);
    let never = Scripted::playing([Reply::openai("never")]);
    let dear = Prices { input: 100.0, output: 400.0 };
    let models = [
        ("empty", ModelConfig { prices: dear, ..at(&empty, Provider::OpenAi) }),
        ("good", at(&good, Provider::Compatible)),
        ("never", at(&never, Provider::Ollama)),
    ];
    let asked = chain(&models, LONG).ask(&question(), LONG).await;
    assert_eq!((asked.model.as_str(), asked.words().as_str()), ("good", "empty: the answer is empty"));
    assert_eq!(asked.usage, Usage { input: 2000, output: 200 });
    // 1000 tokens at 100, and 100 at 400, a million; the same at 2 and 10.
    assert_eq!(asked.cost, Cost(143_000));
    assert!(never.asked().is_empty());
}

/// An outage costs its time-out once, not at each question, and whoever asks next knows of it.
#[tokio::test]
async fn a_model_that_does_not_answer_is_left_alone_for_a_while() {
    let (away, there) = (Scripted::playing([Reply::hang()]), Scripted::playing([Reply::openai("{}")]));
    let slow = ModelConfig { timeout: TimeSpan::from_millis(300), ..at(&away, Provider::OpenAi) };
    let models = [("away", slow), ("there", at(&there, Provider::OpenAi))];
    crate::support::http::install_tls();
    let mut agents = agents(&models, LONG);
    agents.analyst.models = vec!["away".into()];
    let chains = chains(&agents).expect("clients");
    let planner = &chains[&AgentRole::Planner];
    assert_eq!(planner.ask(&question(), LONG).await.words(), "away: the model did not answer within 300ms");
    for _ in 0..5 {
        let again = planner.ask(&question(), LONG).await;
        assert_eq!(again.model, "there");
        assert!(again.words().starts_with("away: not asked for another "), "{}", again.words());
        assert!(again.words().ends_with(", because the model did not answer within 300ms"), "{}", again.words());
    }
    let analyst = chains[&AgentRole::Analyst].ask(&question(), LONG).await;
    assert_eq!((analyst.answer, analyst.usage), (None, Usage::default()));
    assert_eq!((away.asked().len(), there.asked().len()), (1, 6));
}

#[tokio::test]
async fn a_model_that_says_when_is_asked_again_then() {
    let server = Scripted::playing([Reply::text(429, "slow down").header("retry-after", "1"), Reply::openai("{}")]);
    let chain = chain(&[("mini", at(&server, Provider::OpenAi))], LONG);
    let started = Instant::now();
    assert_eq!(chain.ask(&question(), LONG).await.answer, None);
    let later = eventually("it is asked again", || async {
        let asked = chain.ask(&question(), LONG).await;
        asked.answer.is_some().then_some(()).ok_or_else(|| asked.words())
    });
    later.await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.asked().len(), 2, "in between it was left alone");
}

/// What an incident has lost already is not waited for again, and what was asked in that time is paid for.
#[tokio::test]
async fn less_may_be_waited_than_the_agents_time() {
    let server = Scripted::playing([Reply::hang()]);
    let chain = chain(&[("mini", at(&server, Provider::OpenAi))], LONG);
    let asked = chain.ask(&question(), TimeSpan::from_millis(200)).await;
    // Some of the time may be gone already.
    let within = asked.words().strip_prefix("mini: the model did not answer within ").map(str::parse::<TimeSpan>);
    assert!(matches!(within, Some(Ok(within)) if within <= TimeSpan::from_millis(200)), "{}", asked.words());
    assert!(asked.usage.input > 0 && asked.cost > Cost(0), "{asked:?}");
    let asked = chain.ask(&question(), TimeSpan::from_millis(0)).await;
    assert_eq!(asked.words(), "mini: not asked, because the agent's time was up");
    assert_eq!(server.asked().len(), 1);
}

/// Many models that all hang cost what one may: the agent's time, not the sum of theirs.
#[tokio::test]
async fn one_deadline_is_over_all_models() {
    let hanging = Scripted::playing([Reply::hang()]);
    let models = ["a", "b", "c", "d"].map(|name| (name, at(&hanging, Provider::Compatible)));
    let within = TimeSpan::from_millis(600);
    let started = Instant::now();
    let asked = chain(&models, within).ask(&question(), LONG).await;
    assert!(started.elapsed() < Duration::from_secs(30), "four models of a minute each: {:?}", started.elapsed());
    assert_eq!((asked.model.as_str(), &asked.answer), ("a", &None));
    let whys: Vec<&str> = asked.troubles.iter().map(|trouble| trouble.why.as_str()).collect();
    let late = "not asked, because the agent's time was up";
    assert!(whys[0].starts_with("the model did not answer within "), "{whys:?}");
    assert_eq!(whys[1..], [late, late, late]);
    assert_eq!(hanging.asked().len(), 1);
}

/// What asking adds to what a model takes.
#[tokio::test]
async fn asking_itself_takes_milliseconds() {
    let server = Scripted::playing([Reply::openai("{}")]);
    let chain = chain(&[("mini", at(&server, Provider::OpenAi))], LONG);
    let mut times = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        assert!(chain.ask(&question(), LONG).await.answer.is_some());
        times.push(started.elapsed());
    }
    // The least, since other tests may have the machine for themselves meanwhile.
    assert!(times.iter().min() < Some(&Duration::from_millis(50)), "{times:?}");
}
